"""Detection head of YOLOv5 on one scale: what the boxes are decoded from, at every place and for every anchor."""

from __future__ import annotations

from dataclasses import replace

from spaces.blocks.base import Count, block
from spaces.operators import Ops
from spaces.operators.convolution import conv_op
from spaces.tensors import Shape

__all__ = ["yolo_head"]


@block("yolo_head")
def yolo_head(x: Shape, *, classes: Count, anchors: Count = 3) -> Ops:
    """A 1x1 convolution with biases to anchors * (5 + classes) channels: box, objectness and class scores per anchor.

    It is one scale of YOLOv5's three: a chain of blocks carries one tensor, so there is no feature pyramid that joins
    scales. The sizes of the anchors, the decoding of boxes and the non-maximum suppression are no part of the network.

    Example:
        >>> yolo_head(Shape(128, 8, 8), classes=80)[0].out
        Shape(channels=255, height=8, width=8)
    """
    head = conv_op(x, anchors * (5 + classes), (1, 1), (1, 1), "same", kind="pointwise", norm=False)
    return (replace(head, bias=True),)
