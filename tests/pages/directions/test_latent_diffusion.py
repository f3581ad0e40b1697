"""Latent diffusion: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit


def test_latent_diffusion_without_the_walk_or_with_one_step_the_pictures_are_wrong():
    visit = Visit(find("latent_diffusion"), {"word": "hexagonal"})
    fine = visit.truth
    assert visit.put(walk="nothing").truth > 1.5 * fine
    assert visit.put(walk="diffusion", judge="pixel", n_steps=1).truth > 1.5 * fine
