"""ConvMixer block (Trockman and Kolter 2023): a depthwise convolution with a skip, then a pointwise convolution."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Window, block
from spaces.operators import Ops
from spaces.operators.convolution import depthwise_op, pointwise_op
from spaces.operators.sums import add_op
from spaces.tensors import Pair, Shape

__all__ = ["convmixer", "convmixer1d"]


def _ops(x: Shape, filters: int, kernel: Pair, activation: str) -> Ops:
    mixed = depthwise_op(x, kernel, (1, 1), "same", activation=activation)
    add = add_op(0, 1, x)
    return mixed, add, pointwise_op(x, filters, activation=activation, source=2)


@block("convmixer")
def convmixer(x: Shape, *, filters: Count, kernel: Window = (7, 7), activation: Activation = "relu") -> Ops:
    """A ConvMixer block, one fused layer in the ping-pong RAM model.

    Example:
        >>> sum(op.weights for op in convmixer(Shape(256, 16, 16), filters=256))
        78080
    """
    return _ops(x, filters, kernel, activation)


@block("convmixer1d", ranks=(1,))
def convmixer1d(x: Shape, *, filters: Count, kernel: Count = 7, activation: Activation = "relu") -> Ops:
    """A ConvMixer block over a series."""
    return _ops(x, filters, (1, kernel), activation)
