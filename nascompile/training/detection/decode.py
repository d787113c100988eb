"""From a detection head's outputs to boxes: decoding, and non-maximum suppression class by class."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nascompile.data.anchors import Anchors
from nascompile.training.detection.head import box_in_cells, in_cells, split_head

__all__ = ["decode", "detections", "suppress"]

#: Boxes of an image that are compared with each other: the best before suppression.
_CONSIDERED = 400
#: Overlaps that are held at once: as many as a cache holds.
_OVERLAPS = 2**18


def decode(found: torch.Tensor, anchors: Anchors) -> tuple[torch.Tensor, torch.Tensor]:
    """All boxes that a network predicts, and how sure it is of each class.

    The score of a class is sigmoid(object) * sigmoid(class); of a single class, which is not learnt to be told from
    others, it is that of the object alone.

    Args:
        found: [n, anchors * (5 + classes), rows, columns].
        anchors: sizes of boxes.

    Returns:
        [n, boxes, 4]: centre x, centre y, width, height as shares of the image; and scores [n, boxes, classes].

    Raises:
        TrainingError: these are no outputs of a detection head with so many anchors.

    Example:
        >>> boxes, scores = decode(torch.zeros(1, 14, 1, 2), ((0.2, 0.4), (0.5, 0.5)))
        >>> boxes[0, :2].tolist(), scores.shape, scores.max().item()
        ([[0.25, 0.5, 0.20000000298023224, 0.4000000059604645], [0.75, ...]], torch.Size([1, 4, 2]), 0.25)
    """
    raw = split_head(found, anchors)
    n, _, rows, columns, values = raw.shape
    boxes = box_in_cells(raw, in_cells(anchors, rows, columns, raw)[:, None, None])
    y, x = torch.meshgrid(torch.arange(rows).to(raw), torch.arange(columns).to(raw), indexing="ij")
    corner = torch.stack([x, y, torch.zeros_like(x), torch.zeros_like(x)], dim=-1)
    boxes = (boxes + corner) / raw.new_tensor([columns, rows, columns, rows])
    sure = raw[..., 4:5].sigmoid()
    scores = sure if values == 6 else sure * raw[..., 5:].sigmoid()
    return boxes.reshape(n, -1, 4), scores.reshape(n, -1, values - 5)


def detections(
    found: NDArray[np.float32], anchors: Anchors, *, least: float = 0.001, overlap: float = 0.6, most: int = 100
) -> tuple[NDArray[np.float32], ...]:
    """What a network finds in each image, the surest first.

    Args:
        found: [n, anchors * (5 + classes), rows, columns].
        anchors: sizes of boxes.
        least: scores below are left out. 0.001, with an overlap of 0.6, is how YOLOv5 measures average precision; a
            device that is to act on boxes takes about 0.25 and 0.45.
        overlap: of two boxes of a class with a greater IoU, the surer one stays.
        most: boxes of an image.

    Returns:
        Per image [boxes, 6]: class, score, left, top, width, height; the last four as shares of the image, cut at its
        edges.

    Raises:
        TrainingError: these are no outputs of a detection head with so many anchors.

    Example:
        >>> outputs = np.full((1, 6, 1, 1), -3, np.float32)
        >>> outputs[0, :5] = [[[0.0]], [[0.0]], [[0.0]], [[0.0]], [[9.0]]]
        >>> detections(outputs, ((0.5, 0.25),))[0].round(3).tolist()
        [[0.0, 1.0, 0.25, 0.375, 0.5, 0.25]]
    """
    boxes, scores = decode(torch.from_numpy(np.asarray(found, np.float32)), anchors)
    classes = scores.shape[2]
    flat = scores.flatten(1)
    # Integers have many equal scores; a stable order does not depend on the machine.
    order = flat.sort(dim=1, descending=True, stable=True).indices[:, :_CONSIDERED]
    sure, of_class = flat.gather(1, order), order % classes
    chosen = boxes.gather(1, (order // classes)[..., None].expand(-1, -1, 4))
    kept = suppress(chosen, of_class, overlap) & (sure >= least)
    low, high = (chosen[..., :2] - chosen[..., 2:] / 2).clamp(0, 1), (chosen[..., :2] + chosen[..., 2:] / 2).clamp(0, 1)
    rows = torch.cat([of_class[..., None].float(), sure[..., None], low, high - low], dim=-1)
    return tuple(row[keep][:most].numpy() for row, keep in zip(rows, kept, strict=True))


def suppress(boxes: torch.Tensor, of_class: torch.Tensor, overlap: float) -> torch.Tensor:
    """Which boxes stay: those that no box before them, of their class, and itself staying, overlaps with too much.

    The rule is applied to all boxes at once until nothing changes. What it then says is what going through the boxes
    one by one says: the first is right at once, and each next one as soon as all before it are.

    Args:
        boxes: [n, m, 4]: centre x, centre y, width, height; the surest of each image first.
        of_class: [n, m].
        overlap: the greatest IoU of two boxes that both stay.

    Returns:
        bool [n, m].

    Example:
        >>> boxes = torch.tensor([[[0.5, 0.5, 0.2, 0.2], [0.51, 0.5, 0.2, 0.2], [0.1, 0.1, 0.2, 0.2]]])
        >>> suppress(boxes, torch.zeros(1, 3), 0.5).tolist()
        [[True, False, True]]
    """
    size = max(1, _OVERLAPS // max(1, boxes.shape[1]) ** 2)
    parts = zip(boxes.split(size), of_class.split(size), strict=True)
    return torch.cat([_suppressed(b, c, overlap) for b, c in parts])


def _suppressed(boxes: torch.Tensor, of_class: torch.Tensor, overlap: float) -> torch.Tensor:
    low, high = boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2
    common = torch.minimum(high[:, :, None], high[:, None]) - torch.maximum(low[:, :, None], low[:, None])
    common = common.clamp(min=0).prod(-1)
    areas = boxes[..., 2:].prod(-1)
    union = areas[:, :, None] + areas[:, None] - common
    # [n, i, j]: j, which comes before i, is enough to drop it.
    drops = (common > overlap * union) & (of_class[:, :, None] == of_class[:, None])
    drops = drops.tril(-1)
    kept = torch.ones_like(of_class, dtype=torch.bool)
    while True:
        again = ~(drops & kept[:, None]).any(-1)
        if again.equal(kept):
            return kept
        kept = again
