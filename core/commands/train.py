"""`n2c train`: every model of the app, each by a command of its own."""

from __future__ import annotations

from collections.abc import Sequence

from core.commands.dispatch import dispatch

KINDS = {
    "flow": ("train_crystals:flow", "the network of crystals, by flow matching"),
    "diffusion": ("train_crystals:diffusion", "the network of crystals, by diffusion"),
    "adapter": ("train_crystals:adapter", "conditions for a trained flow: density, band gap, space group …"),
    "steering": ("train_crystals:steering", "the same for crystals from nothing: formulas, templates of space groups"),
    "reranker": ("train_crystals:reranker", "chooses among the crystals that a flow has grown"),
    "ranker": ("train_crystals:ranker", "ranks known structure types for given elements"),
    "selector": ("train_crystals:selector", "weighs structure types against the flow's crystals"),
    "composition": ("train_crystals:composition", "makes up formulas for a flow"),
    "score": ("train_miniatures:score", "score of a density in two dimensions (chapter on the reverse process)"),
    "families": ("train_miniatures:families", "six generative families on one data set"),
    "guidance": ("train_miniatures:guidance", "score with a label, and a classifier of noised points"),
    "latent": ("train_miniatures:latent", "autoencoder and denoisers of pictures of lattices"),
    "formulas": ("train_miniatures:formulas", "denoiser of chemical formulas"),
    "score-md": ("train_score_md:score_md", "one score for sampling and dynamics on two small molecular landscapes"),
    "system": ("train_systems:system", "miniatures of published systems: space groups, captions, crystals as text"),
}
MORE = """example, in the order in which one is built on another:
  n2c data prepare train.csv train.npz
  n2c train flow --data train.npz --model mp20 --minutes 400 --out runs/mp20
  n2c train reranker runs/mp20/model.safetensors --data train.npz --out runs/reranker
  n2c publish runs/reranker/model.safetensors --data train.npz --model mp20

n2c train <command> --help explains one and shows an example."""


def main(arguments: Sequence[str] | None = None) -> int:
    return dispatch("n2c train", "Train a model. All are trained on one processor, most in minutes.", KINDS, arguments or [], MORE)
