"""Train the network of crystals, as a flow or as a diffusion model (`n2c train flow`, `n2c train diffusion`).

Rows marked `dev` are never trained on; their loss is logged. The folder of the run gets log.jsonl, checkpoint.safetensors (everything
needed to go on, written whole or not at all) and model.safetensors (float32 moving average, the file the app loads).
The learning rate follows the budget (`minutes` of training time, or `steps`), so a resumed run ends where an
uninterrupted one would; with `steps` it ends at the very same weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from core.generator.baselines.element_exchange import exchange, replacement_table
from core.generator.baselines.substitution import Library
from core.generator.model.diffusion import Diffusion
from core.generator.model.flow import Flow
from core.generator.model.network import Denoiser, NetworkConfig
from core.generator.model.state import Losses
from core.generator.registry import Model
from core.generator.sampling.best_of import sample_cells
from core.generator.sampling.config import SamplerConfig
from core.generator.training.data import Bucket, batches_of, every_batch, fit_units, load_pool, make_buckets, training_times
from core.generator.training.plan import append_log, plan_of
from core.generator.weights import WeightsError, load_weights, save_weights
from core.metrics.evaluation import evaluate
from core.numerics.randomness import seeded
from core.numerics.training import CheckpointError, Trainer
from core.structures.arrays import ArrayFileError
from core.structures.crystal import Crystal


@dataclass(frozen=True)
class TrainConfig:
    learning_rate: float = 1e-3
    warmup: int = 300
    weight_decay: float = 0.01
    ema: float = 0.9995
    clip: float = 1.0
    atoms_per_batch: int = 512
    max_batch: int = 96
    augment: bool = False
    exchange: float = 0.0
    bf16: bool = False
    seed: int = 0


SIZES = {
    "perov5": NetworkConfig(width=128, pair_width=32, depth=4, max_atoms=5, dropout=0.1),
    "mp20": NetworkConfig(width=192, pair_width=48, depth=6, max_atoms=20, dropout=0.1),
}
PROCESSES: dict[tuple[str, str], Diffusion | Flow] = {
    ("perov5", "diffusion"): Diffusion(),
    ("mp20", "diffusion"): Diffusion(lattice_power=2.0, species_weight=0.5),
    ("perov5", "flow"): Flow(paired=True),
    ("mp20", "flow"): Flow(paired=True),
}

PROBE = {Diffusion: SamplerConfig(steps=50, eta=1.0), Flow: SamplerConfig(steps=50, anti_annealing=10.0)}


CHECKPOINT, WEIGHTS = "checkpoint.safetensors", "model.safetensors"  # in the folder of a run
OLD_CHECKPOINT = "state.pt"  # of version 0.1


class Run(Trainer[Denoiser]):
    """The training of a network along a process. losses: those of each step since the last entry of the log."""

    def __init__(
        self,
        network: Denoiser,
        process: Diffusion | Flow,
        buckets: dict[int, Bucket],
        config: TrainConfig,
        *,
        steps: int | None,
        minutes: float | None,
        replacements: Tensor | None = None,
    ):
        self.process, self.buckets, self.config, self.replacements = process, buckets, config, replacements
        self.losses: list[list[float]] = []
        batches = batches_of(buckets, atoms_per_batch=config.atoms_per_batch, max_batch=config.max_batch, seed=config.seed)
        super().__init__(
            network,
            self.objective,
            plan_of(config, steps=steps, minutes=minutes),
            batches,
            asdict(config) | {"sizes": asdict(network.config), "process": [type(process).__name__, asdict(process)]},
        )
        network.bf16 = config.bf16

    def objective(self, network: Denoiser, generator: torch.Generator, batch: tuple[int, np.ndarray]) -> Tensor:
        """The loss of some rows of the bucket of cells of n atoms."""
        n, rows = batch
        clean = self.buckets[n].draw(rows, network, generator)
        if self.replacements is not None:
            clean = clean._replace(numbers=exchange(clean.numbers, self.replacements, self.config.exchange, generator))
        losses = self.process.loss(network, clean, training_times(len(rows), generator), generator=generator)
        self.losses.append([loss.item() for loss in losses])
        return self.process.total(losses)

    def write(self, folder: Path, about: dict) -> None:
        """Checkpoint and averaged weights."""
        self.save(folder / CHECKPOINT)
        noted = about | {"steps": self.step, "training_seconds": round(self.seconds)}
        save_weights(folder / WEIGHTS, self.averaged.config, self.process, self.averaged.state_dict(), noted)

    def go_on(self, folder: Path) -> None:
        """Continue the run of `folder`, if there is one. Raises CheckpointError."""
        if (folder / CHECKPOINT).exists():
            self.resume(folder / CHECKPOINT)
        elif (folder / OLD_CHECKPOINT).exists():
            raise CheckpointError(
                f"the run in {folder} was made by version 0.1, which wrote {OLD_CHECKPOINT}: it cannot be resumed. Start a new one from "
                f"its weights (--init {folder / WEIGHTS}) in another folder"
            )

    @torch.no_grad()
    def dev_loss(self, buckets: dict[int, Bucket]) -> dict:
        """The losses of the averaged weights on held-out cells, always with the same noise."""
        generator = torch.Generator().manual_seed(12345)
        total, atoms = np.zeros(3), 0
        for n, rows in every_batch(buckets, size=64):
            clean, times = buckets[n].draw(rows, self.averaged, None), training_times(len(rows), generator)
            losses = self.process.loss(self.averaged, clean, times, generator=generator)
            total += np.array([loss.item() for loss in losses]) * len(rows) * n
            atoms += len(rows) * n
        return {f"dev_{name}": value for name, value in zip(Losses._fields, total / atoms)}

    def probe(self, truths: list[Crystal]) -> dict:
        """Match rate, RMSE and tight share of one crystal grown for each of `truths` (held-out ones) with the averaged weights."""
        model = Model("probe", self.averaged, self.process, {})
        grown = sample_cells(model, [c.numbers.tolist() for c in truths], PROBE[type(self.process)])
        result = evaluate(zip((t.final for t in grown), truths))
        return {
            "match_rate": result.match_rate,
            "match_rate_filtered": result.match_rate_filtered,
            "rmse": result.rmse,
            "tight_share": result.tight_share,
        }


def train(
    data: Path,
    model: str,
    out: Path,
    *,
    method: str = "diffusion",
    minutes: float | None,
    steps: int | None,
    resume: bool,
    config: TrainConfig,
    sizes: NetworkConfig,
    log_every: float = 60.0,
    save_every: float = 180.0,
    probe_every: float = 600.0,
    n_probe: int = 0,
    stop_after: int | None = None,
    init: Path | None = None,
) -> Run:
    """Train until the budget is used up. `stop_after` (steps) ends early, as an interruption would.

    init: weights to start from instead of random ones; their units are kept out, the data's are fitted anew.
    Raises ArrayFileError for unreadable data, WeightsError for unusable `init`, CheckpointError for a run that cannot be resumed.
    """
    arrays = load_pool(data, sizes.max_atoms)
    dev = arrays.dev
    if n_probe and not dev.any():
        raise ArrayFileError(f"{data}: no row is marked dev, and a probe grows such crystals")
    with seeded(config.seed):
        network = Denoiser(sizes)
    if init is not None:
        try:
            network.load_state_dict(load_weights(init)[0].state_dict())
        except RuntimeError:
            raise WeightsError(f"{init} holds a network of other sizes than {model} needs") from None
    held_out = make_buckets(arrays.select(np.flatnonzero(dev)[:512]), augment=False)
    probes = [arrays.crystal(i) for i in np.flatnonzero(dev)[:n_probe]]
    arrays = arrays.select(~dev)
    fit_units(network, arrays)
    buckets = make_buckets(arrays, augment=config.augment)
    replacements = replacement_table(Library(arrays)) if config.exchange else None
    run = Run(network, PROCESSES[model, method], buckets, config, steps=steps, minutes=minutes, replacements=replacements)
    out.mkdir(parents=True, exist_ok=True)
    if resume:
        run.go_on(out)
    about = {
        "model": model,
        "method": method,
        "data": data.name,
        "training_structures": len(arrays),
        "seed": config.seed,
        "atom_counts": sorted(buckets),
    }
    loop(run, held_out, probes, out, about, log_every=log_every, save_every=save_every, probe_every=probe_every, stop_after=stop_after)
    return run


def loop(
    run: Run,
    held_out: dict[int, Bucket],
    probes: list[Crystal],
    out: Path,
    about: dict,
    *,
    log_every: float,
    save_every: float,
    probe_every: float,
    stop_after: int | None,
) -> None:
    """The training loop proper: logs and checkpoints after so many seconds of training each."""
    logged = saved = probed = run.seconds
    with tqdm(
        total=100, unit="%", initial=round(100 * run.done), bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"
    ) as bar:
        for progress in run.run():
            bar.n = round(100 * progress.done)
            if run.seconds - logged > log_every:
                logged = run.seconds
                due = run.seconds - probed > probe_every
                write_log(run, held_out, probes if due else [], out, bar)
                probed = run.seconds if due else probed
            if run.seconds - saved > save_every:
                saved = run.seconds
                run.write(out, about)
            if stop_after is not None and run.step >= stop_after:
                break
        else:
            if run.losses:
                write_log(run, held_out, probes, out, bar)
    run.write(out, about)


def write_log(run: Run, held_out: dict[int, Bucket], probes: list[Crystal], out: Path, bar: tqdm) -> None:
    losses = dict(zip(Losses._fields, np.mean(run.losses, axis=0).tolist(), strict=True))
    run.losses.clear()
    entry = {
        "step": run.step,
        "epoch": run.epoch,
        "seconds": round(run.seconds, 1),
        **losses,
        **(run.dev_loss(held_out) if held_out else {}),
        **(run.probe(probes) if probes else {}),
    }
    append_log(out, entry)
    bar.set_postfix_str(f"epoch {run.epoch} " + " ".join(f"{k} {v:.3f}" for k, v in losses.items() if v))
