"""Flatten a feature map into a vector: a view, no work and no new buffer."""

from __future__ import annotations

from spaces.blocks.base import Op, Ops, block
from spaces.tensors import Shape

__all__ = ["flatten"]


@block("flatten", numbered=False, ranks=(0, 1, 2), out_rank=0)
def flatten(x: Shape) -> Ops:
    """The same elements as a vector.

    Example:
        >>> flatten(Shape(8, 4, 2))[0].out.channels
        64
    """
    return (Op("flatten", (0,), Shape(x.size), in_place=True),)
