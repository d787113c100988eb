"""What a detection head's outputs mean: boxes from anchors, the score of an object, scores of classes."""

from __future__ import annotations

import torch

from nascompile.data.anchors import Anchors
from nascompile.training.errors import TrainingError

__all__ = ["box_in_cells", "in_cells", "split_head"]


def split_head(found: torch.Tensor, anchors: Anchors) -> torch.Tensor:
    """The outputs anchor by anchor and place by place.

    Args:
        found: [n, anchors * (5 + classes), rows, columns].
        anchors: sizes of boxes.

    Returns:
        [n, anchors, rows, columns, 5 + classes]: t_x, t_y, t_w, t_h, the logit of an object, the logits of classes.

    Raises:
        TrainingError: these are no outputs of a detection head with so many anchors.

    Example:
        >>> split_head(torch.zeros(1, 14, 4, 6), ((0.1, 0.1), (0.5, 0.5))).shape
        torch.Size([1, 2, 4, 6, 7])
    """
    channels = found.shape[1]
    if not anchors or found.ndim != 4 or channels % len(anchors) or channels // len(anchors) < 6:
        shape = "x".join(map(str, found.shape[1:]))
        message = f"outputs of {shape} are not those of a detection head with {len(anchors)} anchors"
        raise TrainingError.of("bad-head", message, "end the network in `yolo_head`, and take its number of anchors")
    n, _, rows, columns = found.shape
    return found.reshape(n, len(anchors), -1, rows, columns).permute(0, 1, 3, 4, 2)


def box_in_cells(raw: torch.Tensor, anchor: torch.Tensor) -> torch.Tensor:
    """Boxes relative to their cell, in cells (YOLOv5).

    b_xy = 2 sigmoid(t_xy) - 0.5 and b_wh = (2 sigmoid(t_wh))^2 * anchor: a centre may lie half a cell outside of its
    cell, and a side is at most four times that of the anchor.

    Args:
        raw: [..., 4 or more]: t_x, t_y, t_w, t_h.
        anchor: [..., 2], in cells.

    Returns:
        [..., 4]: centre x, centre y, width, height.

    Example:
        >>> box_in_cells(torch.zeros(4), torch.tensor([2.0, 3.0]))
        tensor([0.5000, 0.5000, 2.0000, 3.0000])
    """
    steps = raw[..., :4].sigmoid() * 2
    return torch.cat([steps[..., :2] - 0.5, steps[..., 2:] ** 2 * anchor], dim=-1)


def in_cells(anchors: Anchors, rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """Anchors [anchors, 2] as widths and heights in cells, of the type and on the device of another tensor."""
    return torch.tensor(anchors, dtype=like.dtype, device=like.device) * like.new_tensor([columns, rows])
