"""Arrays in a row of bytes: blocks aligned to 8, deflated or packed when that pays."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence

import numpy as np


class BinaryBuffers:
    """Collects arrays and remembers where each begins."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, array: np.ndarray, *, deflate: bool = False, pack: str = "", shape: Sequence[int] | None = None) -> dict:
        raw = np.ascontiguousarray(array).tobytes()
        raw = zlib.compress(raw, 1) if deflate else raw
        spec = {"at": self._size, "bytes": len(raw), "type": pack or array.dtype.str[1:], "shape": list(shape or array.shape)}
        if deflate:
            spec["deflate"] = 1
        padding = -len(raw) & 7
        self._parts += [raw, b"\0" * padding]
        self._size += len(raw) + padding
        return spec

    def add_pairs(self, codes: np.ndarray) -> dict:
        """(..., 2) codes below 4096 -> three bytes each: x's low eight, x's high four | y's low four, y's high eight."""
        x, y = codes[..., 0], codes[..., 1]
        packed = np.empty((*x.shape, 3), dtype="u1")
        packed[..., 0] = x & 255
        packed[..., 1] = (x >> 8) | ((y & 15) << 4)
        packed[..., 2] = y >> 4
        return self.add(packed, pack="xy12", shape=codes.shape)

    def bytes(self) -> bytes:
        return b"".join(self._parts)


def read_block(body: memoryview, spec: dict) -> np.ndarray:
    """The array that `Blocks.add` or `add_pairs` described with `spec`."""
    packed = body[spec["at"] : spec["at"] + spec["bytes"]]
    raw = zlib.decompress(packed) if spec.get("deflate") else packed
    if spec["type"] == "xy12":
        three = np.frombuffer(raw, "u1").reshape(-1, 3).astype("u2")
        codes = np.stack([three[:, 0] | ((three[:, 1] & 15) << 8), (three[:, 1] >> 4) | (three[:, 2] << 4)], axis=-1)
        return codes.reshape(spec["shape"])
    return np.frombuffer(raw, "<" + spec["type"]).reshape(spec["shape"])


def split(payload: bytes, magic: bytes, version: int, what: str) -> tuple[dict, memoryview]:
    """(JSON header, body) of magic | u16 version | u16 zero | u32 header length | header | body. ValueError if it is not that."""
    if len(payload) < 12 or payload[:4] != magic:
        raise ValueError(f"not a {what} payload")
    found, _, length = struct.unpack_from("<HHI", payload, 4)
    if found != version or len(payload) < 12 + length:
        raise ValueError(f"{what} payload of version {found} with {len(payload)} bytes cannot be read")
    return json.loads(payload[12 : 12 + length]), memoryview(payload)[12 + length :]
