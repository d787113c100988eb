"""Examples of a data set as a device has them: before features and normalisation."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.assignment import assign
from nascompile.data.checks import task_of
from nascompile.data.examples import Wanted
from nascompile.data.reader import read_examples
from nascompile.data.split import PART_NAMES, Shares

__all__ = ["load_raw"]


def load_raw(
    path: str | os.PathLike[str],
    wanted: Wanted,
    *,
    most: int | None = None,
    normal: str | None = None,
    seed: int = 0,
    split: Shares = (0.7, 0.1, 0.2),
    limit: int | None = None,
) -> NDArray[Any]:
    """The examples of the test part as they are before features and normalisation, in the order of `load_dataset`.

    Args:
        path: see `load_dataset`, as of all arguments but these two.
        wanted: what the network takes, and how the data are read.
        most: the first so many of the examples.

    Returns:
        Sound [n, 1, samples], float32 from -1 to 1, as long as the features need it; else [n, ...], uint8 or float32.
        What pads a series is NaN.

    Raises:
        FileError: the data cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/a.npz", x=np.ones((40, 8000), np.int16), y=np.arange(40) % 4)
        ...     load_raw(f"{folder}/a.npz", Wanted((1, 49, 10), rate=8000), most=3).shape
        (3, 1, 7920)
    """
    source, wanted = str(path), replace(wanted, raw=True)
    found = read_examples(source, wanted)
    plan = assign(source, found, task_of(source, found, wanted.task, normal), normal, seed, shares=split, limit=limit)
    decoded = found.read(plan.kept[plan.members[PART_NAMES.index("test")]][:most])
    if decoded.lengths is None:
        return decoded.x
    there = np.arange(decoded.x.shape[-1]) < decoded.lengths.reshape(-1, *[1] * (decoded.x.ndim - 1))
    return np.where(there, decoded.x, np.float32(np.nan))
