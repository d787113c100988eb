"""Concatenation of parallel branches along the channels, an operator of several blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from spaces.blocks.base import Op, torch_module
from spaces.tensors import Infeasible, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["concat_module", "concat_op"]


def concat_op(branches: Mapping[int, Shape]) -> Op:
    """A concatenation as one operator: a copy, so its operands and its output are alive together.

    Args:
        branches: number of each operand in the block -> its shape, in the order of the output's channels.

    Raises:
        Infeasible: the branches differ in height or width.

    Example:
        >>> concat_op({1: Shape(8, 4, 4), 2: Shape(16, 4, 4)}).out
        Shape(channels=24, height=4, width=4)
    """
    shapes = list(branches.values())
    sides = {shape[1:] for shape in shapes}
    if len(sides) > 1:
        raise Infeasible(f"branches of shapes {', '.join(map(str, shapes))} cannot be concatenated")
    return Op("concat", tuple(branches), Shape(sum(shape.channels for shape in shapes), *sides.pop()))


@torch_module("concat")
def concat_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`torch.cat` along the channels."""
    from spaces.operators.torch_layers import Concat

    return Concat()
