"""The stage of `discrete_diffusion`: tokens hop between categories, forward and back, the exact law of every step behind them."""

from __future__ import annotations

import torch

from core.figures.discrete_diffusion import axis_title
from core.figures.payload import Panel, pack_player
from core.learning.discrete_diffusion import Walk

SPREAD = 0.7  # of a category's height over which its tokens are scattered, so that they can be seen


def payload(walk: Walk, *, family: str) -> bytes:
    """Player payload, mode "1d": category upwards, steps to the right; left corrupt, right restore."""
    k, n = walk.chain.n_categories, walk.forward.shape[1]
    lane = SPREAD * (torch.rand(n, generator=torch.Generator().manual_seed(0)) - 0.5)
    laws = torch.stack([walk.forward_law(t) for t in range(walk.n_steps + 1)])
    rows = torch.arange(4 * k) // 4
    edges = torch.linspace(-0.5, k - 0.5, 8 * k + 1)
    curve = laws[:, edges.round().long().clamp(0, k - 1)]
    panels = [
        Panel(
            (tokens.float() + lane)[:, :, None],
            title=title,
            name=name,
            role=role,
            density=law[:, rows].float(),
            marginals_exact=exact.float(),
        )
        for tokens, title, name, role, law, exact in (
            (walk.forward, "corrupt: q(xₜ | xₜ₋₁)", "corrupted tokens", "data", laws, curve),
            (walk.backward, "restore: p(xₜ₋₁ | xₜ)", "restored tokens", "sample", laws.flip(0), curve.flip(0)),
        )
    ]
    return pack_player(
        panels,
        times=torch.arange(walk.n_steps + 1),
        mode="1d",
        bounds=(-0.5, k - 0.5),
        x_label="step t",
        y_label=axis_title(walk),
        y_ticks=[(place, "mask" if name == "?" else name) for place, name in enumerate(walk.names)],
        time_label="step",
        fps=max(6, walk.n_steps / 6),
        alt=f"{n} tokens hop between {k} categories of the {family} chain until all is noise; others hop back to the data.",
    )
