"""Flattening: the same elements as a vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.kernel import KernelKind, kernel_kind
from spaces.tensors import Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["flatten_op"]


def flatten_op(x: Shape) -> Op:
    """A view, no work and no new buffer."""
    return Op("flatten", (0,), Shape(x.size), in_place=True)


def _module(op: Op, x: Shape, bias: bool) -> nn.Module:
    from torch import nn

    return nn.Flatten()


def _channels(op: Op, operands: Sequence[NDArray[np.int64]], area: int) -> NDArray[np.int64]:
    """Every element of the vector is its channel's."""
    return np.repeat(operands[0], area)


operator(OperatorKind("flatten", _module, plain_kernel, view=True, channels=_channels))
kernel_kind(KernelKind("flatten", lambda kernel, dtype: "", lambda kernel, x: x[0].flatten(1), copies=True, view=True))
