"""Six families of generative models in two dimensions, each a small network that carries noise z to samples.

All start from the same z ~ N(0, I) and tell how they walk, evaluation by evaluation. In brackets: what `loss` minimises.

| family        | x from z                                          | source                                             |
|---------------|---------------------------------------------------|----------------------------------------------------|
| EBM           | Metropolis-adjusted Langevin on E(x)              | [contrastive divergence] Hinton 2002; Tieleman 2008 |
| VAE           | x = mu(z) + s eps                                 | [-ELBO] Kingma & Welling 2013, eq. 10              |
| GAN           | x = G(z)                                          | [non-saturating, R1] Goodfellow 2014; Mescheder 2018 |
| flow          | x = f_K(... f_1(z)), f_k invertible               | [-log p] Dinh et al. 2016 (RealNVP), eq. 3, 7, 8    |
| diffusion     | DDIM along the linear VP schedule                 | [denoising score] Ho et al. 2020, Song et al. 2021b |
| flow matching | dx/dt = v(x, t), Euler                            | [velocity] Lipman et al. 2022, eq. 9, 23           |
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import silu, softplus

from core.numerics.integrators import ancestral, euler_maruyama
from core.numerics.likelihood import flow_log_likelihood, log_likelihood
from core.numerics.mixture import LOG_2PI
from core.numerics.networks import FourierFeatures, ScoreNetwork, noise_loss
from core.numerics.schedules import Linear
from core.numerics.sde import SDE, no_noise

Walk = Iterator[tuple[float, Tensor]]
HALF = 4.0  # the grid on which the energy-based model is normalised reaches from -HALF to HALF


def log_normal(x: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """(N,): log N(x; 0, scale^2 I) of x (N, D)."""
    scale = torch.as_tensor(scale)
    return -0.5 * (x / scale).square().sum(1) - x.shape[1] * (scale.log() + 0.5 * LOG_2PI)


class Perceptron(nn.Module):
    """(N, n_in) -> (N, n_out): residual layers over the input and its Fourier features."""

    def __init__(self, n_in: int, n_out: int, width: int = 64, depth: int = 3, n_space: int = 24, scale: float = 0.35, seed: int = 1):
        super().__init__()
        self.space = FourierFeatures(n_in, n_space, scale, seed=seed)
        self.into = nn.Linear(n_in + 2 * n_space, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.out = nn.Linear(width, n_out)

    def forward(self, x: Tensor) -> Tensor:
        h = self.into(torch.cat([x, self.space(x)], 1))
        for layer in self.hidden:
            h = h + layer(silu(h))
        return self.out(silu(h))


class Model(nn.Module):
    """What every family can do. z and x are (N, 2)."""

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The scalar that training minimises on a batch of data."""
        raise NotImplementedError

    def walk(self, z: Tensor, n_steps: int, generator: torch.Generator, n_drawn: int | None = None) -> Walk:
        """(network evaluations so far, states (N, 2)), from (0, z) to the samples; n_steps is ignored by one-pass models.

        n_drawn: z are the first of so many particles, for all of which noise is drawn; N by default.
        """
        raise NotImplementedError

    def log_prob(self, x: Tensor) -> Tensor:
        """(N,): log-density of the model in nats. Raises NotImplementedError when the family has none to give."""
        raise NotImplementedError


class EBM(Model):
    """p(x) = exp(-E(x)) / Z with E(x) = |x|^2 / 2 s^2 + f(x); Z is nobody's business until a density is asked for."""

    def __init__(self, width: int = 64, time_steps: tuple[float, float] = (0.002, 0.1), n_chains: int = 2048):
        super().__init__()
        self.net = Perceptron(2, 1, width)
        self.time_steps, self.width = time_steps, 1.5
        self.chains = torch.zeros(n_chains, 0)

    def energy(self, x: Tensor) -> Tensor:
        return x.square().sum(1) / (2 * self.width**2) + self.net(x)[:, 0]

    def slope(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """E (N,) and its gradient (N, 2)."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            energy = self.energy(x)
            return energy.detach(), torch.autograd.grad(energy.sum(), x)[0]

    def langevin(self, x: Tensor, n_steps: int, generator: torch.Generator, n_drawn: int | None = None) -> Iterator[Tensor]:
        """Metropolis-adjusted Langevin (Roberts & Tweedie 1996): exp(-E) is its law at any step, after enough of them.

        Every particle draws its time step afresh, blind to where it is (so detailed balance holds): long ones to hop between
        modes, short ones so that nothing freezes. n_drawn: as for `walk`.
        """
        n, n_drawn = len(x), n_drawn or len(x)
        energy, force = self.slope(x)
        low, high = (math.log(dt) for dt in self.time_steps)
        for _ in range(n_steps):
            dt = (low + (high - low) * torch.rand(n_drawn, 1, generator=generator)[:n]).exp()
            noise = torch.randn(n_drawn, 2, generator=generator)[:n]
            to = x - dt * force + (2 * dt).sqrt() * noise
            energy_to, force_to = self.slope(to)
            back = (x - to + dt * force_to).square().div(4 * dt).sum(1)
            log_ratio = energy - energy_to + 0.5 * noise.square().sum(1) - back
            accept = torch.rand(n_drawn, generator=generator)[:n].log() < log_ratio
            x = torch.where(accept[:, None], to, x)
            energy, force = torch.where(accept, energy_to, energy), torch.where(accept[:, None], force_to, force)
            yield x

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """grad = E_data[grad E] - E_model[grad E], the model's half from persistent chains, one in fifty restarted from noise."""
        n = len(x)
        if self.chains.shape[1] == 0:
            self.chains = torch.randn(len(self.chains), 2, generator=generator)
        at = torch.randperm(len(self.chains), generator=generator)[:n]
        start = self.chains[at]
        start[: n // 50] = torch.randn(n // 50, 2, generator=generator)
        *_, fantasy = self.langevin(start, 6, generator)
        self.chains[at] = fantasy
        real, dreamt = self.energy(x), self.energy(fantasy)
        return real.mean() - dreamt.mean() + 5e-3 * (real.square().mean() + dreamt.square().mean())

    def walk(self, z: Tensor, n_steps: int, generator: torch.Generator, n_drawn: int | None = None) -> Walk:
        yield 0, z
        yield from enumerate(self.langevin(z, n_steps, generator, n_drawn), 1)

    def log_normaliser(self, size: int = 200) -> float:
        """log Z by the midpoint rule on size^2 cells: easy in two dimensions, hopeless in two hundred."""
        line = (torch.arange(size) + 0.5) / size * 2 * HALF - HALF
        return float((-self.energy(torch.cartesian_prod(line, line))).logsumexp(0) + 2 * math.log(2 * HALF / size))

    def log_prob(self, x: Tensor) -> Tensor:
        return -self.energy(x) - self.log_normaliser()


class VAE(Model):
    """z ~ N(0, I), x | z ~ N(mu(z), s^2 I); an encoder N(m(x), d(x)^2) stands in for p(z | x) while it is trained."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.encoder = Perceptron(2, 4, width)
        self.decoder = Perceptron(2, 2, width, scale=0.25)
        self.log_scale = nn.Parameter(torch.tensor(-1.0))

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Minus the evidence lower bound: a reconstruction term and KL(encoder || N(0, I)) in closed form."""
        mean, log_d = self.encoder(x).chunk(2, 1)
        log_d = log_d.clamp(-6, 3)
        z = mean + log_d.exp() * torch.randn(mean.shape, generator=generator)
        kl = 0.5 * (mean.square() + (2 * log_d).exp() - 1 - 2 * log_d).sum(1)
        return (kl - log_normal(x - self.decoder(z), self.log_scale.exp())).mean()

    def walk(self, z: Tensor, n_steps: int, generator: torch.Generator, n_drawn: int | None = None) -> Walk:
        yield 0, z
        mean = self.decoder(z)
        yield 1, mean + self.log_scale.exp() * torch.randn(n_drawn or len(z), 2, generator=generator)[: len(z)]

    def log_prob(self, x: Tensor, side: int = 96) -> Tensor:
        """log of int N(x; mu(z), s^2) N(z) dz over side^2 equally likely z: possible because z has two dimensions."""
        quantiles = torch.special.ndtri((torch.arange(side) + 0.5) / side)
        means = self.decoder(torch.cartesian_prod(quantiles, quantiles))
        scale = self.log_scale.exp()
        square = torch.cdist(x, means).square()
        return (-square / (2 * scale**2)).logsumexp(1) - 2 * math.log(side) - 2 * scale.log() - LOG_2PI


class GAN(Model):
    """x = G(z); a discriminator D, the other half of the game, judges real from made while G is trained."""

    def __init__(self, width: int = 64, gamma: float = 0.3):
        super().__init__()
        self.generator = Perceptron(2, 2, width, scale=0.25)
        self.discriminator = Perceptron(2, 1, width, scale=0.35)
        self.gamma = gamma

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Both players' losses added, each blind to the other's weights (non-saturating; R1 penalty on real data)."""
        made = self.generator(torch.randn(x.shape, generator=generator))
        x = x.detach().requires_grad_(True)
        verdict = self.discriminator(x)[:, 0]
        (slope,) = torch.autograd.grad(verdict.sum(), x, create_graph=True)
        penalty = 0.5 * self.gamma * slope.square().sum(1).mean()
        judge = softplus(-verdict).mean() + softplus(self.discriminator(made.detach())).mean() + penalty
        frozen = {name: weight.detach() for name, weight in self.discriminator.state_dict().items()}
        forger = softplus(-torch.func.functional_call(self.discriminator, frozen, (made,))).mean()
        return judge + forger

    def walk(self, z: Tensor, n_steps: int, generator: torch.Generator, n_drawn: int | None = None) -> Walk:
        yield 0, z
        yield 1, self.generator(z)


class Flow(Model):
    """Affine couplings (RealNVP): one coordinate is stretched and shifted by functions of the other, in turn."""

    def __init__(self, width: int = 40, n_layers: int = 10, cap: float = 2.0):
        super().__init__()
        layers = [Perceptron(1, 2, width, depth=2, n_space=10, scale=0.3, seed=k) for k in range(n_layers)]
        for layer in layers:
            nn.init.zeros_(layer.out.weight)
            nn.init.zeros_(layer.out.bias)
        self.layers = nn.ModuleList(layers)
        self.cap = cap

    def _coupling(self, k: int, kept: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = self.layers[k](kept).chunk(2, 1)
        return self.cap * torch.tanh(raw / self.cap), shift

    def walk(self, z: Tensor, n_steps: int, generator: torch.Generator, n_drawn: int | None = None) -> Walk:
        x = z
        yield 0, x
        for k in range(len(self.layers)):
            kept, moved = (x[:, :1], x[:, 1:]) if k % 2 else (x[:, 1:], x[:, :1])
            log_stretch, shift = self._coupling(k, kept)
            moved = moved * log_stretch.exp() + shift
            x = torch.cat([kept, moved] if k % 2 else [moved, kept], 1)
            yield (k + 1) / len(self.layers), x

    def log_prob(self, x: Tensor) -> Tensor:
        """log N(z) - sum of the log-stretches: change of variables, exact."""
        gained = x.new_zeros(len(x))
        for k in reversed(range(len(self.layers))):
            kept, moved = (x[:, :1], x[:, 1:]) if k % 2 else (x[:, 1:], x[:, :1])
            log_stretch, shift = self._coupling(k, kept)
            moved = (moved - shift) * (-log_stretch).exp()
            x = torch.cat([kept, moved] if k % 2 else [moved, kept], 1)
            gained = gained - log_stretch[:, 0]
        return log_normal(x) + gained

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return -self.log_prob(x).mean()


class Diffusion(Model):
    """The score network of the other chapters, smaller; DDIM (eta = 0) brings the noise back."""

    schedule = Linear()

    def __init__(self, width: int = 64):
        super().__init__()
        self.net = ScoreNetwork(width=width)

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return noise_loss(self.net, x, generator)

    def walk(self, z: Tensor, n_steps: int, generator: torch.Generator, n_drawn: int | None = None) -> Walk:
        score = self.net.as_score(self.schedule)
        yield from enumerate(ancestral(score, self.schedule, z, self.schedule.time_grid(n_steps), eta=0.0))

    def log_prob(self, x: Tensor, n_steps: int = 40) -> Tensor:
        times = self.schedule.time_grid(n_steps, spacing="log-SNR").flip(0)
        return log_likelihood(self.net.as_score(self.schedule), self.schedule, x, times)


class FlowMatching(Model):
    """x_t = (1 - t) x_0 + t z on straight lines; the network learns the mean velocity E[z - x_0 | x_t]."""

    def __init__(self, width: int = 64):
        super().__init__()
        self.net = ScoreNetwork(width=width)

    @staticmethod
    def _level(t: Tensor) -> Tensor:
        return torch.logit(t.clamp(5e-3, 1 - 5e-3))

    def velocity(self, x: Tensor, t: float) -> Tensor:
        with torch.set_grad_enabled(x.requires_grad):
            return self.net(x, self._level(x.new_full((1, 1), t)))

    def loss(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """|v(x_t, t) - (z - x_0)|^2, half of the times bent towards the data, where the velocity is hardest."""
        t = torch.rand(len(x), 1, generator=generator)
        t[: len(x) // 2] = t[: len(x) // 2].square()
        z = torch.randn(x.shape, generator=generator)
        return (self.net((1 - t) * x + t * z, self._level(t)) - (z - x)).square().mean()

    def walk(self, z: Tensor, n_steps: int, generator: torch.Generator, n_drawn: int | None = None) -> Walk:
        yield from enumerate(euler_maruyama(SDE(self.velocity, no_noise), z, torch.linspace(1, 0, n_steps + 1)))

    def log_prob(self, x: Tensor, n_steps: int = 40) -> Tensor:
        return flow_log_likelihood(self.velocity, x, torch.linspace(0, 1, n_steps + 1), width=1.0)


MODELS: dict[str, type[Model]] = {
    "EBM": EBM,
    "VAE": VAE,
    "GAN": GAN,
    "flow": Flow,
    "diffusion": Diffusion,
    "flow matching": FlowMatching,
}
