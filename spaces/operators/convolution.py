"""Convolutions: standard, depthwise and pointwise; and a batch norm on its own, a depthwise one of a single pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spaces.lanes import ratio
from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.depthwise_function import FLOAT_BLOCK
from spaces.operators.kernel import Kernel, KernelKind, kernel_kind
from spaces.tensors import Infeasible, Pair, Shape, pads, window

if TYPE_CHECKING:
    from torch import nn

__all__ = ["conv_op", "depthwise_op", "norm_op", "pointwise_op"]


def conv_op(
    x: Shape,
    filters: int,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: str | Pair = "same",
    *,
    kind: str = "conv",
    groups: int = 1,
    activation: str = "none",
    source: int = 0,
    norm: bool = True,
) -> Op:
    """A convolution as one operator; K*K*N*M/g weights (EBS Sec. III-C), entropy width M*K*K/g (Eq. 6).

    Raises:
        Infeasible: a side vanishes, or the groups do not divide the channels.
    """
    if x.channels % groups or filters % groups:
        raise Infeasible(f"{groups} groups do not divide {x.channels} input and {filters} output channels")
    out = window(x, filters, kernel, stride, padding)
    weights = kernel[0] * kernel[1] * (x.channels // groups) * filters
    width = ratio(filters * kernel[0] * kernel[1], groups)
    border = pads(x, out, kernel, stride, padding)
    return Op(
        kind, (source,), out, weights, weights * out.height * out.width, width=width, activation=activation,
        kernel=kernel, stride=stride, pads=border, groups=groups, norm=norm,
    )  # fmt: skip


def depthwise_op(
    x: Shape, kernel: Pair, stride: Pair, padding: str | Pair, *, activation: str = "none", source: int = 0
) -> Op:
    """A depthwise convolution as one operator: K*K*N weights, entropy width K*K."""
    n = x.channels
    return conv_op(x, n, kernel, stride, padding, kind="depthwise", groups=n, activation=activation, source=source)


def pointwise_op(x: Shape, filters: int, *, activation: str = "none", source: int = 0) -> Op:
    """A 1x1 convolution as one operator: N*M weights, entropy width M."""
    return conv_op(x, filters, (1, 1), kind="pointwise", activation=activation, source=source)


def norm_op(x: Shape) -> Op:
    """A batch norm that follows no convolution."""
    return Op("batch_norm", (0,), x, in_place=True, norm=True)


def _module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.Conv2d`; a series is an image of one row. Uneven padding, which Conv2d lacks, is a layer of its own."""
    from torch import nn

    top, bottom, left, right = op.pads
    even = top == bottom and left == right
    conv = nn.Conv2d(
        x.channels, op.out.channels, op.kernel, op.stride, (top, left) if even else 0, groups=op.groups, bias=bias
    )
    return conv if even else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)


def _norm_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    from torch import nn

    return nn.BatchNorm2d(x.channels)


def _narrowed(op: Op, x: Shape, width: int) -> Mapping[str, Any]:
    groups = x.channels if op.kind == DEPTHWISE.name else op.groups
    weights = op.kernel[0] * op.kernel[1] * (x.channels // groups) * width
    return {"groups": groups, "weights": weights, "macs": weights * op.out.height * op.out.width}


def _special(op: Op, x: Shape) -> str:
    """Runtimes have special kernels for two special convolutions."""
    if op.groups == x.channels > 1:
        return DEPTHWISE.name
    return POINTWISE.name if op.groups == 1 and op.kernel == (1, 1) else op.kind


def _norm_kernel(op: Op, x: Shape, operands: tuple[int, ...]) -> Kernel:
    return Kernel(DEPTHWISE.name, operands[:1], x, op.out, groups=op.out.channels)


CONV = operator(OperatorKind(
    "conv", _module, plain_kernel, produces=True, narrowed=_narrowed, fused_relu=True, runs_as=_special,
))  # fmt: skip
POINTWISE = operator(replace(CONV, name="pointwise", runs_as=lambda op, x: op.kind))
DEPTHWISE = operator(replace(POINTWISE, name="depthwise", produces=False, per_channel=True))
operator(OperatorKind("batch_norm", _norm_module, _norm_kernel, normalises=True, fused_relu=True))


def _c(kernel: Kernel, dtype: str) -> str:
    """A filter per channel, and a window that is the whole input, have functions of their own.

    In float32 the first has one from four channels on, and the second none.
    """
    if kernel.groups == kernel.x.channels == kernel.out.channels and (dtype == "int8" or kernel.groups >= FLOAT_BLOCK):
        return "depthwise"
    whole = kernel.groups == 1 and kernel.kernel == kernel.x[1:] and kernel.out[1:] == (1, 1) and not any(kernel.pads)
    return "linear" if dtype == "int8" and whole else "conv"


for _kind in (CONV, POINTWISE, DEPTHWISE):
    kernel_kind(KernelKind(_kind.name, _c, weights=True, clamps=True))
