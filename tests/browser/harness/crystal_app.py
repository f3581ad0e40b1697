"""A page with only the crystal player, for the browser tests; ?scene= picks what it shows."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np
import streamlit as st

from core.figures.crystal_payload import pack_crystals
from core.figures.payload import Panel, pack_player
from core.structures.builtin import STRUCTURES
from core.structures.crystal import CrystalTrajectory
from pages.kit.crystal_player import crystal_player
from pages.kit.player import player


def relaxing(name: str, seed: int, n_frames: int = 60) -> CrystalTrajectory:
    """From noise to the crystal along the shortest torus path; species appear one by one on the way."""
    crystal = STRUCTURES[name]()
    rng = np.random.default_rng(seed)
    start = rng.random((crystal.n_atoms, 3))
    step = start - crystal.frac_coords
    step -= np.round(step)
    times = np.linspace(1, 0, n_frames)
    noise = rng.normal(0, 1, (3, 3)) * 1.2
    reveal = rng.uniform(0.1, 0.8, crystal.n_atoms)
    return CrystalTrajectory(
        times,
        np.where(times[:, None] < reveal, crystal.numbers, 0),
        crystal.frac_coords + times[:, None, None] ** 2 * step,
        crystal.lattice + times[:, None, None] ** 2 * noise,
    )


@st.cache_data
def payload(scene: str, seed: int, autoplay: bool) -> bytes:
    names = list(STRUCTURES)
    if scene == "grid4":
        chosen = ["rock salt NaCl", "perovskite SrTiO3", "spinel MgAl2O4", "layered MoS2"]
        return pack_crystals(
            [relaxing(name, seed + i) for i, name in enumerate(chosen)],
            titles=chosen,
            alt="Four crystals form from noise.",
            time_label="t",
            autoplay=autoplay,
        )
    if scene == "grid16":
        return pack_crystals(
            [relaxing(name, seed + i) for i, name in enumerate(names[:16])],
            titles=names[:16],
            alt="Sixteen crystals form from noise.",
            time_label="t",
            autoplay=autoplay,
        )
    if scene.startswith("still:"):
        name = scene.removeprefix("still:")
        return pack_crystals(STRUCTURES[name](), title=name, alt=f"The crystal structure of {name}.")
    if scene.startswith("groups:"):
        crystal = STRUCTURES[scene.removeprefix("groups:")]()
        kinds = sorted(set(crystal.numbers.tolist()))
        return pack_crystals(
            [crystal, crystal],
            alt="The same crystal twice, its elements as groups.",
            titles=["one", "two"],
            lit=0,
            groups=[[kinds.index(z) for z in crystal.numbers]] * 2,
            group_names=[["group A", "group B"]] * 2,
        )
    return pack_crystals(relaxing(scene, seed), title=scene, alt=f"{scene} forms from noise.", time_label="t", loop=True, autoplay=autoplay)


st.set_page_config(layout="wide")
scene = st.query_params.get("scene", "spinel MgAl2O4")
autoplay = st.query_params.get("autoplay", "1") == "1"
seed = st.number_input("seed", value=0)
st.text_input("note", key="note")
if st.toggle("shown", value=True):
    state = crystal_player(payload(scene, int(seed), autoplay), key="crystal", fill=st.query_params.get("fill") == "1")
    st.write(f"frame={state.frame} selected={state.selected} playing={state.playing}")
if st.query_params.get("beside") == "particles":
    walk = np.random.default_rng(0).normal(0, 0.2, (20, 100, 2)).cumsum(axis=0)
    player(
        pack_player([Panel(walk)], times=np.linspace(0, 1, 20), bounds=(-4, 4, -4, 4), alt="Walkers.", autoplay=False),
        key="particles",
        height=300,
    )
