"""The loss of YOLOv5 on one scale: complete IoU of boxes, cross entropies of objects and classes."""

from __future__ import annotations

from math import pi

import torch
from torch.nn import functional

from nascompile.data.anchors import Anchors
from nascompile.training.detection.assignment import Assigned, assign
from nascompile.training.detection.head import box_in_cells, in_cells, split_head

__all__ = ["complete_iou", "yolo_loss"]

#: YOLOv5's weights of its three terms are for 640 x 640 pixels, 80 classes and three scales ...
_BOX, _OBJECT, _CLASS = 0.05, 1.0, 0.5
_PIXELS, _CLASSES, _SCALES = 640 * 640, 80, 3
#: ... and it adds the gradients of this many images up, where others take their mean.
_NOMINAL_BATCH = 64
_TINY = 1e-7


def yolo_loss(found: torch.Tensor, boxes: torch.Tensor, anchors: Anchors, pixels: int) -> torch.Tensor:
    """64 * 3 * (0.05 L_box + pixels/640^2 L_obj + 0.5 classes/80 L_cls), a mean over images.

    * L_box: the mean of 1 - CIoU over all assigned places.
    * L_obj: the mean binary cross entropy of all places. Where a box is assigned the target is the CIoU that its
      prediction has now (the greatest of several, 0 at least); everywhere else it is 0.
    * L_cls: the mean binary cross entropy of the classes over all assigned places; with one class there is none.

    The weights are YOLOv5's, which it scales with the image, the classes and the number of scales in this way; the
    factors 64, its nominal batch, and 3 make a step as long as its step, whatever the batch.

    Args:
        found: [n, anchors * (5 + classes), rows, columns].
        boxes: [n, most, 5]: class (below 0: no box), centre x, centre y, width, height as shares of the image.
        anchors: sizes of boxes.
        pixels: of the network's input.

    Raises:
        TrainingError: these are no outputs of a detection head with so many anchors.

    Example:
        >>> none, some = torch.full((1, 0, 5), -1.0), torch.tensor([[[0, 0.5, 0.5, 0.2, 0.2]]])
        >>> found = torch.zeros(1, 6, 4, 4)
        >>> [round(yolo_loss(found, b, ((0.2, 0.2),), 64 * 64).item(), 2) for b in (none, some)]
        [1.33, 11.62]
    """
    raw = split_head(found.float(), anchors)
    _, _, rows, columns, values = raw.shape
    places = assign(boxes, anchors, rows, columns)
    wanted = torch.zeros(raw.shape[:4], device=raw.device)
    of_box = of_class = raw.new_zeros(())
    if len(places):
        picked = raw[places.image, places.anchor, places.row, places.column]
        sizes = in_cells(anchors, rows, columns, raw)[places.anchor]
        iou = complete_iou(box_in_cells(picked, sizes), places.box)
        of_box = (1 - iou).mean()
        wanted = _objects(wanted, places, iou.detach())
        of_class = _class_loss(picked[:, 5:], places.of_class)
    of_object = functional.binary_cross_entropy_with_logits(raw[..., 4], wanted)
    classes = values - 5
    total = _BOX * of_box + pixels / _PIXELS * _OBJECT * of_object + classes / _CLASSES * _CLASS * of_class
    return _NOMINAL_BATCH * _SCALES * total


def complete_iou(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """CIoU = IoU - d^2 / c^2 - alpha v (Zheng et al., 2020), from 1 for equal boxes to -1.5.

    d is the distance of the centres, c the diagonal of the smallest box around both; v = 4/pi^2 (atan(w_b/h_b) -
    atan(w_a/h_a))^2 tells their shapes apart, and alpha = v / (1 - IoU + v) has no gradient.

    Args:
        a: [..., 4]: centre x, centre y, width, height.
        b: the same.

    Example:
        >>> a, b = torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 2, 2])
        >>> torch.allclose(complete_iou(a, b), torch.tensor(2 / 6 - 1 / 13))
        True
    """
    low = torch.stack([a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2])
    high = torch.stack([a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2])
    common = (high.amin(0) - low.amax(0)).clamp(min=0).prod(-1)
    iou = common / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common + _TINY)
    diagonal = (high.amax(0) - low.amin(0)).square().sum(-1) + _TINY
    distance = (a[..., :2] - b[..., :2]).square().sum(-1)
    shapes = [torch.atan(x[..., 2] / (x[..., 3] + _TINY)) for x in (a, b)]
    v = 4 / pi**2 * (shapes[1] - shapes[0]).square()
    with torch.no_grad():
        alpha = v / (1 - iou + v + _TINY)
    return iou - distance / diagonal - alpha * v


def _objects(wanted: torch.Tensor, places: Assigned, iou: torch.Tensor) -> torch.Tensor:
    """The targets of the objects' scores; the greatest of several does not depend on their order, on any device."""
    _, anchors, rows, columns = wanted.shape
    place = ((places.image * anchors + places.anchor) * rows + places.row) * columns + places.column
    flat = wanted.reshape(-1).scatter_reduce(0, place, iou.clamp(min=0), "amax")
    return flat.reshape(wanted.shape)


def _class_loss(logits: torch.Tensor, of_class: torch.Tensor) -> torch.Tensor:
    """Binary cross entropies of [k, classes]."""
    if logits.shape[1] == 1:
        return logits.new_zeros(())
    wanted = (of_class[:, None] == torch.arange(logits.shape[1], device=logits.device)).float()
    return functional.binary_cross_entropy_with_logits(logits, wanted)
