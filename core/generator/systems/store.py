"""Weights of the miniature systems on disk: half precision, safetensors, what was measured in the header."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import nn

from core.generator.registry import FOLDER, unreadable
from core.generator.weights import WeightsError, load_module
from core.numerics.tensors import save_tensors

PREFIX = "system_"  # of the weight files
Network = TypeVar("Network", bound=nn.Module)


def weights_path(name: str, folder: Path = FOLDER) -> Path:
    """Where the weights of one miniature lie."""
    return Path(folder) / f"{PREFIX}{name}.safetensors"


def save(path: Path, network: nn.Module, about: dict) -> None:
    """Floating-point weights in half precision; atomic. about: plain JSON, what was learned from and what was measured."""
    halves = {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()}
    save_tensors(path, halves, {"about": about})


def load(path: Path, network: Network) -> tuple[Network, dict]:
    """The network filled and ready for use, and its `about`. Raises ModelMissing."""
    try:
        return network, load_module(path, network)
    except WeightsError as error:
        raise unreadable(path, error) from None
