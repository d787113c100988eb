"""What only sums its operands: additions and identities; and the factor of a super-network's operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Op, OperatorKind, always, nothing, operator
from spaces.operators.kernel import CFunction, KernelKind, by_vectors, c_function, elementwise, kernel_kind
from spaces.tensors import Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ADD", "add_op", "identity_op", "scale_op"]


def add_op(a: int, b: int, out: Shape, *, activation: str = "none", in_place: bool = True) -> Op:
    """The sum of two tensors of a block, given by their numbers; it overwrites the second."""
    return Op("add", (a, b), out, activation=activation, in_place=in_place)


def identity_op(x: Shape, source: int) -> Op:
    """A tensor that was there before, as the output of a block."""
    return Op("identity", (source,), x, in_place=True)


def scale_op(x: Shape, source: int, factor: float, origin: str) -> Op:
    """A tensor times a factor, for one of several operators on an edge."""
    return Op("scale", (source,), x, scale=factor, origin=origin)


def _scaled(op: Op, x: Shape, bias: bool) -> nn.Module:
    """The input times a constant."""
    import torch

    from spaces.operators.computed import Computed

    return Computed(torch.mul, other=op.scale)


operator(OperatorKind("add", nothing, view=True, fused_relu=True, passes=always))
operator(OperatorKind("identity", nothing, view=True, passes=always))
operator(OperatorKind(
    "scale", _scaled, view=True, passes=lambda op, x: op.scale == 1,
    cannot={"deploy": "it is part of super-networks, which are never deployed"},
))  # fmt: skip
ADD = kernel_kind(KernelKind(
    "add", lambda kernel, dtype: "add", lambda kernel, x: x[0] + x[1], clamps=True, in_place=True, calls="both",
    # Of the three one is a half.
    factors=lambda kernel: 2,
))  # fmt: skip
_LOOPS = ("call", "element")
c_function(CFunction("add", {"int8": _LOOPS, "float32": _LOOPS}, elementwise, operands=2, vector=by_vectors(4)))
