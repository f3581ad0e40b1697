"""Around the normaliser: when a control moves, the number on the page must move the right way."""

from core.chapters import find
from tests.pages.conftest import Visit


def test_generative_models_few_evaluations_hurt_walkers_and_not_the_others():
    visit = Visit(find("generative_models"), {"family": "Diffusion"})
    fine = visit.truth
    assert visit.put(n_steps=2).truth > 3 * fine
    one_pass = visit.put(family="GAN").truth
    assert visit.put(n_steps=50).truth == one_pass


def test_generative_models_timid_noise_shows_only_the_middle():
    visit = Visit(find("generative_models"), {"family": "GAN"})
    full = visit.truth
    assert visit.put(width=0.4).truth > 2 * full
