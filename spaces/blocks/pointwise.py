"""Pointwise (1x1) convolution: mixes channels, keeps the rest."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Op, Ops, block
from spaces.blocks.conv import conv_op
from spaces.tensors import Shape

__all__ = ["pointwise", "pointwise_op"]


def pointwise_op(x: Shape, filters: int, *, activation: str = "none", source: int = 0) -> Op:
    """A 1x1 convolution as one operator: N*M weights, entropy width M."""
    return conv_op(x, filters, (1, 1), (1, 1), "same", kind="pointwise", activation=activation, source=source)


@block("pointwise", ranks=(1, 2))
def pointwise(x: Shape, *, filters: Count, activation: Activation = "relu") -> Ops:
    """A 1x1 convolution, for images and series.

    Example:
        >>> pointwise(Shape(84, 25, 5), filters=112)[0].weights
        9408
    """
    return (pointwise_op(x, filters, activation=activation),)
