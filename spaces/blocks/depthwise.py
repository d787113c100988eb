"""Depthwise convolution: one filter per channel."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Op, Ops, Padding, Window, block
from spaces.blocks.conv import along, conv_op
from spaces.tensors import Pair, Shape

__all__ = ["depthwise", "depthwise1d", "depthwise_op"]


def depthwise_op(
    x: Shape, kernel: Pair, stride: Pair, padding: str | Pair, *, activation: str = "none", source: int = 0
) -> Op:
    """A depthwise convolution as one operator: K*K*N weights, entropy width K*K."""
    n = x.channels
    return conv_op(x, n, kernel, stride, padding, kind="depthwise", groups=n, activation=activation, source=source)


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
