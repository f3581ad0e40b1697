"""What steers on disk: the adapters of a flow, and in a second file those of its composition model, the templates and the predictor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from core.generator.model.adapter import Adapter
from core.generator.registry import FOLDER, Model, ModelMissing, unreadable
from core.generator.steering.composition_adapter import CompositionAdapter
from core.generator.steering.properties import PropertyHead, n_features
from core.generator.steering.templates import Templates, from_tensors, to_tensors
from core.generator.weights import WeightsError, load_adapter
from core.numerics.manifest import check
from core.numerics.tensors import save_tensors

PARTS = ("composition", "property", "template")


@dataclass(frozen=True, eq=False)
class Steering:
    """Everything by which a flow is steered. about: data, training, measured numbers."""

    model: Model
    adapter: Adapter
    composition: CompositionAdapter
    properties: PropertyHead
    templates: Templates
    about: Mapping


def paths(name: str, folder: Path = FOLDER) -> tuple[Path, Path]:
    """(adapters of the flow, everything else) of a data set."""
    return Path(folder) / f"{name}_adapter.safetensors", Path(folder) / f"{name}_steering.safetensors"


def save(path: Path, composition: CompositionAdapter, properties: PropertyHead, templates: Templates, about: dict) -> None:
    """Floating-point weights in half precision; atomic. about: plain JSON."""
    parts = {"composition": composition.state_dict(), "property": properties.state_dict()}
    tensors = {f"{part}.{name}": value.half() for part, state in parts.items() for name, value in state.items()}
    tensors |= {f"template.{name}": value.contiguous() for name, value in to_tensors(templates).items()}
    save_tensors(path, tensors, {"about": about})


def load_steering(model: Model, folder: Path = FOLDER, *, adapter: Path | None = None) -> Steering:
    """For a flow with a composition model; adapter: other weights of the flow's own. Raises ModelMissing."""
    own, rest = paths(model.name, folder)
    adapter = adapter or own
    if model.composition_model is None:
        raise ModelMissing(f"The model {model.name} has no composition model, so there is nothing to steer from nothing.")
    for path in (adapter, rest):
        if not path.exists():
            raise unreadable(path, FileNotFoundError("it is not there"))
    return _load(model, adapter, rest, adapter.stat().st_mtime_ns, rest.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(model: Model, adapter: Path, rest: Path, *modified: int) -> Steering:
    try:
        flow_adapter = load_adapter(adapter, model.network)
        check(rest)
        with safe_open(rest, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            state: dict[str, dict] = {part: {} for part in PARTS}
            for name in file.keys():  # noqa: SIM118
                part, _, own = name.partition(".")
                state[part][own] = file.get_tensor(name)
        assert model.composition_model is not None
        composition, properties = CompositionAdapter(model.composition_model), PropertyHead(n_features(model.network))
        composition.load_state_dict(state["composition"])
        properties.load_state_dict(state["property"])
        templates = from_tensors(state["template"])
    except (OSError, SafetensorError, WeightsError, KeyError, ValueError, RuntimeError) as error:
        raise unreadable(rest, error) from None
    for module in (composition, properties):
        module.eval().requires_grad_(False)
    return Steering(model, flow_adapter, composition, properties, templates, about)
