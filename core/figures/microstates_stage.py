"""The stage of `microstates`: coin by coin every throw finds its column, beside every microstate laid down once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from core.figures.payload import Panel, pack_player
from core.foundations.microstates import Throws, binomial, microstates, relative_width
from core.numerics.frames import cell_centres

FALL, REST = 0.4, 0.227  # of the time in which all dots fall: what one takes, and how long all lie still at the end
FRAMES, CELLS = 135, (110, 260)
WIDTHS = 4.5  # half the zoomed view, in standard deviations


def _falling(n_frames: int) -> Tensor:
    """(F,): place of each frame in the fall, from 0 to 1; the frames that rest at the end are left to `_rested`."""
    return torch.linspace(0, 1, max(2, round(n_frames / (1 + REST))))


def _rested(falling: Tensor, n_frames: int) -> Tensor:
    """(T, ...): the last frame of `falling` (F, ...) again, up to `n_frames` frames."""
    return torch.cat([falling, falling[-1:].expand(n_frames - len(falling), *falling.shape[1:])])


def _movie(tosses: Tensor, p: float, gap: float, top: float, n_frames: int) -> Tensor:
    """(T, M, 2): each dot starts at the mean and hangs at the number of heads to be expected after the coins tossed so far.

    It comes to rest in the column of its own number of heads, on those that landed before it.
    """
    m, n_coins = tosses.shape
    generator = torch.Generator().manual_seed(0)
    done = torch.arange(n_coins + 1)
    expected = torch.nn.functional.pad(tosses.float().cumsum(1), (1, 0)) + p * (n_coins - done)
    heads = tosses.sum(1)
    start = torch.linspace(0, 1 - FALL, m)[torch.randperm(m, generator=generator)]
    order = torch.argsort(start)
    rank = torch.empty(m)
    for n in heads.unique():
        column = order[heads[order] == n]
        rank[column] = torch.arange(len(column), dtype=torch.float32)
    aside = ((rank * 0.6180340 + 0.5) % 1 - 0.5) * gap
    progress = ((_falling(n_frames)[:, None] - start) / FALL).clamp(0, 1)  # (T, M)
    at = progress * n_coins
    before = at.long().clamp(max=n_coins - 1)
    columns = torch.arange(m)
    x = torch.lerp(expected[columns, before], expected[columns, before + 1], at - before) + progress * aside
    y = top + ((rank + 0.5) / m - top) * progress
    return _rested(torch.stack([x, y], -1), n_frames)


def _bars(law: Tensor, bounds: tuple[float, float, float, float], gap: float) -> Tensor:
    """(1, H, W): one below the exact share of each number of heads, zero above."""
    points = cell_centres(bounds, CELLS, dtype=torch.float64).reshape(*CELLS, 2)
    n = points[..., 0].round().long()
    inside = (n >= 0) & (n < len(law)) & ((points[..., 0] - n).abs() <= gap / 2)
    return (inside & (points[..., 1] < law[n.clamp(0, len(law) - 1)])).float()[None]


def _zoom(n_coins: int, p: float) -> tuple[float, float]:
    mean, spread = n_coins * p, n_coins * p * relative_width(n_coins, p)
    return mean - WIDTHS * spread - 0.6, mean + WIDTHS * spread + 0.6


def payload(throws: Throws, *, view: str = "all", n_throws: int = 0, n_frames: int = FRAMES) -> bytes:
    """Player payload of two panels on one clock. view: "all" outcomes from 0 to N heads, or "zoom": 4.5 standard deviations each way.

    n_throws: how many there are in all, where these are only the first of them.
    """
    listed, each = microstates(throws.n_coins)
    laws = binomial(throws.n_coins, 0.5), binomial(throws.n_coins, throws.p)
    low, high = -0.6, throws.n_coins + 0.6
    if view == "zoom":
        ends = _zoom(throws.n_coins, 0.5), _zoom(throws.n_coins, throws.p)
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
    elif view != "all":
        raise ValueError(f"view is 'all' or 'zoom', not {view!r}")
    shown = len(throws.tosses)
    counted = torch.bincount(throws.tosses.sum(1), minlength=throws.n_coins + 1) / shown
    top = 1.75 * float(max(laws[0].max(), laws[1].max(), counted.max()))
    bounds, gap = (low, high, 0.0, top), 0.84 if high - low < 60 else 1.0
    of = f"every one of the {len(listed):,} microstates" if each == 1 else f"the microstates, {_count(each)} to a dot"
    what = f"{shown:,} throw{'s' if shown > 1 else ''}"
    if shown < (n_throws := max(n_throws, throws.n_throws)):
        what = f"the first {shown:,} of {n_throws:,} throws"
    panels = [
        Panel(_movie(listed, 0.5, gap, top, n_frames), title=of, name="microstates", role="data", density=_bars(laws[0], bounds, gap)),
        Panel(
            _movie(throws.tosses, throws.p, gap, top, n_frames),
            title=what,
            name="throws",
            role="sample",
            density=_bars(laws[1], bounds, gap),
        ),
    ]
    landed = ((_falling(n_frames) - FALL) / (1 - FALL)).clamp(0, 1) * 100
    return pack_player(
        panels,
        times=_rested(landed, n_frames),
        bounds=bounds,
        equal_aspect=False,
        marginals=False,
        x_label="number of heads n",
        y_label="share",
        time_label="percent landed",
        fps=24 * n_frames / FRAMES,
        alt=f"Dots fall coin by coin into columns 0 to {throws.n_coins}: on the left every microstate once, on the right "
        "throws; the columns fill up to the exact shares.",
    )


def _count(value: float) -> str:
    """A large number in type: 1.6·10⁵⁷."""
    power = math.floor(math.log10(value))
    if power < 4:
        return f"{value:,.0f}"
    return f"{value / 10**power:.1f}·10{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(d)] for d in str(power))}"
