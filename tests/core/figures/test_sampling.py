"""What the figures, the table and the stage of the sampling chapter show is what was computed."""

import math

import numpy as np
import pytest

from core.figures import sampling as figures
from core.figures.payload import unpack
from core.figures.sampling_stage import payload
from core.foundations import sampling
from core.foundations.sampling import SAMPLERS, Mean

WALK = dict(landscape="double well", step=0.7, n_steps=60, n_chains=30)


@pytest.fixture(scope="module")
def runs():
    return {name: sampling.sample(sampler=name, **WALK) for name in SAMPLERS}


@pytest.fixture(scope="module")
def scans():
    return {name: sampling.efficiency(sampler=name, steps=(0.35, 0.7, 2.8), n_steps=100, n_chains=8) for name in SAMPLERS}


def test_the_stage_has_five_samplers_and_the_exact_law(runs):
    shown = unpack(payload(runs, landscape="double well", kT=1.0, chosen="nve"))
    titles = [panel["title"] for panel in shown.header["panels"]]
    assert titles == ["Metropolis", "MALA", "Langevin", "BAOAB", "▸ NVE", "Exact draws"] and shown.times[-1] == 60
    for panel, run in zip(shown.panels, runs.values()):
        assert np.allclose(panel["positions"][0], run.trajectory.positions[0], atol=2e-3)
    low, high = shown.header["bounds"][:2]
    density = shown.panels[0]["marginal_x"][0]
    assert np.trapezoid(density, np.linspace(low, high, len(density))) == pytest.approx(1, abs=2e-3)


def test_the_table_says_what_is_exact_lost_or_unknown(runs, scans):
    truths = {name: sampling.truth(run, landscape="double well", kT=1.0) for name, run in runs.items()}
    seconds = dict.fromkeys(SAMPLERS, 1e-6)
    rows = {row[0]: row for row in figures.comparison(runs, scans, truths, seconds, cores=(-0.5, 0.5), step=0.7)}
    assert list(rows) == [m.label for m in SAMPLERS.values()] and {len(r) for r in rows.values()} == {len(figures.HEAD)}
    assert rows["Metropolis"][1].endswith("%") and rows["BAOAB"][1] == "–"
    for name, label in ((n, m.label) for n, m in SAMPLERS.items()):
        tau = float(scans[name].tau[1])
        assert rows[label][4].startswith(">" if tau > scans[name].longest else f"{tau:.0f} ±")
    blown = {name: sampling.sample(sampler=name, **WALK | {"step": 8.0}) for name in ("langevin",)}
    lost = figures.comparison(
        blown, scans, {"langevin": sampling.truth(blown["langevin"], landscape="double well", kT=1.0)}, seconds, cores=(-0.5, 0.5), step=2.8
    )
    assert lost[0][4:] == ("lost", "–", "–", "blown up") and lost[0][2:4] == ("–", "–")


def test_the_thermometer_reads_beside_its_closed_form(runs):
    rows = figures.thermometer(runs, kT=1.0, step=0.7)
    assert rows[2][0] == "… in a spring, exactly" and float(rows[2][1]) == pytest.approx(1 - 0.49 / 4, abs=6e-4) and rows[4][1] == "0.500"
    assert figures.thermometer(runs, kT=1.0, step=2.8)[2][1] == "unstable"


def test_efficiency_figure_leaves_out_lost_samplers_and_marks_bounds(scans):
    figure = figures.efficiency_figure(scans, step=0.7, chosen="mala")
    langevin = [trace for trace in figure.data if trace.name == "Langevin"][-1]
    assert np.isnan(langevin.y[-1]) and np.isfinite(langevin.y[0])
    assert all(
        (symbol.endswith("-open")) == (tau > scans["langevin"].longest)
        for symbol, tau in zip(langevin.marker.symbol, scans["langevin"].tau.tolist())
    )
    names = {trace.name for trace in figures.memory_figure(scans, step=2.8).data}
    assert "Langevin" not in names and "Metropolis" in names


def test_numbers_in_words():
    assert figures._text(Mean(1.2345, 0.0567)) == "1.234 ± 0.057" and figures._text(Mean(24.67, 0.25)) == "24.67 ± 0.25"
    assert figures._text(Mean(0.5, math.inf)) == "0.50" and figures._round(36123.0) == "36,000" and figures._round(0.123) == "0.12"
