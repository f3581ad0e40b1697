"""One panel of the particle player: its arrays checked, quantised and put into blocks of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.figures.binary_buffers import BinaryBuffers

VIEW, MARGIN = 3600, 247  # levels across the view and beyond each of its edges, at 12 bits
LOST = {12: 4095, 13: 8191}  # the code of a coordinate that is not finite
MAX_KEYS = 64  # key frames of density and arrows
ARROWS = ("force", "score", "current", "drift")
ROLES = ("data", "sample", "exact", "noise", "force", "accent")


@dataclass(frozen=True)
class Panel:
    """One run: what moves and what it is compared with. Arrays may be numpy or torch; N particles, T frames.

    positions: (T, N, 2), or (T, N, 1) for mode "1d"; None in mode "image", where `image` moves instead.
    title: above the panel; name: what the particles are in the legend ("walkers"), the role's name when empty.
    role: the colour's meaning, one of ROLES.
    labels: (N,) integers 0..255 with `label_names`; values: (N,) floats with `value_label`. Both only colour.
    density: (T or 1, H, W) >= 0 at the cell centres (row 0 = lowest y); in mode "1d" (T, H), row by time.
    density_name, density_role: what the background is when it is not the exact density ("error"), and its colour's meaning.
    arrows: (T or 1, h, w, 2) at the cell centres; arrow_role: one of ARROWS, named in the legend.
    marginals_exact: pair of (T or 1, M), the exact densities of x and of y at M evenly spaced points from edge to
    edge of the view, 1 / unit of the axis; in mode "1d" one such array. Either of the pair may be None.
    image: (T, H, W) numbers, row 0 lowest, NaN where the page shows through; image_range: (low, high) of its colours, what
    lies beyond is shown as the nearest end; image_label: what the numbers are. Mode "image" only.
    """

    positions: Any = None
    title: str = ""
    role: str = "sample"
    labels: Any = None
    values: Any = None
    density: Any = None
    density_name: str = "exact density"
    density_role: str = "exact"
    arrows: Any = None
    arrow_role: str = "force"
    marginals_exact: Any = None
    name: str = ""
    label_names: Sequence[str] = ()
    value_label: str = "value"
    image: Any = None
    image_range: tuple[float, float] = (0.0, 1.0)
    image_label: str = "value"


def as_numbers(value: Any, name: str, ndim: int) -> np.ndarray:
    """numpy view of a list, array or tensor. Raises ValueError unless it holds numbers along `ndim` axes."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    value = np.asarray(value)
    if value.ndim != ndim or value.dtype.kind not in "fiub":
        raise ValueError(f"{name} must have {ndim} axes of numbers, not shape {value.shape} of {value.dtype}")
    return value


def pack_panel(panel: Panel, index: int, clock: np.ndarray, view: list[float], mode: str, wrap: bool, blocks: BinaryBuffers) -> dict:
    """Put the panel's arrays into `blocks`; returns what the header says about it. Raises ValueError on bad arrays."""
    where, n_frames = f"panel {index + 1}", len(clock)
    if mode == "image":
        return {"title": panel.title, "name": panel.name, "role": panel.role, "n": 0, "lost": 0, "left": 0} | _pack_image(
            panel, where, n_frames, view, blocks
        )
    positions = as_numbers(panel.positions, f"{where}: positions", 3)
    dim = 2 if mode == "2d" else 1
    if positions.shape[0] != n_frames or positions.shape[1] < 1 or positions.shape[2] != dim:
        raise ValueError(f"{where}: positions have shape {positions.shape}, not ({n_frames}, N, {dim})")
    if panel.role not in ROLES:
        raise ValueError(f"{where}: role {panel.role!r} is none of {', '.join(ROLES)}")
    if panel.density_role not in ROLES:
        raise ValueError(f"{where}: density_role {panel.density_role!r} is none of {', '.join(ROLES)}")
    if panel.arrow_role not in ARROWS:
        raise ValueError(f"{where}: arrow_role {panel.arrow_role!r} is none of {', '.join(ARROWS)}")
    n = positions.shape[1]
    codes, lost, left = _quantise(positions, np.array(view).reshape(-1, 2), 12 if dim == 2 else 13, wrap)
    spec = {
        "title": panel.title,
        "name": panel.name,
        "role": panel.role,
        "n": n,
        "lost": lost,
        "left": left,
        "positions": blocks.add_frames(codes, pairs=dim == 2),
    }
    if panel.labels is not None:
        labels = as_numbers(panel.labels, f"{where}: labels", 1)
        if labels.shape != (n,) or labels.min() < 0 or labels.max() > 255 or (labels != np.rint(labels)).any():
            raise ValueError(f"{where}: labels must be {n} integers from 0 to 255")
        spec |= {"labels": blocks.add(labels.astype("u1")), "label_names": [str(s) for s in panel.label_names]}
    if panel.values is not None:
        values = as_numbers(panel.values, f"{where}: values", 1).astype(float)
        if values.shape != (n,) or not np.isfinite(values).all():
            raise ValueError(f"{where}: values must be {n} finite numbers")
        low, high = float(values.min()), float(values.max())
        scaled = (values - low) / ((high - low) or 1)
        spec |= {"values": blocks.add(np.rint(scaled * 255).astype("u1")), "value_range": [low, high], "value_label": panel.value_label}
    if panel.density is not None:
        spec |= _pack_density(panel.density, where, clock, mode, blocks)
        spec |= {"density_name": panel.density_name, "density_role": panel.density_role}
    if panel.arrows is not None:
        spec |= _pack_arrows(panel, where, n_frames, mode, blocks)
    if panel.marginals_exact is not None:
        spec["marginals"] = _pack_marginals(panel.marginals_exact, where, n_frames, mode, blocks)
    return spec


def _quantise(positions: np.ndarray, bounds: np.ndarray, bits: int, wrap: bool) -> tuple[np.ndarray, int, int]:
    """Codes (T, N, D) and how many particles are, at some frame, not finite / outside the view."""
    view, margin = VIEW << (bits - 12), MARGIN << (bits - 12)
    kind = np.promote_types(positions.dtype, np.float32)
    low, span = bounds[:, 0].astype(kind), (bounds[:, 1] - bounds[:, 0]).astype(kind)
    with np.errstate(invalid="ignore", over="ignore"):
        level = (positions.astype(kind, copy=False) - low) / span  # 0..1 across the view
        if wrap:
            level -= np.floor(level)
        finite = np.isfinite(level.sum(axis=2))
        level *= view
        level += margin + 0.5
        np.clip(level, 0, LOST[bits] - 1, out=level)
        codes = level.astype("<u2")
    inside = codes - np.uint16(margin) <= view  # below the view wraps to large
    inside = inside[..., 0] & inside[..., -1] & finite
    if not finite.all():
        codes[~finite] = LOST[bits]
    return codes, int((~finite).any(axis=0).sum()), int((~inside).any(axis=0).sum())


def _keys(n_frames: int) -> np.ndarray:
    return np.unique(np.rint(np.linspace(0, n_frames - 1, min(n_frames, MAX_KEYS))).astype(int))


def _pack_image(panel: Panel, where: str, n_frames: int, view: list[float], blocks: BinaryBuffers) -> dict:
    """Codes 1..255 from the low to the high end of the colours, 0 for NaN; long movies keep MAX_KEYS frames."""
    image = as_numbers(panel.image, f"{where}: image", 3).astype(float)
    if len(image) != n_frames or image.shape[1:] != (view[3], view[1]):
        raise ValueError(f"{where}: image has shape {image.shape}, not ({n_frames}, {view[3]:g}, {view[1]:g})")
    low, high = panel.image_range
    if not low < high:
        raise ValueError(f"{where}: image_range must rise, not {panel.image_range}")
    keys = _keys(n_frames)
    level = np.clip((image[keys] - low) / (high - low), 0, 1)
    codes = np.where(np.isnan(level), 0, 1 + np.rint(254 * np.nan_to_num(level))).astype("u1")
    return {
        "image": blocks.add_frames(codes),
        "image_keys": keys.tolist(),
        "image_range": [float(low), float(high)],
        "image_label": panel.image_label,
    }


def _pack_density(density: Any, where: str, clock: np.ndarray, mode: str, blocks: BinaryBuffers) -> dict:
    n_frames = len(clock)
    grid = as_numbers(density, f"{where}: density", 3 if mode == "2d" else 2)
    if len(grid) not in ((1, n_frames) if mode == "2d" else (n_frames,)) or 0 in grid.shape:
        raise ValueError(f"{where}: density has shape {grid.shape}; its first axis must be frames ({n_frames})")
    if not np.isfinite(grid).all() or grid.min() < 0:
        raise ValueError(f"{where}: density must be finite and not negative")
    if mode == "1d":  # one picture, its columns even in time
        even = np.linspace(clock[0], clock[-1], min(4 * n_frames, 256))
        index = (
            np.interp(even, clock, np.arange(n_frames))
            if clock[0] < clock[-1]
            else np.interp(even[::-1], clock[::-1], np.arange(n_frames)[::-1])[::-1]
        )
        before = np.minimum(index.astype(int), n_frames - 1)
        after, part = np.minimum(before + 1, n_frames - 1), (index - before)[:, None]
        grid = grid[before] * (1 - part) + grid[after] * part
        keys, peak = np.array([0]), grid.max(axis=1, keepdims=True)
        levels = (grid / np.where(peak > 0, peak, 1)).T[None]
    else:
        keys = _keys(n_frames) if len(grid) > 1 else np.array([0])
        grid = grid[keys]
        peak = grid.max(axis=(1, 2), keepdims=True)
        levels = grid / np.where(peak > 0, peak, 1)
    return {"density": blocks.add_frames(np.rint(levels * 255).astype("u1")), "density_keys": keys.tolist()}


def _pack_arrows(panel: Panel, where: str, n_frames: int, mode: str, blocks: BinaryBuffers) -> dict:
    if mode == "1d":
        raise ValueError(f"{where}: arrows need mode '2d'")
    arrows = as_numbers(panel.arrows, f"{where}: arrows", 4)
    if len(arrows) not in (1, n_frames) or arrows.shape[3] != 2 or 0 in arrows.shape:
        raise ValueError(f"{where}: arrows have shape {arrows.shape}, not ({n_frames} or 1, h, w, 2)")
    if not np.isfinite(arrows).all():
        raise ValueError(f"{where}: arrows must be finite")
    keys = _keys(n_frames) if len(arrows) > 1 else np.array([0])
    arrows = arrows[keys].astype(float)
    length = np.linalg.norm(arrows, axis=-1)
    scale = np.quantile(length.reshape(len(keys), -1), 0.9, axis=1)
    scale = np.where(scale > 0, scale, 1.0)
    short = np.minimum(1, 2 * scale[:, None, None] / np.maximum(length, 1e-300))[..., None]  # at most twice the scale
    codes = np.rint(arrows * short / scale[:, None, None, None] * 63.5).astype("i1")
    return {
        "arrows": blocks.add_frames(codes),
        "arrow_keys": keys.tolist(),
        "arrow_role": panel.arrow_role,
        "arrow_scale": blocks.add(scale.astype("<f4")),
    }


def _pack_marginals(marginals: Any, where: str, n_frames: int, mode: str, blocks: BinaryBuffers) -> dict:
    if mode == "1d" and not isinstance(marginals, tuple | list):
        marginals = (marginals,)
    axes = ("x", "y") if mode == "2d" else ("x",)
    if len(marginals) != len(axes):
        raise ValueError(f"{where}: marginals_exact needs one array for each of {', '.join(axes)}")
    packed = {}
    for axis, curve in zip(axes, marginals, strict=True):
        if curve is None:
            continue
        curve = as_numbers(curve, f"{where}: marginal of {axis}", 2).astype(float)
        if len(curve) not in (1, n_frames) or curve.shape[1] < 2:
            raise ValueError(f"{where}: marginal of {axis} has shape {curve.shape}, not ({n_frames} or 1, M)")
        if not np.isfinite(curve).all() or curve.min() < 0:
            raise ValueError(f"{where}: marginal of {axis} must be finite and not negative")
        peak = np.maximum(curve.max(axis=1), 1e-30)
        packed[axis] = {
            "q": blocks.add_frames(np.rint(curve / peak[:, None] * 65535).astype("<u2")),
            "scale": blocks.add(peak.astype("<f4")),
        }
    return packed
