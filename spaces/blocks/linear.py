"""Fully connected layer."""

from __future__ import annotations

from fractions import Fraction

from spaces.blocks.base import Activation, Count, Op, Ops, block
from spaces.tensors import Shape

__all__ = ["linear"]


@block("linear", ranks=(0, 1, 2), out_rank=0)
def linear(x: Shape, *, units: Count, activation: Activation = "none") -> Ops:
    """A fully connected layer over all elements of its input: N*M weights, entropy width M.

    Example:
        >>> linear(Shape(640), units=128)[0].weights
        81920
    """
    weights = x.size * units
    return (Op("linear", (0,), Shape(units), weights, weights, Fraction(units), activation),)
