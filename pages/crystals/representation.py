"""Page of “What a crystal is to a model”."""

import streamlit as st

from core.crystals import representation
from core.figures import representation as figures
from core.figures import representation_stage
from core.structures.builtin import STRUCTURES
from pages import kit
from pages.kit.crystal_meter import downloads, invariance, own_crystal
from pages.kit.crystal_player import crystal_player
from pages.kit.equation import number

OWN = "your file"
ORBITS = ["none", *map(str, range(1, 9))]
SITES = ["none", *map(str, range(1, 9))]
DESCRIPTION = {"cell": "as written", "origin": 0.0, "rotation": 0.0, "shuffle": False}


def moves(values):
    return values.get("site", "none") != "none"


page = kit.chapter(
    "representation",
    [
        kit.Choice("structure", "Crystal", "rock salt NaCl", options=[*STRUCTURES, OWN], help="Your file: the one that you give below."),
        kit.Choice(
            "cell",
            "Cell",
            "as written",
            options=representation.CELLS,
            term="M",
            help="Skewed: another basis of the same lattice. Niggli: the smallest cell, reduced: one answer for everybody.",
        ),
        kit.Slider("origin", "Shift τ of the origin (share of the cell diagonal)", 0.15, low=0.0, high=1.0, step=0.05, term=r"\tau"),
        kit.Slider("rotation", "Rotation φ (°)", 40.0, low=0.0, high=180.0, step=5.0, term=r"\varphi"),
        kit.Slider(
            "c", "Stretch of edge c (%)", 0.0, low=-20.0, high=20.0, step=1.0, term="deform", help="This one makes another crystal."
        ),
        kit.Choice("site", "Move atom number", "none", options=SITES, term="deform", help="This one too."),
        kit.Slider("move", "Distance the atom moves (Å)", 0.3, low=0.0, high=2.0, step=0.05, when=moves, term="deform"),
        kit.Choice("orbit", "Light up Wyckoff site", "none", options=ORBITS, more=True, help="Or click an atom in the picture."),
        kit.Choice(
            "direction", "Direction in which the atom moves", "a", options=list(representation.AXES), when=moves, more=True, term="deform"
        ),
        kit.Slider("a", "Stretch of edge a (%)", 0.0, low=-20.0, high=20.0, step=1.0, more=True, term="deform"),
        kit.Slider("b", "Stretch of edge b (%)", 0.0, low=-20.0, high=20.0, step=1.0, more=True, term="deform"),
        kit.Slider("gamma", "Change of the angle between a and b (°)", 0.0, low=-20.0, high=20.0, step=1.0, more=True, term="deform"),
        kit.Slider(
            "jitter", "Jitter of every atom (Å)", 0.0, options=[0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2], more=True, term="deform"
        ),
        kit.Slider("tolerance", "Tolerance of the symmetry search (Å)", 0.01, options=list(representation.TOLERANCES), more=True),
        kit.Toggle("shuffle", "Shuffle the atoms", True, more=True, term="P"),
        kit.Number("seed", "Seed", 1, more=True, help="Of the shuffle and of the jitter."),
    ],
)
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


@st.cache_data(max_entries=64, max_size="64MB", show_spinner=False)
def tell(**params):
    story = representation.sample(**params)
    return story, representation.pair_difference(story.written, story.described)


@st.cache_data(max_entries=64, show_spinner=False)
def groups(params, tolerance):
    story, _ = tell(**params)
    return (representation.symmetry(story.written, tolerance), representation.symmetry(story.described, tolerance, keys=story.atoms))


@st.cache_data(max_entries=64, show_spinner=False)
def judge(params):
    story, _ = tell(**params)
    return representation.truth(story), representation.ladder(story.written), representation.ladder(story.described)


@st.cache_data(max_entries=64, show_spinner=False)
def tables(params, tolerance):
    story, _ = tell(**params)
    before, after = groups(params, tolerance)
    return figures.change_table(story, before, after, judge(params)[0]), figures.wyckoff_table(after)


def take(upload):
    """Another file was given, or taken away: the Crystal box says so."""
    if upload.crystal and not upload.trouble:
        st.session_state["structure"] = OWN
    elif upload.crystal is None and st.session_state.get("structure") == OWN:
        st.session_state["structure"] = "rock salt NaCl"


stage, side = st.columns([2.5, 1], gap="medium")
with side:
    values = page.controls()
    own = own_crystal("Your own crystal", "A CIF file, at most 200 atoms", on_change=take)
mine = values["structure"] == OWN and own.crystal
name = own.name if mine else "rock salt NaCl" if values["structure"] == OWN else values["structure"]
params = {key: values[key] for key in ("cell", "origin", "rotation", "shuffle", "a", "b", "c", "gamma", "jitter", "seed")} | dict(
    structure=own.crystal.to_cif() if mine else name,
    site=int(values["site"]) if moves(values) else 0,
    move=values.get("move", 0.0),
    direction=values.get("direction", "a"),
)
with stage:
    if mine or own.trouble:
        own.said()
    elif values["structure"] == OWN:
        st.warning(
            "There is no file of yours yet: rock salt is shown. A link cannot carry a file; give it again.", icon=":material/upload_file:"
        )
    try:
        story, difference = tell(**params)
    except ValueError as error:
        st.warning(f"{str(error).capitalize()}. The cell as written is shown instead.", icon=":material/grid_on:")
        params["cell"] = "as written"
        story, difference = tell(**params)
    page.exports(params | {"tolerance": values["tolerance"]})
    before, after = groups(params, values["tolerance"])
    deformed = any((values["a"], values["b"], values["c"], values["gamma"], values["jitter"], params["site"] and params["move"]))
    page.equation(
        {
            "N": str(story.written.n_atoms),
            "N'": str(story.described.n_atoms),
            r"\lvert\det M\rvert": number(story.described.n_atoms / story.written.n_atoms),
            "P": r"\text{a shuffle}" if values["shuffle"] else "1",
            r"\tau": number(values["origin"]),
            r"\varphi": rf"{number(values['rotation'])}^\circ",
            "D": number(max(difference, 2.2e-16), 2),
        },
        "deformed" if deformed else "same",
    )
    crystal_player(
        representation_stage.payload(story, before, after, name=name, lit=None if values["orbit"] == "none" else int(values["orbit"]) - 1),
        key="stage",
        height=500,
        report=False,
    )
    page.scenes(SCENES)
    same, ladder_before, ladder_after = judge(params)
    meter, files = st.columns([3, 1], vertical_alignment="bottom")
    with meter:
        invariance(
            same.difference,
            same.floor,
            "Nothing but round-off: the same crystal in other words."
            if same.same
            else "Another crystal: its atoms have other distances. "
            + (
                "The benchmarks' matcher finds no map."
                if same.rms is None
                else f"The benchmarks' matcher still says match, rms {same.rms:.3f}."
            ),
            name="change of the pair distances",
        )
    with files:
        downloads(story.described)

kit.below_the_stage()
changes, sites = st.columns([1.25, 1])
with changes:
    st.markdown("##### What changes, and what does not")
    changed, orbits = tables(params, values["tolerance"])
    st.table(changed)
with sites:
    st.markdown(f"##### Wyckoff sites in {after.name}")
    st.table(orbits[:8])
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
        lambda: figures.ladder_figure(ladder_before, ladder_after, now=values["tolerance"], palette=kit.palette()),
        key="ladder",
        of=(params, values["tolerance"]),
        alt="Number of the space group found against the tolerance of the search, for both crystals.",
        see="Each step is another space group: the wider the tolerance, the more symmetry is found, as a rule.",
    )


def grade():
    found = representation.truth(representation.sample(structure="rock salt NaCl", a=8.0, b=8.0, c=8.0, n_frames=2))
    right = 2 if found.rms is None else 0 if found.rms < 0.001 else 1
    answer = "no match" if found.rms is None else f"a match, rms {found.rms:.4f}"
    return right, f"The matcher says: {answer}; of the pair distances {found.difference:.0%} are other ones."


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
    lambda: representation.share_of_new_numbers(tell(**params | dict.fromkeys(("a", "b", "c", "gamma", "jitter", "site"), 0))[0]),
)
kit.predict(
    "representation",
    "Every atom of the crystal as written is put off by 0.02 Å. Which space group is found with the tolerance of this page?",
    ["that of the crystal itself", "another one", "none: P1"],
    lambda: representation.group_after_jitter(story.written, values["tolerance"], seed=values["seed"]),
)
page.prose("What to look at")
page.prose("Why is everything I generate P1?", expanded=False)
page.prose("Your own data", expanded=False)
page.footer(representation.sample, values)
