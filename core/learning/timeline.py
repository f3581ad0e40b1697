"""Forty years of going around the normaliser: papers, years and what grew out of what."""

from __future__ import annotations

from dataclasses import dataclass

ROWS = ("energy", "variational", "adversarial", "flow", "diffusion")


@dataclass(frozen=True)
class Paper:
    """A paper by the year in which it was first public. row: one of ROWS; parents: short names of what it builds on."""

    short: str
    year: float
    row: str
    authors: str
    title: str
    where: str
    parents: tuple[str, ...] = ()
    in_deck: bool = False

    @property
    def url(self) -> str:
        """Where to read it."""
        return f"https://arxiv.org/abs/{self.where.removeprefix('arXiv:')}" if self.where.startswith("arXiv:") else ""


PAPERS = (
    Paper(
        "Boltzmann machine",
        1985,
        "energy",
        "Ackley, Hinton, Sejnowski",
        "A learning algorithm for Boltzmann machines",
        "Cognitive Science 9, 147",
        in_deck=True,
    ),
    Paper(
        "Contrastive divergence",
        2002,
        "energy",
        "Hinton",
        "Training products of experts by minimizing contrastive divergence",
        "Neural Computation 14, 1771",
        ("Boltzmann machine",),
    ),
    Paper(
        "Score matching", 2005, "energy", "Hyvärinen", "Estimation of non-normalized statistical models by score matching", "JMLR 6, 695"
    ),
    Paper(
        "Denoising score matching",
        2011,
        "energy",
        "Vincent",
        "A connection between score matching and denoising autoencoders",
        "Neural Computation 23, 1661",
        ("Score matching",),
        in_deck=True,
    ),
    Paper(
        "Deep EBM",
        2019,
        "energy",
        "Du, Mordatch",
        "Implicit generation and generalization in energy-based models",
        "arXiv:1903.08689",
        ("Contrastive divergence",),
    ),
    Paper("VAE", 2013, "variational", "Kingma, Welling", "Auto-encoding variational Bayes", "arXiv:1312.6114", in_deck=True),
    Paper("GAN", 2014, "adversarial", "Goodfellow et al.", "Generative adversarial networks", "arXiv:1406.2661"),
    Paper("WGAN", 2017, "adversarial", "Arjovsky, Chintala, Bottou", "Wasserstein GAN", "arXiv:1701.07875", ("GAN",)),
    Paper(
        "StyleGAN",
        2018,
        "adversarial",
        "Karras, Laine, Aila",
        "A style-based generator architecture for generative adversarial networks",
        "arXiv:1812.04948",
        ("WGAN",),
    ),
    Paper("NICE", 2014, "flow", "Dinh, Krueger, Bengio", "NICE: Non-linear independent components estimation", "arXiv:1410.8516"),
    Paper(
        "Normalizing flows",
        2015,
        "flow",
        "Rezende, Mohamed",
        "Variational inference with normalizing flows",
        "arXiv:1505.05770",
        ("NICE",),
        in_deck=True,
    ),
    Paper("RealNVP", 2016, "flow", "Dinh, Sohl-Dickstein, Bengio", "Density estimation using Real NVP", "arXiv:1605.08803", ("NICE",)),
    Paper(
        "Neural ODE",
        2018,
        "flow",
        "Chen et al.",
        "Neural ordinary differential equations",
        "arXiv:1806.07366",
        ("Normalizing flows",),
        in_deck=True,
    ),
    Paper(
        "Flow matching",
        2022,
        "flow",
        "Lipman et al.",
        "Flow matching for generative modeling",
        "arXiv:2210.02747",
        ("Neural ODE", "Score SDE"),
        in_deck=True,
    ),
    Paper(
        "DPM",
        2015,
        "diffusion",
        "Sohl-Dickstein et al.",
        "Deep unsupervised learning using nonequilibrium thermodynamics",
        "arXiv:1503.03585",
        ("VAE",),
        in_deck=True,
    ),
    Paper(
        "NCSN",
        2019,
        "diffusion",
        "Song, Ermon",
        "Generative modeling by estimating gradients of the data distribution",
        "arXiv:1907.05600",
        ("Denoising score matching",),
        in_deck=True,
    ),
    Paper(
        "DDPM",
        2020.4,
        "diffusion",
        "Ho, Jain, Abbeel",
        "Denoising diffusion probabilistic models",
        "arXiv:2006.11239",
        ("DPM", "NCSN"),
        in_deck=True,
    ),
    Paper(
        "Score SDE",
        2020.9,
        "diffusion",
        "Song et al.",
        "Score-based generative modeling through stochastic differential equations",
        "arXiv:2011.13456",
        ("NCSN", "DDPM"),
        in_deck=True,
    ),
    Paper(
        "Latent diffusion",
        2021.9,
        "diffusion",
        "Rombach et al.",
        "High-resolution image synthesis with latent diffusion models",
        "arXiv:2112.10752",
        ("DDPM", "VAE"),
    ),
    Paper("Consistency models", 2023, "diffusion", "Song et al.", "Consistency models", "arXiv:2303.01469", ("Score SDE",)),
)


def paper(short: str) -> Paper:
    """The paper called `short`. Raises KeyError."""
    return {one.short: one for one in PAPERS}[short]
