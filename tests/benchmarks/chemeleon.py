"""One published crystal generator beside ours: seconds per structure, same formulas, same machine, same run.

    pip install chemeleon-dng && python -m tests.benchmarks.chemeleon

Chemeleon-DNG (Park & Walsh) predicts crystals of given composition with CSPNet 512 x 6 and 256 predictor-corrector steps. Its
weights are not needed for timing: the network is made with random ones, in the sizes its authors publish. Both use two threads; ours as
`core.commands.generate` does, a batch in two halves and matrix products in bfloat16 where the processor has units for it.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from importlib.util import find_spec

import torch

from core.generator.composition.composition_model import draw_compositions
from core.generator.registry import in_precision, load_model
from core.generator.sampling.config import published_config
from core.generator.sampling.parallel import sample_in_parallel
from core.numerics.networks import n_parameters
from tests.benchmarks.report import write

ATOMS, BATCH, THEIR_BATCH = 10, 64, 8


def theirs():
    """Chemeleon-DNG's diffusion module for crystal structure prediction, with random weights."""
    from chemeleon_dng.script_util import create_diffusion_module

    model = dict(
        hidden_dim=512,
        time_dim=256,
        num_layers=6,
        max_atoms=100,
        act_fn="silu",
        dis_emb="sin",
        num_freqs=128,
        ln=True,
        ip=True,
        smooth=False,
        cond_dim=0,
    )
    training = dict(optimizer="adam", lr=1e-3, weight_decay=0.0, scheduler="constant", patience=1, early_stopping=1)
    return create_diffusion_module(
        task="csp",
        model_configs=model,
        optimizer_configs=training,
        num_timesteps=256,
        beta_schedule_ddpm="cosine",
        beta_schedule_d3pm="cosine",
        max_atoms=100,
        d3pm_hybrid_coeff=0.01,
        sigma_begin=0.01,
        sigma_end=1.0,
    ).eval()


def main() -> int:
    if find_spec("chemeleon_dng") is None:
        print("chemeleon-dng is not installed; `pip install chemeleon-dng` to compare with it")
        return 0
    torch.set_num_threads(2)
    module = theirs()
    flow, diffusion = (load_model("mp20", kind=kind) for kind in ("flow", "diffusion"))
    formulas = draw_compositions(flow.composition_model, [ATOMS] * BATCH, range(BATCH))
    started = time.perf_counter()
    asked = formulas[:THEIR_BATCH]
    module.sample(task="csp", num_atoms=[ATOMS] * len(asked), atom_types=[z for c in asked for z in c], verbose=False)
    slow = (time.perf_counter() - started) / len(asked)
    rows = [("Chemeleon-DNG, CSP, 256 steps of two calls", f"{n_parameters(module) / 1e6:.1f} M", THEIR_BATCH, f"{1000 * slow:.0f}", "1")]
    torch.set_num_threads(1)
    for model, changes in (
        (flow, {}),
        (flow, {"candidates": 2, "n_refinements": 3}),
        (flow, {"candidates": 1, "n_refinements": 0}),
        (diffusion, {}),
    ):
        model, settings = in_precision(model), replace(published_config(model.about), **changes)
        sample_in_parallel(model, formulas[:8], settings, workers=2)
        started = time.perf_counter()
        sample_in_parallel(model, formulas, settings, workers=2)
        fast = (time.perf_counter() - started) / len(formulas)
        rows.append(
            (
                f"MP-20 {model.kind}, {settings.steps} steps x {settings.candidates} candidates, refinements: {settings.n_refinements}",
                f"{n_parameters(model.network) / 1e6:.1f} M",
                BATCH,
                f"{1000 * fast:.1f}",
                f"{slow / fast:.0f}",
            )
        )
    write(
        "chemeleon",
        f"{ATOMS} atoms, composition given: milliseconds per structure",
        ["model", "parameters", "batch", "ms", "times faster"],
        rows,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
