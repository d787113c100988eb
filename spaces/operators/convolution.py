"""Convolutions: standard, depthwise and pointwise; and a batch norm on its own, a depthwise one of a single pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from spaces.lanes import ratio
from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.kernel import CFunction, Kernel, KernelCall, KernelKind, c_function, kernel_kind
from spaces.operators.sliding import columns_inside, rows_inside, sliding, window_counts
from spaces.tensors import Infeasible, Pair, Shape, pads, window

if TYPE_CHECKING:
    from torch import nn

__all__ = ["conv_op", "depthwise_op", "norm_op", "pointwise_op"]

#: Channels that one pass over a window computes together.
_BLOCK = 4


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
    """A convolution with a filter per channel has a function of its own from four channels on."""
    return "depthwise" if kernel.groups == kernel.x.channels == kernel.out.channels >= _BLOCK else "conv"


def _weights(call: Kernel | KernelCall) -> int:
    rows, columns = call.kernel
    return call.out.channels * (call.x.channels // call.groups) * rows * columns


for _kind in (CONV, POINTWISE, DEPTHWISE):
    kernel_kind(KernelKind(_kind.name, _c, weights=_weights, clamps=True))


def _conv_loops(call: KernelCall, dtype: str) -> dict[str, int]:
    """Window row by window row; without groups a row is one run of memory, with groups each of its pixels is.

    `group` of the convolution, `block` of four output channels, `single` channels where a group has fewer; `run`,
    pieces of memory summed in one go; `word` and `tail`, four weights at a time and those left over.
    """
    depth, share = call.x.channels // call.groups, call.out.channels // call.groups
    many = share >= _BLOCK
    blocks = call.groups * -(-share // _BLOCK) if many else call.out.channels
    pixels = call.out.height * call.out.width
    rows, taps = window_counts(call)
    result = sliding(call) | {
        "group": pixels * call.groups, "block": pixels * blocks * many, "single": pixels * blocks * (not many),
        "window_row": rows * blocks, "run": (rows if call.groups == 1 else taps) * blocks,
    }  # fmt: skip
    if dtype != "int8":
        return result | {"tap": taps * depth * blocks}
    in_runs = (n * depth // 4 if call.groups == 1 else n * (depth // 4) for n in columns_inside(call))
    words = sum(rows_inside(call)) * sum(in_runs)
    return result | {"word": words * blocks, "tail": (taps * depth - 4 * words) * blocks}


def _depthwise_loops(call: KernelCall, dtype: str) -> dict[str, int]:
    blocks = -(-call.out.channels // _BLOCK)
    rows, taps = window_counts(call)
    pixels = call.out.height * call.out.width
    return sliding(call) | {"block": pixels * blocks, "window_row": rows * blocks, "tap": taps * blocks}


_SLIDING = ("call", "row", "pixel")
_CONV = (*_SLIDING, "group", "block", "single", "window_row", "run")
_DEPTHWISE = (*_SLIDING, "block", "window_row", "tap")
c_function(CFunction(
    "conv", {"int8": (*_CONV, "word", "tail"), "float32": (*_CONV, "tap")}, _conv_loops, _weights,
))  # fmt: skip
c_function(CFunction(
    "depthwise", {"int8": _DEPTHWISE, "float32": _DEPTHWISE}, _depthwise_loops, _weights,
))  # fmt: skip
