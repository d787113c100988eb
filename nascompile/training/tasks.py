"""What is learnt, and how well: the loss of each task, and what is measured of a trained network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nascompile.data.anchors import Anchors
from nascompile.data.boxes import padded_boxes
from nascompile.data.dataset import Dataset, Part, Task
from nascompile.training.errors import TrainingError

__all__ = ["better", "check_head", "check_task", "evaluate", "loss_of", "metrics", "outputs", "targets"]

Floats = NDArray[np.floating[Any]]

_EVALUATION_BATCH = 256
_TASKS = ("classification", "anomaly", "detection")
#: By what an epoch is chosen, where a validation has it; the greater, the better.
_CHOOSING = ("accuracy", "map50")


def check_task(task: str) -> None:
    """Whether this task can be trained.

    Raises:
        TrainingError: it cannot.
    """
    if task not in _TASKS:
        known = f"it can train {', '.join(_TASKS)}"
        raise TrainingError.of("no-such-task", f"nascompile cannot train the task `{task}`", known)


def check_head(network: nn.Module, dataset: Dataset) -> None:
    """Whether a network gives what boxes of the data set's classes are decoded from.

    Raises:
        TrainingError: it does not, or the data set has no anchors.
    """
    _check_anchors(dataset.anchors)
    wanted = len(dataset.anchors) * (5 + len(dataset.classes))
    shape = outputs(network, dataset.train.x[:1]).shape[1:]
    if len(shape) != 3 or shape[0] != wanted:
        message = (
            f"the network gives {'x'.join(map(str, shape))}; {len(dataset.anchors)} anchors and "
            f"{len(dataset.classes)} classes need {wanted} channels of a map"
        )
        raise TrainingError.of("bad-head", message, "end it in `yolo_head`, with as many classes as the data have")


def targets(part: Part) -> torch.Tensor:
    """What is to be learnt of examples, as one tensor: [n], or boxes [n, most, 5] (`nascompile.data.boxes`)."""
    return torch.as_tensor(padded_boxes(part.y) if isinstance(part.y, tuple) else part.y)


def loss_of(task: Task, anchors: Anchors = ()) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
    """`(outputs, inputs, targets) -> loss`.

    Cross entropy; for `anomaly` the mean squared error of reconstruction; for `detection` the loss of YOLOv5
    (`nascompile.training.detection.yolo_loss`).

    Args:
        task: what is learnt.
        anchors: of the data set, for `detection`.

    Raises:
        TrainingError: the task cannot be trained.

    Example:
        >>> x = torch.ones(2, 3)
        >>> loss_of("anomaly")(x + 2, x, torch.zeros(2)).item()
        4.0
    """
    check_task(task)
    if task == "anomaly":
        return lambda y, x, _: functional.mse_loss(y.flatten(1), x.flatten(1))
    if task == "detection":
        from nascompile.training.detection.yolo_loss import yolo_loss

        _check_anchors(anchors)
        return lambda y, x, boxes: yolo_loss(y, boxes, anchors, x.shape[-2] * x.shape[-1])
    return lambda y, _, target: functional.cross_entropy(y, target)


@torch.no_grad()
def outputs(network: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a network makes of examples, in evaluation mode, on the device where it is.

    Args:
        network: given back in the mode in which it was.
        x: [n, ...].
    """
    place = next((t.device for t in (*network.parameters(), *network.buffers())), torch.device("cpu"))
    was = network.training
    network.eval()
    try:
        batches = torch.from_numpy(x).split(_EVALUATION_BATCH)
        return torch.cat([network(batch.to(place)).float().cpu() for batch in batches]).numpy()
    finally:
        network.train(was)


def evaluate(network: nn.Module, part: Part, task: Task, anchors: Anchors = ()) -> dict[str, float]:
    """How well a network does on some examples; see `metrics`.

    Raises:
        TrainingError: the task cannot be evaluated, or there is no example.
    """
    check_task(task)
    _check_part(part)
    return metrics(outputs(network, part.x), part, task, anchors)


def metrics(found: Floats, part: Part, task: Task, anchors: Anchors = ()) -> dict[str, float]:
    """How good outputs are.

    Args:
        found: what some network made of `part.x`: logits [n, classes], reconstructions, or the map of a detection head.
        part: the examples.
        task: `classification` gives `loss` (cross entropy) and `accuracy`; `anomaly` gives `loss`, the mean squared
            error of what is normal, and, if there is also what is not, `auc`: the area under the ROC curve of the
            examples' mean squared errors; `detection` gives `loss`, `map50` and `map50_95`
            (`nascompile.training.detection.average_precision`).
        anchors: of the data set, for `detection`.

    Raises:
        TrainingError: the task cannot be evaluated.

    Example:
        >>> part = Part(np.zeros((2, 1), np.float32), np.array([0, 1]))
        >>> metrics(np.array([[9.0, 0.0], [9.0, 0.0]]), part, "classification")["accuracy"]
        0.5
    """
    check_task(task)
    if task == "detection":
        return _detected(np.asarray(found, np.float32), part, anchors)
    y = np.asarray(part.y)
    if task == "classification":
        loss = functional.cross_entropy(torch.from_numpy(np.asarray(found, np.float64)), torch.from_numpy(y))
        return {"loss": loss.item(), "accuracy": float((found.argmax(1) == y).mean())}
    errors = np.square(found.reshape(len(y), -1).astype(np.float64) - part.x.reshape(len(y), -1)).mean(1)
    normal = {"loss": float(errors[y == 0].mean())} if (y == 0).any() else {}
    if len(np.unique(y)) < 2:
        return normal
    from sklearn.metrics import roc_auc_score

    return normal | {"auc": float(roc_auc_score(y, errors))}


def better(new: Mapping[str, float], old: Mapping[str, float] | None) -> bool:
    """Whether a validation is better than the best so far: a higher accuracy or mAP50, or the same with a lower loss.

    An autoencoder is chosen by its loss: it learns what is normal, and should not be chosen by what is not.

    Example:
        >>> better({"accuracy": 0.5, "loss": 1.0}, {"accuracy": 0.5, "loss": 2.0})
        True
    """
    if old is None:
        return True
    return _rank(new) < _rank(old)


def _rank(found: Mapping[str, float]) -> tuple[float, float]:
    """The lower, the better."""
    return -max((found[name] for name in _CHOOSING if name in found), default=0.0), found["loss"]


@torch.no_grad()
def _detected(found: NDArray[np.float32], part: Part, anchors: Anchors) -> dict[str, float]:
    from nascompile.training.detection.average_precision import average_precision
    from nascompile.training.detection.decode import detections

    _check_anchors(anchors)
    boxes = tuple(np.asarray(row) for row in part.y)
    classes = found.shape[1] // len(anchors) - 5
    loss = loss_of("detection", anchors)(torch.from_numpy(found), torch.from_numpy(part.x), targets(part))
    return {"loss": loss.item(), **average_precision(detections(found, anchors), boxes, classes)}


def _check_anchors(anchors: Anchors) -> None:
    if not anchors:
        message = "boxes cannot be decoded without `anchors`"
        raise TrainingError.of("no-anchors", message, "`load_dataset` measures them: give `Dataset.anchors`")


def _check_part(part: Part) -> None:
    if not len(part):
        raise TrainingError.of("no-examples", "there is no example to learn from or to evaluate", "see the data set")
