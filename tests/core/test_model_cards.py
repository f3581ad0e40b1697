"""The cards that ship say what their weights say: each is what the writer makes of the file beside it."""

import json
import re

import pytest
from safetensors import safe_open

from core.crystals import train_score_md
from core.crystals.score_networks import weights_path
from core.generator.predict import load_ranker
from core.generator.registry import FOLDER, MODELS, load_composition_model, load_model
from core.generator.systems import autoregressive, captions, space_groups, train_captions, train_space_groups, train_writer
from core.generator.training import composition, publish, ranker
from core.learning import train_families, train_formulas, train_latent
from core.learning.formulas import load_model as load_formulas
from core.learning.latent_networks import load_networks, seconds_of_training


def about(name):
    with safe_open(str(FOLDER / f"{name}.safetensors"), framework="pt") as file:
        return json.loads(file.metadata()["about"])


def shipped(name):
    return (FOLDER / f"{name}.md").read_text()


@pytest.mark.parametrize("dataset", train_families.SHIPPED)
def test_families(dataset):
    families, path = train_families.load_families(dataset), train_families.weights_path(dataset)
    weights = {name: sum(value.numel() for value in net.state_dict().values()) for name, net in families.items()}
    assert train_families.model_card(dataset, train_families.seconds_of_training(dataset), weights, 0) == shipped(path.stem)


def test_latent_and_formulas():
    assert train_latent.model_card(load_networks(), seconds_of_training(), train_latent.STEPS, 0) == shipped("latent_lattices")
    assert train_formulas.model_card(load_formulas(), "n2c train formulas POOL.npz --steps 6000 --batch 256 --seed 0") == shipped(
        "formulas"
    )


def test_ranker_and_composition_model():
    assert ranker.card(load_ranker(FOLDER), about("ranker")) == shipped("ranker")
    noted = about("mp20_composition")
    noted |= {"model": "mp20", "data_shares": noted["data_judged"]}  # its name in version 0.1
    assert composition.card(load_composition_model("mp20"), noted) == shipped("mp20_composition")


def test_miniatures_of_systems():
    for module, trainer in ((space_groups, train_space_groups), (autoregressive, train_writer), (captions, train_captions)):
        assert trainer.model_card(*module.load()) == shipped(module.WEIGHTS.stem)


@pytest.mark.parametrize("landscape", ["Müller–Brown", "two dihedrals"], ids=["plane", "torus"])
def test_scores_for_sampling_and_dynamics(landscape):
    card = train_score_md.model_card(landscape, FOLDER)
    assert card == shipped(train_score_md.card_path(landscape, FOLDER).stem)
    assert about(weights_path(landscape, "regularised").stem)["weight"] == 3e-3


@pytest.mark.parametrize("kind", ["flow", "diffusion"])
@pytest.mark.parametrize("name", MODELS)
def test_crystal_models(name, kind):
    """But for the note on their training, which names files that have moved since."""
    card, known = publish.card(load_model(name, FOLDER, kind=kind)), shipped(f"{name}_{kind}")
    note = re.compile(r"- \*\*Training\*\*.*?(?=\n- \*\*)", re.DOTALL)
    assert note.sub("", card) == note.sub("", known)
