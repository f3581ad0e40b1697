"""The particle player on a page: mounts the browser component of `assets/player` and hears back from it."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st

from core.figures.payload import payload_id

ASSETS = Path(__file__).resolve().parents[2] / "assets"
PARTS = ("decode.js", "gl.js", "stage.js", "controls.js", "player.js")        # one module, in this order


@dataclass(frozen=True)
class PlayerState:
    """Where the clock stood when the reader last paused or let go of it; None before that, or for other data."""

    frame: int | None = None
    playing: bool | None = None


@cache
def player_assets() -> tuple[str, str]:
    """(script, style) of the component: the parts joined, the app's colours put in place."""
    folder = ASSETS / "player"
    script = "\n".join((folder / part).read_text(encoding="utf-8") for part in PARTS)
    colours = json.dumps(json.loads((ASSETS / "palette.json").read_text(encoding="utf-8")))
    if script.count("/*PALETTE*/null") != 1:
        raise ValueError("the player's script must name its palette exactly once")
    return script.replace("/*PALETTE*/null", colours), (folder / "player.css").read_text(encoding="utf-8")


@cache
def _component():
    script, style = player_assets()
    return st.components.v2.component("particle_player", js=script, css=style)


def _ignore() -> None:
    """The state is read from the result; nothing happens on change."""


def player(payload: bytes, *, key: str, height: int = 520, report: bool = True) -> PlayerState:
    """Show `payload` (from `core.figures.payload.pack_player`); a changed payload plays on in the same canvas.

    height: pixels of the whole player on a wide screen; on a narrow one its height follows from the width.
    report: send the frame to Python on pause and at the end of a scrub (a rerun of the page).
    """
    mount = json.dumps({"height": int(height), "report": bool(report)}).encode()
    data = struct.pack("<I", len(mount)) + mount + payload
    result = _component()(key=key, data=data, on_moment_change=_ignore)
    moment = result.get("moment") or {}
    if moment.get("payload") != payload_id(payload):
        return PlayerState()
    return PlayerState(frame=moment.get("frame"), playing=moment.get("playing"))
