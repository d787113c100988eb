"""How good a trained network is, in numbers by task, and what guessing reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nascompile.data.anchors import Anchors
from nascompile.data.dataset import Part, Task
from nascompile.training.errors import TrainingError
from nascompile.training.objective import check_task
from nascompile.training.tasks import check_anchors, outputs, targets

__all__ = ["confusion", "evaluate", "guess", "metrics"]

Floats = NDArray[np.floating[Any]]


def evaluate(network: nn.Module, part: Part, task: Task, anchors: Anchors = ()) -> dict[str, float]:
    """How well a network does on some examples; see `metrics`.

    Raises:
        TrainingError: the task cannot be evaluated, or there is no example.
    """
    check_task(task)
    if not len(part):
        raise TrainingError.of("no-examples", "there is no example to learn from or to evaluate", "see the data set")
    return metrics(outputs(network, part.x), part, task, anchors)


def metrics(found: Floats, part: Part, task: Task, anchors: Anchors = ()) -> dict[str, float]:
    """How good outputs are.

    Beside `loss` there are, by task:

    * `classification`: `accuracy`; `balanced_accuracy`, the mean recall of the classes; `f1`, their mean F1; `auc`,
      their mean area under the ROC curve, each against all others;
    * `anomaly`: `auc` of the examples' mean squared errors; `loss` is that of what is normal;
    * `detection`: `map50`, `map50_95` (`nascompile.training.detection.average_precision`);
    * `regression`: `r2`, the mean over outputs; `mae`, `rmse` in the unit of the data;
    * `multi-label`: `f1` at a probability of one half, `map`, `auc`: means over labels.

    A class or label that no example has, or all have, where that leaves a metric undefined, is left out of its mean;
    a metric that is undefined altogether is left out. F1 of a class that is neither there nor found is left out too.

    Args:
        found: what some network made of `part.x`: logits [n, classes or labels], numbers [n, outputs] at mean 0 and
            deviation 1, reconstructions, or the map of a detection head.
        part: the examples.
        task: what was learnt.
        anchors: of the data set, for `detection`.

    Raises:
        TrainingError: the task cannot be evaluated.

    Example:
        >>> part = Part(np.zeros((4, 1), np.float32), np.array([0, 0, 0, 1]))
        >>> found = metrics(np.array([[9.0, 0.0]] * 4), part, "classification")
        >>> {name: round(found[name], 3) for name in ("accuracy", "balanced_accuracy", "f1", "auc")}
        {'accuracy': 0.75, 'balanced_accuracy': 0.5, 'f1': 0.429, 'auc': 0.5}
    """
    check_task(task)
    if task == "detection":
        return _detected(np.asarray(found, np.float32), part, anchors)
    there = np.asarray(found, np.float64).reshape(len(part), -1)
    if task == "classification":
        return _classified(there, np.asarray(part.y))
    if task == "regression":
        return _predicted(there, part)
    if task == "multi-label":
        return _labelled(there, np.asarray(part.y))
    return _reconstructed(there, part)


def confusion(found: Floats, y: NDArray[Any]) -> NDArray[np.int64]:
    """How many examples of each class (rows) were taken for which (columns).

    Args:
        found: logits [n, classes].
        y: [n].

    Example:
        >>> confusion(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 1, 1])).tolist()
        [[1, 0], [1, 1]]
    """
    classes = found.shape[1]
    return np.bincount(y * classes + found.argmax(1), minlength=classes**2).reshape(classes, classes)


def guess(train: Part, part: Part, task: Task) -> dict[str, float]:
    """What the best answer reaches that is the same for all examples: always the largest class, or always the mean.

    Args:
        train: tells the frequencies of classes or labels; numbers are at mean 0 there.
        part: on which it is measured.
        task: not `detection`.

    Example:
        >>> y = np.array([0, 0, 0, 1])
        >>> guess(Part(y[:, None], y), Part(y[:, None], y), "classification")["accuracy"]
        0.75
    """
    y = np.asarray(train.y)
    if task == "classification":
        classes = int(max(y.max(), np.asarray(part.y).max())) + 1
        constant = np.log(np.maximum(np.bincount(y, minlength=classes), 0.5) / len(y))
    elif task == "multi-label":
        share = np.clip(y.mean(0), 0.5 / len(y), 1 - 0.5 / len(y))
        constant = np.log(share / (1 - share))
    elif task == "regression":
        constant = np.zeros(y.shape[1])
    else:
        constant = train.x[y == 0].reshape(int((y == 0).sum()), -1).mean(0)
    return metrics(np.broadcast_to(constant, (len(part), len(constant))), part, task)


def _classified(found: NDArray[np.float64], y: NDArray[Any]) -> dict[str, float]:
    loss = functional.cross_entropy(torch.from_numpy(found.copy()), torch.from_numpy(y)).item()
    table = confusion(found, y)
    right, of_class, taken = table.diagonal(), table.sum(1), table.sum(0)
    seen, there = of_class > 0, of_class + taken > 0
    result = {
        "loss": loss,
        "accuracy": float(right.sum() / len(y)),
        "balanced_accuracy": float((right[seen] / of_class[seen]).mean()),
        "f1": float((2 * right[there] / (of_class + taken)[there]).mean()),
    }
    if not np.isfinite(found).all():
        return result
    probability = torch.from_numpy(found.copy()).softmax(1).numpy()
    return result | _mean({"auc": _aucs(np.arange(found.shape[1]) == y[:, None], probability)})


def _predicted(found: NDArray[np.float64], part: Part) -> dict[str, float]:
    y = np.asarray(part.y, np.float64)
    errors = found - y
    units = np.array(part.units or 1.0)
    spread = np.square(y - y.mean(0)).sum(0)
    result = {
        "loss": float(np.square(errors).mean()),
        "mae": float((np.abs(errors) * units).mean()),
        "rmse": float(np.sqrt(np.square(errors * units).mean())),
    }
    varied = spread > 0
    return result | _mean({"r2": 1 - np.square(errors).sum(0)[varied] / spread[varied]})


def _labelled(found: NDArray[np.float64], y: NDArray[Any]) -> dict[str, float]:
    from sklearn.metrics import average_precision_score

    holds, said = y > 0, found > 0
    loss = functional.binary_cross_entropy_with_logits(torch.from_numpy(found.copy()), torch.from_numpy(y).double())
    either = holds.sum(0) + said.sum(0)
    f1 = 2 * (holds & said).sum(0)[either > 0] / either[either > 0]
    if not np.isfinite(found).all():
        return {"loss": loss.item(), **_mean({"f1": f1})}
    precision = [average_precision_score(holds[:, k], found[:, k]) for k in np.flatnonzero(holds.any(0))]
    return {"loss": loss.item(), **_mean({"f1": f1, "map": np.array(precision), "auc": _aucs(holds, found)})}


def _reconstructed(found: NDArray[np.float64], part: Part) -> dict[str, float]:
    y = np.asarray(part.y)
    errors = np.square(found - part.x.reshape(len(y), -1)).mean(1)
    normal = {"loss": float(errors[y == 0].mean())} if (y == 0).any() else {}
    if len(np.unique(y)) < 2 or not np.isfinite(errors).all():
        return normal
    return normal | _mean({"auc": _aucs(y[:, None] > 0, errors[:, None])})


def _aucs(holds: NDArray[np.bool_], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area under the ROC curve of each column that some examples have and others have not.

    By ranks (Mann and Whitney): scikit-learn's takes a second to import, in every process that trains.
    """
    two = np.flatnonzero(holds.any(0) & ~holds.all(0))
    return np.array([_auc(holds[:, k], scores[:, k]) for k in two])


def _auc(holds: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The share of pairs in which the example that has it has the greater score; equal ones count half."""
    _, place, equal = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(equal) - (equal - 1) / 2)[place]
    n = int(holds.sum())
    return float((ranks[holds].sum() - n * (n + 1) / 2) / (n * (len(holds) - n)))


def _mean(found: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """The means of those that have something to average."""
    return {name: float(values.mean()) for name, values in found.items() if len(values)}


@torch.no_grad()
def _detected(found: NDArray[np.float32], part: Part, anchors: Anchors) -> dict[str, float]:
    from nascompile.training.detection.average_precision import average_precision
    from nascompile.training.detection.decode import detections
    from nascompile.training.detection.yolo_loss import yolo_loss

    check_anchors(anchors)
    boxes = tuple(np.asarray(row) for row in part.y)
    classes = found.shape[1] // len(anchors) - 5
    loss = yolo_loss(torch.from_numpy(found), targets(part), anchors, part.x.shape[-2] * part.x.shape[-1])
    return {"loss": loss.item(), **average_precision(detections(found, anchors), boxes, classes)}
