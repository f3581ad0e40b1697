import math

import pytest
import torch
from scipy.integrate import quad

from core.numerics.schedules import EDM, SCHEDULES, SPACINGS, VARIANTS, Cosine, FiniteTime, Linear, Schedule, ancestral_sigmas, get_schedule

ALL = [pytest.param(get_schedule(name, v), id=f"{name}-{v}") for name in SCHEDULES for v in VARIANTS]
ALL += [pytest.param(FiniteTime(variant=v), id=f"finite-{v}") for v in VARIANTS]
T = torch.linspace(0.03, 0.97, 41, dtype=torch.float64)


def derivative(function, t):
    t = t.clone().requires_grad_(True)
    value = function(t)
    return torch.autograd.grad(value.sum(), t)[0] if value.requires_grad else torch.zeros_like(t)


def close(a, b, rtol=1e-9):
    return torch.allclose(a, b, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("schedule", ALL)
def test_an_ancestral_step_is_bayes_rule(schedule):
    """x_s given x_t and x_0 by completing the square: prior N(alpha_s x_0, sigma_s^2), likelihood N(r x_s, sigma_t^2 - r^2 sigma_s^2)."""
    a, s, a_next, s_next = schedule.alpha(T[1:]), schedule.sigma(T[1:]), schedule.alpha(T[:-1]), schedule.sigma(T[:-1])
    r = a / a_next
    forward = s**2 - (r * s_next) ** 2
    variance = 1 / (1 / s_next**2 + r**2 / forward)
    down, up = ancestral_sigmas(s, s_next, 1.0, alpha=a, alpha_next=a_next)
    assert close(up**2, variance, rtol=1e-6)
    assert close(down / s, variance * r / forward, rtol=1e-6)  # what a unit of x_t - alpha_t x_0 moves the mean
    half, part = ancestral_sigmas(s, s_next, 0.5, alpha=a, alpha_next=a_next)
    assert close(part, up / 2) and close(half**2 + part**2, s_next**2) and not close(half, down)
    assert close(ancestral_sigmas(s, s_next, 0.0, alpha=a, alpha_next=a_next)[0], s_next)


def test_ancestral_sigmas_of_numbers_and_of_the_papers():
    sigma, sigma_next = torch.tensor(0.5), torch.tensor(0.3)
    assert ancestral_sigmas(0.5, 0.3, 1.0) == pytest.approx((0.3**2 / 0.5, 0.3 * math.sqrt(1 - 0.36)))
    assert torch.allclose(torch.stack(ancestral_sigmas(sigma, sigma_next, 1.0)), torch.tensor(ancestral_sigmas(0.5, 0.3, 1.0)))
    path, eta = Linear(), 0.7
    bar, bar_next = path.alpha_bar(T[1:]), path.alpha_bar(T[:-1])
    printed = eta * ((1 - bar_next) / (1 - bar) * (1 - bar / bar_next)).sqrt()  # DDIM, eq. 16
    _, up = ancestral_sigmas(path.sigma(T[1:]), path.sigma(T[:-1]), eta, alpha=bar.sqrt(), alpha_next=bar_next.sqrt())
    assert close(up, printed, rtol=1e-7)
    assert ancestral_sigmas(0.5, 0.0, 1.0) == (0, 0)


@pytest.mark.parametrize("name", SCHEDULES)
def test_alpha_bar_falls_at_the_rate_beta(name):
    schedule = get_schedule(name, "VP")
    rate = -derivative(schedule.alpha_bar, T)
    assert close(rate, schedule.beta(T) * schedule.alpha_bar(T))
    assert not close(rate, 1.2 * schedule.beta(T) * schedule.alpha_bar(T))


@pytest.mark.parametrize("schedule", ALL)
def test_f_and_g_produce_alpha_and_sigma(schedule):
    """d alpha/dt = f alpha and d sigma^2/dt = 2 f sigma^2 + g^2: the moments of the linear SDE."""
    alpha, sigma, f, g2 = (getattr(schedule, name)(T) for name in ("alpha", "sigma", "f", "g2"))
    assert close(derivative(schedule.alpha, T), f * alpha)
    growth = derivative(lambda t: schedule.sigma(t) ** 2, T)
    assert close(growth, 2 * f * sigma**2 + g2)
    assert not close(growth, 2 * f * sigma**2 + 1.2 * g2)


@pytest.mark.parametrize("schedule", ALL)
def test_numbers_and_tensors_agree_and_time_is_recovered(schedule: Schedule):
    for name in ("beta", "alpha", "sigma", "alpha_bar", "log_snr", "f", "g2", "noise_ratio"):
        numbers = [getattr(schedule, name)(t) for t in T.tolist()]
        assert all(isinstance(v, float) for v in numbers)
        assert close(getattr(schedule, name)(T), torch.tensor(numbers, dtype=torch.float64))
    assert torch.allclose(schedule.time_at(schedule.noise_ratio(T)), T, atol=1e-7)
    assert schedule.time_at(schedule.noise_ratio(0.4)) == pytest.approx(0.4, abs=1e-7)


@pytest.mark.parametrize("name", ["linear", "cosine", "exponential", "sigmoid"])
def test_integral_is_the_integral_of_beta(name):
    schedule = SCHEDULES[name]
    for t in (0.2, 0.7, 1.0):
        exact, error = quad(schedule.beta, 0, t, epsabs=1e-10, limit=200)
        assert abs(schedule.integral(t) - exact) < 1e-8 + 10 * error
        assert schedule.time_of_integral(exact) == pytest.approx(t, abs=1e-6)


def test_variants_follow_their_definitions():
    vp, sub, ve = (get_schedule("linear", v) for v in VARIANTS)
    assert close(vp.sigma(T) ** 2, 1 - vp.alpha_bar(T))
    assert close(sub.sigma(T), 1 - sub.alpha_bar(T))
    assert close(sub.alpha(T), vp.alpha(T))
    assert close(ve.alpha(T), torch.ones_like(T))
    assert close(ve.log_snr(T), vp.log_snr(T), rtol=1e-7)  # the same path, seen from a moving frame


def test_named_schedules_follow_their_papers():
    assert close(EDM().sigma(T), 80 * T)
    geometric = SCHEDULES["geometric"]
    assert close(geometric.sigma(T), 0.005 * (50 / 0.005) ** T)
    cosine, early = Cosine(), T[T < 0.9]
    expected = torch.cos(0.5 * math.pi * (early + 0.008) / 1.008) ** 2 / math.cos(0.5 * math.pi * 0.008 / 1.008) ** 2
    assert close(cosine.alpha_bar(early), expected)
    assert cosine.beta(1.0) == 100 and 0 < cosine.alpha(1.0) < 0.02
    # Ho et al. 2020: beta_i from 1e-4 to 0.02 over 1000 steps is the linear rate 0.1 ... 20
    assert 0 < Linear().alpha_bar(1.0) < 1e-4


@pytest.mark.parametrize("schedule", ALL)
@pytest.mark.parametrize("spacing", [None, *SPACINGS])
def test_grids_descend_from_one_to_t_min(schedule, spacing):
    times = schedule.time_grid(37, spacing=spacing)
    assert times.dtype == torch.float64 and len(times) == 38
    assert times[0] == 1 and times[-1] == schedule.t_min
    assert (times.diff() < 0).all()


def test_edm_grid_is_equation_5_of_karras():
    i, n, rho = torch.arange(11, dtype=torch.float64), 11, 7
    expected = (80 ** (1 / rho) + i / (n - 1) * (0.002 ** (1 / rho) - 80 ** (1 / rho))) ** rho
    assert close(EDM().sigma(EDM().time_grid(10)), expected, rtol=1e-7)


def test_finite_time_is_the_slides_clock():
    """alpha(1 - exp(-s)) = exp(-s) of dx = -x ds + sqrt(2) dB, and the rate is clipped where the cosine's is: near the end."""
    s = torch.linspace(0, 5, 21, dtype=torch.float64)
    path = FiniteTime()
    assert close(path.alpha(-torch.expm1(-s)), torch.exp(-s))
    assert not close(path.alpha(-torch.expm1(-1.2 * s)), torch.exp(-s))
    assert close(path.beta(T), 2 / (1 - T)) and path.beta(1.0) == 1000 and 0 < path.alpha(1.0) < 1e-3
    exact, error = quad(path.beta, 0, 1, points=[path.clip_time], epsabs=1e-10, limit=400)
    assert abs(path.integral(1.0) - exact) < 1e-7 + 10 * error


def test_log_snr_grid_is_even():
    lam = Linear().log_snr(Linear().time_grid(20, spacing="log-SNR"))
    assert torch.allclose(lam.diff(), lam.diff().mean().expand(20), rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Linear(variant="XP"),
        lambda: get_schedule("quadratic"),
        lambda: Linear().time_grid(0),
        lambda: Linear().time_grid(3, spacing="odd"),
    ],
)
def test_bad_names_are_refused(call):
    with pytest.raises(ValueError):
        call()


def test_defaults_are_those_of_the_papers():
    """Rates 0.1 to 20 (Song et al. 2021), offset 0.008 (Nichol and Dhariwal), sigma 0.002 to 80, rho 7 (Karras et al.), k 6 (GeoDiff)."""
    t = 0.3
    assert Linear().beta(t) == pytest.approx(0.1 + 19.9 * t) and Linear().t_min == 1e-3
    assert SCHEDULES["exponential"].beta(t) == pytest.approx(0.1 * 600**t)
    assert SCHEDULES["sigmoid"].beta(t) == pytest.approx(20 / (1 + math.exp(-6 * (2 * t - 1))))
    assert SCHEDULES["sigmoid"].integral(1.0) == pytest.approx(20 / 12 * math.log((1 + math.exp(6)) / (1 + math.exp(-6))))
    assert (EDM().sigma(1.0), EDM().t_min) == (pytest.approx(80), pytest.approx(0.002 / 80))
    steps = EDM().noise_ratio(EDM().time_grid(6)) ** (1 / 7)
    assert close(steps.diff(), steps.diff().mean().expand(6))
    assert (FiniteTime().clip_time, FiniteTime().beta(0.9981)) == (pytest.approx(0.998), 1000)
    cosine = Cosine()
    assert cosine.free_beta(cosine.clip_time) == pytest.approx(100) and cosine.beta(0.5 * (1 + cosine.clip_time)) == 100


@pytest.mark.parametrize("schedule", ALL)
def test_log_snr_is_the_logarithm_of_alpha_squared_over_sigma_squared(schedule):
    assert close(schedule.log_snr(T), (schedule.alpha(T) ** 2 / schedule.sigma(T) ** 2).log(), rtol=1e-7)
