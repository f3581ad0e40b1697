"""What the figures and stages of the Boltzmann chapter draw is what was computed."""

import numpy as np
import pytest

from core.figures.boltzmann import (
    ENSEMBLE_QUESTIONS,
    LANDSCAPE_QUESTIONS,
    QUANTITIES,
    caloric_figure,
    crossing_moves,
    energy_figure,
    energy_kept_up,
    ensemble_table,
    ensemble_terms,
    free_energy_figure,
    landscape_table,
    matched,
    share_figure,
    share_kept_up,
    sites_figure,
    temperature,
    thermodynamics_figure,
)
from core.figures.boltzmann_stage import copies_payload, energy_density, landscape_payload
from core.figures.payload import unpack
from core.figures.theme import DARK, LIGHT
from core.foundations import ensembles
from core.foundations.boltzmann import Landscape, measured, sample
from core.numerics.potentials import TwoBasins


def trace(figure, name):
    (found,) = (t for t in figure.data if t.name == name)
    return found


def test_energy_density_is_the_law_of_the_dots_heights():
    landscape, energies = Landscape(), np.linspace(-5, 12, 300)
    density = energy_density(landscape, energies, 0.7)
    assert np.trapezoid(density, energies) == pytest.approx(1, abs=1e-3)
    mean = float(landscape.thermodynamics(0.7).U[0]) + 0.7 / 2
    assert np.trapezoid(density * energies, energies) == pytest.approx(mean, abs=5e-3)
    assert np.trapezoid(energy_density(landscape, energies, 0.84) * energies, energies) != pytest.approx(mean, abs=5e-2)


@pytest.mark.parametrize("kw", [dict(), dict(protocol="cool", kT=0.3), dict(protocol="hold", kT=2.0), dict(kT=0.1), dict(tilt=1.0)])
def test_particles_float_above_the_landscape(kw):
    run = sample(n_sweeps=200, n_particles=400, **kw)
    movie = unpack(landscape_payload(run))
    at = movie.panels[0]["positions"]
    ground = np.interp(at[..., 0], run.landscape.x, run.landscape.energy)
    span = movie.header["bounds"][3] - movie.header["bounds"][2]
    inside = at[..., 1] < movie.header["bounds"][3]
    assert (at[..., 1] > ground - 0.02 * span - 0.1)[inside & (np.abs(at[..., 0]) < 2.5)].all()
    assert movie.times[-1] == pytest.approx(kw.get("kT", 1.2), rel=1e-6)


def test_the_ground_ends_at_the_energy_without_steps():
    movie = unpack(landscape_payload(run := sample(n_sweeps=20, n_particles=50)))
    left, right, low, high = movie.header["bounds"]
    lit = movie.panels[0]["density"][0].astype(float)
    columns = lit.shape[1]
    x = left + (right - left) * (np.arange(8 * columns) + 0.5) / (8 * columns)
    share = ((np.interp(x, run.landscape.x, run.landscape.energy) - low) / (high - low)).clip(0, 1).reshape(columns, 8).mean(1)
    partly = ((lit > 0) & (lit < lit[0])).sum(0)  # cells at the edge; they, the ground and one that looks full or empty are rounded
    assert (np.abs((lit / lit[0]).mean(0) - share) <= (partly + 2) / lit[0] / len(lit)).all()


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_landscape_figures_draw_the_quadrature(palette):
    run = sample(n_sweeps=100, n_particles=200)
    for quantity in QUANTITIES:
        curve = trace(thermodynamics_figure(run.landscape, quantity, 0.9, measured(run), palette=palette), "quadrature")
        assert curve.line.color == palette.exact
        assert np.allclose(curve.y, getattr(run.landscape.thermodynamics(np.asarray(curve.x)), quantity))
    crossing = trace(free_energy_figure(run.landscape, palette=palette), "crossing")
    assert crossing.x[0] == pytest.approx(run.landscape.crossings[0])
    assert crossing.y[0] == pytest.approx(run.landscape.basin_free_energies(crossing.x[0])[1])
    seen = trace(share_figure(run, palette=palette), "particles, as kT changes")
    assert seen.y[-1] == measured(run).share[0]
    table = dict(landscape_table(run))
    assert table["Crossing temperature kT*"] == "0.766"


@pytest.mark.parametrize("kind", ensembles.KINDS)
@pytest.mark.parametrize("system", ensembles.SYSTEMS)
def test_ensemble_figures_draw_the_sums(system, kind):
    copies = ensembles.sample(system=system, kind=kind, n_copies=300, n_sweeps=5, n_sites=9, mu=-2.0)
    sums = ensembles.exact(copies.levels, copies.ensemble)
    movie = unpack(copies_payload(copies))
    at = movie.panels[0]["positions"][-1]
    assert np.abs(at[:, 0] - copies.n[-1].numpy()).max() < 1.02 and np.abs(at[:, 1] - copies.energy[-1].numpy()).max() < 1.02
    low_n, high_n = movie.header["bounds"][:2]
    drawn_n = movie.panels[0]["marginal_x"][0]
    n = np.linspace(low_n, high_n, len(drawn_n))
    assert np.trapezoid(drawn_n, n) == pytest.approx(1, abs=1e-3) and np.trapezoid(drawn_n * n, n) == pytest.approx(sums.N, abs=1e-2)
    assert all(panel["left"] == 0 for panel in movie.header["panels"])
    figure = energy_figure(copies)
    drawn = trace(figure, "exact sum ± 1 s.e.")
    assert np.sum(np.asarray(drawn.x) * np.asarray(drawn.y)) == pytest.approx(sums.U, abs=2e-2)
    assert trace(caloric_figure(copies), "copies").x[0] == temperature(copies)
    assert sites_figure(copies).data and len(ensemble_table(copies)) >= 5
    assert f"{sums.log_Z:.3f}" in ensemble_terms(sums).values()
    warm, fixed = matched(copies)
    assert warm.U == pytest.approx(fixed.U, abs=1e-3) and fixed.energy_variance < warm.energy_variance + 1e-3


@pytest.mark.parametrize("system", ensembles.SYSTEMS)
def test_a_heat_bath_shakes_more_than_a_demon(system):
    warm, fixed = matched(ensembles.sample(system=system, kind="NVE", energy=0.25, n_copies=10, n_sweeps=1))
    assert warm.U == pytest.approx(fixed.U, abs=1e-6) and fixed.energy_variance < 0.8 * warm.energy_variance


def test_frozen_sites_have_figures_too():
    copies = ensembles.sample(kind="NVE", energy=0.0, n_copies=50, n_sweeps=2)
    assert temperature(copies) == 0.0 and caloric_figure(copies).data and copies_payload(copies) and ensemble_table(copies)


def test_a_deeper_basin_moves_the_crossing():
    def asked(depths, widths):
        return crossing_moves(sample(depths=depths, widths=widths, n_sweeps=10, n_particles=10))

    right, said = asked((4.0, 3.0), (0.25, 0.8))
    exact = Landscape(TwoBasins((5.0, 3.0), (0.25, 0.8))).crossings[0]
    assert right == 0 and f"{exact:.3f}" in said
    assert asked((1.5, 3.0), (0.8, 0.25))[0] == 1, "a shallow wide basin wins when it is warm, a deeper one sooner"
    right, said = asked((5.0, 3.0), (0.9, 0.5))
    assert right == 2 and "at no temperature" in said


def test_whether_the_particles_kept_up():
    slow = sample(protocol="cool", kT=0.5, n_sweeps=1000)
    quenched = sample(protocol="cool", kT=0.3, leaps=0.0, n_sweeps=1000)
    assert share_kept_up(slow)[0] == 1 and share_kept_up(quenched)[0] == 0
    exact = quenched.landscape.shares(0.3)[0]
    assert f"{exact:.3f} of them are on the left" in share_kept_up(quenched)[1]
    copies = [ensembles.sample(kind="NVT", kT=2.0, n_sweeps=n, n_copies=800) for n in (1, 60)]
    assert [energy_kept_up(each)[0] for each in copies] == [0, 1]


def test_every_question_has_an_answer_among_its_options():
    run, copies = sample(n_sweeps=10, n_particles=50), ensembles.sample(n_copies=50, n_sweeps=2)
    asked = [(run, each) for each in LANDSCAPE_QUESTIONS] + [(copies, each) for each in ENSEMBLE_QUESTIONS]
    assert len(asked) == 5
    for what, (question, options, grade) in asked:
        right, evidence = grade(what)
        assert question and 0 <= right < len(options) and any(letter.isdigit() for letter in evidence)


def test_the_first_particles_and_copies_go_where_they_go_among_all():
    kw = dict(protocol="cool", kT=0.4, n_sweeps=120, n_particles=60, seed=3)
    run, few = sample(**kw), sample(**kw, first=20)
    assert (few.positions == run.positions[:, :20]).all() and (few.kinetic == run.kinetic[:, :20]).all()
    thin = few.thinned(9)
    assert (thin.positions[[0, -1]] == few.positions[[0, -1]]).all() and len(thin.kT) == 9
    for of in (
        dict(kind="NVE", energy=0.3),
        dict(kind="muVT"),
        dict(kind="muVT", system="lattice gas"),
        dict(kind="NVT", system="lattice gas"),
    ):
        all_ = ensembles.sample(**of, n_copies=50, n_sweeps=4, seed=2)
        first = ensembles.sample(**of, n_copies=50, n_sweeps=4, seed=2, first=15)
        assert (first.n == all_.n[:, :15]).all() and (first.energy == all_.energy[:, :15]).all() and (first.sites == all_.sites[:15]).all()
