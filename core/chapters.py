"""The registry of chapters: the side bar, the order of previous/next and the page tests are read from here."""

from __future__ import annotations

from dataclasses import dataclass

PARTS = {
    "foundations": "I · Foundations",
    "physics": "II · Diffusion as a physical process",
    "learning": "III · Building a diffusion model",
    "crystals": "IV · Crystals",
}


@dataclass(frozen=True)
class Chapter:
    """One page. `pages/<part>/<slug>.py`, `core/<part>/<slug>.py` and `assets/chapters/<part>/<slug>.md` belong to it.

    number: place in the curriculum. icon: a Material symbol name. Raises ValueError for an unknown part.
    """

    number: int
    part: str
    slug: str
    title: str
    question: str
    icon: str

    def __post_init__(self):
        if self.part not in PARTS:
            raise ValueError(f"{self.slug}: part {self.part!r} is not one of {', '.join(PARTS)}")

    @property
    def page(self) -> str:
        """Path of the page's script, relative to the folder of app.py."""
        return f"pages/{self.part}/{self.slug}.py"


CHAPTERS = (
    Chapter(1, "foundations", "microstates", "Counting microstates", "Why does chance, thrown often enough, look like a law?", "casino"),
    Chapter(
        2, "foundations", "boltzmann", "Energy, temperature and free energy", "Why does the deepest valley not always win?", "landscape"
    ),
    Chapter(
        3,
        "foundations",
        "sampling",
        "Monte Carlo versus molecular dynamics",
        "Five ways to wander over the same hills: which of them arrives at the right map?",
        "directions_walk",
    ),
    Chapter(4, "foundations", "dimensions", "The curse of dimensionality", "Why can nobody simply look everywhere?", "open_in_full"),
    Chapter(5, "physics", "brownian", "Brownian motion", "How far does a walker get that has no idea where it is going?", "scatter_plot"),
    Chapter(6, "physics", "langevin", "Langevin dynamics", "How can random kicks and a brake find Boltzmann’s law?", "waves"),
    Chapter(
        7, "physics", "fokker_planck", "The Fokker–Planck equation", "If every particle is unpredictable, why is the crowd not?", "water"
    ),
    Chapter(
        8,
        "physics",
        "score_fields",
        "Score fields",
        "Which way is denser, and what happens to those who only ever walk that way?",
        "explore",
    ),
    Chapter(
        9,
        "learning",
        "generative_models",
        "Around the normaliser",
        "If nobody can compute the integral, how does every generative model get away with it?",
        "hub",
    ),
    Chapter(
        10,
        "learning",
        "forward_process",
        "Forward process and schedules",
        "How do you forget a picture so evenly that every moment of forgetting is known?",
        "blur_on",
    ),
    Chapter(11, "learning", "score_matching", "Learning the score", "How do you learn an arrow that nobody can show you?", "my_location"),
    Chapter(
        12,
        "learning",
        "reverse_process",
        "The reverse process",
        "If every step forward destroyed information, how can a walk backwards bring it back?",
        "fast_rewind",
    ),
    Chapter(
        13,
        "learning",
        "latent_diffusion",
        "Latent diffusion",
        "A picture has many pixels and few ideas. Why drag every pixel through the noise?",
        "compress",
    ),
    Chapter(14, "learning", "guidance", "Guidance", "Can you ask noise for something in particular?", "assistant_direction"),
    Chapter(
        15,
        "learning",
        "discrete_diffusion",
        "Discrete diffusion",
        "How do you add a little noise to a word, or to an element?",
        "grid_view",
    ),
    Chapter(
        16,
        "crystals",
        "representation",
        "What a crystal is to a model",
        "Which of the numbers in a crystal file are the crystal, and which only say how it was written down?",
        "view_in_ar",
    ),
    Chapter(17, "crystals", "torus", "Diffusion on a torus", "Where does an atom go when it leaves the box?", "all_inclusive"),
    Chapter(18, "crystals", "equivariance", "Symmetry in the network", "Does the network know that it is the same crystal?", "3d_rotation"),
    Chapter(19, "crystals", "generation", "Growing crystals", "Can a crystal be grown out of noise, atom by atom?", "diamond"),
)


def find(slug: str) -> Chapter:
    """The chapter with this slug. Raises KeyError naming the known ones."""
    for chapter in CHAPTERS:
        if chapter.slug == slug:
            return chapter
    raise KeyError(f"no chapter {slug!r}; there are {', '.join(c.slug for c in CHAPTERS)}")


def neighbours(chapter: Chapter) -> tuple[Chapter | None, Chapter | None]:
    """The chapters before and after this one in reading order."""
    i = CHAPTERS.index(chapter)
    return (CHAPTERS[i - 1] if i else None), (CHAPTERS[i + 1] if i + 1 < len(CHAPTERS) else None)
