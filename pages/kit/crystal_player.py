"""The crystal player on a page: mounts the browser component of `assets/player` and hears back from it.

3Dmol.js (half a megabyte) is not part of the component. Its script asks for the library when the first crystal of a
page is drawn, from a folder that Streamlit serves as a component's own files: once per page load, cached by the
browser, never sent again with a rerun, and without any setting. If the file is missing, the script asks the public
address that py3Dmol uses.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from streamlit.components.v1 import declare_component

from core.figures.crystal_payload import payload_header
from pages.kit import waiting
from pages.kit.player import ASSETS, assemble, component, envelope, ignore, katex

PARTS = ("crystal_frame.js", "crystal_cell.js", "crystal_view.js", "crystal_hands.js", "preview.js", "crystal.js")  # in this order
LIBRARY = "vendor/3Dmol-min.js"
PUBLIC_LIBRARY = "https://cdn.jsdelivr.net/npm/3dmol@2.5.5/build/3Dmol-min.js"  # py3Dmol's default


@dataclass(frozen=True)
class CrystalState:
    """Where the clock stood when the reader last paused or let go of it, and which crystal of several was opened.

    None before that, or for other data.
    """

    frame: int | None = None
    selected: int | None = None
    playing: bool | None = None


@cache
def _crystal_player(library: str) -> Callable[[], tuple[str, str]]:
    """What gives its script and style; `library` is the path of 3Dmol.js below the app's address."""
    elements = json.loads((ASSETS / "player" / "elements.json").read_text(encoding="utf-8"))["rows"]
    values = {"ELEMENTS": {"rows": elements}, "LIBRARY": {"local": library, "remote": PUBLIC_LIBRARY}, "KATEX": katex()}
    return partial(assemble, PARTS, ("player.css", "crystal.css"), **values)


def crystal_player(
    payload: bytes, *, key: str, height: int = 520, report: bool = True, fill: bool | str = False, preview: bool = False
) -> CrystalState:
    """Show `payload` (from `core.figures.crystal_payload.pack_crystals`).

    A changed payload under the same key keeps camera, clock and choices and draws into the same canvas.
    height: pixels of the whole player. report: tell Python on pause, at the end of a scrub and when one of several
    crystals is opened (a rerun of the page). fill, preview: as in `pages.kit.player.player`.
    """
    folder = declare_component("crystal_files", path=str(ASSETS / "player"))  # serves the files; never shown itself
    make = _crystal_player(f"component/{folder.name}/{LIBRARY}")
    data = envelope(payload, height, report, fill=fill, preview=preview)
    result = component("crystal_player", make)(key=key, data=data, on_moment_change=ignore)
    waiting.over()
    identity = payload_header(payload)["id"]
    moment = result.get("moment") or {}
    if moment.get("payload") != identity:
        return CrystalState()
    return CrystalState(moment.get("frame"), moment.get("selected"), moment.get("playing"))
