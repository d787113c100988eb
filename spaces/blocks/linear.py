"""Fully connected layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.blocks.base import Activation, Count, block
from spaces.operators import Ops
from spaces.operators.linear import linear_op
from spaces.tensors import Shape

if TYPE_CHECKING:
    pass

__all__ = ["linear"]


@block("linear", ranks=(0, 1, 2), out_rank=0, classifies=True)
def linear(x: Shape, *, units: Count, activation: Activation = "none") -> Ops:
    """A fully connected layer over all elements of its input.

    Example:
        >>> linear(Shape(640), units=128)[0].weights
        81920
    """
    return (linear_op(x, units, activation=activation),)
