"""Controls that live in the address bar: a link opens the same picture on another machine."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx


def followed() -> None:
    """Have the stage and all that follows it drawn again; the callback of what sets a chapter's values, or the last line of one.

    Where the whole page is run anyway (a first visit, Streamlit's own tests) there is nothing to ask for.
    """
    context = get_script_run_ctx()
    if context and context.fragment_ids_this_run:
        st.rerun(st.session_state["_followers"])


MOST_LISTED = 12  # places of a slider that a notice names one by one
BOUND: dict[str, Any] = {"bind": "query-params", "on_change": followed}  # of every control


@dataclass(frozen=True)
class Control:
    """A labelled value with a URL name.

    more: fold it under “More”. term: what it changes in the equation, as LaTeX of the symbol or as name of a place for a form;
    several in a tuple. when: draw it only if this holds for the values of the controls declared before it. was: what links of older
    editions say instead, and the value that they mean.
    """

    key: str
    label: str
    default: Any
    help: str | None = None
    more: bool = False
    term: str | tuple[str, ...] = ()
    when: Callable[[Mapping[str, Any]], bool] | None = None
    was: Mapping[str, Any] = field(default_factory=dict)

    @property
    def terms(self) -> tuple[str, ...]:
        """What it changes in the equation, one by one."""
        return (self.term,) if isinstance(self.term, str) else self.term

    def valid(self, raw: str) -> bool:
        """Would this text, found in the URL, be accepted?"""
        raise NotImplementedError

    def expects(self) -> str:
        """What a valid value looks like, for the notice under a bad link."""
        raise NotImplementedError

    def url(self, value: Any) -> str:
        """How `value` is written in a link."""
        return str(value)

    def draw(self, before: Mapping[str, Any]) -> Any:
        """Mount the widget and return its value. before: values of the controls that were drawn before it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Slider(Control):
    """A number between `low` and `high`, or one of an ordered list of `options`.

    previewed: the picture follows the thumb. False where that would take too long; the control then says so, and `waits`: why.
    """

    low: float = 0
    high: float = 1
    step: float | None = None
    options: Sequence[Any] = ()
    format: str | Callable[[Any], str] | None = None
    previewed: bool = True
    waits: str = ""

    def at(self, place: float) -> Any:
        """The value at a place of the slider, as the browser counts: the number itself, or the option's index. Raises ValueError."""
        if self.options:
            return self.options[min(max(round(place), 0), len(self.options) - 1)]
        if not self.low <= place <= self.high:
            raise ValueError(f"{self.key} takes {self.expects()}")
        return type(self.default)(place)

    def valid(self, raw):
        if self.options:
            return raw in self._texts()
        try:
            return self.low <= float(raw) <= self.high
        except ValueError:
            return False

    def expects(self):
        if not self.options:
            return f"a number from {self.low:g} to {self.high:g}"
        texts = self._texts()
        listed = texts if len(texts) <= MOST_LISTED else [*texts[:3], f"… ({len(texts)} in all)", texts[-1]]
        return f"one of {', '.join(listed)}"

    def url(self, value):
        return self.format(value) if callable(self.format) else str(value)

    @property
    def explained(self) -> str | None:
        """Its help, and that the picture waits for the thumb to be let go where it does."""
        acts = "" if self.previewed else f"Acts when you let go{self.waits and ': '}{self.waits}."
        return " ".join(filter(None, (self.help, acts))) or None

    def _texts(self):
        return [self.url(option) for option in self.options]

    def _digits(self) -> str | None:
        """As many decimals as the steps need: 40, not 40.00."""
        if not isinstance(self.default, float) or self.step is None:
            return None
        needed = (-Decimal(str(value)).normalize().as_tuple().exponent for value in (self.low, self.step))
        return f"%.{max(0, *needed)}f"

    def draw(self, before):
        if self.options:
            return st.select_slider(
                self.label, self.options, self.default, format_func=self.url, key=self.key, help=self.explained, **BOUND
            )
        return st.slider(
            self.label,
            self.low,
            self.high,
            self.default,
            self.step,
            format=self.format or self._digits(),
            key=self.key,
            help=self.explained,
            **BOUND,
        )


@dataclass(frozen=True)
class Number(Control):
    """A number typed in, such as a seed."""

    low: int = 0
    high: int = 2**31 - 1

    def valid(self, raw):
        try:
            return self.low <= int(raw) <= self.high
        except ValueError:
            return False

    def expects(self):
        return f"a whole number from {self.low} to {self.high}"

    def draw(self, before):
        # a number field that finds infinity or nothing in the URL raises (Streamlit 1.67); after such a link it is left unbound
        bound = BOUND | ({"bind": None} if self.key in st.session_state.get("_unbound", ()) else {})
        return st.number_input(self.label, self.low, self.high, self.default, key=self.key, help=self.help, **bound)


@dataclass(frozen=True)
class Choice(Control):
    """One of a few named options; `labels` maps an option to what is shown (and to what the URL carries)."""

    options: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    wide: bool = False

    def url(self, value):
        return self.labels.get(value, value)

    def valid(self, raw):
        return raw in [self.url(option) for option in self.options]

    def expects(self):
        return f"one of {', '.join(self.url(option) for option in self.options)}"

    def draw(self, before):
        if self.wide or len(self.options) > 4:
            return st.selectbox(
                self.label,
                self.options,
                self.options.index(self.default),
                format_func=self.url,
                key=self.key,
                help=self.help,
                **BOUND,
            )
        return st.segmented_control(
            self.label,
            self.options,
            default=self.default,
            required=True,
            wrap=True,
            format_func=self.url,
            key=self.key,
            help=self.help,
            **BOUND,
        )


@dataclass(frozen=True)
class Text(Control):
    """A line of text; what it means is checked where it is used.

    check: would this text, found in a link, make sense? expected: what does, for the notice under a bad link.
    """

    max_chars: int = 60
    placeholder: str | None = None
    check: Callable[[str], bool] | None = None
    expected: str = ""

    def valid(self, raw):
        return len(raw) <= self.max_chars and (self.check is None or self.check(raw))

    def expects(self):
        return self.expected or f"at most {self.max_chars} characters"

    def draw(self, before):
        return st.text_input(self.label, self.default, self.max_chars, key=self.key, help=self.help, placeholder=self.placeholder, **BOUND)


@dataclass(frozen=True)
class Toggle(Control):
    """On or off."""

    def url(self, value):
        return str(value).lower()

    def valid(self, raw):
        return raw.lower() in ("true", "false")

    def expects(self):
        return "true or false"

    def draw(self, before):
        return st.toggle(self.label, self.default, key=self.key, help=self.help, **BOUND)


@dataclass(frozen=True)
class Scene:
    """A named set of values: a lecturer's cue, or (`breaks`) the setting that makes the method fail.

    look: one sentence on what to look at.
    """

    name: str
    values: Mapping[str, Any]
    look: str
    breaks: bool = False


def _start_afresh(slug: str, declared: Sequence[Control]) -> None:
    """A chapter begins with its link and its defaults, not with what the last chapter had under the same keys.

    Streamlit (1.67) sees to that, unless a fragment of the old page asks for its next run while the page changes: the two requests
    become one, and it carries the old values.
    """
    if st.session_state.get("_chapter", slug) != slug:
        st.session_state.pop("_put", None)
        _set(
            {control.key: control.default for control in declared if control.key in st.session_state and control.key not in st.query_params}
        )
    st.session_state["_chapter"] = slug


def _notices(slug: str, declared: Sequence[Control]) -> list[str]:
    """Bad URL values, in the reader's words; remembered until a control is moved."""
    store = st.session_state.setdefault("_notices", {})
    bad = []
    for control in declared:
        raw = st.query_params.get(control.key)
        if raw in control.was:
            _set({control.key: control.was[raw]})  # Streamlit drops the text from the address and takes this value
        elif raw is not None and not control.valid(raw):
            shown = raw if len(raw) <= 40 else raw[:40] + "…"
            bad.append(
                f"**{control.label}** cannot be “`{shown.replace('`', '')}`” (the link says so): it takes "
                f"{control.expects()}. The default is used."
            )
            if isinstance(control, Number):
                st.session_state.setdefault("_unbound", set()).add(control.key)
    if bad:
        store[slug] = bad
    return store.get(slug, [])


def controls(slug: str, declared: Sequence[Control], notice: DeltaGenerator, *, more_label: str = "More") -> dict[str, Any]:
    """Draw the controls of a chapter and return their values by key.

    Also notes which control moved last (for the live equation) and says kindly, in the place `notice` (an `st.empty()`), which
    values of a link were unusable.
    """
    _start_afresh(slug, declared)
    _set(st.session_state.pop("_put", {}))
    notices = _notices(slug, declared)
    values: dict[str, Any] = {}

    def draw(some: Sequence[Control]) -> None:
        for control in some:
            if control.when is None or control.when(values):
                drawn = control.draw(values)
                values[control.key] = control.default if drawn is None else drawn  # an emptied field

    draw([control for control in declared if not control.more])
    if hidden := [control for control in declared if control.more]:
        with st.expander(more_label):
            draw(hidden)
    state = st.session_state.setdefault("_controls", {}).setdefault(slug, {"values": values, "moved": None})
    moved = [key for key, value in values.items() if state["values"].get(key) != value]
    if moved:
        state["moved"] = moved[0] if len(moved) == 1 else None
        st.session_state["_notices"].pop(slug, None)
        notices = []
    state["values"] = values
    state["declared"] = declared
    if notices:
        with notice.container():
            for words in notices:
                st.warning(words, icon=":material/link_off:")
    return values


def last_moved(slug: str) -> str | None:
    """Key of the control that moved last on this chapter, if one did."""
    return st.session_state.get("_controls", {}).get(slug, {}).get("moved")


def in_force(slug: str) -> Mapping[str, Any]:
    """Values of the controls that this chapter shows, by key."""
    return st.session_state["_controls"][slug]["values"]


def _set(values: Mapping[str, Any]) -> None:
    """Set controls that this run has not drawn yet."""
    for key, value in values.items():
        st.session_state[key] = value


def put(values: Mapping[str, Any]) -> None:
    """Set controls from a callback (widgets of the coming run then start from these values).

    The run that `followed` asks for does not know any more that a callback set them, and would not tell the browser (Streamlit 1.67):
    they are set once more when the controls are drawn.
    """
    _set(values)
    st.session_state["_put"] = {**st.session_state.get("_put", {}), **values}


def choose(values: Mapping[str, Any]) -> None:
    """Set controls, and have what they change drawn; a callback."""
    put(values)
    followed()


def reset(declared: Sequence[Control]) -> None:
    """Put every control back to its default; a callback."""
    choose({control.key: control.default for control in declared})


def scenes(listed: Sequence[Scene], values: Mapping[str, Any], declared: Sequence[Control]) -> None:
    """The chosen scene's name and what to look at, and a row of buttons, one a scene; the keys 1-9 press them."""
    defaults = {control.key: control.default for control in declared}
    targets = [defaults | dict(scene.values) for scene in listed]
    here = [i for i, target in enumerate(targets) if all(values.get(key, value) == value for key, value in target.items())]
    chosen = listed[here[-1]] if here else None  # the last of several
    words = f"<b>{html.escape(chosen.name)}.</b> {html.escape(chosen.look)}" if chosen else "Your own settings."
    st.html(f"<p class='look{' breaks' * bool(chosen and chosen.breaks)}'>{words}</p>")
    with st.container(horizontal=True, key="scenes"):
        for i, scene in enumerate(listed):
            st.button(
                f"{i + 1} · {scene.name}",
                key=f"scene_{i + 1}",
                type="primary" if scene is chosen else "secondary",
                on_click=choose,
                args=(targets[i],),
                icon=":material/warning:" if scene.breaks else None,
            )
