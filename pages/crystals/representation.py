"""Page of “What a crystal is to a model”."""

from functools import lru_cache

import streamlit as st

from core.crystals import representation
from core.figures import representation as figures
from core.figures import representation_stage
from pages import kit
from pages.kit import representation_controls
from pages.kit.controls import put
from pages.kit.crystal_meter import downloads, invariance, own_crystal, uploaded
from pages.kit.crystal_player import crystal_player
from pages.kit.equation import number
from pages.kit.representation_controls import OWN, moves

page = kit.chapter("representation", representation_controls.controls())
SCENES = [
    kit.Scene(
        "Same crystal, other numbers",
        {},
        "Left: as written. Right: turned, shifted, its atoms renumbered. Nearly every number is "
        "another one; every distance is the same, to round-off.",
    ),
    kit.Scene(
        "Half a diagonal",
        {"origin": 0.5, "rotation": 0.0, "orbit": "1"},
        "Shift rock salt by half a diagonal and sodium sits where "
        "chlorine sat. Even the letters of the sites swap. It is the same crystal.",
    ),
    kit.Scene(
        "Two numbers",
        {"structure": "spinel MgAl2O4", "cell": "primitive", "orbit": "3"},
        "A spinel file lists 56 atoms, 233 "
        "numbers. Its symmetry leaves two free: the edge of the cube and where along one line the oxygens sit. All 32 are lit.",
    ),
    kit.Scene(
        "Everything is P1",
        {"structure": "perovskite SrTiO3", "jitter": 0.02, "rotation": 0.0, "origin": 0.0, "shuffle": False},
        "Two hundredths of an ångström on every atom, as any sampler leaves, and no symmetry is found. The staircase below says "
        "at which tolerance the cubic group comes back.",
    ),
    kit.Scene(
        "What the judge cannot see",
        {"a": 8.0, "b": 8.0, "c": 8.0, "rotation": 0.0, "origin": 0.0},
        "Every edge 8 % too long, the density a fifth too low. StructureMatcher says: a match, rms 0.000. It rescales the volume first.",
        breaks=True,
    ),
    kit.Scene(
        "One atom out of place",
        {"site": "1", "move": 0.5, "rotation": 0.0, "origin": 0.0},
        "Half an ångström on one atom: the distances split, the symmetry falls, and the benchmarks' wide tolerance still calls it a match.",
        breaks=True,
    ),
]


def reckoned(**params):
    """A story, and how much it changes the distances."""
    story = representation.sample(**params)
    return story, representation.pair_difference(story.written, story.described)


# what nobody writes to is shared by all readers as it is; Streamlit's cache would copy it at each of a dozen look-ups of a move
tell = lru_cache(maxsize=64)(reckoned)  # a story is 20 to 200 kB
under_the_thumb = lru_cache(maxsize=4)(reckoned)  # a drag would drive everybody's scenes out of the other


def symmetries(story, tolerance):
    """Of the crystal as written and as described."""
    return representation.symmetry(story.written, tolerance), representation.symmetry(story.described, tolerance, keys=story.atoms)


@lru_cache(maxsize=64)
def groups(tolerance, **params):
    return symmetries(tell(**params)[0], tolerance)


@lru_cache(maxsize=64)
def judge(**params):
    story, _ = tell(**params)
    return representation.truth(story), representation.ladder(story.written), representation.ladder(story.described)


@lru_cache(maxsize=64)
def tables(tolerance, **params):
    before, after = groups(tolerance, **params)
    return figures.change_table(tell(**params)[0], before, after, judge(**params)[0]), figures.wyckoff_table(after)


def take(upload):
    """Another file was given, or taken away: the Crystal box says so."""
    if upload.crystal and not upload.trouble:
        put({"structure": OWN})
    elif upload.crystal is None and st.session_state.get("structure") == OWN:
        put({"structure": "rock salt NaCl"})


def given(values):
    """The reader's own file, if it is chosen; what the picture under the thumb needs of the session."""
    return {"own": uploaded() if values["structure"] == OWN else None}


def own_in_force(values):
    """What was read of the reader's own file, if it is chosen and there."""
    own = (values if "own" in values else given(values))["own"]
    return own and own.reading


def name_of(values):
    if values["structure"] != OWN:
        return values["structure"]
    own = (values if "own" in values else given(values))["own"]
    return own.name if own.reading else "rock salt NaCl"


def params_of(values):
    own = own_in_force(values)
    params = {key: values[key] for key in ("cell", "origin", "rotation", "shuffle", "a", "b", "c", "gamma", "jitter", "seed")}
    return params | dict(
        structure=own.cif if own else name_of(values),
        site=int(values["site"]) if moves(values) else 0,
        move=values.get("move", 0.0),
        direction=values.get("direction", "a"),
    )


def told(values):
    """(parameters, story, change of the distances, why the cell is not the one that was asked for)."""
    params, look_up = params_of(values), under_the_thumb if "own" in values else tell
    try:
        return params, *look_up(**params), ""
    except ValueError as error:
        params["cell"] = "as written"
        return params, *look_up(**params), f"{str(error).capitalize()}. The cell as written is shown instead."


def equation(values):
    params, story, difference, _ = told(values)
    deformed = any((values["a"], values["b"], values["c"], values["gamma"], values["jitter"], params["site"] and params["move"]))
    shown = {
        "N": str(story.written.n_atoms),
        "N'": str(story.described.n_atoms),
        r"\lvert\det M\rvert": number(story.described.n_atoms / story.written.n_atoms),
        "P": r"\text{a shuffle}" if values["shuffle"] else "1",
        r"\tau": number(values["origin"]),
        r"\varphi": rf"{number(values['rotation'])}^\circ",
        "D": number(max(difference, 2.2e-16), 2),
    }
    return shown, "deformed" if deformed else "same"


def say_what_was_read(values, own):
    """Above the stage: what the reader's file holds, or why it is not shown."""
    if own_in_force(values) or own.trouble:
        own.said()
    elif values["structure"] == OWN:
        st.warning(
            "There is no file of yours yet: rock salt is shown. A link cannot carry a file; give it again.", icon=":material/upload_file:"
        )


def pictured(values, story, symmetry):
    lit = None if values["orbit"] == "none" else int(values["orbit"]) - 1
    return representation_stage.payload(story, *symmetry, name=name_of(values), lit=lit)


def picture(values):
    """All of it: the few atoms of a cell take no longer than a coarse picture may."""
    _, story, _, _ = told(values)
    return pictured(values, story, symmetries(story, values["tolerance"]))


def stage(values):
    with page.on.controls:
        own = own_crystal("Your own crystal", "A CIF file, at most 200 atoms", on_change=take)
    params, story, _, trouble = told(values)
    with page.on.equation:
        say_what_was_read(values, own)
        if trouble:
            st.warning(trouble, icon=":material/grid_on:")
    page.exports(params | {"tolerance": values["tolerance"]})
    with page.on.stage:
        payload = pictured(values, story, groups(values["tolerance"], **params))
        crystal_player(payload, key="stage", height=500, report=False, fill=True, preview=True)
    same = judge(**params)[0]
    words = "Nothing but round-off: the same crystal in other words."
    if not same.same:
        matched = "finds no map" if same.rms is None else f"still says match, rms {same.rms:.3f}"
        words = f"Another crystal: its atoms have other distances. The benchmarks' matcher {matched}."
    with page.on.meter:
        meter, files = st.columns([3, 1], vertical_alignment="bottom")
        with meter:
            invariance(same.difference, same.floor, words, name="change of the pair distances")
        with files:
            downloads(story.described)


def below(values):
    params, story, _, _ = told(values)
    after = groups(values["tolerance"], **params)[1]
    changes, sites = st.columns([1.25, 1])
    with changes:
        st.markdown("##### What changes, and what does not")
        changed, orbits = tables(values["tolerance"], **params)
        kit.table(list(changed[0]), [list(row.values()) for row in changed], words=True)
    with sites:
        st.markdown(f"##### Wyckoff sites in {after.name}")
        kit.table(list(orbits[0]), [list(row.values()) for row in orbits[:8]], words=True)
        if len(after.orbits) > 8:
            st.caption(f"and {len(after.orbits) - 8} more, each with its own free coordinates.")
    distances, staircase = st.columns(2)
    with distances:
        st.markdown("##### Every distance, seen from every atom")
        kit.figure(
            lambda: figures.distance_figure(story, palette=kit.palette()),
            key="distances",
            of=params,
            alt="Histogram of pair distances of the crystal as written and in its new description.",
            see="Line and filled shape fall together as long as it is the same crystal: turning, shifting, renumbering change no distance.",
        )
    with staircase:
        st.markdown("##### Symmetry is a question of tolerance")
        kit.figure(
            lambda: figures.ladder_figure(*judge(**params)[1:], now=values["tolerance"], palette=kit.palette()),
            key="ladder",
            of=(params, values["tolerance"]),
            alt="Number of the space group found against the tolerance of the search, for both crystals.",
            see="Each step is another space group: the wider the tolerance, the more symmetry is found, as a rule.",
        )


def grade(_):
    found = representation.truth(representation.sample(structure="rock salt NaCl", a=8.0, b=8.0, c=8.0, n_frames=2))
    right = 2 if found.rms is None else 0 if found.rms < 0.001 else 1
    answer = "no match" if found.rms is None else f"a match, rms {found.rms:.4f}"
    return right, f"The matcher says: {answer}; of the pair distances {found.difference:.0%} are other ones."


def new_numbers(values):
    undeformed = params_of(values) | dict.fromkeys(("a", "b", "c", "gamma", "jitter", "site"), 0)
    try:
        story = tell(**undeformed)[0]
    except ValueError:
        story = tell(**undeformed | {"cell": "as written"})[0]
    return representation.share_of_new_numbers(story)


page.stage(stage, scenes=SCENES, equation=equation, picture=picture, session=given)
page.follow(below)
kit.predict(
    "representation",
    "You stretch every edge of rock salt by 8 %. What does the matcher say, with which the benchmarks count?",
    ["a match, as good as the crystal itself", "a match, but a worse one", "no match"],
    grade,
)
kit.predict(
    "representation",
    "Cell, origin, rotation and order change as set on this page, the crystal not at all. How many of its numbers are other ones then?",
    ["less than a third", "a third to two thirds", "more than two thirds"],
    new_numbers,
)
kit.predict(
    "representation",
    "Every atom of the crystal as written is put off by 0.02 Å. Which space group is found with the tolerance of this page?",
    ["that of the crystal itself", "another one", "none: P1"],
    lambda values: representation.group_after_jitter(told(values)[1].written, values["tolerance"], seed=values["seed"]),
)
page.prose("What to look at")
page.prose("Why is everything I generate P1?", expanded=False)
page.prose("Your own data", expanded=False)
page.footer(representation.sample)
