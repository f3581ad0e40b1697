"""Finished figures, shared by all readers: what one of them has had drawn is not drawn again for the next."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import plotly.io

MOST, MOST_BYTES = 3000, 128 * 2**20  # figures, and bytes of their JSON


class Finished(go.Figure):
    """A figure for Streamlit to show, kept as what goes into its JSON; nothing of it can be changed any more.

    Of Plotly's template, which names a style for every kind of trace there is, the kinds that the figure has not are left out.
    """

    def __init__(self, drawn: go.Figure):
        self._kept = json.loads(plotly.io.to_json(drawn, validate=False))
        template = self._kept["layout"].get("template", {})
        kinds = {trace.get("type", "scatter") for trace in self._kept["data"]}
        template["data"] = {kind: style for kind, style in template.get("data", {}).items() if kind in kinds}
        self._size = len(json.dumps(self._kept))

    def to_dict(self) -> dict:
        return self._kept

    @property
    def size(self) -> int:
        """Characters of its JSON."""
        return self._size


class FigureCache:
    """Finished figures by what they were drawn of; the ones that nobody asked for longest make room, at `most` of them or `most_bytes`."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES):
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self._finished: OrderedDict[Hashable, Finished] = OrderedDict()
        self._drawing: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, draw: Callable[[], go.Figure]) -> Finished:
        """The figure of this key; `draw` is called if there is none yet, once even when several readers ask for it at the same time."""
        if found := self._find(key):
            return found
        with self._lock:
            mine = self._drawing.setdefault(key, threading.Lock())
        try:
            with mine:
                return self._find(key) or self._keep(key, Finished(draw()))
        finally:
            with self._lock:
                self._drawing.pop(key, None)

    def _find(self, key: Hashable) -> Finished | None:
        with self._lock:
            if key in self._finished:
                self._finished.move_to_end(key)
            return self._finished.get(key)

    def _keep(self, key: Hashable, figure: Finished) -> Finished:
        with self._lock:
            self._finished[key] = figure
            self._bytes += figure.size
            while len(self._finished) > 1 and (len(self._finished) > self._most or self._bytes > self._most_bytes):
                self._bytes -= self._finished.popitem(last=False)[1].size
        return figure


def frozen(value: Any) -> Hashable:
    """`value` as part of a key: dicts and lists become tuples. Raises TypeError for what has no hash, such as an array."""
    if isinstance(value, Mapping):
        return tuple((name, frozen(part)) for name, part in sorted(value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(map(frozen, value))
    hash(value)
    return value
