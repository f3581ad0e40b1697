"""Weights on disk: safetensors only, with the sizes of the network and the process in the header."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.generator.model.adapter import Adapter, AdapterConfig
from core.generator.model.diffusion import Diffusion
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser, NetworkConfig
from core.generator.selection.reranker import Reranker, n_features
from core.numerics.manifest import check
from core.numerics.tensors import save_tensors

RERANKER = "judge."  # prefix of the reranker's weights in the file of its model, as version 0.1 named it
KINDS = {"Diffusion": Diffusion, "Flow": Flow}


class WeightsError(ValueError):
    """A weight file that is missing, broken or made for another network; the message says which."""


def save_weights(
    path: Path, sizes: NetworkConfig, process: Diffusion | Flow, state: dict[str, Tensor], about: dict, reranker: Reranker | None = None
) -> None:
    """Atomic. `about` is plain JSON: data, time, measured numbers. reranker: goes into the same file."""
    metadata = {"sizes": asdict(sizes), "kind": type(process).__name__, "process": asdict(process), "about": about}
    extra = {} if reranker is None else {RERANKER + name: value for name, value in reranker.state_dict().items()}
    save_tensors(path, state | extra, metadata)


def save_module(path: Path, module: torch.nn.Module, about: dict) -> None:
    """A small network with fixed sizes; atomic."""
    save_tensors(path, module.state_dict(), {"about": about})


def load_module(path: Path, module: torch.nn.Module) -> dict:
    """Fill `module` from `path`, ready for use; returns its `about`. Raises WeightsError."""
    try:
        check(path)
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
            module.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    module.eval().requires_grad_(False)
    return about


def load_weights(path: Path) -> tuple[Denoiser, Diffusion | Flow, dict]:
    """The network ready for use (eval mode), its process, and the `about` of the file. Raises WeightsError."""
    try:
        check(path)
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(RERANKER)}
        network = Denoiser(NetworkConfig(**json.loads(metadata["sizes"])))
        network.load_state_dict(state)
        process = KINDS[metadata.get("kind", "Diffusion")](**json.loads(metadata["process"]))
        about = json.loads(metadata["about"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path}: {reason}") from None
    return network.eval().requires_grad_(False), process, about


def load_adapter(path: Path, network: Denoiser) -> Adapter:
    """The adapters of `n2c train adapter` for this network, ready for use. Raises WeightsError."""
    adapter = Adapter(AdapterConfig(network.config.width, network.config.depth))
    load_module(path, adapter)
    return adapter


def load_reranker(path: Path, network: Denoiser) -> Reranker | None:
    """The reranker that came with these weights, ready for use; None if there is none. Raises WeightsError."""
    try:
        check(path)
        with safe_open(path, framework="pt") as file:
            state = {name.removeprefix(RERANKER): file.get_tensor(name) for name in file.keys() if name.startswith(RERANKER)}
        if not state:
            return None
        reranker = Reranker(n_features(network))
        reranker.load_state_dict(state)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WeightsError(f"{path}: {str(error).splitlines()[0]}") from None
    return reranker.eval().requires_grad_(False)
