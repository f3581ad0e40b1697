"""The registry of reverse samplers: one problem in, states out, whatever the method."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.numerics import integrators
from core.numerics.schedules import Schedule
from core.numerics.sde import SDE, Score, forward_sde


@dataclass(frozen=True)
class SamplerOptions:
    """What can be turned besides the method. Methods without noise ignore `temperature`; see METHODS for the rest."""

    temperature: float = 1.0
    eta: float = 0.5
    churn: float = 40.0
    snr: float = 0.16
    corrector_order: str = "predictor-first"


@dataclass(frozen=True)
class SamplingProblem:
    """Everything a sampler needs: the model, the path, the start and its noise. n_drawn: as for the integrators."""

    score: Score
    schedule: Schedule
    x: Tensor
    times: Tensor
    generator: torch.Generator
    options: SamplerOptions
    n_drawn: int | None = None


@dataclass(frozen=True)
class Method:
    """A sampler by name. order: weak order of convergence in the step; evaluations: score calls per step. alone: no particle's path
    depends on another's."""

    label: str
    order: int
    evaluations: int
    noisy: bool
    source: str
    run: Callable[[SamplingProblem], Iterator[Tensor]]
    alone: bool = True


def _reverse_sde(p: SamplingProblem) -> Iterator[Tensor]:
    return integrators.euler_maruyama(
        forward_sde(p.schedule).reverse(p.score),
        p.x,
        p.times,
        generator=p.generator,
        temperature=p.options.temperature,
        n_drawn=p.n_drawn,
    )


def _ancestral(p: SamplingProblem, eta: float) -> Iterator[Tensor]:
    return integrators.ancestral(
        p.score, p.schedule, p.x, p.times, eta=eta, generator=p.generator, temperature=p.options.temperature, n_drawn=p.n_drawn
    )


def _probability_flow(p: SamplingProblem, integrator: Callable[[SDE, Tensor, Tensor], Iterator[Tensor]]) -> Iterator[Tensor]:
    return integrator(forward_sde(p.schedule).probability_flow(p.score), p.x, p.times)


def _edm(p: SamplingProblem) -> Iterator[Tensor]:
    return integrators.edm_stochastic(
        p.score,
        p.schedule,
        p.x,
        p.times,
        S_churn=p.options.churn,
        S_noise=math.sqrt(p.options.temperature),
        generator=p.generator,
        n_drawn=p.n_drawn,
    )


def _predictor_corrector(p: SamplingProblem) -> Iterator[Tensor]:
    sde = forward_sde(p.schedule).reverse(p.score)

    def predictor(x: Tensor, t: float, t_next: float) -> Tensor:
        *_, x = integrators.euler_maruyama(sde, x, (t, t_next), generator=p.generator, temperature=p.options.temperature)
        return x

    return integrators.predictor_corrector(
        p.score, p.schedule, p.x, p.times, predictor=predictor, snr=p.options.snr, order=p.options.corrector_order, generator=p.generator
    )


METHODS: dict[str, Method] = {
    "reverse SDE": Method("Reverse SDE (Euler–Maruyama)", 1, 1, True, "Song et al. 2021, eq. 6", _reverse_sde),
    "DDPM": Method("DDPM ancestral", 1, 1, True, "Ho et al. 2020, Algorithm 2", lambda p: _ancestral(p, 1.0)),
    "DDIM": Method("DDIM(η)", 1, 1, True, "Song et al. 2021b, eq. 12", lambda p: _ancestral(p, p.options.eta)),
    "ODE Euler": Method(
        "Probability-flow ODE (Euler)", 1, 1, False, "Song et al. 2021, eq. 13", lambda p: _probability_flow(p, integrators.euler_maruyama)
    ),
    "ODE Heun": Method(
        "Probability-flow ODE (Heun)",
        2,
        2,
        False,
        "Song et al. 2021, eq. 13; Karras et al. 2022",
        lambda p: _probability_flow(p, integrators.heun),
    ),
    "EDM": Method("EDM stochastic", 2, 2, True, "Karras et al. 2022, Algorithm 2", _edm),
    "DPM-Solver++": Method(
        "DPM-Solver++(2M)",
        2,
        1,
        False,
        "Lu et al. 2022, Algorithm 2",
        lambda p: integrators.dpm_solver_pp_2m(p.score, p.schedule, p.x, p.times),
    ),
    "predictor-corrector": Method("Predictor–corrector", 1, 2, True, "Song et al. 2021, Algorithm 1", _predictor_corrector, alone=False),
}
