"""What is left of a path that is not there: zeros in the shape of its input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.kernel import CFunction, KernelKind, c_function, elementwise, kernel_kind
from spaces.tensors import Shape

if TYPE_CHECKING:
    from torch import nn


__all__ = ["zeros_op"]


def zeros_op(x: Shape, source: int = 0) -> Op:
    """Zeros in the shape of a tensor of a block."""
    return Op("zeros", (source,), x)


def _module(op: Op, x: Shape, bias: bool) -> nn.Module:
    import torch

    from spaces.operators.computed import Computed

    return Computed(torch.zeros_like)


operator(OperatorKind("zeros", _module, plain_kernel, zero=True))
kernel_kind(KernelKind("zeros", lambda kernel, dtype: "zeros", lambda kernel, x: x[0].new_zeros(x[0].shape)))
_LOOPS = ("call", "element")
c_function(CFunction("zeros", {"int8": _LOOPS, "float32": _LOOPS}, elementwise))
