"""The product of a gate per channel and a feature map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.kernel import CFunction, KernelKind, c_function, kernel_kind, pixelwise, pixelwise_by_vectors
from spaces.tensors import Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["gated", "product_op"]


def product_op(gates: int, x: int, out: Shape) -> Op:
    """The product of two tensors of a block, given by their numbers; it overwrites the second."""
    return Op("mul", (gates, x), out, in_place=True)


def gated(gates: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """[n, c], [n, c, h, w] -> [n, c, h, w].

    Example:
        >>> import torch
        >>> gated(torch.tensor([[0.5, 2]]), torch.ones(1, 2, 1, 3)).tolist()
        [[[[0.5, 0.5, 0.5]], [[2.0, 2.0, 2.0]]]]
    """
    return gates[:, :, None, None] * x


def _module(op: Op, x: Shape, bias: bool) -> nn.Module:
    from spaces.operators.computed import Computed

    return Computed(gated)


operator(OperatorKind(
    "mul", _module, plain_kernel, joins=True, channels=lambda op, operands, area: operands[-1],
))  # fmt: skip
kernel_kind(KernelKind(
    "mul", lambda kernel, dtype: "mul", lambda kernel, x: gated(*x), clamps=True, in_place=True, calls="both",
    factors=lambda kernel: 1,
))  # fmt: skip
_LOOPS = ("call", "pixel", "element")
c_function(
    CFunction(
        "mul",
        {"int8": _LOOPS, "float32": _LOOPS},
        pixelwise,
        operands=2,
        vector=pixelwise_by_vectors(lambda call: call.out.channels),
    )
)
