"""Data sets of PyTorch as a `Dataset`: their examples in memory, as they come out of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from nascompile.data.dataset import Dataset, Part, Task
from nascompile.data.examples import bad_data

__all__ = ["Examples", "dataset_of"]

_EMPTY = "give examples to learn from, and others to choose by"


class Examples(Protocol):
    """A `torch.utils.data.Dataset` with a length, or a list: pairs of an input and what is to be learnt of it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def dataset_of(train: Examples, valid: Examples, test: Examples | None = None, task: Task | None = None) -> Dataset:
    """A `Dataset` of the examples of others, each looked at once; augmentation is the recipe's.

    Args:
        train: to learn from: pairs of an input [channels, height, width] or [channels, length], and a class as a whole
            number, or numbers to predict.
        valid: to choose by.
        test: untouched until the end; none by default.
        task: `classification` where the second of a pair is a whole number, else `regression`, whose targets stay as
            they are; or `multi-label`.

    Raises:
        FileError: there are no examples, or they differ in their shapes or kinds.

    Example:
        >>> pairs = [(np.full((1, 4, 4), k, np.float32), k) for k in (0, 1)]
        >>> data = dataset_of(pairs, pairs)
        >>> data.task, data.train.x.shape, data.train.y.tolist(), data.classes
        ('classification', (2, 1, 4, 4), [0, 1], ('0', '1'))
    """
    parts = {"train": _arrays(train, "train"), "valid": _arrays(valid, "valid")}
    parts["test"] = _arrays(test, "test") if test is not None else (parts["valid"][0][:0], parts["valid"][1][:0])
    for name in ("train", "valid"):
        if not len(parts[name][0]):
            raise bad_data(f"the {name} part has no examples", _EMPTY, "no-examples")
    x, y = parts["train"]
    for name, (other, wanted) in parts.items():
        if (other.shape[1:], wanted.shape[1:]) != (x.shape[1:], y.shape[1:]):
            message = (
                f"examples of the train part have the shapes {x.shape[1:]} and {y.shape[1:]}, of the {name} part "
                f"{other.shape[1:]} and {wanted.shape[1:]}"
            )
            raise bad_data(message, "give all parts alike", "bad-shape")
    task = task or ("classification" if y.ndim == 1 and y.dtype.kind in "iub" else "regression")
    made = {name: Part(other.astype(np.float32), _targets(wanted, task)) for name, (other, wanted) in parts.items()}
    return Dataset(task, made["train"], made["valid"], made["test"], _names(y, task))


def _arrays(examples: Examples, part: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [examples[index] for index in range(len(examples))]
    if any(not isinstance(pair, Sequence) or len(pair) != 2 for pair in pairs):
        message = f"an example of the {part} part is no pair of an input and what is to be learnt of it"
        raise bad_data(message, "give `(x, y)` each", "bad-shape")
    try:
        return (
            (np.stack([np.asarray(x) for x, _ in pairs]), np.stack([np.asarray(y) for _, y in pairs]))
            if pairs
            else (np.zeros((0, 0)), np.zeros(0))
        )
    except ValueError:
        message = f"the examples of the {part} part differ in their shapes"
        raise bad_data(message, "resize or pad them alike", "bad-shape") from None


def _targets(y: np.ndarray, task: Task) -> Any:
    if task == "classification":
        return y.astype(np.int64)
    return y.reshape(len(y), -1).astype(np.float32)


def _names(y: np.ndarray, task: Task) -> tuple[str, ...]:
    count = int(y.max()) + 1 if task == "classification" else int(np.prod(y.shape[1:]))
    return tuple(map(str, range(count)))
