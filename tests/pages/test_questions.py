"""Further questions of the chapters: what is right is computed from the settings, so it changes when they do."""

import pytest

from core.chapters import find
from tests.pages.conftest import Visit, right_answer

STUCK = {"modes": "-1.7 -1.7 0.3 0.3; 1.7 1.7 0.7 0.3", "start": "one corner"}
CASES = [  # chapter, number of the question, settings and the right option there, other settings and theirs
    ("microstates", 2, {}, 1, {"n_coins": 200}, 2),
    ("microstates", 2, {}, 1, {"memory": 0.98}, 1),
    ("microstates", 3, {}, 2, {"n_coins": 1}, 0),
    ("boltzmann", 1, {}, 1, {"kT": 0.2}, 0),
    ("boltzmann", 2, {}, 0, {"depth": 1.5, "width": 0.8, "depth_right": 3.0, "width_right": 0.25}, 1),
    ("boltzmann", 3, {}, 1, {"protocol": "cool", "kT": 0.3, "leaps": 0.0}, 0),
    ("boltzmann", 2, {"panel": "NVT"}, 1, {"panel": "muVT", "system": "lattice gas", "kT": 0.45, "mu": -2.0}, 2),
    ("sampling", 3, {}, 1, {"sampler": "nve", "n_steps": 100}, 0),
    ("dimensions", 2, {}, 2, {"d": 3}, 0),
    ("dimensions", 3, {"d": 3, "method": "direct"}, 1, {"d": 20, "method": "grid"}, 2),
    ("dimensions", 3, {"d": 1, "method": "grid"}, 0, {"d": 200, "method": "walk"}, 2),
    ("brownian", 1, {}, 0, {"step": "levy"}, 1),
    ("brownian", 2, {"step": "coin"}, 1, {"step": "uniform"}, 0),
    ("brownian", 2, {}, 2, {"step": "levy"}, 2),
    ("langevin", 2, {}, 1, {"kind": "free"}, 0),
    ("langevin", 3, {"kind": "harmonic"}, 1, {"kind": "harmonic", "dt": 1.5}, 0),
    ("langevin", 3, {"kind": "harmonic", "method": "Euler–Maruyama", "dt": 0.2, "friction": 0.5}, 2, {"kind": "free"}, 1),
    ("fokker_planck", 2, {}, 1, {"t_end": 0.5}, 0),
    ("fokker_planck", 3, {"kind": "whirl", "n_cells": 32}, 1, {"kind": "whirl", "swirl": 0.0, "n_cells": 32}, 0),
    ("score_fields", 2, {"sigma": 0.5}, 1, STUCK, 0),
    ("score_fields", 3, {}, 0, {"source": "ring"}, 1),
    ("generative_models", 2, {"family": "flow", "dataset": "lattice"}, 2, {"family": "flow", "dataset": "two moons"}, 1),
    ("generative_models", 3, {"family": "GAN"}, 0, {"family": "flow"}, 1),
    ("forward_process", 2, {}, 2, {"n_steps": 1}, 0),
    ("forward_process", 3, {}, 0, {"schedule": "cosine"}, 1),
    ("score_matching", 2, {}, 0, {"objective": "sliced"}, 2),
    ("score_matching", 2, {"objective": "explicit"}, 1, {"objective": "explicit", "clock": False}, 0),
    ("score_matching", 3, {}, 1, {"dataset": "two moons", "t": 0.1}, 0),
    ("reverse_process", 2, {}, 0, {"n_steps": 3}, 2),
    ("reverse_process", 3, {}, 1, {"n_steps": 1}, 0),
    ("latent_diffusion", 2, {}, 2, {"n_steps": 1}, 0),
    ("latent_diffusion", 3, {"seed": 1}, 0, {"seed": 2}, 2),
    ("guidance", 2, {}, 0, {"gamma": 1.0}, 2),
    ("guidance", 3, {}, 1, {"gamma": 1.0}, 3),
    ("discrete_diffusion", 2, {}, 2, {"family": "uniform"}, 0),
    ("discrete_diffusion", 3, {"tokens": "counts"}, 0, {"tokens": "counts", "reach": 0.05}, 1),
    ("representation", 2, {}, 2, {"origin": 0.0, "rotation": 0.0, "shuffle": False}, 0),
    ("representation", 3, {}, 2, {"tolerance": 0.1}, 0),
    ("torus", 2, {}, 1, {"sigma_max": 0.1}, 0),
    ("torus", 3, {}, 0, {"images": 3}, 2),
    ("equivariance", 2, {}, 3, {"move": "other cell"}, 0),
    ("equivariance", 3, {}, 0, {"prior": "stretched", "fresh": False}, 1),
    ("generation", 2, {}, 1, {"method": "ancestral"}, 0),
    ("score_md", 1, {}, 1, {"landscape": "two dihedrals"}, 1),
    ("score_md", 2, {}, 0, {"model": "plain"}, 2),
    ("score_md", 3, {}, 0, {"t0": 0.3}, 2),
    ("generation", 3, {}, 1, {"formula": "Na1 Cl1"}, 2),
]


@pytest.mark.parametrize(("slug", "number", "one", "right", "other", "then"), CASES)
def test_what_is_right_follows_the_settings(slug, number, one, right, other, then):
    for settings, expected in ((one, right), (other, then)):
        visit = Visit(find(slug)).put(**settings)
        answer, said = right_answer(visit, number)
        assert answer == expected, (settings, said)
