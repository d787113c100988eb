"""Flatten a feature map into a vector: a view, no work and no new buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.blocks.base import Op, Ops, block, torch_module
from spaces.tensors import Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["flatten", "flatten_module"]


@block("flatten", numbered=False, ranks=(0, 1, 2), out_rank=0)
def flatten(x: Shape) -> Ops:
    """The same elements as a vector.

    Example:
        >>> flatten(Shape(8, 4, 2))[0].out.channels
        64
    """
    return (Op("flatten", (0,), Shape(x.size), in_place=True),)


@torch_module("flatten")
def flatten_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.Flatten`."""
    from torch import nn

    return nn.Flatten()
