"""What is learnt: the loss of each task, and what a network must give for it."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nascompile.data.anchors import Anchors
from nascompile.data.boxes import padded_boxes
from nascompile.data.dataset import Dataset, Part, Task
from nascompile.training.errors import TrainingError
from nascompile.training.objective import check_task

__all__ = ["check_anchors", "check_outputs", "loss_of", "outputs", "targets"]

_EVALUATION_BATCH = 256

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def check_outputs(network: nn.Module, dataset: Dataset) -> None:
    """Whether a network gives what the task needs: a number per class, label or target, its input, or a map of boxes.

    Raises:
        TrainingError: it does not, or the data set has no anchors.
    """
    found = outputs(network, dataset.train.x[:1]).shape[1:]
    if dataset.task == "detection":
        _check_head(found, dataset)
        return
    first = dataset.train
    if dataset.task == "classification":
        wanted, what = int(np.asarray(first.y).max()) + 1, "classes"
        fits = prod(found) >= wanted
    else:
        of = first.x if dataset.task == "anomaly" else np.asarray(first.y)
        wanted, what = prod(of.shape[1:]), {"anomaly": "inputs", "regression": "targets"}.get(dataset.task, "labels")
        fits = prod(found) == wanted
    if not fits:
        message = f"the network gives {'x'.join(map(str, found))}, and the data have {wanted} {what}"
        raise TrainingError.of("bad-head", message, "change the units of its last layer")


def _check_head(found: tuple[int, ...], dataset: Dataset) -> None:
    check_anchors(dataset.anchors)
    wanted = len(dataset.anchors) * (5 + len(dataset.classes))
    if len(found) != 3 or found[0] != wanted:
        message = (
            f"the network gives {'x'.join(map(str, found))}; {len(dataset.anchors)} anchors and "
            f"{len(dataset.classes)} classes need {wanted} channels of a map"
        )
        raise TrainingError.of("bad-head", message, "end it in `yolo_head`, with as many classes as the data have")


def targets(part: Part) -> torch.Tensor:
    """What is to be learnt of examples, as one tensor: [n], [n, outputs] or boxes [n, most, 5]."""
    return torch.as_tensor(padded_boxes(part.y) if isinstance(part.y, tuple) else part.y)


def loss_of(task: Task, anchors: Anchors = (), weights: torch.Tensor | None = None) -> Loss:
    """`(outputs, inputs, targets) -> loss`.

    Cross entropy; for `multi-label` that of each label by itself; for `anomaly` the mean squared error of
    reconstruction, for `regression` that of the targets; for `detection` the loss of YOLOv5
    (`nascompile.training.detection.yolo_loss`).

    Args:
        task: what is learnt.
        anchors: of the data set, for `detection`.
        weights: of `classification` [classes], how much an example of each class counts; of `multi-label` [labels], how
            much an example for which a label holds counts against one for which it does not.

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
    if task == "regression":
        return lambda y, _, target: functional.mse_loss(y.flatten(1), target)
    if task == "multi-label":
        return lambda y, _, target: functional.binary_cross_entropy_with_logits(
            y.flatten(1), target, pos_weight=weights
        )
    if task == "detection":
        from nascompile.training.detection.yolo_loss import yolo_loss

        check_anchors(anchors)
        return lambda y, x, boxes: yolo_loss(y, boxes, anchors, x.shape[-2] * x.shape[-1])
    return lambda y, _, target: functional.cross_entropy(y, target, weight=weights)


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


def check_anchors(anchors: Anchors) -> None:
    """Raises unless boxes can be decoded: there are sizes of which they are made."""
    if not anchors:
        message = "boxes cannot be decoded without `anchors`"
        raise TrainingError.of("no-anchors", message, "`load_dataset` measures them: give `Dataset.anchors`")
