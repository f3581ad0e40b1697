"""How long a reader waits: first picture and every slider of every chapter, `python -m tests.benchmarks.pages [slug ...]`.

Server time, through Streamlit's own test runner. Every chapter is opened in a fresh process that has loaded the libraries that the
server loads before its first visitor; its other imports count. A picture is a player's payload or a Plotly figure at the moment when it
leaves the server. “Stage” is the first picture of the page; after a slider has moved, the first picture that differs from before.
Each slider is moved to three values, its two ends among them. A processor's seconds stand beside seconds of the clock, since only they
are the same on a busy machine.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import multiprocessing
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIMIT_FIRST, LIMIT_SLIDER = 1.0, 0.5  # seconds
Seconds = tuple[float, float]  # of the clock, of the processor


@dataclass
class Watch:
    """Notes when each picture leaves the server."""

    start: Seconds = (0.0, 0.0)
    seen: dict[str, tuple[str, Seconds]] = field(default_factory=dict)

    @staticmethod
    def now() -> Seconds:
        return time.perf_counter(), time.process_time()

    def since(self) -> Seconds:
        return tuple(now - start for now, start in zip(self.now(), self.start))

    def install(self) -> None:
        from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext

        enqueue = ScriptRunContext.enqueue

        def watched(context, message):
            if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
                element = message.delta.new_element
                kind = element.WhichOneof("type")
                if kind == "plotly_chart" or kind == "bidi_component" and element.bidi_component.component_name != "n2c_keys":
                    drawn = getattr(element, kind)
                    print_ = hashlib.md5(drawn.SerializeToString(deterministic=True)).hexdigest()
                    self.seen[f"{kind} {list(message.metadata.delta_path)}"] = (print_, self.since())
            enqueue(context, message)

        ScriptRunContext.enqueue = watched

    def run(self, app) -> tuple[Seconds, Seconds]:
        """(first new picture, whole page) of one run; both the whole page if no picture changed."""
        before = {name: print_ for name, (print_, _) in self.seen.items()}
        self.seen, self.start = {}, self.now()
        app.run()
        whole = self.since()
        assert not app.exception, [error.message for error in app.exception]
        new = [at for name, (print_, at) in self.seen.items() if before.get(name) != print_]
        return (min(new) if new else whole), whole


def places(slider) -> list:
    """Three values of a slider that are not its default: both ends and one between, where there are so many."""
    if slider.options:
        others = [option for option in slider.options if option != slider.default]
        return list(dict.fromkeys([others[len(others) // 2], others[-1], others[0]]))
    kind = type(slider.default)
    step = slider.step or (1 if kind is int else (slider.high - slider.low) / 100)
    middle = slider.low + step * round((slider.low + slider.high) / 2 / step - slider.low / step)
    return [kind(value) for value in dict.fromkeys([middle, slider.high, slider.low]) if value != slider.default]


def shown_by(app, declared, key, values) -> dict | None:
    """The choice that brings a hidden slider on the page; {} if none is needed, None if there is none."""
    from pages.kit import controls as kit

    if key in values():
        return {}
    for choice in declared:
        options = [True, False] if isinstance(choice, kit.Toggle) else choice.options if isinstance(choice, kit.Choice) else ()
        for option in options:
            app.session_state[choice.key] = option
            app.run()
            if key in values():
                return {choice.key: option}
        if options:
            app.session_state[choice.key] = choice.default
    return None


def visit(chapter, pipe, sliders: bool) -> None:
    """Open a chapter, move its sliders, send ((stage, whole page), [(slider, [(value, picture, whole page)])])."""
    from streamlit.testing.v1 import AppTest

    from pages.kit import controls as kit

    watch = Watch()
    watch.install()
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    app.switch_page(chapter.page)
    watch.seen.clear()
    first, moved = watch.run(app), []

    def state():
        return app.session_state["_controls"][chapter.slug]

    declared = list(state()["declared"])
    if sliders:
        home: dict = {}
        for slider in [control for control in declared if isinstance(control, kit.Slider)]:
            for key, value in home.items():
                app.session_state[key] = value
            if home and slider.key not in state()["values"]:
                app.run()
            needed = shown_by(app, declared, slider.key, lambda: state()["values"])
            if needed is None:
                raise AssertionError(f"no choice of {chapter.slug} shows {slider.label}")
            took = []
            for value in places(slider):
                app.session_state[slider.key] = value
                took.append((value, *watch.run(app)))
            moved.append((slider.label, took))
            home = {control.key: control.default for control in declared if control.key in (slider.key, *needed)}
    pipe.send((first, moved))


def measure(chapter, sliders: bool = True):
    """`visit` in a process of its own, forked from this one with its libraries."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=visit, args=(chapter, there, sliders))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise SystemExit(f"{chapter.slug} failed") from None
    finally:
        process.kill()  # its worker would keep it waiting
        process.join()


def both(seconds: Seconds) -> str:
    return f"{1000 * seconds[0]:.0f} / {1000 * seconds[1]:.0f}"


def main(slugs: list[str]) -> None:
    from core.chapters import CHAPTERS, find
    from pages.kit.libraries import SLOW
    from tests.benchmarks import report

    for library in (*SLOW, "streamlit.testing.v1"):
        importlib.import_module(library)
    logging.disable(logging.WARNING)  # Streamlit notes at every run that no browser is there
    pictures, sliders = [], []
    for chapter in [find(slug) for slug in slugs] or CHAPTERS:
        (stage, whole), moved = measure(chapter)
        print(f"{chapter.slug}: stage {both(stage)}, {len(moved)} sliders", file=sys.stderr, flush=True)
        pictures.append((chapter.slug, both(stage), both(whole), "yes" if stage[0] <= LIMIT_FIRST else "no"))
        for label, took in moved:
            middle = [tuple(map(statistics.median, zip(*(run[i] for run in took)))) for i in (1, 2)]
            value, worst = max(((value, picture) for value, picture, _ in took), key=lambda run: run[1])
            sliders.append(
                (
                    chapter.slug,
                    label,
                    both(middle[0]),
                    f"{both(worst)} at {value}",
                    both(middle[1]),
                    "yes" if middle[0][0] <= LIMIT_SLIDER else "no",
                )
            )
    write = (lambda name, *rest: print(report.table(*rest))) if slugs else report.write  # only the whole is kept
    write("first_pictures", "First pictures: ms of the clock / of the processor", ("chapter", "stage", "whole page", "≤ 1 s"), pictures)
    write(
        "sliders",
        "Sliders: ms of the clock / of the processor, median of three moves",
        ("chapter", "slider", "new picture", "its slowest", "whole page", "≤ 500 ms"),
        sliders,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
