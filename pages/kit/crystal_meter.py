"""The truth meter of a crystal, and crystal files in and out."""

from __future__ import annotations

import html
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.figures.theme import typeset
from core.metrics.comparison import Comparison
from core.metrics.matching import MISS, TIGHT
from core.structures.cif import CrystalFileError, CrystalReading, read_crystal, structure_names
from core.structures.crystal import Crystal, CrystalTrajectory
from pages.kit.controls import followed


def verdict(comparison: Comparison | None, more: str = "") -> None:
    """rms distance to the known one, on a linear bar that ends where the matcher gives up. more: a sentence after the verdict."""
    if comparison is None:
        st.html(f"""<div class="truth"><div class="truth-head"><span>Truth meter</span>
        <span class="truth-value" data-testid="truth-value">–</span></div>
        <div class="truth-words"><b>No crystal of this formula is known here.</b> {html.escape(more)} Upload one to compare.</div></div>""")
        return
    at, tight = 100 * comparison.score / MISS, 100 * TIGHT / MISS
    st.html(
        f"""<div class="truth" role="img" aria-label="{html.escape(comparison.verdict)}">
        <div class="truth-head"><span>Truth meter · rms distance to {html.escape(comparison.name)}</span>
        <span class="truth-value" data-testid="truth-value">{comparison.score:.3f}</span></div>
        <div class="truth-bar"><div class="truth-floor" style="left:0;width:{tight:.0f}%"></div>
        <div class="truth-mark" style="left:{at:.1f}%"></div></div>
        <div class="truth-scale"><span style="left:{tight / 2:.0f}%">the same</span><span style="left:65%">a wide match</span>
        <span style="left:100%">none</span></div>
        <div class="truth-words"><b>{html.escape(comparison.verdict)}</b> {html.escape(more)}
        {html.escape(comparison.chance)}</div></div>"""
    )


def invariance(value: float, floor: float, words: str, *, name: str) -> None:
    """How far something changed that should not, on a logarithmic bar from machine precision to 1; `floor`: round-off alone."""

    def place(x: float) -> float:
        return 100 * min(max(math.log10(max(x, 1e-16)) / 16 + 1, 0.0), 1.0)

    st.html(
        f"""<div class="truth" role="img" aria-label="{html.escape(f"{name}: {value:.2g}. {words}")}">
        <div class="truth-head"><span class="truth-name">Truth meter · {html.escape(name)}</span>
        <span class="truth-value" data-value="{value:.2g}" data-testid="truth-value">{typeset(f"{value:.2g}")}</span></div>
        <div class="truth-bar"><div class="truth-floor" style="left:0;width:{place(10 * floor):.1f}%"></div>
        <div class="truth-mark" style="left:{place(value):.1f}%"></div></div>
        <div class="truth-scale"><span style="left:9%">round-off</span><span style="left:50%">10⁻⁸</span><span style="left:75%">10⁻⁴</span>
        <span style="left:100%">1</span></div>
        <div class="truth-words">{html.escape(words)}</div></div>"""
    )


def on_target(name: str, value: float, target: float, window: float, unit: str) -> None:
    """How far one crystal is from what was asked for, in windows, on a linear bar that ends at four of them."""
    off = abs(value - target) / window
    words = "On target: inside the window." if off <= 1 else f"{off:.1f} windows away from what was asked for." if off < 100 else "Far off."
    st.html(
        f"""<div class="truth" role="img" aria-label="{html.escape(f"{name}: {value:.3g} {unit}, asked for {target:g}. {words}")}">
        <div class="truth-head"><span class="truth-name">Truth meter · {html.escape(name)}, asked for {typeset(f"{target:g}")}</span>
        <span class="truth-value" data-value="{off:.3g}" data-testid="truth-value">{typeset(f"{value:.3g}")} {unit}</span></div>
        <div class="truth-bar"><div class="truth-floor" style="left:0;width:25%"></div>
        <div class="truth-mark" style="left:{min(25 * off, 100):.1f}%"></div></div>
        <div class="truth-scale"><span style="left:12.5%">on target</span><span style="left:50%">2 windows off</span>
        <span style="left:100%">4</span></div>
        <div class="truth-words"><b>{words}</b> The window is ± {typeset(f"{window:.2g}")} {unit}. One crystal says little: see the figures
        below.</div></div>"""
    )


def kept(words: str, *, as_asked: bool) -> None:
    """Was a demand that is either met or not met? words: what was found."""
    st.html(
        f"""<div class="truth" role="img" aria-label="{html.escape(words)}"><div class="truth-head"><span>Truth meter</span>
        <span class="truth-value" data-testid="truth-value">{"as asked" if as_asked else "not as asked"}</span></div>
        <div class="truth-words">{html.escape(words)}</div></div>"""
    )


def downloads(crystal: Crystal, path: CrystalTrajectory | None = None) -> None:
    """The crystal as CIF, extended XYZ and POSCAR; the whole `path` that it took as extended XYZ."""
    name = crystal.formula.replace(" ", "")  # the files are written when they are asked for
    with st.popover("Download", icon=":material/download:", width="stretch"):
        for label, ending, text in (
            ("CIF", "cif", crystal.to_cif),
            ("extxyz", "extxyz", crystal.to_extxyz),
            ("POSCAR", "vasp", crystal.to_poscar),
        ):
            st.download_button(label, text, f"{name}.{ending}", key=f"download_{ending}", on_click="ignore", width="stretch")
        if path is not None:
            st.download_button(
                "extxyz, all frames", path.to_extxyz, f"{name}_path.extxyz", key="download_path", on_click="ignore", width="stretch"
            )
            st.caption("Each frame carries its own cell. ASE reads it so; 3Dmol.js (and py3Dmol) shows one cell for all frames.")


@dataclass(frozen=True)
class Upload:
    """What a reader brought: the reading of the file, or of the last one that could be read; trouble: why the present file cannot."""

    name: str = ""
    reading: CrystalReading | None = None
    trouble: str = ""

    @property
    def crystal(self) -> Crystal | None:
        return self.reading.crystal if self.reading else None

    def said(self) -> None:
        """Say what was read and what was assumed, or why nothing was; to be called above the stage, where it is in sight."""
        if self.trouble:
            stays = f" What {self.name} holds is still shown." if self.reading else ""
            st.error(self.trouble + stays, icon=":material/error:")
        if self.reading is None:
            return
        read = f"{self.name}: {self.reading.summary}"
        if self.reading.notes:
            st.info(" ".join([f"{read}.", *self.reading.notes]), icon=":material/info:")
        else:
            st.caption(read)


def own_crystal(title: str, label: str, *, on_change: Callable[[Upload], None] = lambda upload: None) -> Upload:
    """A place to upload a CIF, and what is in force of it. on_change: called with that when another file is given or taken away."""

    def chosen() -> None:
        on_change(uploaded())
        followed()

    def given() -> None:
        st.session_state.pop("upload_structure", None)  # of the file before
        chosen()

    with st.expander(title):
        file = st.file_uploader(label, type=["cif"], key="upload", on_change=given)
        names = _structures(file)
        if len(names) > 1:
            words = [f"{number}: {name}" for number, name in enumerate(names, start=1)]
            st.selectbox("Structure in the file", words, key="upload_structure", on_change=chosen)
    return uploaded()


def _structures(file: UploadedFile | None) -> tuple[str, ...]:
    """Names of the structures in the file; none where it is no crystal file."""
    try:
        return structure_names(file.getvalue()) if file else ()
    except CrystalFileError:
        return ()


def uploaded() -> Upload:
    """The file that is there; where it cannot be read the last one that could stays."""
    file, before = st.session_state.get("upload"), st.session_state.get("_upload", Upload())
    if file is None:
        found = Upload()
    else:
        try:
            number = int(st.session_state.get("upload_structure", "1").partition(":")[0])
            found = Upload(file.name, read_crystal(file.getvalue(), number))
        except CrystalFileError as error:
            found = replace(before, trouble=f"{file.name}: {error}")
    st.session_state["_upload"] = replace(found, trouble="")
    return found
