"""A trained network in detail: class by class, what is taken for what, and how sure a number is."""

from __future__ import annotations

from math import sqrt
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nascompile.data.dataset import Dataset, Part
from nascompile.training.metrics import confusion, guess, metrics

__all__ = ["report", "small_validation", "wilson"]

#: Of the normal distribution, for 95 %.
_Z = 1.959964


def wilson(share: float, n: int) -> tuple[float, float]:
    """The interval in which the true share lies, at 95 % (Wilson 1927); it stays within 0 and 1.

    Args:
        share: that was measured.
        n: on so many examples.

    Example:
        >>> [round(end, 3) for end in wilson(0.9, 100)]
        [0.826, 0.945]
    """
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def small_validation(examples: int, accuracies: list[float]) -> str:
    """A remark where the validation part is too small for what was chosen by it; else empty.

    Args:
        examples: of the validation part.
        accuracies: there, of the networks that were chosen from.

    Example:
        >>> print(small_validation(60, [0.90, 0.93]))
        of 60 validation examples an accuracy has a 95 % interval of 13.5 points, and all chosen from lie within 3.0
        >>> small_validation(60, [0.50, 0.93])
        ''
    """
    low, high = wilson(max(accuracies), examples)
    apart = max(accuracies) - min(accuracies)
    if len(accuracies) < 2 or high - low <= apart:
        return ""
    return (
        f"of {examples:,} validation examples an accuracy has a 95 % interval of {100 * (high - low):.1f} points, "
        f"and all chosen from lie within {100 * apart:.1f}"
    )


def report(found: NDArray[np.floating[Any]], part: Part, dataset: Dataset) -> dict[str, Any]:
    """All there is to say of outputs, as plain data.

    Args:
        found: what some network made of `part.x`; see `nascompile.training.metrics.metrics`.
        part: of the data set.
        dataset: tells the names, and by its training part what guessing reaches.

    Returns:
        `examples`, `metrics`; `guess`, the metrics of the best constant answer (not for `detection`); for
        `classification` `interval` of the accuracy, `classes`, with `name`, `examples`, `recall`, `precision` and `f1`
        of each, and `confusion`, [true class][taken for]; for `multi-label` `classes`, `examples` being those for which
        it holds; for `regression` `outputs`, with `name`, `mae`, `rmse` and `r2`. None where a number is undefined.

    Example:
        >>> part = Part(np.zeros((3, 1), np.float32), np.array([0, 1, 1]))
        >>> data = Dataset("classification", part, part, part, ("off", "on"))
        >>> found = report(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), part, data)
        >>> found["confusion"], found["classes"][1]["recall"], round(found["guess"]["accuracy"], 3)
        ([[1, 0], [1, 1]], 0.5, 0.667)
    """
    result: dict[str, Any] = {
        "examples": len(part),
        "metrics": metrics(found, part, dataset.task, dataset.anchors),
    }
    if dataset.task == "detection":
        return result
    result["guess"] = guess(dataset.train, part, dataset.task)
    there, y = np.asarray(found, np.float64).reshape(len(part), -1), cast(NDArray[Any], np.asarray(part.y))
    if dataset.task == "classification":
        table = confusion(there, y)
        result["interval"] = list(wilson(result["metrics"]["accuracy"], len(part)))
        result["classes"] = _classes(dataset.classes, table.diagonal(), table.sum(1), table.sum(0))
        result["confusion"] = table.tolist()
    elif dataset.task == "multi-label":
        holds, said = y > 0, there > 0
        result["classes"] = _classes(dataset.classes, (holds & said).sum(0), holds.sum(0), said.sum(0))
    elif dataset.task == "regression":
        units = part.units or (1.0,) * y.shape[1]
        result["outputs"] = [
            {"name": name, **_output(there[:, k : k + 1], Part(part.x, y[:, k : k + 1], (units[k],)))}
            for k, name in enumerate(dataset.classes)
        ]
    return result


def _classes(
    names: tuple[str, ...], right: NDArray[Any], there: NDArray[Any], said: NDArray[Any]
) -> list[dict[str, Any]]:
    """Recall, precision and F1 of each class."""
    return [
        {
            "name": name,
            "examples": int(n),
            "recall": _share(r, n),
            "precision": _share(r, s),
            "f1": _share(2 * r, n + s),
        }
        for name, r, n, s in zip(names, right.tolist(), there.tolist(), said.tolist(), strict=True)
    ]


def _output(found: NDArray[np.float64], part: Part) -> dict[str, float | None]:
    of_one = metrics(found, part, "regression")
    return {name: of_one.get(name) for name in ("mae", "rmse", "r2")}


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
