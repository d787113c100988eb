"""Operators that keep the shape: activation and batch norm on their own, sums, and what is left of a missing path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.blocks.base import Op, Ops, block, torch_module
from spaces.tensors import Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["batch_norm_module", "norm", "relu", "scale_module", "sum_module", "zeros_module"]


@block("relu", numbered=False, ranks=(0, 1, 2))
def relu(x: Shape) -> Ops:
    """A ReLU of its own, before a convolution instead of after one; overwrites its input.

    Example:
        >>> relu(Shape(16, 8, 8))[0].in_place
        True
    """
    return (Op("relu", (0,), x, activation="relu", in_place=True),)


@block("norm", numbered=False, ranks=(1, 2))
def norm(x: Shape) -> Ops:
    """A batch norm that follows no convolution, so that a scale and a shift per channel always stay."""
    return (Op("batch_norm", (0,), x, in_place=True, norm=True),)


@torch_module("batch_norm")
def batch_norm_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.BatchNorm2d`."""
    from torch import nn

    return nn.BatchNorm2d(x.channels)


@torch_module("add", "identity", "relu")
def sum_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """Nothing to do: operands are summed before a module runs, and the activation follows it."""
    from torch import nn

    return nn.Identity()


@torch_module("zeros")
def zeros_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """Zeros in the shape of its input."""
    from spaces.operators.torch_layers import Zeros

    return Zeros()


@torch_module("scale")
def scale_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """The input times a constant."""
    from spaces.operators.torch_layers import Scale

    return Scale(op.scale)
