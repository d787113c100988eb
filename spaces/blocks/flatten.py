"""Flatten a feature map into a vector: a view, no work and no new buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.blocks.base import block
from spaces.operators import Ops
from spaces.operators.flatten import flatten_op
from spaces.tensors import Shape

if TYPE_CHECKING:
    pass

__all__ = ["flatten"]


@block("flatten", numbered=False, ranks=(0, 1, 2), out_rank=0)
def flatten(x: Shape) -> Ops:
    """The same elements as a vector.

    Example:
        >>> flatten(Shape(8, 4, 2))[0].out.channels
        64
    """
    return (flatten_op(x),)
