"""Arrays in a row of bytes: blocks aligned to 8; what moves as differences, deflated, where that pays."""

from __future__ import annotations

import hashlib
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
        self._frames: dict[tuple[bytes, str, tuple[int, ...], bool], dict] = {}

    def add(self, array: np.ndarray) -> dict:
        return self._put(np.ascontiguousarray(array).tobytes(), array.dtype.str[1:], array.shape)

    def add_frames(self, codes: np.ndarray, *, pairs: bool = False) -> dict:
        """Codes of one or two bytes, first axis frames: differences of frames, or of those, deflated; as they are if that is shorter.

        A path that jumps at random is shortest by its steps, a smooth one by the changes of its steps. Two bytes go apart, all low ones
        first. pairs: codes (..., 2) below 4096, which are not deflated take three bytes a pair. The same codes again, such as a density
        that two panels share, are stored once.
        """
        plain = np.ascontiguousarray(codes)
        key = (hashlib.blake2b(plain.data, digest_size=16).digest(), plain.dtype.str, plain.shape, pairs)
        if key not in self._frames:
            self._frames[key] = self._put_frames(plain, pairs)
        return dict(self._frames[key])

    def _put_frames(self, plain: np.ndarray, pairs: bool) -> dict:
        step, tries = plain.view(f"<u{plain.itemsize}"), []
        for _ in range(2):
            step = np.diff(step, axis=0, prepend=np.zeros_like(step[:1]))  # around the end: 0 - 1 = 65535
            tries.append(_deflated(_halves(step) if plain.itemsize == 2 else step.tobytes()))
        order = 1 + (len(tries[1]) < len(tries[0]))
        short = tries[order - 1]
        if len(short) >= plain.nbytes * (0.75 if pairs else 1):
            return self._put(_three_bytes(plain).tobytes(), "xy12", plain.shape) if pairs else self.add(plain)
        return self._put(short, plain.dtype.str[1:], plain.shape) | {"order": order}

    def _put(self, raw: bytes, kind: str, shape: Sequence[int]) -> dict:
        spec = {"at": self._size, "bytes": len(raw), "type": kind, "shape": list(shape)}
        padding = -len(raw) & 7
        self._parts += [raw, b"\0" * padding]
        self._size += len(raw) + padding
        return spec

    def bytes(self) -> bytes:
        return b"".join(self._parts)


def _deflated(raw: bytes) -> bytes:
    """By runs and frequencies only: of noise that is as short as a search for repetitions makes it, in a third of the time."""
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return packer.compress(raw) + packer.flush()


def _halves(steps: np.ndarray) -> bytes:
    """uint16 read as signed -> 0, -1, 1, -2 … as 0, 1, 2, 3 …, so that short steps have a high byte of zero; low bytes, then high ones."""
    signed = steps.view("<i2")
    codes = ((signed << 1) ^ (signed >> 15)).view("<u2")
    return (codes & 255).astype("u1").tobytes() + (codes >> 8).astype("u1").tobytes()


def _three_bytes(codes: np.ndarray) -> np.ndarray:
    """(..., 2) codes below 4096 -> (..., 3): x's low eight bits, x's high four | y's low four, y's high eight."""
    x, y = codes[..., 0], codes[..., 1]
    return np.stack([x & 255, (x >> 8) | ((y & 15) << 4), y >> 4], axis=-1).astype("u1")


def read_block(body: memoryview, spec: dict) -> np.ndarray:
    """The array that `add` or `add_frames` described with `spec`."""
    raw = body[spec["at"] : spec["at"] + spec["bytes"]]
    if spec["type"] == "xy12":
        three = np.frombuffer(raw, "u1").reshape(-1, 3).astype("u2")
        codes = np.stack([three[:, 0] | ((three[:, 1] & 15) << 8), (three[:, 1] >> 4) | (three[:, 2] << 4)], axis=-1)
        return codes.reshape(spec["shape"])
    if order := spec.get("order", 0):
        size = int(spec["type"][1:])
        steps = np.frombuffer(zlib.decompress(raw), "u1")
        if size == 2:
            low, high = steps.reshape(2, -1).astype("<u2")
            codes = low | (high << 8)
            steps = (codes >> 1) ^ -(codes & 1).astype("<u2")
        steps = steps.reshape(spec["shape"])
        for _ in range(order):
            steps = np.cumsum(steps, axis=0, dtype=f"<u{size}")
        return steps.view("<" + spec["type"])
    return np.frombuffer(raw, "<" + spec["type"]).reshape(spec["shape"])


def split(payload: bytes, magic: bytes, version: int, what: str) -> tuple[dict, memoryview]:
    """(JSON header, body) of magic | u16 version | u16 zero | u32 header length | header | body. ValueError if it is not that."""
    if len(payload) < 12 or payload[:4] != magic:
        raise ValueError(f"not a {what} payload")
    found, _, length = struct.unpack_from("<HHI", payload, 4)
    if found != version or len(payload) < 12 + length:
        raise ValueError(f"{what} payload of version {found} with {len(payload)} bytes cannot be read")
    return json.loads(payload[12 : 12 + length]), memoryview(payload)[12 + length :]
