"""Depthwise convolution: one filter per channel."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Padding, Window, block
from spaces.blocks.conv import along
from spaces.operators import Ops
from spaces.operators.convolution import depthwise_op
from spaces.tensors import Shape

__all__ = ["depthwise", "depthwise1d"]


@block("depthwise")
def depthwise(
    x: Shape,
    *,
    kernel: Window = (3, 3),
    stride: Window = (1, 1),
    padding: Padding = "same",
    activation: Activation = "relu",
) -> Ops:
    """A depthwise convolution; keeps the number of channels.

    Example:
        >>> depthwise(Shape(84, 25, 5))[0].weights
        756
    """
    return (depthwise_op(x, kernel, stride, padding, activation=activation),)


@block("depthwise1d", ranks=(1,))
def depthwise1d(
    x: Shape, *, kernel: Count = 3, stride: Count = 1, padding: Padding = "same", activation: Activation = "relu"
) -> Ops:
    """A depthwise convolution over a series."""
    return (depthwise_op(x, (1, kernel), (1, stride), along(padding), activation=activation),)
