"""The registry of pages: the side bar, the numbers of the chapters, previous/next and the page tests are read from here.

The order of CHAPTERS is the order of reading, and a chapter's number is its place there: nobody types one.
"""

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
    """One chapter. `pages/<part>/<slug>.py`, `core/<part>/<slug>.py` and `assets/chapters/<part>/<slug>.md` belong to it.

    icon: a Material symbol name. Raises ValueError for an unknown part.
    """

    part: str
    slug: str
    title: str
    question: str
    icon: str

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise ValueError(f"{self.slug}: part {self.part!r} is not one of {', '.join(PARTS)}")

    @property
    def number(self) -> int:
        """Place in CHAPTERS, from 1. Raises ValueError for a chapter that is not among them."""
        return CHAPTERS.index(self) + 1

    @property
    def label(self) -> str:
        """Number and title, as in every list of pages. Raises ValueError for a chapter that is not among CHAPTERS."""
        return f"{self.number} · {self.title}"

    @property
    def page(self) -> str:
        """Path of the page's script, relative to the folder of app.py."""
        return f"pages/{self.part}/{self.slug}.py"


@dataclass(frozen=True)
class SidePage:
    """A page beside the chapters, without number or part: `pages/<slug>.py`. icon: a Material symbol name."""

    slug: str
    title: str
    icon: str

    @property
    def label(self) -> str:
        """Its title, as in every list of pages."""
        return self.title

    @property
    def page(self) -> str:
        """Path of the page's script, relative to the folder of app.py."""
        return f"pages/{self.slug}.py"


HOME = SidePage("home", "Home", "home")  # where the app opens
SYMBOLS = SidePage("symbols", "Symbols", "function")  # what the letters of the equations mean
SIDE_PAGES = (HOME, SYMBOLS)

CHAPTERS = (
    Chapter("foundations", "microstates", "Counting microstates", "Why does chance, thrown often enough, look like a law?", "casino"),
    Chapter("foundations", "boltzmann", "Energy, temperature and free energy", "Why does the deepest valley not always win?", "landscape"),
    Chapter(
        "foundations",
        "sampling",
        "Monte Carlo versus molecular dynamics",
        "Five ways to wander over the same hills: which of them arrives at the right map?",
        "directions_walk",
    ),
    Chapter("foundations", "dimensions", "The curse of dimensionality", "Why can nobody simply look everywhere?", "open_in_full"),
    Chapter("physics", "brownian", "Brownian motion", "How far does a walker get that has no idea where it is going?", "scatter_plot"),
    Chapter("physics", "langevin", "Langevin dynamics", "How can random kicks and a brake find Boltzmann’s law?", "waves"),
    Chapter("physics", "fokker_planck", "The Fokker–Planck equation", "If every particle is unpredictable, why is the crowd not?", "water"),
    Chapter(
        "physics",
        "score_fields",
        "Score fields",
        "Which way is denser, and what happens to those who only ever walk that way?",
        "explore",
    ),
    Chapter(
        "learning",
        "generative_models",
        "Around the normaliser",
        "If nobody can compute the integral, how does every generative model get away with it?",
        "hub",
    ),
    Chapter(
        "learning",
        "forward_process",
        "Forward process and schedules",
        "How do you forget a picture so evenly that every moment of forgetting is known?",
        "blur_on",
    ),
    Chapter("learning", "score_matching", "Learning the score", "How do you learn an arrow that nobody can show you?", "my_location"),
    Chapter(
        "learning",
        "reverse_process",
        "The reverse process",
        "If every step forward destroyed information, how can a walk backwards bring it back?",
        "fast_rewind",
    ),
    Chapter(
        "learning",
        "latent_diffusion",
        "Latent diffusion",
        "A picture has many pixels and few ideas. Why drag every pixel through the noise?",
        "compress",
    ),
    Chapter("learning", "guidance", "Guidance", "Can you ask noise for something in particular?", "assistant_direction"),
    Chapter(
        "learning",
        "discrete_diffusion",
        "Discrete diffusion",
        "How do you add a little noise to a word, or to an element?",
        "grid_view",
    ),
    Chapter(
        "crystals",
        "representation",
        "What a crystal is to a model",
        "Which of the numbers in a crystal file are the crystal, and which only say how it was written down?",
        "view_in_ar",
    ),
    Chapter("crystals", "torus", "Diffusion on a torus", "Where does an atom go when it leaves the box?", "all_inclusive"),
    Chapter("crystals", "equivariance", "Symmetry in the network", "Does the network know that it is the same crystal?", "3d_rotation"),
    Chapter("crystals", "generation", "Growing crystals", "Can a crystal be grown out of noise, atom by atom?", "diamond"),
    Chapter("crystals", "conditioning", "Steering", "How do you ask for a crystal, and how do you know that you were heard?", "tune"),
    Chapter(
        "crystals",
        "landscape",
        "The systems",
        "So many machines that grow crystals: what does each of them do that the others do not?",
        "map",
    ),
    Chapter(
        "crystals",
        "score_md",
        "One score for sampling and dynamics",
        "Can the network that draws samples also move the molecule?",
        "swap_calls",
    ),
)


def find(slug: str) -> Chapter:
    """The chapter with this slug. Raises KeyError naming the known ones."""
    for chapter in CHAPTERS:
        if chapter.slug == slug:
            return chapter
    raise KeyError(f"no chapter {slug!r}; there are {', '.join(c.slug for c in CHAPTERS)}")


def find_page(slug: str) -> Chapter | SidePage:
    """The chapter, or the page beside the chapters, with this slug. Raises KeyError naming the known ones."""
    return next((page for page in SIDE_PAGES if page.slug == slug), None) or find(slug)


def neighbours(chapter: Chapter) -> tuple[Chapter | None, Chapter | None]:
    """The chapters before and after this one in reading order."""
    i = CHAPTERS.index(chapter)
    return (CHAPTERS[i - 1] if i else None), (CHAPTERS[i + 1] if i + 1 < len(CHAPTERS) else None)
