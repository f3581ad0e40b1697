"""The picture follows the thumb: while a slider is dragged, the browser asks here for coarse pictures, beside Streamlit's own traffic.

A page that is shown offers its reader a preview under a name that nobody can guess: the values in force and how to draw others. The
browser asks for one value of one control at a time and waits for the answer; the server draws one preview for every two of its
processors and sends the others away, so that previews are the first to go when many readers are at work. What is committed goes through
Streamlit as ever.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st
import torch
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit import config

from pages.kit.controls import Control, Slider
from pages.kit.player import sealed

MOST = 1000  # readers whose page is remembered
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Offer:
    """A reader's chapter: the values in force, and what it shows at others.

    picture: values -> coarse payload of the stage. equation: values, key of what moved -> LaTeX of the values in force.
    """

    declared: Sequence[Control]
    values: Values
    picture: Callable[[Values], bytes]
    equation: Callable[[Values, str], list[str]]

    def drawn(self, key: str, place: float) -> bytes:
        """Envelope of the picture with the control `key` at this place of its slider. Raises ValueError when there is no such place."""
        control = next((control for control in self.declared if control.key == key), None)
        if not isinstance(control, Slider) or not control.previewed:
            raise ValueError(f"{key} has no preview")
        values = {**self.values, key: control.at(place)}
        torch.set_num_threads(1)
        return sealed({"equation": self.equation(values, key)}, self.picture(values))


class Offers:
    """What is offered to whom; the reader who was quiet longest is forgotten first."""

    def __init__(self, most: int = MOST):
        self._most, self._offers, self._lock = most, OrderedDict[str, Offer](), threading.Lock()

    def put(self, name: str, offer: Offer) -> None:
        with self._lock:
            self._offers[name] = offer
            self._offers.move_to_end(name)
            while len(self._offers) > self._most:
                self._offers.popitem(last=False)

    def get(self, name: str) -> Offer | None:
        with self._lock:
            return self._offers.get(name)


_offers = Offers()
_free = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))


def offer(made: Offer) -> str:
    """Offer a preview to the reader of this run; the name under which it is asked for, the same for as long as the reader stays."""
    name = st.session_state.setdefault("_preview", secrets.token_urlsafe(16))
    _offers.put(name, made)
    return name


async def answer(request: Request) -> Response:
    """A picture (200), nothing to show (204), no such reader (404), or too much to do (503)."""
    found = _offers.get(request.path_params["name"])
    if found is None:
        return Response(status_code=404)
    if not _free.acquire(blocking=False):
        return Response(status_code=503)
    try:
        body = await run_in_threadpool(found.drawn, request.path_params["key"], float(request.path_params["place"]))
    except (ValueError, ArithmeticError):
        return Response(status_code=204)
    finally:
        _free.release()
    return Response(body, media_type="application/octet-stream", headers={"Cache-Control": "no-store"})


def routes() -> list[Route]:
    """For `st.App`."""
    base = config.get_option("server.baseUrlPath").strip("/")
    return [Route(f"{'/' + base if base else ''}/n2c/preview/{{name}}/{{key}}/{{place}}", answer)]
