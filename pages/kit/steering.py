"""What the chapter on steering asks for, in the words of its controls, and its figures of many crystals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.crystals import conditioning
from core.crystals.conditioning import UNITS, Batch, FormulaError
from core.figures import conditioning as figures
from core.generator.registry import ModelMissing
from core.generator.steering.request import Request
from core.structures.space_groups import SYSTEMS
from pages.kit.figure import figure, side_by_side
from pages.kit.jobs import job
from pages.kit.shell import palette
from pages.kit.truth import truth_meter

PROPERTIES = {
    "density": "density",
    "volume_per_atom": "volume per atom",
    "formation_energy": "formation energy",
    "band_gap": "band gap",
    "nothing": "none",
}
SYMMETRIES = ("any", *SYSTEMS, "space group")
NOTES = {
    "rejection": "The model’s own conditional law: unasked crystals that happen to lie in the window.",
    "the data": "What the adapters learned from: the training crystals in the window, by their quantiles.",
}
REQUEST = ("property", "target", "elements", "symmetry", "group", "stoichiometry")


def target_of(values: Mapping[str, Any]) -> float:
    """The value of the slider that is shown; 0 where no property is asked for."""
    where = {"density": "density", "volume_per_atom": "volume", "formation_energy": "energy", "band_gap": "gap"}
    return float(values.get(where.get(values["property"], ""), 0.0))


def params_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `conditioning.sample`."""
    return dict(
        property=values["property"],
        target=target_of(values),
        elements=values["elements"],
        symmetry=values["symmetry"],
        group=int(values.get("group", 0)) if values["symmetry"] == "space group" else 0,
        stoichiometry=values["stoichiometry"],
        gamma=values["gamma"],
        n_steps=values["n_steps"],
        seed=values["seed"],
    )


def of_many(values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of the request for many crystals, without γ."""
    params = params_of(values)
    return {key: params[key] for key in REQUEST} | {
        "n_steps": 10,
        "seed": values["seed"],
        "energies": values["property"] == "formation_energy",
    }


def below(values: Mapping[str, Any]) -> None:
    """Figures of many crystals, each after a job that the reader starts."""
    try:
        request = conditioning.request_of(**{key: params_of(values)[key] for key in REQUEST})
        about = conditioning.steering().about
    except (FormulaError, ValueError, ModelMissing):
        return
    st.markdown("##### Many crystals")
    free = job(
        "free",
        f"Grow {conditioning.N_FREE} crystals, nothing asked",
        conditioning.batch,
        {"n": conditioning.N_FREE, "seed": values["seed"], "energies": values["property"] == "formation_energy"},
    )
    if free is None:
        return
    if request.scalars:
        of_a_property(values, free, about)
    elif request.elements:
        of_elements(values, request)
    else:
        of_a_symmetry(values, free)


def of_a_property(values: Mapping[str, Any], free: Batch, about: Mapping) -> None:
    name, target = values["property"], target_of(values)
    found = job(
        "sweep", f"Grow {conditioning.N_SWEPT} crystals with each of {len(conditioning.GAMMAS)} γ", conditioning.sweep, of_many(values)
    )
    if found is None:
        return
    asked = found[1.0]
    of = (of_many(values), palette().ink)
    side_by_side(
        (
            "What was asked for, and what came",
            lambda: figures.property_figure(name, target, learnt=about["quantiles"][name], free=free, asked=asked, palette=palette()),
            "values_found",
            "Distribution of the property in the training data, in crystals grown unasked and in crystals grown as asked, with the target.",
            "Asked for with γ = 1. The closer the filled curve stands around the dashed line, the better the request was heard.",
        ),
        (
            "What more γ buys, and what it costs",
            lambda: figures.gamma_figure(found, name, target, palette=palette()),
            "against_gamma",
            "Shares on target, valid, unique, and of elements in use, against the guidance.",
            "More γ is not more of everything: watch which line falls first.",
        ),
        of=of,
    )
    side_by_side(
        (
            "Guide, or generate and screen?",
            lambda: figures.hits_figure(found, free, name, target, palette=palette()),
            "hits",
            "Crystals on target for a hundred network calls, guided and screened.",
            "A guided step costs two calls. Screening is cheap where the target is common, and hopeless where it is rare.",
        ),
        (
            "Which space groups came",
            lambda: figures.groups_figure(asked, free, group=0, palette=palette()),
            "groups_found",
            "Space groups found.",
            "The price in symmetry: guidance knows nothing of space groups that were not asked for.",
        ),
        of=of,
    )
    references = {
        "rejection": conditioning.rejected(free, name, target),
        "the data": conditioning.of_the_data(about["quantiles"][name], name, target),
    }
    for column, (to, reference) in zip(st.columns(2), references.items(), strict=True):
        measured = conditioning.truth(asked, reference, name, target, to=to)
        with column:
            if measured is None:
                st.caption(f"Fewer than five crystals in the window, guided or by {to}: their laws cannot be compared there.")
            else:
                truth_meter(measured, note=NOTES[to])
    if name == "formation_energy":
        st.caption(
            f"In these figures the formation energy is CHGNet’s, of the crystal as it was grown: on crystals kept aside it is off by "
            f"{about['energies']['mae']:.2f} eV/atom on average (CHGNet itself has learned from such crystals). Under the stage it is "
            f"predicted by a quicker network, off by {about['properties'][name]['mae']:.2f} eV/atom."
        )
    elif name in about["properties"]:
        error = about["properties"][name]
        st.caption(
            f"{PROPERTIES[name].capitalize()} is predicted, not measured: mean absolute error on crystals kept aside {error['mae']:.2f} "
            f"{UNITS[name]} (always the median: {error['constant']:.2f})."
        )


def of_elements(values: Mapping[str, Any], request: Request) -> None:
    ways = job(
        "ways",
        f"Grow {conditioning.N_ASKED} crystals in each of four ways",
        conditioning.three_ways,
        {"elements": values["elements"], "seed": values["seed"]},
    )
    if ways is not None:
        figure(
            lambda: figures.ways_figure(ways, request.elements, palette=palette()),
            key="ways",
            alt="Share of crystals with only the elements named: by mask, by guidance, by rejection.",
            see="A mask never lets another element in. Guidance alone lets some in: it is a wish, not a wall. Rejection waits for luck.",
            of=(values["elements"], values["seed"], palette().ink),
        )


def of_a_symmetry(values: Mapping[str, Any], free: Batch) -> None:
    asked = job("asked", f"Grow {conditioning.N_ASKED} as asked", conditioning.batch, of_many(values) | {"gamma": values["gamma"]})
    if asked is not None:
        group = int(values.get("group", 0)) if values["symmetry"] == "space group" else 0
        figure(
            lambda: figures.groups_figure(asked, free, group=group, palette=palette()),
            key="groups_found",
            alt="Space groups that were found in asked and in unasked crystals.",
            see="Growth inside a group can end in a higher one: free coordinates may come to rest on special places.",
            of=(of_many(values), values["gamma"], palette().ink),
        )
