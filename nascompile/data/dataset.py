"""What training works on: arrays of inputs and targets, in a part to learn from, one to choose by and one to report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nascompile.data.anchors import Anchors

__all__ = ["Dataset", "Part", "Task"]

#: What is learnt: a class, what is normal, boxes with classes, numbers, or which of several labels hold.
Task = Literal["classification", "anomaly", "detection", "regression", "multi-label"]


@dataclass(frozen=True, eq=False)
class Part:
    """Some examples.

    Args:
        x: float32 [n, channels, height, width], or [n, channels, length] for series; normalised.
        y: int64 [n], the class; for `anomaly` 1 where an example is not normal, else 0; for `detection` a tuple of
            n float32 arrays [boxes, 5]: class, then centre x, centre y, width, height as shares of the image; for
            `regression` float32 [n, outputs], at mean 0 and deviation 1; for `multi-label` float32 [n, labels], 0 or 1.
        units: for `regression`, how much 1 of each output is in the data's own unit; empty for 1 each.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64] | NDArray[np.float32] | tuple[NDArray[np.float32], ...]
    units: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three parts without a common example.

    Args:
        task: what is learnt.
        train: to learn from.
        valid: to choose networks and to stop by.
        test: untouched until the end.
        classes: names, in the order of their numbers; `normal` and `anomaly` for `anomaly`; of outputs for
            `regression`, of labels for `multi-label`.
        prepared: how the inputs were made and normalised, as it is written into a run: plain values, fit for JSON.
        anchors: for `detection`, the sizes of boxes from which a network predicts all others.
        digests: part -> what tells it from others, whichever machine reads it; empty where the arrays were made.
    """

    task: Task
    train: Part
    valid: Part
    test: Part
    classes: tuple[str, ...]
    prepared: dict[str, Any] = field(default_factory=dict)
    anchors: Anchors = ()
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all parts."""
        parts = (self.train, self.valid, self.test)
        targets = (y for part in parts for y in (part.y if isinstance(part.y, tuple) else (part.y,)))
        return sum(array.nbytes for array in (*(part.x for part in parts), *targets))
