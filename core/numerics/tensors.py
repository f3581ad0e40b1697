"""Tensors on disk: safetensors, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from core.numerics.files import whole


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write `tensors`; what is in `about` goes into the header, text as it is and everything else as JSON."""
    header = {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}
    with whole(path) as part:
        part.write_bytes(save({name: value.detach().contiguous() for name, value in tensors.items()}, header))
