"""Pooling: windowed maximum and average, and their global forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.blocks.base import Count, Padding, Window, block
from spaces.blocks.conv import along
from spaces.operators import Ops
from spaces.operators.pooling import global_pool_op, pool_op
from spaces.tensors import Pair, Shape

if TYPE_CHECKING:
    pass

__all__ = ["avg_pool", "avg_pool1d", "global_avg_pool", "global_max_pool", "max_pool", "max_pool1d"]


def _pool(kind: str, x: Shape, kernel: Pair, stride: Pair, padding: str | Pair) -> Ops:
    return (pool_op(kind, x, kernel, stride, padding),)


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


@block("global_avg_pool", numbered=False, ranks=(1, 2), out_rank=0, pools_all=True)
def global_avg_pool(x: Shape) -> Ops:
    """The average of each channel; not a numbered layer (EBS Eq. 4 counts convolutions and linear layers)."""
    return (global_pool_op("global_avg_pool", x),)


@block("global_max_pool", numbered=False, ranks=(1, 2), out_rank=0, pools_all=True)
def global_max_pool(x: Shape) -> Ops:
    """The maximum of each channel; not a numbered layer."""
    return (global_pool_op("global_max_pool", x),)
