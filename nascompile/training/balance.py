"""Classes of different sizes: learnt as if they were equal, by weights in the loss or by how often they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nascompile.data.dataset import Part, Task
from nascompile.training.errors import TrainingError

__all__ = ["check_balance", "drawing_weights", "loss_weights"]


def check_balance(task: Task, balance: str) -> None:
    """Raises where there is nothing to balance.

    Raises:
        TrainingError: the task has no classes.
    """
    if balance != "none" and task not in ("classification", "multi-label"):
        message = f"`balance` is {balance}, and the task `{task}` has no classes to balance"
        raise TrainingError.of("bad-recipe", message, "leave `balance` out")


def loss_weights(part: Part, task: Task) -> torch.Tensor:
    """How much an example counts in the loss.

    Args:
        part: to learn from.
        task: `classification` or `multi-label`.

    Returns:
        Of classes [classes], n / (classes * examples of the class), 1 on average over examples; of labels [labels], by
        how many examples without it there are for each one with it.

    Example:
        >>> y = np.array([0, 0, 0, 1])
        >>> [round(w, 3) for w in loss_weights(Part(y[:, None], y), "classification").tolist()]
        [0.667, 2.0]
    """
    y = np.asarray(part.y)
    if task == "multi-label":
        held = np.maximum(y.sum(0), 1)
        return torch.from_numpy(((len(y) - y.sum(0)) / held).astype(np.float32))
    counts = np.bincount(y)
    return torch.from_numpy((len(y) / (len(counts) * np.maximum(counts, 1))).astype(np.float32))


def drawing_weights(part: Part, task: Task) -> torch.Tensor:
    """How likely each example is drawn, so that all classes are equally likely.

    Args:
        part: to learn from.
        task: `classification`; or `multi-label`, where an example counts by the rarest of its labels, and those without
            any as one label more.

    Returns:
        [n], float64; only their ratios count.
    """
    y: Any = np.asarray(part.y)
    if task == "classification":
        return torch.from_numpy((1.0 / np.bincount(y))[y])
    held: NDArray[np.float64] = np.concatenate([y, ~y.any(1, keepdims=True)], axis=1).astype(np.float64)
    return torch.from_numpy((held / np.maximum(held.sum(0), 1)).max(1))
