"""Payload of the particle player: what goes in comes out, within the step of its quantisation, at a bounded size."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch

from core.figures.binary_buffers import BinaryBuffers, read_block
from core.figures.payload import Handles, Panel, pack_player, payload_id, unpack
from core.figures.player_panel import VIEW
from core.numerics.frames import cell_centres

VIEW_2D = (-2.0, 4.0, -1.0, 1.0)
TIMES = np.linspace(0, 1, 30)


@pytest.fixture
def walk():
    rng = np.random.default_rng(3)
    return (np.array([1.0, 0.0]) + np.cumsum(rng.normal(0, 0.05, (30, 40, 2)), axis=0)).clip([-1.9, -0.99], [3.9, 0.99])


def pack(panel, **options):
    return pack_player([panel], **({"times": TIMES, "bounds": VIEW_2D, "alt": "walkers"} | options))


def test_positions_come_back_within_half_a_level(walk):
    back = unpack(pack(Panel(torch.tensor(walk)))).panels[0]["positions"]
    step = np.array([6.0, 2.0]) / VIEW
    assert (np.abs(back - walk) <= 0.5 * step * 1.001).all()
    assert np.abs(back - walk).max() > 0.25 * step.min()  # the bound is not loose
    flat = walk[..., :1]
    one = unpack(pack(Panel(flat), mode="1d", bounds=(-2, 4))).panels[0]["positions"]
    assert (np.abs(one - flat) <= 0.5 * 6 / VIEW / 2 * 1.01).all()


def test_bytes_per_particle_and_frame():
    rng = np.random.default_rng(0)
    walk = rng.normal(size=(200, 2000, 2)).astype("f4")
    times = np.arange(200.0)
    bounds = (-4, 4, -4, 4)
    bare = pack_player([Panel(walk)], times=times, bounds=bounds, alt="noise")
    assert len(bare) / walk[..., 0].size < 3.01
    cells = cell_centres(bounds, 96).numpy().reshape(96, 96, 2)
    width = np.linspace(0.5, 2, 200)[:, None, None]
    density = np.exp(-(cells**2).sum(-1) / 2 / width**2)
    line = np.exp(-(np.linspace(-4, 4, 128) ** 2) / 2 / width[:, 0] ** 2)
    arrows = -cell_centres(bounds, 16).numpy().reshape(1, 16, 16, 2) / width[..., None] ** 2
    everything = Panel(walk, density=density, arrows=arrows, marginals_exact=(line, line))
    full = pack_player([everything], times=times, bounds=bounds, alt="all")
    assert len(full) / walk[..., 0].size < 4
    flat = pack_player([Panel(walk[..., :1])], times=times, mode="1d", bounds=(-4, 4), alt="noise")
    assert len(flat) / walk[..., 0].size < 2.01


@pytest.mark.parametrize("dim", [1, 2])
def test_what_has_a_rule_takes_fewer_bytes(dim):
    """A flow by the changes of its steps, a random walk by its steps: shorter than numbers, and the same numbers."""
    rng = np.random.default_rng(5)
    start, speed = rng.uniform(-2, 2, (2, 500, dim))
    clock = np.arange(100.0)
    flow = start + speed * np.sin(clock / 60)[:, None, None]
    walk = start + np.cumsum(rng.normal(0, 0.01, (100, 500, dim)), axis=0)
    noise = rng.uniform(-4, 4, (100, 500, dim))
    bounds, levels = (-4, 4) * dim, VIEW * (2 if dim == 1 else 1)
    sizes, orders = [], []
    for path in (flow, walk, noise):
        payload = pack_player([Panel(path)], times=clock, mode=f"{dim}d", bounds=bounds, alt="paths")
        back = unpack(payload)
        assert np.abs(back.panels[0]["positions"] - path).max() <= 0.5 * 8 / levels * 1.01
        orders.append(back.header["panels"][0]["positions"].get("order", 0))
        sizes.append(back.header["panels"][0]["positions"]["bytes"] / path[..., 0].size)
    assert orders[:2] == [2, 1]
    assert sizes[0] < 0.7 * sizes[1] < 0.7 * sizes[2] and sizes[2] <= (2 if dim == 1 else 3)


@pytest.mark.parametrize("kind", ["u1", "i1", "<u2"])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_frames_of_every_kind_come_back(kind, steps):
    """Codes at both ends of their range, jumps between the ends among them; steps: how far they move from frame to frame."""
    info = np.iinfo(kind)
    start = np.array([info.min, info.max, 0, info.max - 1], dtype=kind)
    codes = start + (np.arange(50)[:, None] * steps).astype(kind)  # around the end
    buffers = BinaryBuffers()
    buffers.add_frames(np.zeros((3, 4), "u1"))
    spec = buffers.add_frames(codes.reshape(50, 2, 2))
    back = read_block(memoryview(buffers.bytes()), spec)
    assert back.dtype == np.dtype(kind) and np.array_equal(back, codes.reshape(50, 2, 2)) and spec["order"] in (1, 2)


def test_frames_that_come_twice_are_stored_once():
    codes = np.random.default_rng(0).integers(0, 255, (6, 30, 2)).astype("u1")
    blocks = BinaryBuffers()
    first, other, again = (blocks.add_frames(frames) for frames in (codes, codes.astype("<u2"), codes.copy()))
    assert again == first != other
    body = memoryview(blocks.bytes())
    assert len(body) < 3 * codes.nbytes + 100
    for spec in (first, other, again):
        assert (read_block(body, spec) == codes).all()


def test_levels_do_not_bias_a_histogram():
    """60 bins of evenly spread positions stay even: every bin holds the same number of levels."""
    even = (np.arange(36_000) + 0.5) / 36_000
    positions = np.stack([even, even], -1)[None]
    payload = pack_player([Panel(positions)], times=[0.0], bounds=(0, 1, 0, 1), alt="even")
    counts = np.histogram(unpack(payload).panels[0]["positions"][0, :, 0] + 1e-9, bins=60, range=(0, 1))[0]
    assert np.abs(counts - 600).max() <= 10


def test_what_left_or_broke_is_counted(walk):
    bad = walk.copy()
    bad[10:, 3] = np.nan
    bad[12, 4, 0] = np.inf
    bad[5:, 7] = (100.0, 0.0)
    bad[6, 8] = (4.2, 0.0)
    before = bad.copy()
    unpacked = unpack(pack(Panel(bad)))
    header, back = unpacked.header["panels"][0], unpacked.panels[0]["positions"]
    assert (header["lost"], header["left"]) == (2, 4)
    assert np.isnan(back[10:, 3]).all() and np.isfinite(back[:10, 3]).all()
    assert np.isnan(back[12, 4, 0]) and np.isfinite(back[13, 4]).all()
    assert (back[5:, 7, 0] > 4.3).all()  # held on the margin, out of sight
    assert back[6, 8, 0] == pytest.approx(4.2, abs=6 / VIEW)  # a near miss keeps its place
    np.testing.assert_array_equal(bad, before)


def test_wrapped_positions_are_brought_home(walk):
    far = walk + np.array([6.0, -4.0]) * np.arange(-2, 3)[np.arange(40) % 5, None]
    back = unpack(pack(Panel(far), wrap=True)).panels[0]["positions"]
    assert np.abs(back - walk).max() < 6 / VIEW


def test_companions_round_trip(walk):
    density = np.random.default_rng(1).random((30, 8, 12))
    arrows = np.random.default_rng(2).normal(size=(30, 4, 6, 2))
    curve_x, curve_y = np.linspace(0, 2, 33)[None], np.random.default_rng(4).random((30, 21))
    values, labels = np.linspace(-3, 5, 40), np.arange(40) % 3
    everything = Panel(walk, density=density, arrows=arrows, marginals_exact=(curve_x, curve_y), values=values, labels=labels)
    unpacked = unpack(pack(everything))
    panel = unpacked.panels[0]
    np.testing.assert_allclose(panel["density"] / 255, density / density.max(axis=(1, 2), keepdims=True), atol=0.5 / 255 + 1e-9)
    length = np.linalg.norm(arrows, axis=-1)
    scale = np.quantile(length.reshape(30, -1), 0.9, axis=1)[:, None, None]
    short = (length < 1.9 * scale) & (length > 0)
    assert (np.abs(panel["arrows"] - arrows)[short].max(axis=-1) <= (scale * np.ones_like(length))[short] / 127 * 1.01).all()
    np.testing.assert_allclose(panel["marginal_x"], curve_x, atol=2 / 65535)
    np.testing.assert_allclose(panel["marginal_y"], curve_y, atol=1 / 65535)
    np.testing.assert_allclose(panel["values"], values, atol=8 / 255 / 2 * 1.001)
    np.testing.assert_array_equal(panel["labels"], labels)
    np.testing.assert_allclose(unpacked.times, TIMES, rtol=1e-6)


def test_long_movies_keep_first_and_last_density():
    density = np.zeros((200, 2, 2))
    density[:, 0, 0] = 1
    density[-1] = [[0, 0], [0, 1]]
    payload = pack_player([Panel(np.zeros((200, 1, 2)), density=density)], times=np.arange(200.0), bounds=(-1, 1, -1, 1), alt="x")
    unpacked = unpack(payload)
    keys = unpacked.header["panels"][0]["density_keys"]
    assert len(keys) == 64 and (keys[0], keys[-1]) == (0, 199)
    assert unpacked.panels[0]["density"][0, 0, 0] == 255 and unpacked.panels[0]["density"][-1, 1, 1] == 255


def test_density_of_paths_is_even_in_time_also_when_time_falls():
    """Uneven, falling times: a peak whose place is a line in t must be a line in the picture's columns."""
    times = 1 - np.linspace(0, 1, 100) ** 2
    cells = (np.arange(50) + 0.5) / 50
    density = np.exp(-((cells[None] - times[:, None]) ** 2) / 2 / 0.05**2)
    payload = pack_player([Panel(np.zeros((100, 1, 1)), density=density)], times=times, mode="1d", bounds=(0, 1), alt="x")
    picture = unpack(payload).panels[0]["density"][0]
    assert picture.shape == (50, 256)
    peak = cells[picture.argmax(axis=0)]
    np.testing.assert_allclose(peak, np.linspace(1, 0, 256), atol=0.03)


def test_identity_follows_the_content(walk):
    first, again, other = (pack(Panel(walk)), pack(Panel(walk.copy())), pack(Panel(walk), trail=1))
    assert first == again
    assert payload_id(first) == payload_id(again) != payload_id(other)
    moved = walk.copy()
    moved[0, 0, 0] += 0.1
    assert payload_id(pack(Panel(moved))) != payload_id(first)


def test_blocks_are_aligned_and_inside(walk):
    payload = pack(Panel(walk, density=np.ones((1, 3, 3)), labels=np.zeros(40, int)))
    length = struct.unpack_from("<I", payload, 8)[0]
    header = json.loads(payload[12 : 12 + length])
    assert (12 + length) % 8 == 0
    specs = [header["times"], *(header["panels"][0][name] for name in ("positions", "density", "labels"))]
    assert all(spec["at"] % 8 == 0 and 12 + length + spec["at"] + spec["bytes"] <= len(payload) for spec in specs)


GOOD = np.zeros((30, 5, 2))


@pytest.mark.parametrize(
    ("panel", "options", "words"),
    [
        (Panel(GOOD[..., 0]), {}, "positions must have 3 axes"),
        (Panel(GOOD[:9]), {}, r"\(9, 5, 2\), not \(30, N, 2\)"),
        (Panel(GOOD), {"mode": "1d", "bounds": (0, 1)}, r"not \(30, N, 1\)"),
        (Panel(GOOD, role="salt"), {}, "role 'salt'"),
        (Panel(GOOD, labels=[0, 1]), {}, "labels must be 5 integers"),
        (Panel(GOOD, labels=[0, 1, 2, 3, 300]), {}, "labels must be 5 integers"),
        (Panel(GOOD, values=[0, 1, 2, 3, np.nan]), {}, "values must be 5 finite"),
        (Panel(GOOD, density=np.ones((7, 4, 4))), {}, "density has shape"),
        (Panel(GOOD, density=-np.ones((1, 4, 4))), {}, "not negative"),
        (Panel(GOOD, density=np.ones((1, 4, 4)), density_role="salt"), {}, "density_role 'salt'"),
        (Panel(GOOD, density=np.full((1, 4, 4), np.nan)), {}, "finite"),
        (Panel(GOOD, arrows=np.ones((30, 4, 4))), {}, "arrows must have 4 axes"),
        (Panel(GOOD, arrows=np.full((1, 4, 4, 2), np.inf)), {}, "arrows must be finite"),
        (Panel(GOOD, arrow_role="wind"), {}, "arrow_role 'wind'"),
        (Panel(GOOD, marginals_exact=(np.ones((1, 9)),)), {}, "one array for each of x, y"),
        (Panel(GOOD, marginals_exact=(np.ones((4, 9)), None)), {}, "marginal of x has shape"),
        (Panel(GOOD), {"bounds": (0, 0, 1, 2)}, "bounds must be"),
        (Panel(GOOD), {"bounds": (0, 1)}, "bounds must be"),
        (Panel(GOOD), {"mode": "3d"}, "mode is '3d'"),
        (Panel(GOOD), {"times": [np.nan] * 30}, "times must hold"),
        (Panel(GOOD), {"alt": " "}, "alt is empty"),
        (Panel(GOOD), {"fps": 0}, "fps must be positive"),
        (Panel(GOOD[..., :1]), {"mode": "1d", "bounds": (0, 1), "times": np.sin(np.arange(30.0))}, "rise or fall"),
    ],
)
def test_wrong_input_is_named(panel, options, words):
    with pytest.raises(ValueError, match=words):
        pack(panel, **options)


def test_panel_count_and_foreign_bytes():
    with pytest.raises(ValueError, match="0 panels"):
        pack_player([], times=TIMES, bounds=VIEW_2D, alt="x")
    with pytest.raises(ValueError, match="7 panels"):
        pack_player([Panel(GOOD)] * 7, times=TIMES, bounds=VIEW_2D, alt="x")
    with pytest.raises(ValueError, match="not a player payload"):
        unpack(b"PK\x03\x04 something else")
    payload = bytearray(pack(Panel(GOOD)))
    payload[4] = 9
    with pytest.raises(ValueError, match="version 9"):
        unpack(bytes(payload))


def test_handles_and_overlay_are_written_into_the_header(walk):
    handles = Handles([(0, 1, 0.5, 0.2)], [(-2, 4), (-1, 1), (0.1, 2), (0.1, 1)], sigma=0.3, powers=(1, 0.5))
    header = unpack(pack(Panel(walk), handles=handles)).header
    assert header["handles"] == {
        "modes": [[0, 1, 0.5, 0.2]],
        "sigma": 0.3,
        "powers": [1, 0.5],
        "limits": [[-2, 4], [-1, 1], [0.1, 2], [0.1, 1]],
    }
    assert "handles" not in unpack(pack(Panel(walk))).header
    two = [Panel(walk, density=np.ones((1, 3, 3))), Panel(walk, role="data")]
    assert unpack(pack_player(two, times=TIMES, bounds=VIEW_2D, alt="two", overlay=True)).header["overlay"]
    with pytest.raises(ValueError, match="overlay"):
        pack_player(two[::-1], times=TIMES, bounds=VIEW_2D, alt="two", overlay=True)
    with pytest.raises(ValueError, match="handles"):
        pack_player([Panel(walk[..., :1])], times=TIMES, bounds=(-2, 4), mode="1d", alt="one", handles=handles)


def test_pictures_round_trip_with_their_holes():
    frames = np.random.default_rng(5).uniform(-1, 3, (30, 6, 9))
    frames[:, 2, 3] = np.nan
    before = frames.copy()
    unpacked = unpack(pack_player([Panel(image=frames, image_range=(-1, 3), image_label="rho")], times=TIMES, mode="image", alt="waves"))
    back = unpacked.panels[0]["image"]
    assert unpacked.header["bounds"] == [0, 9, 0, 6] and unpacked.header["strips"] is False
    np.testing.assert_allclose(back, frames, atol=0.5 * 4 / 254 * 1.001)
    assert np.isnan(back[:, 2, 3]).all() and np.isfinite(back).sum() == 30 * 53
    np.testing.assert_array_equal(frames, before)
    beyond = unpack(pack_player([Panel(image=[[[-9.0, 9.0]]], image_range=(0, 1))], times=[0.0], mode="image", alt="x")).panels[0]["image"]
    np.testing.assert_allclose(beyond, [[[0, 1]]])


def test_long_movies_of_pictures_keep_first_and_last():
    frames = np.linspace(0, 1, 200)[:, None, None] * np.ones((1, 2, 2))
    unpacked = unpack(pack_player([Panel(image=frames)], times=np.arange(200.0), mode="image", alt="x"))
    assert unpacked.panels[0]["image"].shape == (64, 2, 2)
    assert unpacked.header["panels"][0]["image_keys"][0] == 0 and unpacked.header["panels"][0]["image_keys"][-1] == 199


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        (Panel(), "image must have 3 axes"),
        (Panel(image=np.ones((7, 4, 4))), r"image has shape \(7, 4, 4\), not \(30, 4, 4\)"),
        (Panel(image=np.ones((30, 4, 4)), image_range=(1, 1)), "image_range must rise"),
    ],
)
def test_wrong_pictures_are_named(panel, words):
    with pytest.raises(ValueError, match=words):
        pack_player([panel], times=TIMES, mode="image", alt="x")


def test_a_leap_is_told_to_the_player(walk):
    assert unpack(pack(Panel(walk))).header["leap"] == 0
    assert unpack(pack(Panel(walk), leap=0.2)).header["leap"] == pytest.approx(0.2)
