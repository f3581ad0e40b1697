"""The trained models that come with the app, and what they can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from core.generator.composition.composition_model import CompositionModel, from_text
from core.generator.model.diffusion import Diffusion
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser, has_bfloat16_units, in_bfloat16
from core.generator.selection.reranker import Reranker
from core.generator.weights import WeightsError, load_module, load_reranker, load_weights
from core.numerics.manifest import SHIPPED, place, shipped
from core.structures.formula import FormulaError, check_composition, parse_formula

FOLDER = SHIPPED
MODELS = {
    "perov5": "Perov-5: cubic perovskites, five atoms in the cell",
    "mp20": "MP-20: crystals of the Materials Project with up to 20 atoms in the cell",
}


KINDS = {"flow": "flow matching", "diffusion": "diffusion"}
PRECISIONS = ("auto", "float32", "bfloat16")


class ModelMissing(RuntimeError):
    """The weight file of a model is absent or broken; the message says how to get it back."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network in its units, its process, and `about`: data, training time, measured numbers. name: of the data set.

    reranker: of finished crystals; a model without one ranks them by its own denoising loss.
    composition_model: of formulas, for a flow that is given none.
    """

    name: str
    network: Denoiser
    process: Diffusion | Flow
    about: dict
    reranker: Reranker | None = None
    composition_model: CompositionModel | None = None

    @property
    def atom_counts(self) -> tuple[int, ...]:
        """Cell sizes seen in training."""
        return tuple(self.about.get("atom_counts") or range(1, self.network.config.max_atoms + 1))

    @property
    def known(self) -> frozenset[int]:
        """Atomic numbers seen in training."""
        return frozenset(self.network.known.nonzero().flatten().tolist())

    @property
    def kind(self) -> str:
        """How it was trained: a key of KINDS."""
        return "flow" if isinstance(self.process, Flow) else "diffusion"

    @property
    def de_novo(self) -> bool:
        """Can it decide the species too?"""
        return self.composition_model is not None or isinstance(self.process, Diffusion) and self.process.species_weight > 0

    def composition(self, formula: str | Sequence[int], *, unseen: bool = False) -> tuple[int, ...]:
        """Atomic numbers of the cell, checked against what the model was trained on. Raises FormulaError.

        unseen: accept elements that were not in the training data; `stand_in` says what the model can take for them.
        """
        numbers = parse_formula(formula) if isinstance(formula, str) else tuple(int(z) for z in formula)
        if not numbers:
            raise FormulaError("The cell has no atoms.")
        check_composition(numbers, model=self.name, atom_counts=self.atom_counts, known=numbers if unseen else self.known)
        return numbers

    def stand_in(self, number: int) -> int:
        """The element of the training data whose properties (`elements.FEATURES`) are nearest; `number` itself if it was there."""
        if number in self.known:
            return number
        seen = torch.tensor(sorted(self.known))
        table = self.network.properties
        nearest = (table[seen] - table[min(number, len(table) - 1)]).norm(dim=1).argmin()
        return int(seen[nearest])


def load_model(name: str, folder: Path = FOLDER, *, kind: str = "diffusion") -> Model:
    """Read once, then kept. Raises ModelMissing when the weights are absent or broken, KeyError for another name or kind."""
    if name not in MODELS or kind not in KINDS:
        raise KeyError(f"there is no model {name!r} of kind {kind!r}; there are {', '.join(MODELS)}, each as {' and '.join(KINDS)}")
    path = Path(folder) / f"{name}_{kind}.safetensors"
    try:
        return _load(name, kind, path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        reason = "is not there"
    except WeightsError as error:
        reason = f"cannot be read ({str(error).removeprefix(f'{path}: ')})"
    raise ModelMissing(
        f"The weight file {place(path)} {reason}. {_back(path, ', or train') or 'Train'} one: "
        f"`n2c train {kind} --data POOL.npz --model {name} --minutes 10 --out runs/{name}` "
        f"and copy runs/{name}/model.safetensors there."
    )


@lru_cache(maxsize=6)
def _load(name: str, kind: str, path: Path, modified: int) -> Model:
    network, process, about = load_weights(path)
    composition_model = load_composition_model(name, path.parent) if kind == "flow" else None
    return Model(name, network, process, about, load_reranker(path, network), composition_model)


def in_precision(model: Model, precision: str = PRECISIONS[0]) -> Model:
    """The same model for inference with matrix products in one of PRECISIONS; auto: bfloat16 where the processor has units for it."""
    fast = has_bfloat16_units() if precision == "auto" else precision == "bfloat16"
    return replace(model, network=in_bfloat16(model.network)) if fast else model


def load_composition_model(name: str, folder: Path = FOLDER) -> CompositionModel | None:
    """The network that makes up formulas like those of a data set; None if there is none. Raises ModelMissing for a broken file."""
    path = Path(folder) / f"{name}_composition.safetensors"
    if not path.exists():
        return None
    composition_model = CompositionModel()
    try:
        composition_model.stoichiometries = from_text(load_module(path, composition_model)["stoichiometries"])
    except (WeightsError, KeyError, ValueError) as error:
        raise unreadable(path, error) from None
    return composition_model


def unreadable(path: Path, error: Exception) -> ModelMissing:
    """What to raise for the weights of a small network that are absent or broken."""
    reason = str(error).removeprefix(f"{path}: ")
    return ModelMissing(f"The weight file {place(path)} cannot be read ({reason}). {_back(path, '.')}".strip())


def _back(path: Path, end: str) -> str:
    """How a shipped file is had again; nothing for one of the user's own."""
    return f"Get it back with `git checkout -- {place(path)}`{end}" if shipped(path) else ""
