"""Standard convolutions of images and series."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Padding, Window, block
from spaces.operators import Ops
from spaces.operators.convolution import conv_op
from spaces.tensors import Pair, Shape

__all__ = ["along", "conv", "conv1d"]


@block("conv")
def conv(
    x: Shape,
    *,
    filters: Count,
    kernel: Window = (3, 3),
    stride: Window = (1, 1),
    padding: Padding = "same",
    groups: Count = 1,
    activation: Activation = "relu",
) -> Ops:
    """A standard convolution.

    Example:
        >>> conv(Shape(1, 49, 10), filters=84, kernel=(10, 4))[0].weights
        3360
    """
    return (conv_op(x, filters, kernel, stride, padding, groups=groups, activation=activation),)


@block("conv1d", ranks=(1,))
def conv1d(
    x: Shape,
    *,
    filters: Count,
    kernel: Count = 3,
    stride: Count = 1,
    padding: Padding = "same",
    groups: Count = 1,
    activation: Activation = "relu",
) -> Ops:
    """A standard convolution over a series."""
    op = conv_op(x, filters, (1, kernel), (1, stride), along(padding), groups=groups, activation=activation)
    return (op,)


def along(padding: str | Pair) -> str | Pair:
    """A series is padded along its length only; its one row never is."""
    return padding if isinstance(padding, str) else (0, padding[1])
