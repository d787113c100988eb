"""Convolutions: standard, depthwise and pointwise operators, and their blocks for images and series."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from spaces.blocks.base import Activation, Count, Op, Ops, Padding, Window, block, torch_module
from spaces.tensors import Infeasible, Pair, Shape, pads, window

if TYPE_CHECKING:
    from torch import nn

__all__ = ["conv", "conv1d", "conv_module", "conv_op"]


def conv_op(
    x: Shape,
    filters: int,
    kernel: Pair,
    stride: Pair,
    padding: str | Pair,
    *,
    kind: str = "conv",
    groups: int = 1,
    activation: str = "none",
    source: int = 0,
    norm: bool = True,
) -> Op:
    """A convolution as one operator; K*K*N*M/g weights (EBS Sec. III-C), entropy width M*K*K/g (Eq. 6).

    Raises:
        Infeasible: a side vanishes, or the groups do not divide the channels.
    """
    if x.channels % groups or filters % groups:
        raise Infeasible(f"{groups} groups do not divide {x.channels} input and {filters} output channels")
    out = window(x, filters, kernel, stride, padding)
    weights = kernel[0] * kernel[1] * (x.channels // groups) * filters
    width = Fraction(filters * kernel[0] * kernel[1], groups)
    border = pads(x, out, kernel, stride, padding)
    return Op(
        kind, (source,), out, weights, weights * out.height * out.width, width, activation,
        kernel=kernel, stride=stride, pads=border, groups=groups, norm=norm,
    )  # fmt: skip


@torch_module("conv", "depthwise", "pointwise")
def conv_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.Conv2d`; a series is an image of one row. Uneven padding, which Conv2d lacks, is a layer of its own."""
    from torch import nn

    top, bottom, left, right = op.pads
    even = top == bottom and left == right
    conv = nn.Conv2d(
        x.channels, op.out.channels, op.kernel, op.stride, (top, left) if even else 0, groups=op.groups, bias=bias
    )
    return conv if even else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)


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
