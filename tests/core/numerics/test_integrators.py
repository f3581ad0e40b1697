"""Order of convergence against theory, step-by-step agreement with diffusers and torchsde, purity."""

import inspect
import math

import pytest
import torch
import torchsde

from core.numerics import integrators as it
from core.numerics.densities import GaussianMixture, get_dataset
from core.numerics.parametrisation import exact_score
from core.numerics.schedules import EDM, Linear, get_schedule
from core.numerics.sde import SDE, forward_sde, no_noise

diffusers = pytest.importorskip("diffusers")


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def flow(score, schedule):
    return forward_sde(schedule).probability_flow(score)


DETERMINISTIC = {
    "ODE Euler": (1, lambda score, path, x, times: it.euler_maruyama(flow(score, path), x, times)),
    "ODE Heun": (2, lambda score, path, x, times: it.heun(flow(score, path), x, times)),
    "DDIM(0)": (1, lambda score, path, x, times: it.ancestral(score, path, x, times, eta=0.0)),
    "DPM-Solver++(2M)": (2, it.dpm_solver_pp_2m),
    "EDM, no churn": (2, lambda score, path, x, times: it.edm_stochastic(score, path, x, times, S_churn=0.0)),
}


@pytest.mark.parametrize("name", DETERMINISTIC)
@pytest.mark.parametrize("schedule", [Linear(), get_schedule("linear", "sub-VP"), EDM()], ids=["VP", "sub-VP", "EDM"])
def test_order_of_convergence(name, schedule):
    """Data N(m, s^2): the flow carries x - alpha m in proportion to the width sqrt(alpha^2 s^2 + sigma^2)."""
    order, run = DETERMINISTIC[name]
    m, s = 0.7, 0.5
    data = GaussianMixture.of(1.0, [[m]], s, torch.float64)
    start, stop = schedule.time_at(3.0), schedule.time_at(0.1)
    width = [math.hypot(schedule.alpha(t) * s, schedule.sigma(t)) for t in (start, stop)]
    x = schedule.alpha(start) * m + width[0] * torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    exact = schedule.alpha(stop) * m + (x - schedule.alpha(start) * m) * (width[1] / width[0])
    steps = torch.tensor([64.0, 128.0, 256.0])
    errors = []
    for n in steps.long().tolist():
        grid = schedule.time_at(torch.linspace(math.log(3.0), math.log(0.1), n + 1, dtype=torch.float64).exp())
        *_, end = run(exact_score(data, schedule), schedule, x, grid)
        errors.append(float((end - exact).abs().max()))
    slopes = -torch.tensor(errors).log().diff() / steps.log().diff()
    assert (slopes - order).abs().max() < 0.08, (errors, slopes)
    assert errors[-1] < 0.02


def test_strong_order_of_euler_maruyama(monkeypatch):
    """Additive noise: the path error falls in proportion to dt (order 1), on coarse and fine steps of one path."""
    fine, n = 1024, 2000
    increments = torch.randn(fine, n, 1, generator=gen(), dtype=torch.float64) / math.sqrt(fine)
    sde = SDE(lambda x, t: torch.sin(3 * x) - t, lambda t: 0.8)

    def end(n_steps):
        chunks = iter(increments.reshape(n_steps, -1, n, 1).sum(1) * math.sqrt(n_steps))
        monkeypatch.setattr(torch.Tensor, "normal_", lambda self, generator=None: self.copy_(next(chunks)))
        *_, x = it.euler_maruyama(
            sde, torch.zeros(n, 1, dtype=torch.float64), torch.linspace(0, 1, n_steps + 1, dtype=torch.float64), generator=gen()
        )
        monkeypatch.undo()
        return x

    steps, exact = [16, 32, 64], end(fine)
    errors = torch.tensor([float((end(k) - exact).abs().mean()) for k in steps])
    slopes = -errors.log().diff() / torch.tensor(steps).log().diff()
    assert (slopes - 1).abs().max() < 0.12, slopes


class SameNoise:
    """The Brownian increments that `euler_maruyama` draws from an equal generator, in torchsde's interface."""

    levy_area_approximation = "none"

    def __init__(self, shape, seed):
        self.shape, self.generator = shape, gen(seed)

    def __call__(self, ta, tb):
        return torch.empty(self.shape, dtype=torch.float64).normal_(generator=self.generator) * (tb - ta).abs().sqrt()


def test_euler_maruyama_equals_torchsde():
    class Doubled(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t, x):
            return torch.sin(x) - t * x

        def g(self, t, x):
            return (0.5 + t).expand_as(x)

    x, times = torch.randn(40, 2, generator=gen(), dtype=torch.float64), torch.linspace(0, 1, 21, dtype=torch.float64)
    ours = it.euler_maruyama(SDE(lambda x, t: torch.sin(x) - t * x, lambda t: 0.5 + t), x, times, generator=gen(5))
    theirs = torchsde.sdeint(Doubled(), x, times, bm=SameNoise(x.shape, 5), method="euler", dt=0.05)
    assert torch.allclose(torch.stack(list(ours)), theirs, atol=1e-9)


def betas_for(schedule, times):
    """Discrete betas whose cumulative products are alpha_bar at ascending `times`; index i is times[i]."""
    bar = torch.tensor([schedule.alpha_bar(t) for t in times], dtype=torch.float64)
    return (1 - torch.cat([bar[:1], bar[1:] / bar[:-1]])).numpy()


N_STEPS = 25
LINEAR = Linear()
TIMES = Linear().time_grid(N_STEPS, spacing="log-SNR")
INDEX = list(range(N_STEPS, -1, -1))  # diffusers' integer time of TIMES[k]
DATA = get_dataset("three modes")
SCORE = exact_score(DATA, Linear())


def start(schedule=LINEAR):
    return torch.randn(300, 2, generator=gen(1)) * schedule.sigma(1.0)


def eps_at(x, k, times=TIMES):
    return SCORE(x, float(times[k])) * -Linear().sigma(float(times[k]))


def test_ddpm_equals_diffusers_step_by_step():
    peer = diffusers.DDPMScheduler(
        trained_betas=betas_for(Linear(), reversed(TIMES.tolist())), clip_sample=False, num_train_timesteps=N_STEPS + 1
    )
    peer.set_timesteps(timesteps=INDEX)
    ours = list(it.ancestral(SCORE, Linear(), start(), TIMES, eta=1.0, generator=gen(2)))
    x, noise = start(), gen(2)
    for k in range(N_STEPS):
        x = peer.step(eps_at(x, k), INDEX[k], x, generator=noise).prev_sample
        assert torch.allclose(ours[k + 1], x, atol=2e-4), k


@pytest.mark.parametrize("eta", [0.0, 0.7, 1.0])
def test_ddim_equals_diffusers_step_by_step(eta):
    peer = diffusers.DDIMScheduler(
        trained_betas=betas_for(Linear(), reversed(TIMES.tolist())),
        clip_sample=False,
        num_train_timesteps=N_STEPS + 1,
        set_alpha_to_one=False,
    )
    peer.set_timesteps(N_STEPS + 1)
    ours = list(it.ancestral(SCORE, Linear(), start(), TIMES, eta=eta, generator=gen(2)))
    x, noise = start(), gen(2)
    for k in range(N_STEPS):
        z = torch.randn(x.shape, generator=noise)
        x = peer.step(eps_at(x, k), INDEX[k], x, eta=eta, variance_noise=z).prev_sample
        assert torch.allclose(ours[k + 1], x, atol=2e-4), k


@pytest.mark.parametrize("times", [TIMES, TIMES**1.5], ids=["even", "uneven"])
def test_dpm_solver_equals_diffusers_step_by_step(times):
    """Also where one step is not as long as the last, so that h and h_last cannot be taken for each other."""
    peer = diffusers.DPMSolverMultistepScheduler(
        trained_betas=betas_for(Linear(), reversed(times.tolist())),
        num_train_timesteps=N_STEPS + 1,
        algorithm_type="dpmsolver++",
        solver_order=2,
        final_sigmas_type="sigma_min",
        lower_order_final=False,
    )
    peer.set_timesteps(timesteps=INDEX)
    ours = list(it.dpm_solver_pp_2m(SCORE, Linear(), start(), times))
    x = start()
    for k in range(N_STEPS):
        x = peer.step(eps_at(x, k, times), INDEX[k], x).prev_sample
        assert torch.allclose(ours[k + 1], x, atol=5e-4), k


def test_the_same_comparisons_notice_a_score_off_by_a_fifth():
    ours, off = (list(DETERMINISTIC["DDIM(0)"][1](lambda x, t, c=c: c * SCORE(x, t), LINEAR, start(), TIMES))[-1] for c in (1.0, 1.2))
    assert not torch.allclose(ours, off, atol=2e-3)


def edm_sigmas(n):
    return EDM().sigma(EDM().time_grid(n))


@pytest.mark.parametrize("name", ["EDM, no churn", "ODE Heun"])
def test_heun_equals_diffusers_heun(name):
    """HeunDiscreteScheduler with the same sigmas, fed our exact noise; its own last sigma is 0, ours 0.002.

    On the EDM path t is sigma but for a factor, so that Heun's method in t and in sigma are one.
    """
    n, data = 18, get_dataset("three modes")
    score = exact_score(data, EDM())
    ours = list(DETERMINISTIC[name][1](score, EDM(), start(EDM()), EDM().time_grid(n)))
    peer = diffusers.HeunDiscreteScheduler()
    peer.set_timesteps(n)
    sigmas = torch.cat([edm_sigmas(n), torch.zeros(1, dtype=torch.float64)]).float()
    peer.sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
    peer.timesteps = torch.arange(len(peer.sigmas) - 1).float()
    x, peer._step_index = start(EDM()), 0
    for k in range(n):
        for level in (sigmas[k], sigmas[k + 1]):
            eps = score(x, float(level) / EDM().sigma_max) * -float(level)
            x = peer.step(eps, peer.timesteps[peer.step_index], x).prev_sample
        assert torch.allclose(ours[k + 1], x, atol=1e-3, rtol=1e-3), k


def test_ode_euler_on_edm_equals_diffusers_edm_euler():
    n, score = 20, exact_score(DATA, EDM())
    ours = list(it.euler_maruyama(flow(score, EDM()), start(EDM()), EDM().time_grid(n)))
    peer = diffusers.EDMEulerScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, prediction_type="epsilon")
    peer.set_timesteps(n + 1)
    x = start(EDM())
    for k in range(n):
        sigma = float(peer.sigmas[k])
        x0 = x + sigma**2 * score(x, sigma / 80.0)
        c_skip, c_out = 0.25 / (sigma**2 + 0.25), sigma * 0.5 / math.sqrt(sigma**2 + 0.25)
        x = peer.step((x0 - c_skip * x) / c_out, peer.timesteps[k], x).prev_sample
        assert torch.allclose(ours[k + 1], x, atol=2e-3, rtol=2e-3), k


def run_all(x, times, seed=3):
    score, path = SCORE, Linear()
    sde = forward_sde(path).reverse(score)

    def predictor(x, t, t_next):
        *_, x = it.euler_maruyama(sde, x, (t, t_next), generator=predictor_noise)
        return x

    predictor_noise = gen(seed)
    yield "reverse SDE", it.euler_maruyama(sde, x, times, generator=gen(seed))
    yield "DDPM", it.ancestral(score, path, x, times, generator=gen(seed))
    yield "EDM", it.edm_stochastic(score, path, x, times, generator=gen(seed))
    yield "predictor-corrector", it.predictor_corrector(score, path, x, times, predictor=predictor, generator=predictor_noise)
    for name, (_, run) in DETERMINISTIC.items():
        yield name, run(score, path, x, times)


def test_every_sampler_is_pure_and_repeats_itself():
    x = start()
    before, times = x.clone(), Linear().time_grid(12)
    again = dict(run_all(x, times))
    for name, states in run_all(x, times):
        frames = []
        for state in states:
            frames.append((state, state.clone()))
        assert len(frames) == 13, name
        assert all(torch.equal(state, copy) for state, copy in frames), f"{name} wrote to a state it had yielded"
        assert torch.equal(frames[0][0], before) and torch.equal(x, before), name
        assert torch.equal(frames[-1][0], list(again[name])[-1]), name


def test_temperature_zero_is_the_drift_alone():
    sde = SDE(lambda x, t: -x, lambda t: 3.0)
    cold = list(it.euler_maruyama(sde, start(), TIMES, generator=gen(), temperature=0.0))[-1]
    still = list(it.euler_maruyama(SDE(sde.drift, no_noise), start(), TIMES))[-1]
    assert torch.equal(cold, still)


def test_injected_noise_has_the_variance_asked_for():
    """Pure noise: variance = temperature g^2 t, within 4 standard errors (and 1.2 times it outside)."""
    n, temperature = 40_000, 0.6
    x = torch.zeros(n, 1)
    *_, x = it.euler_maruyama(SDE(lambda x, t: 0 * x, lambda t: 2.0), x, torch.linspace(0, 1, 5), generator=gen(), temperature=temperature)
    expected = 4 * temperature
    assert abs(float(x.var()) - expected) < 4 * expected * math.sqrt(2 / n) < 0.2 * expected


def test_defaults_are_the_published_ones():
    """Karras et al. 2022: S_churn 40, S_noise 1, no limits; Song et al. 2021: snr 0.16. A churn multiplies sigma by at most sqrt 2."""
    edm, corrected = (inspect.signature(sampler).parameters for sampler in (it.edm_stochastic, it.predictor_corrector))
    assert [edm[name].default for name in ("S_churn", "S_min", "S_max", "S_noise")] == [40.0, 0.0, math.inf, 1.0]
    assert corrected["snr"].default == 0.16 and corrected["n_corrector"].default == 1
    x, path = torch.zeros(20_000, 1), EDM()
    times = torch.tensor([0.5, 0.25], dtype=torch.float64)
    *_, x = it.edm_stochastic(lambda x, t: 0 * x, path, x, times, S_churn=1e9, generator=gen())
    added = (80 * 0.5) ** 2 * (2 - 1)  # from sigma to sqrt(2) sigma: the variance doubles
    assert abs(float(x.var()) - added) < 4 * added * math.sqrt(2 / 20_000) < 0.1 * added


def test_predictor_first_and_corrector_first_are_one_chain_shifted():
    """P C P C ... against C P C P ...: the same alternation, only the first and the last move differ."""
    calls = []

    def score(x, t):
        calls.append(("C", t))
        return -x

    def predictor(x, t, t_next):
        calls.append(("P", t_next))
        return x

    order = {}
    for name in ("predictor-first", "corrector-first"):
        calls.clear()
        list(it.predictor_corrector(score, Linear(), start(), (1.0, 0.6, 0.2), predictor=predictor, order=name, generator=gen()))
        order[name] = list(calls)
    assert order["predictor-first"] == [("P", 0.6), ("C", 0.6), ("P", 0.2), ("C", 0.2)]
    assert order["corrector-first"] == [("C", 1.0), ("P", 0.6), ("C", 0.6), ("P", 0.2)]
    with pytest.raises(ValueError):
        list(it.predictor_corrector(score, Linear(), start(), TIMES, predictor=predictor, order="both", generator=gen()))


def test_the_corrector_alone_samples_the_law_it_is_given():
    """300 Langevin steps at fixed t bring a shifted cloud to N(0, 1); a score 20% too strong does not."""
    variance = {}
    for strength in (1.0, 1.2):
        x, noise = 2 + torch.randn(8000, 1, generator=gen(4), dtype=torch.float64), gen(6)
        for _ in range(400):
            x = it.langevin_corrector(lambda x, t, s=strength: -s * x, Linear(), x, 0.5, snr=0.1, generator=noise)
        variance[strength] = float(x.var())
        assert strength > 1 or abs(float(x.mean())) < 4 / math.sqrt(8000)
    discretised = 1 / (1 - 0.02 / 2)  # epsilon = 2 snr^2 for a unit Gaussian: kT/k / (1 - k dt/2)
    assert abs(variance[1.0] - discretised) < 4 * math.sqrt(2 / 8000) * discretised < abs(variance[1.2] - discretised)


def test_heun_refuses_noise():
    with pytest.raises(ValueError):
        list(it.heun(forward_sde(Linear()), start(), TIMES))
