"""Figures of the chapter on one score for sampling and dynamics: what is drawn is what was counted."""

import math

import numpy as np
import torch

from core.crystals import score_md
from core.crystals.score_md import FieldMap, FreeEnergies
from core.figures import score_md as figures
from core.figures import score_md_stage
from core.figures.payload import unpack

MB, TORUS = "Müller–Brown", "two dihedrals"


def test_basins_have_points_with_errors_beside_the_exact_band():
    figure = figures.basins_figure(
        FreeEnergies((0.5, 1.4), (0.04, 0.07)), FreeEnergies((0.6, math.inf), (0.05, math.inf)), (0.5, 1.3), landscape=TORUS
    )
    sampling, dynamics = (trace for trace in figure.data if trace.mode == "markers")
    assert list(sampling.y) == [0.5, 1.4] and list(sampling.error_y.array) == [0.04, 0.07]
    assert list(dynamics.y) == [0.6] and "a basin is empty" in dynamics.name
    band = figure.data[0]
    assert min(band.y) == 0.3 and max(band.y) == 0.7  # 0.2 kT either side
    assert list(figure.layout.xaxis.ticktext) == ["F(αR) − F(β)", "F(αL) − F(β)"]


def test_readings_say_a_value_with_its_error_and_the_exact_one():
    assert figures.readings(FreeEnergies((1.1,), (0.05,)), (1.13,), landscape=MB) == [("F(B) − F(A)", "1.10 ± 0.05, exact 1.13 kT")]
    assert "empty" in figures.readings(FreeEnergies((math.inf,), (math.inf,)), (1.13,), landscape=MB)[0][1]


def test_the_residual_is_shown_where_somebody_is():
    law = score_md.grid_law(MB, 0.001, 48)
    axis = -4.2 + (torch.arange(48, dtype=torch.float64) + 0.5) * (8.4 / 48)
    figure = figures.residual_figure(FieldMap(torch.full((48, 48), 3.0), axis, "residual"), law, landscape=MB)
    shown = np.isfinite(figure.data[0].z)
    assert (shown == (law / law.max() > math.exp(-9)).numpy()).all() and (figure.data[0].z[shown] == 3).all()


def test_onset_draws_the_last_basin_of_every_curve():
    figure = figures.onset_figure({"a": [(1, 2), (3, 4)]}, (0.01, 0.1), [(0, 5), (0, 6)], landscape=TORUS, chosen="a")
    assert [list(trace.y) for trace in figure.data] == [[5, 6], [2, 4]]


def test_both_runs_are_on_one_clock_over_their_exact_laws():
    how = dict(model="exact", n_particles=30, seed=1)
    denoised = score_md.sample(landscape=TORUS, n_steps=20, **how)
    walked = score_md.dynamics(landscape=TORUS, t=0.0, duration=0.5, **how)
    movie = unpack(score_md_stage.payload(denoised, walked, landscape=TORUS, t=0.0, what="exact"))
    left, right = movie.panels
    assert movie.times[0] == 0 and movie.times[-1] == 100 and len(movie.times) == denoised.n_frames
    end = torch.from_numpy(left["positions"][-1])
    assert torch.allclose(end.float(), denoised.final.rad2deg(), atol=0.2)
    assert torch.allclose(torch.from_numpy(right["positions"][-1]).float(), walked.final.rad2deg(), atol=0.2)
    assert left["density"][0].std() < left["density"][-1].std()  # nearly even at t = 1
    step = 360 / 96
    assert abs(left["marginal_x"][0].sum() * step - 1) < 0.02 and abs(right["marginal_y"][0].sum() * step - 1) < 0.02
