"""The fully connected layer, in float32 C a convolution of one pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spaces.lanes import ratio
from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.kernel import KernelKind, kernel_kind
from spaces.tensors import Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["linear_op"]


def linear_op(x: Shape, units: int, *, activation: str = "none", source: int = 0, bias: bool | None = None) -> Op:
    """A fully connected layer as one operator: N*M weights, entropy width M."""
    weights = x.size * units
    return Op(
        "linear", (source,), Shape(units), weights, weights, width=ratio(units, 1), activation=activation, bias=bias
    )


def _module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.Linear` over the flattened input, in torch's order: channels, rows, columns."""
    from torch import nn

    from spaces.operators.computed import FlatLinear

    if x.size == x.channels:
        return FlatLinear(x.size, op.out.channels, bias=bias)
    return nn.Sequential(nn.Flatten(), nn.Linear(x.size, op.out.channels, bias=bias))


def _narrowed(op: Op, x: Shape, width: int) -> Mapping[str, Any]:
    return {"weights": x.size * width, "macs": x.size * width}


operator(OperatorKind("linear", _module, plain_kernel, produces=True, narrowed=_narrowed, fused_relu=True))
kernel_kind(KernelKind(
    "linear", lambda kernel, dtype: "linear" if dtype == "int8" else "conv", weights=True, whole=True,
    clamps=True,
))  # fmt: skip
