"""Langevin dynamics against closed forms: laws of every moment, spreading, memory, the two pictures, escape."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.integrate import quad
from scipy.sparse.linalg import eigs

from core.numerics import kinetic
from core.physics import langevin
from core.physics.langevin import System


def system_of(params):
    return System(**{key: params[key] for key in ("kind", "kT", "mass", "friction", "stiffness", "barrier") if key in params})


def test_same_seed_same_bits_and_what_is_kept_changes_nothing():
    few, many = (langevin.sample(kind="harmonic", t_end=5.0, n_particles=300, seed=3, n_frames=n) for n in (5, 200))
    assert torch.equal(few.x[-1], many.x[-1]) and torch.equal(few.v[-1], many.v[-1])
    assert not torch.equal(many.x[-1], langevin.sample(kind="harmonic", t_end=5.0, n_particles=300, seed=4).x[-1])
    assert many.positions.positions.shape == (200, 300, 1) and many.velocities.n_frames == 200 and few.positions.n_frames == 5
    assert float(many.times[0]) == 0 and float(many.times[-1]) == pytest.approx(5) and (many.x[0] == 2).all()


HARMONIC = dict(kind="harmonic", kT=0.8, mass=1.5, friction=0.6, stiffness=2.0)
FREE = dict(kind="free", kT=0.8, mass=1.5, friction=0.6)


@pytest.mark.parametrize("params", [HARMONIC, FREE, HARMONIC | {"friction": 8.0}])
def test_mean_and_covariance_of_every_moment(params):
    """Position, velocity and their correlation, long before equilibrium and after; off by a fifth in kT they are refused."""
    n = 20_000
    run = langevin.sample(**params, dt=0.02, t_end=6.0, n_particles=n, seed=5)
    exact = langevin.law(system_of(params), run.times)
    for i in (20, 60, 120, len(run.times) - 1):
        z = torch.stack([run.x[i], run.v[i]], 1).double()
        mean, S = exact.mean[i], exact.covariance[i]
        assert ((z.mean(0) - mean).abs() < 4 * torch.diagonal(S).sqrt() / math.sqrt(n)).all()
        found = torch.cov(z.T)
        for a, b in ((0, 0), (1, 1), (0, 1)):
            error = float(torch.sqrt((S[a, a] * S[b, b] + S[a, b] ** 2) / n))
            assert abs(float(found[a, b] - S[a, b])) < 4 * error
            if a == b:
                assert abs(float(found[a, b] - 1.2 * S[a, b])) > 4 * error


def test_law_solves_its_equation_of_motion():
    """dS/dt = A S + S A^T + b b^T: the Gaussian law of the linear equation, and not with 1.2 kT."""
    for params in (HARMONIC, FREE):
        system = system_of(params)
        t, h = torch.tensor([0.7], dtype=torch.float64), 1e-5
        A = torch.tensor([[0, 1], [-(system.omega**2), -system.friction]], dtype=torch.float64)
        noise = torch.tensor([[0, 0], [0, 2 * system.friction * system.kT / system.mass]], dtype=torch.float64)
        S = langevin.law(system, t).covariance[0]
        slope = (langevin.law(system, t + h).covariance[0] - langevin.law(system, t - h).covariance[0]) / (2 * h)
        assert torch.allclose(slope, A @ S + S @ A.T + noise, atol=1e-8)
        assert not torch.allclose(slope, A @ S + S @ A.T + 1.2 * noise, atol=1e-3)


@pytest.mark.parametrize("kind", ["harmonic", "free"])
def test_ornstein_uhlenbeck_is_exact_at_every_moment(kind):
    params = dict(kind=kind, kT=0.7, mass=2.0, friction=3.0, stiffness=1.5)
    n = 20_000
    walk = langevin.overdamped(**params, dt=0.02, t_end=4.0, n_particles=n, seed=2)
    mean, variance = langevin.ornstein_uhlenbeck(system_of(params), walk.times)
    r = 1.5 / 6 * 0.02 if kind == "harmonic" else 0.0  # Euler's own variance is wider by 1/(1 - r/2)
    for i in (10, 100, -1):
        x = walk.positions[i, :, 0].double()
        assert abs(float(x.mean() - mean[i])) < 4 * math.sqrt(float(variance[i]) / n) + 2 * r
        error = 4 * float(variance[i]) * math.sqrt(2 / n)
        assert abs(float(x.var() - variance[i])) < error + r * float(variance[i])
        assert abs(float(x.var() - 1.2 * variance[i])) > error + r * float(variance[i])


def test_spread_is_ballistic_then_diffusive_with_both_asymptotes_exact():
    system = system_of(FREE)
    t = torch.tensor([1e-4, 1e4], dtype=torch.float64)
    exact = langevin.law(system, t).covariance[:, 0, 0]
    assert float(exact[0]) == pytest.approx(float(langevin.ballistic(system, t)[0]), rel=1e-4)
    assert float(exact[1]) == pytest.approx(float(langevin.diffusive(system, t)[1]), rel=1e-3)
    run = langevin.sample(**FREE, dt=0.01, t_end=40.0, n_particles=5000, seed=7)
    curve = langevin.spread(run, system)
    for i in (1, len(curve.times) // 2, len(curve.times) - 1):
        value, error, law = (float(part[i]) for part in (curve.value, curve.error, curve.exact))
        assert abs(value - law) < 4 * error < abs(value - 1.2 * law)
    assert float(curve.times[1]) * system.friction < 0.01 and float(curve.times[-1]) * system.friction > 20


@pytest.mark.parametrize("params", [HARMONIC, FREE])
def test_velocity_autocorrelation(params):
    system = system_of(params)
    run = langevin.sample(**params, dt=0.02, t_end=10.0, n_particles=20_000, seed=9)
    curve = langevin.memory(run, system)
    away = (curve.value - curve.exact).abs() / curve.error
    assert float(away.max()) < 4.5 and (away < 4).double().mean() > 0.98
    wrong = langevin.propagator(system_of(params | {"friction": 1.2 * params["friction"]}), curve.times)[:, 1, 1]
    assert float(((curve.value - wrong).abs() / curve.error).max()) > 4.5
    if params is FREE:
        assert torch.allclose(curve.exact, torch.exp(-system.friction * curve.times))


def test_velocities_are_maxwells_and_positions_boltzmanns_in_the_double_well():
    params = dict(kT=1.0, barrier=1.5, friction=2.0, mass=0.5)
    system = system_of(params)
    run = langevin.sample(**params, dt=0.01, t_end=40.0, n_particles=5000, seed=1)
    assert langevin.truth(run.x[-1], system, 40.0).z < 4
    assert langevin.truth(run.v[-1], system, 40.0, what="velocities").z < 4
    hot = system_of(params | {"kT": 1.2})
    assert langevin.truth(run.v[-1], hot, 40.0, what="velocities").z > 4
    draws = langevin._equilibrium(system, 40_000, torch.Generator().manual_seed(0))[:, 0]
    assert langevin.truth(draws, system, 1.0).z < 4 < langevin.truth(draws, hot, 1.0).z
    x = langevin.grid(system)
    assert float(torch.trapezoid(langevin.boltzmann(system, x), x)) == pytest.approx(1)


def test_mass_and_friction_do_not_change_boltzmanns_law():
    for change in ({"mass": 4.0}, {"friction": 5.0}):
        params = dict(kind="harmonic", stiffness=2.0, kT=0.5) | change
        run = langevin.sample(**params, dt=0.02, t_end=60.0, n_particles=10_000, seed=3)
        variance = float(run.x[-1].var())
        error = 0.25 * math.sqrt(2 / 10_000)
        assert abs(variance - 0.25) < 4 * error < abs(variance - 0.3)


@pytest.mark.parametrize("kind", ["harmonic", "free"])
@pytest.mark.parametrize("friction", [2.0, 10.0])
def test_distance_of_the_two_pictures_on_one_noise(kind, friction):
    params = dict(kind=kind, kT=0.9, mass=1.3, friction=friction, stiffness=1.2)
    both = params | dict(dt=0.005, t_end=20.0, n_particles=4000, seed=11)
    found = langevin.gap(langevin.sample(**both), langevin.overdamped(**both), system_of(params))
    drift = (kinetic.free_diffusion("BAOAB", friction * 0.005) - 1) * math.sqrt(2 * 0.9 / 1.3 / friction * 20) / 2
    assert abs(found.value - found.exact) < 4 * found.error + drift
    assert abs(found.value - 1.2 * found.exact) > 4 * found.error + drift
    assert langevin.exact_gap(system_of(params | {"friction": 100.0 * friction}), 1e4) < found.exact / 50
    assert langevin.exact_gap(System(), 1.0) is None


def test_where_friction_is_too_weak_there_is_no_second_picture():
    assert langevin.overdamped(friction=0.1, n_particles=10) is None
    fine = langevin.overdamped(friction=0.5, n_particles=10, t_end=1.0)
    assert fine.n_frames == 51 and float(fine.times[-1]) == pytest.approx(1.0)


def operator_rate(system, nx=110, nv=36):
    """Half the spectral gap of the Klein-Kramers equation, in Hermite functions of v and staggered cells of x.

    Risken, The Fokker-Planck Equation, sec. 10.1: c_n' = -n gamma c_n - sqrt(n) D* c_(n-1) - sqrt(n+1) D c_(n+1).
    """
    x = langevin.grid(system, nx).numpy()
    dx = x[1] - x[0]

    def energy(at):
        return system.landscape.energy(torch.as_tensor(at)[:, None]).numpy() / (2 * system.kT)

    cells, faces = energy(x), energy((x[1:] + x[:-1]) / 2)
    up = system.speed / dx * np.exp(cells[1:] - faces)
    down = system.speed / dx * np.exp(cells[:-1] - faces)
    raise_ = sp.diags_array([-down, up], offsets=[0, 1], shape=(nx - 1, nx)).tocsr()  # cells -> faces, kills exp(-U/2kT)
    back = system.speed / dx * np.exp(faces - cells[:-1]), system.speed / dx * np.exp(faces - cells[1:])
    lower = sp.diags_array([back[0], -back[1]], offsets=[0, -1], shape=(nx, nx - 1)).tocsr()  # faces -> cells
    blocks = [[None] * nv for _ in range(nv)]
    for n in range(nv):
        size = nx if n % 2 == 0 else nx - 1
        blocks[n][n] = -n * system.friction * sp.eye_array(size)
        if n:
            hop = math.sqrt(n) * (raise_ if n % 2 else lower)
            blocks[n][n - 1], blocks[n - 1][n] = -hop, hop.T
    L = sp.block_array(blocks, format="csc")
    values = eigs(L, k=3, sigma=1e-6, return_eigenvectors=False)
    return sorted(-values.real)[1] / 2


@pytest.mark.parametrize("friction", [0.5, 3.0])
def test_counted_crossings_are_the_spectral_gap_of_the_klein_kramers_equation(friction):
    """Core-to-core counts and gap differ by the share of particles in neither core, of order exp(-barrier/2kT)."""
    system = System(barrier=5.0, friction=friction)
    exact = operator_rate(system)
    counted = langevin.count(system, [friction], n_particles=6000, time=150.0, seed=2)
    rate, error = float(counted.rate[0]), float(counted.error[0])
    slack = 4 * error + math.exp(-5 / 2) * exact
    assert abs(rate - exact) < slack < abs(rate - 1.2 * exact)


def test_kramers_and_melnikov_in_their_limits():
    system = System(barrier=8.0, kT=1.0, mass=1.4)
    weak, strong = torch.tensor([1e-4], dtype=torch.float64), torch.tensor([1e4], dtype=torch.float64)
    assert float(langevin.kramers(system, weak)[0]) == pytest.approx(langevin.transition_state(system), rel=1e-4)
    curvatures = math.sqrt(8 * 8.0 * 4 * 8.0)  # U'' in the well and on the barrier
    smoluchowski = curvatures / (2 * math.pi * system.mass * 1e4) * math.exp(-8)
    assert float(langevin.kramers(system, strong)[0]) == pytest.approx(smoluchowski, rel=1e-4)
    assert float(langevin.melnikov(system, strong)[0]) == pytest.approx(smoluchowski, rel=1e-4)
    assert float(langevin.slow_rate(system, strong)[0]) == pytest.approx(smoluchowski, rel=1.2 / 8)  # 1/barrier correction
    action = 2 * quad(lambda x: math.sqrt(2 * system.mass * 8 * x * x * (2 - x * x)), 0, math.sqrt(2))[0]  # one round at the top
    half = 0.5 * 1e-4 * action * langevin.transition_state(system)  # energy diffusion; half of them fall back
    assert float(langevin.melnikov(system, weak)[0]) == pytest.approx(half, rel=0.02)
    assert float(langevin.melnikov(system, weak)[0]) != pytest.approx(1.2 * half, rel=0.02)
    assert langevin.depopulation(1e-3) == pytest.approx(1e-3, rel=0.05) and langevin.depopulation(30.0) == pytest.approx(1, abs=1e-3)


def test_next_term_of_kramers_formula():
    """What is left of exact rate over Kramers, for whatever is called a passage, is of second order in kT/barrier."""
    for barrier in (32.0, 64.0):
        system = System(barrier=barrier)
        smoluchowski = math.sqrt(4 * barrier) * langevin.transition_state(system)
        for core in (langevin.CORE, 1.0):
            ratio = float(langevin.slow_rate(system, torch.ones(1), core=core)[0]) / smoluchowski
            slack = 1.5 / barrier**2
            assert abs(ratio - langevin.finite_barrier(system)) < slack < abs(ratio - (1 - 1.2 * (1 - langevin.finite_barrier(system))))
    assert float(System(barrier=3.0).landscape.energy(torch.tensor([[langevin.CORE]]))[0]) == pytest.approx(1.5, rel=1e-5)


def test_exact_operator_agrees_with_melnikov_for_a_high_barrier():
    """The formula is the first term in kT/barrier; at 8 kT the rest is of that order."""
    for friction in (0.3, 1.0, 5.0):
        system = System(barrier=8.0, friction=friction)
        ratio = operator_rate(system) / float(langevin.melnikov(system, torch.tensor([friction]))[0])
        assert abs(ratio - 1) < 1.6 / 8


def test_rate_without_inertia_against_counted_passages():
    """Hysteresis between -0.5 and 0.5 of the overdamped equation; steps so short that missed touches do not matter."""
    system, n, dt, time = System(barrier=2.0, friction=1.0), 4000, 1e-3, 6.0
    generator = torch.Generator().manual_seed(4)
    x = langevin._equilibrium(system, n, generator)
    side, changes = torch.sign(x), torch.zeros_like(x)
    noise = kinetic.normals(x.shape, round(time / dt), generator)
    for at in kinetic.overdamped(system.landscape, x, noise, dt=dt, kT=1.0):
        now = torch.where(at > 0.5, 1.0, torch.where(at < -0.5, -1.0, side))
        changes += now != side
        side = now
    each = changes[:, 0].double() / time
    rate, error = float(each.mean()), float(each.std()) / math.sqrt(n)
    core = 0.5 + 0.5826 * math.sqrt(2 * dt)  # a walk seen at steps passes a line that lies this much farther (Siegmund 1979)
    exact = float(langevin.slow_rate(system, torch.tensor([1.0]), core=core)[0])
    assert abs(rate - exact) < 4 * error < abs(rate - 1.2 * exact)


@pytest.mark.parametrize(
    "bad",
    [
        dict(kind="volcano"),
        dict(kT=0.0),
        dict(friction=-1.0),
        dict(method="leapfrog"),
        dict(dt=0.0),
        dict(n_particles=0),
        dict(dt=1e-4),
        dict(mass=math.nan),
    ],
)
def test_parameters_that_make_no_run_are_refused(bad):
    with pytest.raises(ValueError):
        langevin.sample(**bad)


def test_laws_that_do_not_exist_are_refused():
    for function in (langevin.law, langevin.ornstein_uhlenbeck):
        with pytest.raises(ValueError, match="double well"):
            function(System(), torch.ones(1))


def test_past_the_limit_nothing_is_finite_and_the_meter_says_so():
    run = langevin.sample(kind="harmonic", dt=2.1, t_end=1500.0, n_particles=50)
    assert not torch.isfinite(run.x[-1]).all()
    assert langevin.truth(run.x[-1], System("harmonic"), 1500.0).verdict.startswith("Blown up")


def test_the_kinetic_temperature_is_that_of_the_splitting():
    n, system = 20_000, System("harmonic", friction=2.0, kT=0.5, mass=2.0)
    for dt, expected in ((0.05, 1 - system.omega**2 * 0.05**2 / 4), (1.2, 1 - system.omega**2 * 1.2**2 / 4)):
        run = langevin.sample(kind="harmonic", friction=2.0, kT=0.5, mass=2.0, dt=dt, t_end=60.0, n_particles=n, seed=2)
        value, error = langevin.kinetic_temperature(run, system)
        assert error == math.sqrt(2 / n) and abs(value - expected) < 4 * error, dt


def test_only_the_free_particle_is_held_back_by_its_mass():
    kT, t = 0.7, 5.0
    for mass in (0.5, 5.0):
        assert langevin.late_width(System("harmonic", kT, mass, 0.05, 2.0), t) == pytest.approx(math.sqrt(kT / 2.0), rel=1e-6)
        free = 2 * kT / mass / 4 * (2 * t - 1 + math.exp(-2 * t))
        assert langevin.late_width(System("free", kT, mass, 2.0), t) == pytest.approx(math.sqrt(free), rel=1e-9)
        weight = [quad(lambda x, k=k: x**k * math.exp(-2 * (x * x - 1) ** 2 / kT), -4, 4)[0] for k in (0, 2)]
        assert langevin.late_width(System("double well", kT, mass), t) == pytest.approx(math.sqrt(weight[1] / weight[0]), rel=1e-6)


@pytest.mark.parametrize(
    "params", [{}, {"kind": "harmonic", "friction": 20.0, "method": "OBABO"}, {"method": "Euler–Maruyama", "barrier": 3.0}]
)
def test_the_first_particles_are_those_of_the_whole_crowd(params):
    params = {"t_end": 2.0, "n_particles": 300, "seed": 5} | params
    whole, first = (langevin.sample(**params, first=first) for first in (None, 100))
    assert torch.equal(first.x, whole.x[:, :100]) and torch.equal(first.v, whole.v[:, :100])
    whole, first = (langevin.overdamped(**params, first=first) for first in (None, 100))
    assert torch.equal(first.positions, whole.positions[:, :100])


def test_a_run_may_be_written_to():
    """It is sampled in inference mode, and is none of its tensors."""
    for made in (langevin.sample(t_end=0.2, n_particles=5).x, langevin.overdamped(t_end=0.2, n_particles=5).positions):
        assert not made.is_inference() and made.add_(1) is made


def test_limits_of_the_two_pictures_by_value():
    """At most eight substeps, each of 0.16 of a relaxation time; a well ends at half the barrier; 8 memories are watched."""
    kind = dict(kind="harmonic", stiffness=1.0, friction=1.0, n_particles=3, n_frames=2)
    assert langevin.overdamped(**kind, dt=1.27, t_end=2.54) is not None and langevin.overdamped(**kind, dt=1.29, t_end=2.58) is None
    well = System(barrier=3.0).landscape
    assert float(well.energy(torch.tensor([[langevin.CORE]], dtype=torch.float64))) == pytest.approx(1.5)
    assert langevin.window(System("free", friction=2.0), 40.0) == pytest.approx(4.0)
    assert langevin.window(System("harmonic", friction=0.1, stiffness=4.0), 400.0) == pytest.approx(8 * math.pi / 2)


def test_the_error_of_the_gap_is_its_spread_over_repetitions():
    """r.m.s. distance of the two pictures of a free particle: deviations over stated errors have variance 1, 200 runs of 100."""
    system, setting = System("free"), dict(kind="free", dt=0.1, t_end=2.0, n_particles=100, n_frames=2)
    scores = []
    for seed in range(200):
        found = langevin.gap(langevin.sample(**setting, seed=seed), langevin.overdamped(**setting, seed=seed), system)
        scores.append([found.value, found.error])
    value, error = torch.tensor(scores).T
    assert abs(float(((value - value.mean()) / error).var()) - 1) < 4 * math.sqrt(2 / 200) < 0.5
