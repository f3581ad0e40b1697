"""Langevin integrators against the exact laws of their own discretisation, not of the continuum."""

import math

import pytest
import torch
from scipy.linalg import solve_discrete_lyapunov

from core.numerics.kinetic import (
    KINETIC,
    SPLITTINGS,
    Kept,
    averaged,
    bias,
    crowd_noise,
    draws,
    free_diffusion,
    kinetic,
    normals,
    overdamped,
    refined,
    splitting,
    stability_limit,
)
from core.numerics.potentials import Harmonic

METHODS = (*KINETIC, "overdamped")


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def end(states):
    *_, last = states
    return last


def linear_map(method, *, dt, omega, friction, kT=1.0):
    """(M, Q) of z <- M z + noise, read off the integrator itself: columns of M from unit vectors, Q from single normals."""

    def step(x, v, kicks):
        start = torch.tensor([[x]], dtype=torch.float64), torch.tensor([[v]], dtype=torch.float64)
        noise = [torch.tensor([[k]], dtype=torch.float64) for k in kicks]
        if method == "overdamped":
            return [float(end(overdamped(Harmonic(omega**2), start[0], noise, dt=dt, kT=kT, mobility=1 / friction))), 0.0]
        return [float(s) for s in end(kinetic(method, Harmonic(omega**2), *start, noise, dt=dt, mass=1.0, friction=friction, kT=kT))]

    n = 1 if method == "overdamped" else draws(method)
    M = torch.tensor([step(1.0, 0.0, [0.0] * n), step(0.0, 1.0, [0.0] * n)], dtype=torch.float64).T
    q = torch.tensor([step(0.0, 0.0, [float(i == j) for j in range(n)]) for i in range(n)], dtype=torch.float64).T
    return M.numpy(), (q @ q.T).numpy()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dt, omega, friction", [(0.1, 1.0, 1.0), (0.02, 4.0, 0.5), (0.3, 1.3, 6.0), (0.4, 0.5, 0.3)])
def test_closed_form_bias_is_the_stationary_law_of_the_linear_map(method, dt, omega, friction):
    M, Q = linear_map(method, dt=dt, omega=omega, friction=friction)
    prediction = bias(method, dt=dt, omega=omega, friction=friction)
    radius = max(abs(torch.linalg.eigvals(torch.tensor(M))).tolist())
    if dt >= stability_limit(method, omega=omega, friction=friction):
        assert radius >= 1 and prediction.position == math.inf
        return
    assert radius < 1
    exact = solve_discrete_lyapunov(M, Q)
    assert prediction.position == pytest.approx(exact[0, 0] * omega**2, rel=1e-9)
    if method != "overdamped":
        assert prediction.velocity == pytest.approx(exact[1, 1], rel=1e-9)
        wrong = bias(method, dt=1.2 * dt, omega=omega, friction=friction)
        assert (wrong.position, wrong.velocity) != pytest.approx((exact[0, 0] * omega**2, exact[1, 1]), rel=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("omega, friction", [(1.0, 0.3), (2.0, 1.0), (1.0, 8.0), (0.7, 1.4)])
def test_stability_limit_is_where_the_largest_eigenvalue_passes_one(method, omega, friction):
    limit = stability_limit(method, omega=omega, friction=friction)
    radius = {
        f: max(abs(torch.linalg.eigvals(torch.tensor(linear_map(method, dt=f * limit, omega=omega, friction=friction)[0]))).tolist())
        for f in (0.99, 1.01)
    }
    assert radius[0.99] < 1 < radius[1.01]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_samples_the_biased_law_of_its_dt_and_not_the_continuum(method):
    dt, friction, kT, mass, stiffness, n = 0.5, 1.0, 0.7, 1.0, 1.0, 20_000
    options = dict(dt=dt, mass=mass, friction=friction, kT=kT)
    x, v = (torch.zeros(n, 1, dtype=torch.float64) for _ in range(2))
    if method == "overdamped":
        x = end(overdamped(Harmonic(stiffness), x, normals((n, 1), 60, gen(1), x.dtype), dt=dt, kT=kT, mobility=1 / (friction * mass)))
    else:
        x, v = end(kinetic(method, Harmonic(stiffness), x, v, normals((n, 1), 120 * draws(method), gen(1), x.dtype), **options))
    prediction = bias(method, dt=dt, omega=1.0, friction=friction)
    found = {"position": float(x.square().mean()) * stiffness / kT, "velocity": float(v.square().mean()) * mass / kT}
    for name in ("position",) if method == "overdamped" else ("position", "velocity"):
        exact = getattr(prediction, name)
        error = exact * math.sqrt(2 / n)
        assert abs(found[name] - exact) < 4 * error < abs(found[name] - 1.2 * exact)
        if abs(exact - 1) > 0.04:
            assert abs(found[name] - 1) > 4 * error


@pytest.mark.parametrize("method", KINETIC)
def test_free_particle_diffuses_with_the_known_factor(method):
    dt, friction, n, steps = 0.8, 2.0, 10_000, 400
    x, v = torch.zeros(n, 1), torch.randn(n, 1, generator=gen(3))
    noise = normals((n, 1), steps * draws(method), gen(4))
    far = end(kinetic(method, Harmonic(0.0), x, v, noise, dt=dt, mass=1.0, friction=friction, kT=1.0))[0]
    value = float(far.square().mean()) / (2 * dt * steps) * friction
    error = value * math.sqrt(2 / n) + 2 / (steps * dt * friction)  # and the ballistic start, once
    exact = free_diffusion(method, friction * dt)
    assert abs(value - exact) < 4 * error
    assert abs(value - 1.2 * exact) > 4 * error


def test_two_equations_driven_by_one_brownian_path_move_together():
    """Free particles: x - y = -(v - v_0)/gamma exactly, so the partner path must follow to that and no better."""
    n, dt, friction, steps = 4000, 0.1, 5.0, 200

    def noise():
        return normals((n, 1), steps, gen(7), torch.float64)

    v0 = torch.randn(n, 1, generator=gen(8), dtype=torch.float64)
    x, v = end(splitting("BAOAB", Harmonic(0.0), torch.zeros_like(v0), v0, noise(), dt=dt, mass=1.0, friction=friction, kT=1.0))
    y = end(overdamped(Harmonic(0.0), torch.zeros_like(v0), noise(), dt=dt, kT=1.0, mobility=1 / friction))
    rms = float((x - y).square().mean().sqrt())
    exact = math.sqrt(2) / friction
    drifted = (math.sqrt(free_diffusion("BAOAB", friction * dt)) - 1) * math.sqrt(2 * steps * dt / friction)  # the known bias of D
    exact = math.hypot(exact, drifted)
    assert abs(rms / exact - 1) < 4 / math.sqrt(2 * n) < abs(rms / exact - 1.2)
    assert rms < 0.2 * float(x.square().mean().sqrt())
    apart = end(
        overdamped(
            Harmonic(0.0), torch.zeros_like(v0), normals((n, 1), steps, gen(10), torch.float64), dt=dt, kT=1.0, mobility=1 / friction
        )
    )
    assert float((x - apart).square().mean().sqrt()) > 5 * rms


def test_refined_noise_sums_to_the_coarse_one_and_is_white():
    coarse = list(normals((5000, 1), 3, gen(5)))
    fine = list(refined(iter(coarse), 4, gen(6)))
    assert len(fine) == 12
    for i, R in enumerate(coarse):
        assert torch.allclose(sum(fine[4 * i : 4 * i + 4]), 2 * R, atol=1e-5)
    together = torch.corrcoef(torch.cat(fine, 1).T)
    assert float((together - torch.eye(12)).abs().max()) < 5 / math.sqrt(5000)
    assert abs(float(torch.cat(fine).var()) - 1) < 4 * math.sqrt(2 / 60_000)


def test_same_seed_same_bits_whatever_is_kept_and_nothing_is_overwritten():
    x, v = torch.zeros(10, 1), torch.ones(10, 1)

    def run(method):
        noise = normals((10, 1), 6 * draws(method), gen(1))
        return list(kinetic(method, Harmonic(1.0), x, v, noise, dt=0.1, mass=1.0, friction=1.0, kT=1.0))

    for method in KINETIC:
        first, second = run(method), run(method)
        assert len(first) == 7
        assert all(torch.equal(a, b) for s, t in zip(first, second) for a, b in zip(s, t))
        assert all(not torch.equal(first[i][0], first[i + 1][0]) for i in range(6) if i)
    assert torch.equal(x, torch.zeros(10, 1)) and torch.equal(v, torch.ones(10, 1))


def test_a_friction_for_each_particle_is_the_same_as_one_run_for_each():
    frictions = torch.tensor([[0.2], [3.0]])
    x, v = torch.ones(2, 1), torch.zeros(2, 1)
    noise = list(normals((2, 1), 20, gen(1)))
    both = end(splitting("BAOAB", Harmonic(2.0), x, v, noise, dt=0.1, mass=1.0, friction=frictions, kT=1.0))
    for i in range(2):
        one = end(
            splitting(
                "BAOAB",
                Harmonic(2.0),
                x[i : i + 1],
                v[i : i + 1],
                [R[i : i + 1] for R in noise],
                dt=0.1,
                mass=1.0,
                friction=float(frictions[i]),
                kT=1.0,
            )
        )
        assert all(torch.allclose(a[i : i + 1], b, atol=1e-6) for a, b in zip(both, one))
    slow = end(overdamped(Harmonic(2.0), x, noise, dt=0.1, kT=1.0, mobility=1 / frictions))
    assert torch.allclose(slow[1:], end(overdamped(Harmonic(2.0), x[1:], [R[1:] for R in noise], dt=0.1, kT=1.0, mobility=1 / 3.0)))


def test_names_that_are_no_method_are_refused():
    with pytest.raises(ValueError, match="Runge"):
        kinetic("Runge", Harmonic(), torch.zeros(1, 1), torch.zeros(1, 1), [], dt=0.1, mass=1.0, friction=1.0, kT=1.0)
    with pytest.raises(ValueError, match="spelled"):
        list(splitting("BAB", Harmonic(), torch.zeros(1, 1), torch.zeros(1, 1), [], dt=0.1, mass=1.0, friction=1.0, kT=1.0))
    assert [draws(m) for m in KINETIC] == [1, 2, 1, 1] and "BAOAB" in SPLITTINGS


@pytest.mark.parametrize("method", KINETIC)
def test_what_was_yielded_stays_as_it_was(method):
    start = torch.ones(4, 1), torch.zeros(4, 1)
    noise = list(normals((4, 1), 3 * draws(method), gen()))
    steps = [(x, v, x.clone(), v.clone()) for x, v in kinetic(method, Harmonic(), *start, noise, dt=0.1, mass=1.0, friction=1.0, kT=1.0)]
    assert len(steps) == 4 and all(torch.equal(x, then) and torch.equal(v, so) for x, v, then, so in steps)
    assert torch.equal(start[0], torch.ones(4, 1)) and torch.equal(start[1], torch.zeros(4, 1))


@pytest.mark.parametrize("scheme", SPLITTINGS)
def test_every_letter_does_what_its_equation_says_to_the_last_bit(scheme):
    x, v, dt, mass, friction, kT = torch.randn(16, 1, generator=gen(1)), torch.randn(16, 1, generator=gen(2)), 0.1, 2.0, 0.7, 1.3
    noise = list(normals((16, 1), 5 * draws(scheme), gen()))
    fast = list(splitting(scheme, Harmonic(1.5), x, v, noise, dt=dt, mass=mass, friction=friction, kT=kT))
    part = {letter: dt / scheme.count(letter) for letter in "BAO"}
    c = torch.exp(-torch.tensor(friction) * part["O"])
    kicks = iter(noise)
    for x_fast, v_fast in fast[1:]:
        for letter in scheme:
            if letter == "A":
                x = torch.add(x, v, alpha=part["A"])
            elif letter == "B":
                v = torch.add(v, Harmonic(1.5).force(x), alpha=part["B"] / mass)
            else:
                v = torch.addcmul(v * c, next(kicks), torch.sqrt((1 - c * c) * (kT / mass)))
        assert torch.equal(x, x_fast) and torch.equal(v, v_fast)


def test_one_euler_step_by_hand():
    """x + v dt, and (1 - gamma dt) v + dt F/m + sqrt(2 gamma kT/m dt) R, for a mass of 2."""
    x, v, R = torch.tensor([[1.0]]), torch.tensor([[0.5]]), torch.tensor([[0.3]])
    *_, (x_next, v_next) = kinetic("Euler–Maruyama", Harmonic(3.0), x, v, [R], dt=0.1, mass=2.0, friction=0.7, kT=0.4)
    assert x_next.item() == pytest.approx(1.05)
    assert v_next.item() == pytest.approx(0.93 * 0.5 - 0.1 * 3 / 2 + math.sqrt(2 * 0.7 * 0.4 / 2 * 0.1) * 0.3)


def test_few_particles_have_the_noise_that_they_have_in_the_crowd():
    """Bit for bit, the first time and from memory; other seeds, particles, refinements and lengths are not mistaken for it."""

    def noise(shape=(40, 1), n=30, seed=5, after=40, first=None, k=1):
        generator = gen(seed)
        torch.randn(after, generator=generator)
        return torch.stack(list(crowd_noise(shape, n, generator, first, k=k, seed=seed + 1)))

    for k in (1, 3):
        whole = noise(k=k)
        assert len(whole) == 30 * k
        for _ in range(2):
            assert torch.equal(noise(k=k, first=7), whole[:, :7])
    for other in ({"seed": 6}, {"after": 0}, {"n": 29}, {"shape": (41, 1)}):
        assert torch.equal(noise(**other, first=7), noise(**other)[:, :7])


def test_kept_noise_is_bounded():
    """The noise longest unused is forgotten beyond the bytes allowed; the newest stays whatever its size."""
    kept, made = Kept(100), []

    def of(name, n):
        return kept.get(name, lambda: made.append(name) or torch.zeros(n))

    for name, n in (("a", 10), ("b", 10), ("a", 10), ("c", 10), ("a", 10), ("b", 10), ("d", 100), ("d", 100)):
        of(name, n)
    assert made == ["a", "b", "c", "b", "d"]


def test_averaged_noise_samples_a_spring_exactly_where_euler_does_not():
    """Leimkuhler and Matthews' steps: variance kT/k at k dt = 0.8, where single draws give 1/(1 - 0.4) times as much."""
    k, dt, kT, n = 2.0, 0.4, 0.7, 20_000
    start = torch.zeros(n, 1, dtype=torch.float64)

    def variance(noise):
        *_, x = overdamped(Harmonic(k), start, noise, dt=dt, kT=kT)
        return float(x.var(correction=0))

    def single(n_steps, seed):
        return normals((n, 1), n_steps, torch.Generator().manual_seed(seed), torch.float64)

    error = 4 * math.sqrt(2 / n)
    assert abs(variance(averaged(single(41, 1))) / (kT / k) - 1) < error
    assert abs(variance(single(40, 1)) / (kT / k / (1 - k * dt / 2)) - 1) < error
    assert len(list(averaged(single(5, 2)))) == 4
