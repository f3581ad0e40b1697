"""Labels that take hours: made some at a time, kept in a file each, never made twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from core.numerics.files import whole
from core.structures.arrays import ArrayFileError

Labels = dict[str, np.ndarray]  # name -> array


def kept_labels(
    folder: Path, name: str, rows: Sequence[int] | np.ndarray, make: Callable[[list[slice]], Iterable[Labels]], *, size: int
) -> list[Labels]:
    """The labels of `rows` of the pool, `size` rows in each of the files folder/name_0.npz, folder/name_1.npz, ...

    make: chunks of `rows` -> their labels, in the same order; it is asked for those whose file is absent, and each file is written as
    soon as its labels come. Raises ArrayFileError, before anything is made, for a file that cannot be read or is about other rows.
    """
    chunks = {folder / f"{name}_{i // size}.npz": slice(i, i + size) for i in range(0, len(rows), size)}
    labels = {path: read_labels(path, rows[chunk]) for path, chunk in chunks.items() if path.exists()}
    left = [path for path in chunks if path not in labels]
    news = tqdm(make([chunks[path] for path in left]), total=len(left), unit="chunk", desc=name)
    for path, made in zip(left, news, strict=True):
        with whole(path) as part:
            np.savez_compressed(part, row=np.asarray(rows[chunks[path]]), **made)
        labels[path] = made
    return [labels[path] for path in chunks]


def read_labels(path: Path, rows: Sequence[int] | np.ndarray) -> Labels:
    """One file of `kept_labels`. Raises ArrayFileError if it cannot be read or is not about `rows`."""
    try:
        with np.load(path) as kept:
            labels = {name: kept[name] for name in kept.files}
        about = labels.pop("row")
    except (OSError, KeyError, ValueError) as error:
        raise ArrayFileError(f"{path}: {error}") from None
    if not np.array_equal(about, rows):
        raise ArrayFileError(f"{path} holds labels of other compositions; take another folder, or delete it")
    return labels
