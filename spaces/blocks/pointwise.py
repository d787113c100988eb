"""Pointwise (1x1) convolution: mixes channels, keeps the rest."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, block
from spaces.operators import Ops
from spaces.operators.convolution import pointwise_op
from spaces.tensors import Shape

__all__ = ["pointwise"]


@block("pointwise", ranks=(1, 2))
def pointwise(x: Shape, *, filters: Count, activation: Activation = "relu") -> Ops:
    """A 1x1 convolution, for images and series.

    Example:
        >>> pointwise(Shape(84, 25, 5), filters=112)[0].weights
        9408
    """
    return (pointwise_op(x, filters, activation=activation),)
