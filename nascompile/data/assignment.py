"""Which examples are used, what each is to be taken for, and in which part it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascompile.data.dataset import Task
from nascompile.data.examples import Examples, bad_data
from nascompile.data.group_split import split_groups
from nascompile.data.numbering import normal_class, numbered
from nascompile.data.split import PART_NAMES, Shares, split_anomalies, split_parts, subset
from nascompile.data.target_scale import TargetScale, check_finite_targets

__all__ = ["Assignment", "assign"]

#: A class of boxes in fewer images than there are parts.
_FEW = 3


@dataclass(frozen=True, eq=False)
class Assignment:
    """The examples that are used, in parts.

    Args:
        names: of the classes found in the data; of outputs or labels; numbers where the data have no names.
        y: [examples], their numbers, of all examples.
        kept: positions of the examples that are used, sorted.
        members: of training, validation and test part, as positions in `kept`.
        normal: the class that is not anomalous; None for other tasks.
    """

    names: tuple[str, ...]
    y: NDArray[np.int64]
    kept: NDArray[np.intp]
    members: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
    normal: int | None

    def scale(self, source: str, found: Examples) -> TargetScale:
        """Of numbers to predict; of other tasks one that changes nothing.

        Raises:
            FileError: a number is none, or all are the same.
        """
        if found.values is None or found.task != "regression":
            return TargetScale()
        check_finite_targets(found.values[self.kept], lambda k: found.where(int(self.kept[k])))
        return TargetScale.measured(found.values[self.kept[self.members[0]]], source)

    def targets(
        self, found: Examples, part: int, scale: TargetScale
    ) -> NDArray[np.int64] | NDArray[np.float32] | tuple[NDArray[np.float32], ...]:
        """What `Part.y` is for one part."""
        chosen = self.kept[self.members[part]]
        if found.values is not None:
            return scale.apply(found.values[chosen])
        if found.boxes is not None:
            return tuple(found.boxes[i] for i in chosen)
        return self.y[chosen] if self.normal is None else (self.y[chosen] != self.normal).astype(np.int64)

    def counts(self, found: Examples) -> dict[str, dict[str, int]]:
        """Part -> class -> number of examples, or of boxes; -> label -> number for which it holds."""
        counted: dict[str, dict[str, int]] = {}
        for name, members in zip(PART_NAMES, self.members, strict=True):
            chosen = self.kept[members]
            if found.values is not None:
                many = found.task == "regression"
                held = [len(chosen)] * len(self.names) if many else found.values[chosen].sum(0).astype(int).tolist()
                counted[name] = dict(zip(self.names, held, strict=True))
                continue
            numbers = self.y[chosen]
            if found.boxes is not None:
                numbers = np.concatenate([found.boxes[i][:, 0] for i in chosen] or [np.zeros(0, np.float32)])
                numbers = numbers.astype(np.int64)
            counts = np.bincount(numbers, minlength=len(self.names)).tolist()
            counted[name] = dict(zip(self.names, counts, strict=False))
        return counted


def assign(
    source: str, found: Examples, task: Task, normal: str | None, seed: int, shares: Shares, limit: int | None
) -> Assignment:
    """Numbers the classes, takes a subset if there is a limit, and splits it.

    Raises:
        FileError: a class has too few examples, or which class is normal cannot be told.
    """
    y, names = numbered(found.labels, found.order)
    kept = np.arange(len(y)) if limit is None else subset(y, found.parts, limit, seed)
    given = [found.parts[i] for i in kept.tolist()]
    one = None
    if task == "anomaly":
        official = np.array([g == "train" for g in given], bool)
        one = normal_class(source, names, y[kept], official, normal)
        if found.groups:
            message = "--group cannot be kept with the task `anomaly`, which learns one class only"
            raise bad_data(message, "give the parts in a column `split`, or leave --group out", "bad-option")
        parts = split_anomalies(y[kept], one, given, shares, seed, names=names)
    elif found.groups:
        groups = [found.groups[i] for i in kept.tolist()]
        parts = split_groups(y[kept], groups, given, shares, seed=seed, names=names if task == "classification" else ())
    elif task in ("detection", "multi-label"):
        parts = _spread_rare(y[kept], given, shares, seed)
    else:
        parts = split_parts(y[kept], given, shares, seed, names)
    if found.values is not None:
        names = found.order or tuple(str(k) for k in range(found.values.shape[1]))
    train, valid, test = (np.flatnonzero(parts == p) for p in range(3))
    return Assignment(names, y, kept, (train, valid, test), one)


def _spread_rare(y: NDArray[np.int64], given: list[str], shares: Shares, seed: int) -> NDArray[np.int8]:
    """`split_parts` by the rarest class of each example, where that has enough of them; else it is learnt from."""
    numbers, counts = np.unique(y, return_counts=True)
    few = np.isin(y, numbers[counts < _FEW])
    parts = split_parts(np.where(few, numbers[counts.argmax()], y), given, shares, seed)
    drawn = np.isin(np.array(given, dtype=str), ("", "train"))
    parts[few & drawn] = 0
    return parts
