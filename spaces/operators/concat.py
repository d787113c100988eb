"""Concatenation of parallel branches along the channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.clamp import REQUANTISE
from spaces.operators.kernel import Kernel, KernelKind, kernel_kind
from spaces.tensors import Infeasible, Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["beside", "concat_op"]


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
    sides = shapes[0][1:]
    if any(shape[1:] != sides for shape in shapes):
        raise Infeasible(f"branches of shapes {', '.join(map(str, shapes))} cannot be concatenated")
    return Op("concat", tuple(branches), Shape(sum(shape.channels for shape in shapes), *sides))


def beside(*operands: torch.Tensor) -> torch.Tensor:
    """[n, c1, h, w], [n, c2, h, w], ... -> [n, c1 + c2 + ..., h, w].

    Example:
        >>> import torch
        >>> beside(torch.ones(1, 2, 3, 3), torch.ones(1, 4, 3, 3)).shape
        torch.Size([1, 6, 3, 3])
    """
    import torch

    return torch.cat(operands, dim=1)


def _module(op: Op, x: Shape, bias: bool) -> nn.Module:
    from spaces.operators.computed import Computed

    return Computed(beside)


def _c(kernel: Kernel, dtype: str) -> str:
    """Each operand is copied at another scale, to its channels of the output."""
    return REQUANTISE.c(kernel, dtype)


def _channels(op: Op, operands: Sequence[NDArray[np.int64]], area: int) -> NDArray[np.int64]:
    return np.concatenate(operands)


operator(OperatorKind(
    "concat", _module, plain_kernel, joins=True, ties=False, channels=_channels,
    passes=lambda op, x: len(op.inputs) == 1,
))  # fmt: skip
kernel_kind(KernelKind(
    "concat", _c, lambda kernel, x: beside(*x), clamps=True, calls="each", factors=lambda kernel: 1,
))  # fmt: skip
