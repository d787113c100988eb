"""Blocks that keep the shape: activation and batch norm on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.blocks.base import block
from spaces.operators import Ops
from spaces.operators.clamp import relu_op
from spaces.operators.convolution import norm_op
from spaces.tensors import Shape

if TYPE_CHECKING:
    pass

__all__ = ["norm", "relu"]


@block("relu", numbered=False, ranks=(0, 1, 2))
def relu(x: Shape) -> Ops:
    """A ReLU of its own, before a convolution instead of after one; overwrites its input.

    Example:
        >>> relu(Shape(16, 8, 8))[0].in_place
        True
    """
    return (relu_op(x),)


@block("norm", numbered=False, ranks=(1, 2))
def norm(x: Shape) -> Ops:
    """A batch norm that follows no convolution, so that a scale and a shift per channel always stay."""
    return (norm_op(x),)
