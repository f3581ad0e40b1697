"""The particle player on a page: mounts the browser component of `assets/player` and hears back from it.

What the crystal player needs too is here: the parts that their scripts share, and how a payload travels.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import streamlit as st
from streamlit.components.v1 import declare_component

from core.figures.payload import payload_id
from pages.kit import progress, waiting

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SHARED = ("address.js", "theme.js", "bytes.js", "controls.js", "keys.js", "downloads.js", "clock.js")  # of every player, first
PARTS = (
    "decode.js",
    "shaders.js",
    "gl.js",
    "stage.js",
    "particle_frame.js",
    "handles.js",
    "preview.js",
    "player.js",
)  # after them, in this order


@dataclass(frozen=True)
class PlayerState:
    """Where the clock stood when the reader last paused or let go of it; None before that, or for other data."""

    frame: int | None = None
    playing: bool | None = None


def assemble(parts: Sequence[str], styles: Sequence[str], **values: Any) -> tuple[str, str]:
    """(script, style) of a player: the shared parts and its own joined to one module, palette and `values` put in place."""
    folder = ASSETS / "player"
    script = "\n".join((folder / part).read_text(encoding="utf-8") for part in (*SHARED, *parts))
    palette = json.loads((ASSETS / "palette.json").read_text(encoding="utf-8"))
    for name, value in {"PALETTE": palette, **values}.items():
        if script.count(f"/*{name}*/null") != 1:
            raise ValueError(f"the script of {parts[-1]} must name {name} exactly once")
        script = script.replace(f"/*{name}*/null", json.dumps(value, ensure_ascii=False))
    return script, "\n".join((folder / style).read_text(encoding="utf-8") for style in styles)


@cache
def _scripts() -> TemporaryDirectory:
    """Folder of the assembled scripts, gone with the server."""
    return TemporaryDirectory(prefix="n2c_players_")


@cache
def _component(name: str, make: Callable[[], tuple[str, str]], served: str):
    script, style = make()
    file = f"{name}-{hashlib.blake2b(script.encode(), digest_size=8).hexdigest()}.js"
    (Path(_scripts().name) / file).write_text(script, encoding="utf-8")
    loader = "".join((ASSETS / "player" / part).read_text(encoding="utf-8") for part in ("address.js", "loader.js"))
    return st.components.v2.component(name, js=loader.replace("/*SCRIPT*/null", json.dumps(f"component/{served}/{file}")), css=style)


def component(name: str, make: Callable[[], tuple[str, str]]):
    """The browser component of a player. make: gives its (script, style), as `assemble` does.

    A component's script goes out again with every new payload; so it is only a few lines that load the real one, which lies in a folder
    that Streamlit serves as a component's own files.
    """
    return _component(name, make, declare_component("players", path=_scripts().name).name)


def envelope(payload: bytes, height: int, report: bool, **more: Any) -> bytes:
    """What a player's script is given: how it is mounted, then the payload.

    In a chapter the mount names the chapter as `rest`: the player stays at rest until the browser knows that the chapter's question
    was answered or skipped. The bytes are the same before and after.
    """
    return sealed({"height": int(height), "report": bool(report), "rest": progress.asking(), **more}, payload)


def sealed(mount: dict[str, Any], payload: bytes) -> bytes:
    """The bytes that assets/player/bytes.js opens: u32 length | JSON of the mount | payload."""
    words = json.dumps(mount).encode()
    return struct.pack("<I", len(words)) + words + payload


def ignore() -> None:
    """The state is read from the result; nothing happens on change."""


def katex() -> str:
    """Path of Streamlit's own KaTeX below the app's address."""
    (found,) = (Path(st.__file__).parent / "static").glob("static/js/katex.*.js")
    return f"static/js/{found.name}"


def _particle_player() -> tuple[str, str]:
    return assemble(PARTS, ("player.css",), KATEX=katex())


def player(
    payload: bytes,
    *,
    key: str,
    height: int = 520,
    report: bool = True,
    on_edit: Callable[[list[list[float]]], None] | None = None,
    fill: bool | str = False,
    preview: bool = False,
) -> PlayerState:
    """Show `payload` (from `core.figures.payload.pack_player`); a changed payload plays on in the same canvas.

    height: pixels of the whole player on a wide screen; on a narrow one its height follows from the width.
    report: send the frame to Python on pause and at the end of a scrub (a rerun of the page).
    on_edit: called before the page reruns when a hand has let go of the handles of `payload`, with their modes (x, y, weight, width).
    fill: in lecture mode and on a phone it takes the height that the page leaves to it; "always": wherever the page says a height.
    preview: it shows the pictures under the thumb (pages/kit/preview.py).
    """

    def edited() -> None:
        edit = (st.session_state.get(key) or {}).get("edit") or {}
        if edit.get("modes"):
            on_edit(edit["modes"])

    heard = {"on_edit_change": edited} if on_edit else {}
    result = component("particle_player", _particle_player)(
        key=key, data=envelope(payload, height, report, fill=fill, preview=preview), on_moment_change=ignore, **heard
    )
    waiting.over()
    identity = payload_id(payload)
    moment = result.get("moment") or {}
    if moment.get("payload") != identity:
        return PlayerState()
    return PlayerState(frame=moment.get("frame"), playing=moment.get("playing"))
