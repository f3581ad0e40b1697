"""What the registry of reverse samplers passes on: the temperature as a variance, and the published defaults by value."""

import pytest
import torch

from core.numerics.methods import METHODS, SamplerOptions, SamplingProblem
from core.numerics.schedules import EDM, Linear


def no_score(x, t):
    return torch.zeros_like(x)


def end(method, path, **options):
    """Where particles that start at 0 end without any score: a sum of the noises drawn, the same for every temperature."""
    options = SamplerOptions(**{"snr": 0.0, "churn": 3.0, **options})
    x, times = torch.zeros(200, 2), path.time_grid(8)
    *_, x = METHODS[method].run(SamplingProblem(no_score, path, x, times, torch.Generator().manual_seed(0), options))
    return x


@pytest.mark.parametrize("path", [Linear(), EDM()], ids=["VP", "VE"])
@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.noisy])
def test_temperature_multiplies_the_variance(method, path):
    full, quarter = (end(method, path, temperature=temperature) for temperature in (1.0, 0.25))
    assert float(full.var()) > 0
    assert torch.allclose(quarter, full / 2, rtol=1e-5)


def test_eta_of_the_registry():
    """DDPM is DDIM with eta = 1; the DDIM of the page takes the eta that it is given."""
    assert torch.equal(end("DDPM", Linear()), end("DDIM", Linear(), eta=1.0))
    assert float(end("DDIM", Linear(), eta=0.0).abs().max()) == 0


def test_defaults_are_the_published_ones():
    """Song et al. 2021 use snr 0.16 for predictor-corrector sampling, Karras et al. 2022 S_churn 40 on CIFAR-10."""
    assert SamplerOptions() == SamplerOptions(temperature=1.0, eta=0.5, churn=40.0, snr=0.16, corrector_order="predictor-first")
