"""What steers is trained on known crystals and on nothing else: tiny runs of each part."""

from dataclasses import replace

import numpy as np
import pytest

from core.generator.baselines.library import builtin_library
from core.generator.registry import load_model
from core.generator.steering.templates import Templates, harvest
from core.generator.training import steering
from core.structures.space_groups import group_of

TINY = steering.SteeringTrainConfig(epochs=3, property_steps=150, batch=32)


@pytest.fixture(scope="module")
def arrays():
    """Built-in prototypes of elements that the model knows, a third kept aside, with a made-up energy that only the elements decide."""
    every, known = builtin_library().arrays, load_model("mp20", kind="flow").known
    rows = [i for i in range(len(every)) if every.num_atoms[i] <= 12 and set(every.crystal(i).numbers.tolist()) <= known][:90]
    some = every.select(np.array(rows))
    energy = np.array([some.crystal(i).numbers.mean() / -20 for i in range(len(some))], np.float32)
    gap = np.where(np.arange(len(some)) % 4, 1.0 + 0.1 * energy, np.nan).astype(np.float32)
    groups = np.array([group_of(some.crystal(i)) for i in range(len(some))], np.int16)
    columns = {"formation_energy_per_atom": energy, "band_gap": gap, "spacegroup": groups, "dev": np.arange(len(some)) % 3 == 0}
    return replace(some, columns=some.columns | columns)


def test_the_adapters_learn_the_chemical_system_and_leave_the_model_alone(arrays):
    model = load_model("mp20", kind="flow").composition_model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapter, log = steering.fit_composition(model, arrays.select(~arrays.dev), arrays.select(arrays.dev), TINY)
    assert log[-1]["dev_kinds_chemistry"] < log[-1]["dev_kinds_untold"] and float(adapter.wish) > 0
    assert all(bool((value == before[name]).all()) for name, value in model.state_dict().items())


def test_the_predictor_learns_beside_unknown_values(arrays):
    model = load_model("mp20", kind="flow")
    head, errors = steering.fit_properties(model, arrays.select(~arrays.dev), arrays.select(arrays.dev), TINY)
    assert errors["formation_energy"]["mae"] < errors["formation_energy"]["constant"] and np.isfinite(errors["band_gap"]["mae"])
    assert not head.y_mean.isnan().any()


def test_rare_templates_are_forgotten_unless_their_group_has_no_other(arrays):
    templates = harvest(arrays)
    assert steering.kept(templates).groups.keys() == templates.groups.keys()
    one, other = templates.every[0], next(t for t in templates.every if t.group != templates.every[0].group)
    often = [replace(one, often=5), replace(one, often=2), replace(one, often=1), replace(other, often=1)]
    assert [(t.group, t.often) for t in steering.kept(Templates(often)).every] == [(one.group, 5), (one.group, 2), (other.group, 1)]
