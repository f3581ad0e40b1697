"""The crystal player on a page: mounts the browser component of `assets/player` and hears back from it.

3Dmol.js (half a megabyte) is not part of the component. Its script asks for the library when the first crystal of a
page is drawn, from a folder that Streamlit serves as a component's own files: once per page load, cached by the
browser, never sent again with a rerun, and without any setting. If the file is missing, the script asks the public
address that py3Dmol uses.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v1 import declare_component

from core.figures.crystal_payload import payload_header

ASSETS = Path(__file__).resolve().parents[2] / "assets"
PARTS = ("crystal_frame.js", "crystal_color.js", "crystal_cell.js", "crystal_view.js", "crystal_hands.js",
         "crystal.js")                                                              # one module, in this order
LIBRARY = "vendor/3Dmol-min.js"
PUBLIC_LIBRARY = "https://cdn.jsdelivr.net/npm/3dmol@2.5.5/build/3Dmol-min.js"    # py3Dmol's default


@dataclass(frozen=True)
class CrystalState:
    """Where the clock stood when the reader last paused or let go of it, and which crystal of several was opened.

    None before that, or for other data.
    """

    frame: int | None = None
    selected: int | None = None
    playing: bool | None = None


@cache
def crystal_assets(library: str) -> tuple[str, str]:
    """(script, style) of the component; `library` is the path of 3Dmol.js below the app's address."""
    folder = ASSETS / "player"
    script = "\n".join((folder / part).read_text(encoding="utf-8") for part in PARTS)
    elements = json.loads((folder / "elements.json").read_text(encoding="utf-8"))["rows"]
    for name, value in {
        "PALETTE": json.loads((ASSETS / "palette.json").read_text(encoding="utf-8")),
        "ELEMENTS": {"rows": elements},
        "LIBRARY": {"local": library, "remote": PUBLIC_LIBRARY},
    }.items():
        if script.count(f"/*{name}*/null") != 1:
            raise ValueError(f"the crystal player's script must name {name} exactly once")
        script = script.replace(f"/*{name}*/null", json.dumps(value, ensure_ascii=False))
    style = "\n".join((folder / part).read_text(encoding="utf-8") for part in ("player.css", "crystal.css"))
    return script, style


@cache
def _component(library: str):
    script, style = crystal_assets(library)
    return st.components.v2.component("crystal_player", js=script, css=style)


def _ignore() -> None:
    """The state is read from the result; nothing happens on change."""


def crystal_player(payload: bytes, *, key: str, height: int = 520, report: bool = True) -> CrystalState:
    """Show `payload` (from `core.figures.crystal_payload.pack_crystals`).

    A changed payload under the same key keeps camera, clock and choices and draws into the same canvas.
    height: pixels of the whole player. report: tell Python on pause, at the end of a scrub and when one of several
    crystals is opened (a rerun of the page).
    """
    folder = declare_component("crystal_files", path=str(ASSETS / "player"))    # serves the files; never shown itself
    mount = json.dumps({"height": int(height), "report": bool(report)}).encode()
    data = struct.pack("<I", len(mount)) + mount + payload
    result = _component(f"component/{folder.name}/{LIBRARY}")(key=key, data=data, on_moment_change=_ignore)
    moment = result.get("moment") or {}
    if moment.get("payload") != payload_header(payload)["id"]:
        return CrystalState()
    return CrystalState(moment.get("frame"), moment.get("selected"), moment.get("playing"))
