"""Pooling: windowed maximum and average, and their global forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.blocks.base import Count, Op, Ops, Padding, Window, block, torch_module
from spaces.blocks.conv import along
from spaces.tensors import Pair, Shape, pads, window

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "avg_pool", "avg_pool1d", "avg_pool_module", "global_avg_pool", "global_avg_pool_module", "global_max_pool",
    "global_max_pool_module", "max_pool", "max_pool1d", "max_pool_module", "pool_op",
]  # fmt: skip


def _pool(kind: str, x: Shape, kernel: Pair, stride: Pair, padding: str | Pair) -> Ops:
    return (pool_op(kind, x, kernel, stride, padding),)


def pool_op(kind: str, x: Shape, kernel: Pair, stride: Pair, padding: str | Pair, source: int = 0) -> Op:
    """A pooling as one operator. Averages are over the elements that exist, never over padding."""
    out = window(x, x.channels, kernel, stride, padding)
    return Op(kind, (source,), out, kernel=kernel, stride=stride, pads=pads(x, out, kernel, stride, padding))


@block("max_pool")
def max_pool(x: Shape, *, kernel: Window = (2, 2), stride: Window = (2, 2), padding: Padding = "valid") -> Ops:
    """The maximum over each window.

    Example:
        >>> max_pool(Shape(8, 25, 5))[0].out
        Shape(channels=8, height=12, width=2)
    """
    return _pool("max_pool", x, kernel, stride, padding)


@block("avg_pool")
def avg_pool(x: Shape, *, kernel: Window = (2, 2), stride: Window = (2, 2), padding: Padding = "valid") -> Ops:
    """The average over each window."""
    return _pool("avg_pool", x, kernel, stride, padding)


@block("max_pool1d", ranks=(1,))
def max_pool1d(x: Shape, *, kernel: Count = 2, stride: Count = 2, padding: Padding = "valid") -> Ops:
    """The maximum over each window of a series."""
    return _pool("max_pool", x, (1, kernel), (1, stride), along(padding))


@block("avg_pool1d", ranks=(1,))
def avg_pool1d(x: Shape, *, kernel: Count = 2, stride: Count = 2, padding: Padding = "valid") -> Ops:
    """The average over each window of a series."""
    return _pool("avg_pool", x, (1, kernel), (1, stride), along(padding))


@block("global_avg_pool", numbered=False, ranks=(1, 2), out_rank=0)
def global_avg_pool(x: Shape) -> Ops:
    """The average of each channel; not a numbered layer (EBS Eq. 4 counts convolutions and linear layers)."""
    return (Op("global_avg_pool", (0,), Shape(x.channels)),)


@block("global_max_pool", numbered=False, ranks=(1, 2), out_rank=0)
def global_max_pool(x: Shape) -> Ops:
    """The maximum of each channel; not a numbered layer."""
    return (Op("global_max_pool", (0,), Shape(x.channels)),)


@torch_module("max_pool")
def max_pool_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.MaxPool2d`, padded so that padding never is the maximum."""
    from torch import nn

    pool = nn.MaxPool2d(op.kernel, op.stride)
    top, bottom, left, right = op.pads
    return nn.Sequential(nn.ConstantPad2d((left, right, top, bottom), float("-inf")), pool) if any(op.pads) else pool


@torch_module("avg_pool")
def avg_pool_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.AvgPool2d` without padding, or with it where it does the same; else the average over what exists."""
    from torch import nn

    from spaces.operators.torch_layers import PaddedAvgPool

    top, bottom, left, right = op.pads
    if top == bottom <= op.kernel[0] // 2 and left == right <= op.kernel[1] // 2:
        return nn.AvgPool2d(op.kernel, op.stride, (top, left), count_include_pad=False)
    return PaddedAvgPool(op.kernel, op.stride, op.pads)


@torch_module("global_avg_pool")
def global_avg_pool_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """The average of each channel, as a vector."""
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


@torch_module("global_max_pool")
def global_max_pool_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """The maximum of each channel, as a vector."""
    from torch import nn

    return nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
