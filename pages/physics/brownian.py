"""Chapter 5, Brownian motion."""

import streamlit as st

from core.figures import brownian as figures
from core.physics import brownian
from pages import kit
from pages.kit.equation import number
from pages.kit.player import player

STEPS = {"gaussian": "Gaussian", "coin": "±1 (coin)", "uniform": "uniform", "heavy": "heavy tails", "levy": "Lévy"}
GRAIN = {"walker": "walker", "grain": "pollen grain"}


def is_grain(values):
    return values.get("world") == "grain"


def is_walker(values):
    return not is_grain(values)


page = kit.chapter("brownian", [
    kit.Choice("world", "What moves", "walker", options=list(GRAIN), labels=GRAIN),
    kit.Choice("dim", "Dimensions", "1", options=["1", "2"], labels={"1": "1-D", "2": "2-D"}),
    kit.Choice("step", "Law of one step", "gaussian", options=list(STEPS), labels=STEPS, term="law"),
    kit.Slider("sigma", "Step scale σ", 1.0, low=0.2, high=3.0, step=0.1, when=is_walker),
    kit.Slider("radius", "Radius (µm)", 0.5, low=0.05, high=5.0, step=0.05, when=is_grain, term="sigma"),
    kit.Slider("viscosity", "Viscosity (mPa·s)", 0.89, low=0.3, high=20.0, step=0.01, when=is_grain, term="sigma",
               help="Water at 25 °C: 0.89. Honey: some 10,000."),
    kit.Slider("temperature", "Temperature (K)", 298, low=274, high=372, step=1, when=is_grain, term="sigma"),
    kit.Slider("t_end", "Time t", 4.0, low=0.5, high=20.0, step=0.5),
    kit.Slider("n_steps", "Number of steps n", 200, options=[1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]),
    kit.Slider("n_particles", "Walkers", 2000, options=[100, 500, 1000, 2000, 5000, 10000], more=True),
    kit.Number("seed", "Seed", 1, more=True, help="Everyone with the same seed sees the same walkers."),
])
SCENES = [
    kit.Scene("√t", {}, "Four times the time, twice the width: watch the fan open like a parabola on its side."),
    kit.Scene("Coins", {"step": "coin", "n_steps": 10}, "Ten coin tosses: the histogram is made of spikes, the bell is already there."),
    kit.Scene("A cloud", {"dim": "2"}, "The same law in the plane: a round cloud, although no step knows about circles."),
    kit.Scene("Pollen", {"world": "grain", "dim": "2"}, "Real units. Halve the radius or warm the water: only D changes."),
    kit.Scene("Lévy flights", {"step": "levy"}, "Infinite variance: single jumps dwarf all others, and no number of steps brings the "
              "bell. The truth meter says how far off.", breaks=True),
]


@st.cache_data(max_entries=48, max_size="256MB", show_spinner=False)
def walk(**settings):
    return brownian.sample(**settings)


@st.cache_data(max_entries=48, max_size="256MB", show_spinner=False)
def stage_payload(sigma, **settings):
    return figures.payload(walk(sigma=sigma, **settings), sigma=sigma, unit=figures.unit_of(settings))


stage, panel = st.columns([2.6, 1], gap="medium")
with panel:
    values = page.controls()
