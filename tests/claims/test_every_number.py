"""A sentence of a chapter that states a number is backed by a test of this folder, or stands on the list below, which says why not."""

import importlib
import pkgutil

import pytest

import tests.claims
from core.chapters import CHAPTERS
from tests.claims import sentences

NO_CLAIM = {  # slug -> part of the sentence; a definition or a name of the page, a citation, or what a published system did
    "microstates": ["coins loaded by"],
    "boltzmann": ["if the energy is affordable", "The slides write β"],
    "sampling": ["the column that counts is"],
    "brownian": ["noise rate, $g(t)^2/2$", "The slide writes the density", "The two agree for"],
    "score_fields": [
        "Why can the checkerboard not",
        "A board with sharp edges",
        "The slides write $",
        "quench to kT = 0",
        "is right for kT = 1",  # the noise at another temperature is a claim of langevin
    ],
    "generative_models": ["flows are built so that $Z = 1$", "0 only for a perfect density"],
    "forward_process": ["Why is β clipped near 1?", "| stiffness |"],
    "reverse_process": ["(2021, Algorithm 1)"],
    "latent_diffusion": ["860 million weights", "CLIP ViT-L/14", "DALL·E 3** put", "“DALL·E 3” and"],
    "guidance": ["The last formula, $"],
    "discrete_diffusion": ["(222)"],
    "representation": ["The slide writes $M"],
    "torus": ["(boundary 1)", "(DiffCSP #7, #15)", "(eq. 2 of CDVAE's paper)", "(eq. 2 of its paper)"],
    "equivariance": ["proposition 1", "DiffCSP took the pieces out"],
    "landscape": ["where DALL·E 3 is too"],
    "generation": [
        "matches two thirds of the MP-20 benchmark",  # measured on the benchmark, which does not ship: see the cards of the weights
        "on ideal cubic sites already",
        "Near t = 0 you get the relative back",
        "validation splits of the Perov-5 and MP-20",
        "On MP-20 the diffusion model has learned",
        "The flow of MP-20 has a",
    ],
}

for module in pkgutil.iter_modules(tests.claims.__path__):
    if module.name.startswith("test_") and module.name not in ("test_every_number", "test_meters"):
        importlib.import_module(f"tests.claims.{module.name}")


@pytest.mark.parametrize("slug", [chapter.slug for chapter in CHAPTERS])
def test_every_sentence_with_a_number_is_backed(slug):
    stated = [one for one in sentences.sentences(slug) if sentences.states_a_number(one)]
    open_ = [one for one in stated if not sentences.claimed(slug, one) and not any(part in one for part in NO_CLAIM.get(slug, []))]
    assert not open_, f"Nothing backs these sentences of {slug}: write a test here with @claim('{slug}', …), or put them into NO_CLAIM"


@pytest.mark.parametrize("slug", [chapter.slug for chapter in CHAPTERS])
def test_no_claim_or_exception_outlives_its_sentence(slug):
    said = sentences.sentences(slug)
    gone = [pattern for pattern in sentences.CLAIMS.get(slug, []) if not any(sentences.re.search(pattern, one) for one in said)]
    gone += [part for part in NO_CLAIM.get(slug, []) if not any(part in one for one in said)]
    assert not gone, f"{slug} no longer says what these are about"
