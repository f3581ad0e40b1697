"""A bare page around the player for browser tests and the benchmark: real walkers, one scene per `?scene=`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import numpy as np
import streamlit as st
import torch

from core.figures.payload import Panel, pack_player
from core.numerics.frames import cell_centres
from pages.kit.player import player

torch.set_num_threads(1)
st.set_page_config(layout="wide")
scene = st.query_params.get("scene", "two-d")
n = int(st.query_params.get("n", 2000))
frames = int(st.query_params.get("frames", 200))
spread = st.slider("spread", 0.2, 2.0, 1.0, 0.1, key="spread")
st.text_input("a note", key="note")
BOUNDS = (-4.0, 4.0, -4.0, 4.0)
MEANS = torch.tensor([[-1.8, -1.2], [1.9, -0.6], [0.1, 1.9]])


def bell(x, mean, scale):
    return np.exp(-((x - mean) ** 2) / (2 * scale**2)) / (scale * np.sqrt(2 * np.pi))


def walk(dim: int, speed: float, seed: int = 0):
    """Brownian walkers from the origin: (frames,), (frames, n, dim), and the exact scale (frames,)."""
    g = torch.Generator().manual_seed(seed)
    times = torch.linspace(0.02, 1, frames)
    steps = torch.randn(frames, n, dim, generator=g) * speed
    steps[0] *= times[0].sqrt()
    steps[1:] *= (times[1] - times[0]).sqrt()
    return times, steps.cumsum(0), speed * times.sqrt().numpy()


def melt(seed: int = 1):
    """Three modes relaxing into one bell (Ornstein-Uhlenbeck), with exact density and force."""
    g = torch.Generator().manual_seed(seed)
    times = torch.linspace(0, 1, frames)
    labels = torch.randint(0, 3, (n,), generator=g)
    x = MEANS[labels] + 0.3 * torch.randn(n, 2, generator=g)
    rate, kept = 4.0, [x]
    shrink = np.exp(-rate / 2 / (frames - 1))
    for _ in range(frames - 1):
        x = shrink * x + spread * np.sqrt(1 - shrink**2) * torch.randn(n, 2, generator=g)
        kept.append(x)
    alpha = np.exp(-rate / 2 * times.numpy())
    scale = np.sqrt(alpha**2 * 0.09 + (1 - alpha**2) * spread**2)
    cells = cell_centres(BOUNDS, 80).numpy().reshape(80, 80, 2)
    line = np.linspace(-4, 4, 129)
    mean = alpha[:, None, None] * MEANS.numpy()
    s = scale[:, None, None]
    density = (
        sum(
            bell(cells[None, ..., 0], mean[:, k, 0, None, None], s) * bell(cells[None, ..., 1], mean[:, k, 1, None, None], s)
            for k in range(3)
        )
        / 3
    )
    exact = [sum(bell(line[None], mean[:, k, a, None], scale[:, None]) for k in range(3)) / 3 for a in (0, 1)]
    force = -np.broadcast_to(cell_centres(BOUNDS, 14).numpy().reshape(1, 14, 14, 2), (1, 14, 14, 2)) / spread**2
    return times, torch.stack(kept), labels, density, exact, force


CALLED = {"x_label": "x / ℓ", "y_label": "y / ℓ", "time_label": "t / τ"}

if scene == "one-d":
    times, x, scale = walk(1, spread)
    exact = np.stack([bell(np.linspace(-4, 4, 129), 0, s) for s in scale])
    density = np.stack([bell(-4 + (np.arange(96) + 0.5) / 96 * 8, 0, s) for s in scale])
    panel = Panel(x, title=f"{n:,} walkers", name="walkers", marginals_exact=exact, density=density)
    data = pack_player(
        [panel],
        times=times,
        mode="1d",
        bounds=(-4, 4),
        x_label="time t / τ",
        y_label="position x / ℓ",
        time_label="t / τ",
        alt="Brownian walkers spread from the origin; the histogram becomes a bell.",
    )
elif scene == "two-panels":
    times, x, labels, density, exact, force = melt()
    panels = [
        Panel(x, title="Ornstein-Uhlenbeck", labels=labels, label_names=["left", "right", "top"], density=density, marginals_exact=exact),
        Panel(walk(2, spread)[1], title="Free diffusion, no force", role="noise"),
    ]
    data = pack_player(panels, times=times, bounds=BOUNDS, alt="Two runs on one clock.", trail=8, **CALLED)
elif scene == "pictures":
    fade = np.ones((frames, 6, 9)) * np.linspace(0, 1, frames)[:, None, None]
    fade[:, :, 4] = np.nan
    panels = [Panel(title=title, image=image, image_label="density") for title, image in (("brighter", fade), ("darker", 1 - fade))]
    data = pack_player(panels, times=np.linspace(0, 1, frames), mode="image", time_label="t", alt="One picture grows bright, another dark.")
elif scene == "crowd":
    times, x, _ = walk(2, spread)
    data = pack_player([Panel(x, title=f"panel {k}") for k in range(6)], times=times, bounds=BOUNDS, alt="Six panels.", marginals=False)
elif scene in ("bare", "torus", "bad", "held"):
    times, x, _ = walk(2, 2 * spread if scene == "torus" else spread)
    if scene == "held":
        times = [0.35] * len(times)
    if scene == "bad":
        x[frames // 2 :, :12] = float("nan")
    data = pack_player([Panel(x)], times=times, bounds=BOUNDS, alt="Walkers.", wrap=scene == "torus", autoplay=scene != "bad", **CALLED)
else:
    times, x, labels, density, exact, force = melt()
    panel = Panel(
        x,
        title="Three modes melt",
        density=density,
        marginals_exact=exact,
        arrows=force,
        labels=labels if scene == "labels" else None,
        values=x[-1, :, 0] if scene == "values" else None,
    )
    data = pack_player(
        [panel], times=times, bounds=BOUNDS, alt="Three modes melt into one bell.", trail=int(st.query_params.get("trail", 0)), **CALLED
    )

if st.checkbox("show the player", value=True, key="shown"):
    state = player(data, key="stage", height=int(st.query_params.get("height", 560)), fill=st.query_params.get("fill") == "1")
    st.write(f"frame from the browser: {state.frame}, playing: {state.playing}")
if scene == "pair":
    player(data, key="second", height=420)
st.write("below the player")
