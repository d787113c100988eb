"""Fully connected layer."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from spaces.blocks.base import Activation, Count, Op, Ops, block, torch_module
from spaces.tensors import Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["linear", "linear_module", "linear_op"]


def linear_op(x: Shape, units: int, *, activation: str = "none", source: int = 0, bias: bool | None = None) -> Op:
    """A fully connected layer as one operator: N*M weights, entropy width M."""
    weights = x.size * units
    return Op("linear", (source,), Shape(units), weights, weights, Fraction(units), activation, bias=bias)


@block("linear", ranks=(0, 1, 2), out_rank=0)
def linear(x: Shape, *, units: Count, activation: Activation = "none") -> Ops:
    """A fully connected layer over all elements of its input.

    Example:
        >>> linear(Shape(640), units=128)[0].weights
        81920
    """
    return (linear_op(x, units, activation=activation),)


@torch_module("linear")
def linear_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.Linear` over the flattened input, in torch's order: channels, rows, columns."""
    from torch import nn

    linear = nn.Linear(x.size, op.out.channels, bias=bias)
    return linear if x.size == x.channels else nn.Sequential(nn.Flatten(), linear)
