"""What the array `y` of an .npz file says: classes, numbers to predict, or which of several labels hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.dataset import Task
from nascompile.data.examples import bad_data, sides

__all__ = ["Targets", "read_targets"]

_NAMES = "store `label_names` as words, one for each class, label or number to predict, in their order"


@dataclass(frozen=True, eq=False)
class Targets:
    """What is to be learnt of each example.

    Args:
        task: that `y` is for.
        labels: as `Examples.labels`.
        values: as `Examples.values`.
        order: as `Examples.order`.
    """

    task: Task
    labels: list[int | str]
    values: NDArray[np.float64] | None = None
    order: tuple[str, ...] = ()

    def named(self, path: Path | str, names: NDArray[Any] | None) -> Targets:
        """With the names of classes, labels or numbers to predict; as they are where there are none.

        Raises:
            FileError: it is not a name for each.

        Example:
            >>> Targets("classification", [1, 0]).named(Path("a.npz"), np.array(["off", "on"])).labels
            ['on', 'off']
        """
        if names is None:
            return self
        order = tuple(map(str, names.ravel().tolist()))
        if names.dtype.kind not in "US" or len(set(order)) < len(order):
            raise bad_data(f"the names of labels in `{path}` are no words, or not all others", _NAMES)
        if self.values is not None:
            if len(order) != self.values.shape[1]:
                raise bad_data(f"`{path}` has {self.values.shape[1]} labels and {len(order)} names of them", _NAMES)
            return replace(self, order=order)
        known = set(order)
        labels = [order[k] if isinstance(k, int) and 0 <= k < len(order) else k for k in self.labels]
        if strange := [label for label in labels if label not in known]:
            raise bad_data(f"`{path}` has {len(order)} names of classes, and none is of label {strange[0]}", _NAMES)
        return replace(self, labels=labels, order=order)


def read_targets(path: Path | str, y: NDArray[Any], examples: int, task: Task | None) -> Targets:
    """Classes, unless `y` or the task says otherwise.

    A table of 0 and 1 is of labels, of which any number may hold; with one 1 in each row it is of classes, as
    `to_categorical` writes them, unless the task is `multi-label`. Numbers to predict are taken for `regression` only.

    Args:
        path: of the file, for messages.
        y: one for each example.
        examples: how many there are.
        task: asked for, or None.

    Raises:
        FileError: `y` is none of these, or not of as many examples.

    Example:
        >>> read_targets(Path("a.npz"), np.array([[1, 0], [1, 1]]), 2, None).task
        'multi-label'
        >>> read_targets(Path("a.npz"), np.array([[1, 0], [0, 1]]), 2, None).labels
        [0, 1]
    """
    if len(y) != examples or y.ndim > 2 or not y.ndim:
        message = f"`{path}` has {examples} inputs and labels of the shape {sides(y.shape)}"
        raise bad_data(message, "store one label for each input")
    if task == "regression":
        if y.dtype.kind not in "biuf":
            message = f"the targets of `{path}` are of type {y.dtype}"
            raise bad_data(message, "store `y` as the numbers to predict")
        return Targets("regression", [""] * examples, y.reshape(examples, -1).astype(np.float64))
    if y.ndim == 2:
        return _of_table(path, y, task)
    return Targets("classification", _classes(path, y))


def _of_table(path: Path | str, y: NDArray[Any], task: Task | None) -> Targets:
    """Of several columns."""
    if y.dtype.kind not in "biuf" or not np.isin(y, (0, 1)).all():
        message = f"`{path}` has {len(y)} inputs and labels of the shape {sides(y.shape)}, not all 0 or 1"
        raise bad_data(message, "store one label for each input; numbers to predict are for the task `regression`")
    table = y.astype(np.float64)
    if task != "multi-label" and (table.sum(1) == 1).all():
        return Targets("classification", table.argmax(1).tolist())
    # By the rarest of the labels that hold, as images are by their boxes.
    rarity = np.where(table > 0, table.sum(0), np.inf)
    labels: list[int | str] = [str(k) if table[row, k] else "" for row, k in enumerate(rarity.argmin(1).tolist())]
    return Targets("multi-label", labels, table)


def _classes(path: Path | str, y: NDArray[Any]) -> list[int | str]:
    if y.dtype.kind == "f" and np.isfinite(y).all() and (y == np.floor(y)).all():
        y = y.astype(np.int64)
    if y.dtype.kind not in "biuUS":
        message = f"the labels of `{path}` are of type {y.dtype}"
        hint = "store `y` as whole numbers or as words; numbers to predict are for the task `regression`"
        raise bad_data(message, hint)
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8", "replace")
    return (y.astype(np.int64) if y.dtype.kind == "b" else y).tolist()
