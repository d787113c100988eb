"""Pooling: windowed maximum and average, and their global forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.gap import pool_gap
from spaces.operators.kernel import (
    CFunction,
    Gap,
    InstructionSet,
    Kernel,
    KernelCall,
    KernelKind,
    VectorLoops,
    c_function,
    kernel_kind,
)
from spaces.operators.sliding import columns_inside, rows_inside, sliding, window_counts
from spaces.tensors import Pads, Pair, Shape, pads, window

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["average", "global_pool_op", "pool_op"]

#: Channels that one pass over a window computes together.
_BLOCK = 4
#: Elements of a window of which a sum is sure to take 16 bits.
_MOST = 255


def pool_op(kind: str, x: Shape, kernel: Pair, stride: Pair, padding: str | Pair, source: int = 0) -> Op:
    """A pooling as one operator. Averages are over the elements that exist, never over padding."""
    out = window(x, x.channels, kernel, stride, padding)
    return Op(kind, (source,), out, kernel=kernel, stride=stride, pads=pads(x, out, kernel, stride, padding))


def global_pool_op(kind: str, x: Shape, source: int = 0) -> Op:
    """A pooling over all of each channel."""
    return Op(kind, (source,), Shape(x.channels))


def average(x: torch.Tensor, kernel: Pair, stride: Pair, pads: Pads) -> torch.Tensor:
    """The average over those elements of each window that exist, under any padding: [n, c, h, w] -> [n, c, ...].

    Example:
        >>> import torch
        >>> average(torch.ones(1, 1, 3, 3), (2, 2), (2, 2), (0, 1, 0, 1)).tolist()
        [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    import torch
    from torch.nn import functional

    top, bottom, left, right = pads
    sums, counts = (
        functional.avg_pool2d(functional.pad(t, (left, right, top, bottom)), kernel, stride, divisor_override=1)
        for t in (x, torch.ones_like(x[:1, :1]))
    )
    # A window that lies in the padding altogether averages nothing: zero.
    return sums / counts.clamp(min=1)


def _max_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.MaxPool2d`, padded so that padding never is the maximum."""
    from torch import nn

    pool = nn.MaxPool2d(op.kernel, op.stride)
    top, bottom, left, right = op.pads
    return nn.Sequential(nn.ConstantPad2d((left, right, top, bottom), float("-inf")), pool) if any(op.pads) else pool


def _avg_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.AvgPool2d` without padding, or with it where it does the same; else the average over what exists."""
    from torch import nn

    from spaces.operators.computed import Computed

    top, bottom, left, right = op.pads
    if top == bottom <= op.kernel[0] // 2 and left == right <= op.kernel[1] // 2:
        return nn.AvgPool2d(op.kernel, op.stride, (top, left), count_include_pad=False)
    return Computed(average, kernel=op.kernel, stride=op.stride, pads=op.pads)


def _global_avg_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def _global_max_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    from torch import nn

    return nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())


def _maximum(kernel: Kernel, x: list[torch.Tensor]) -> torch.Tensor:
    from torch.nn import functional

    top, bottom, left, right = kernel.pads
    padded = functional.pad(x[0], (left, right, top, bottom), value=float("-inf"))
    return functional.max_pool2d(padded, kernel.kernel, kernel.stride)


def _single(op: Op, x: Shape) -> bool:
    """Whether every window is one element, and every element has one."""
    return op.kernel == (1, 1) and op.out == x


operator(OperatorKind("max_pool", _max_module, plain_kernel, fused_relu=True, passes=_single))
operator(OperatorKind("avg_pool", _avg_module, plain_kernel, fused_relu=True, passes=_single))
operator(OperatorKind("global_max_pool", _global_max_module, plain_kernel))
operator(OperatorKind("global_avg_pool", _global_avg_module, plain_kernel))

kernel_kind(KernelKind("max_pool", lambda kernel, dtype: "max_pool", _maximum, copies=True))
kernel_kind(KernelKind(
    "avg_pool", lambda kernel, dtype: "avg_pool",
    lambda kernel, x: average(x[0], kernel.kernel, kernel.stride, kernel.pads), clamps=True,
    # One for each number of elements that can lie inside the input.
    factors=lambda kernel: kernel.kernel[0] * kernel.kernel[1],
))  # fmt: skip
kernel_kind(KernelKind(
    "global_max_pool", lambda kernel, dtype: "global_max_pool", lambda kernel, x: x[0].amax((2, 3)), copies=True,
))  # fmt: skip
kernel_kind(KernelKind(
    "global_avg_pool", lambda kernel, dtype: "global_avg_pool", lambda kernel, x: x[0].mean((2, 3)), clamps=True,
    factors=lambda kernel: 1,
))  # fmt: skip


def _loops(call: KernelCall, dtype: str) -> dict[str, int]:
    """In int8 `block`s of four channels in a `wide` call, the last of which may have been computed in part before, or,
    of fewer channels and of large averages, each on its own, `single`; in float32 each `channel`. In each are `row`s
    of a window, and its elements, `tap`s.
    """
    rows, taps = window_counts(call)
    channels = call.out.channels
    if dtype != "int8":
        return sliding(call) | {"channel": call.out.size, "window_row": rows * channels, "tap": taps * channels}
    pixels = call.out.height * call.out.width
    many = channels >= _BLOCK and (call.name == "max_pool" or call.kernel[0] * call.kernel[1] <= _MOST)
    blocks, singles = -(-channels // _BLOCK) * many, channels * (not many)
    return sliding(call) | {
        "wide": int(many), "wide_pixel": pixels * many, "block": pixels * blocks, "block_row": rows * blocks,
        "block_tap": taps * blocks, "narrow_pixel": pixels * (not many), "single": pixels * singles,
        "single_row": rows * singles, "single_tap": taps * singles,
    }  # fmt: skip


def _average_loops(call: KernelCall, dtype: str) -> dict[str, int]:
    """The same, but for rows of a block's windows in int8 with three elements, `triple`s."""
    found = _loops(call, dtype)
    if dtype != "int8":
        return found
    blocks = found["block"] // found["pixel"]
    triples = blocks * sum(rows_inside(call)) * columns_inside(call).count(3)
    rows, taps = found["block_row"] - triples, found["block_tap"] - 3 * triples
    return found | {"block_row": rows, "block_tap": taps, "triple": triples}


def _gap(call: KernelCall, dtype: str, isa: InstructionSet) -> Gap:
    return pool_gap(call)


def _global_loops(call: KernelCall, dtype: str) -> dict[str, int]:
    """Each `channel`, and its elements, `tap`s.

    Averages in int8 are of `block`s of four channels, whose elements are `block_tap`s, or of one of fewer, `tap`s.
    """
    channels, pixels = call.out.channels, call.x.height * call.x.width
    if dtype != "int8" or call.name != "global_avg_pool":
        return {"call": 1, "channel": channels, "tap": pixels * channels}
    many, count = channels >= _BLOCK, _BLOCK if channels >= _BLOCK else 1
    blocks = -(-channels // count)
    return {
        "call": 1, "block": blocks, "output": blocks * count, "block_tap": blocks * pixels * many,
        "tap": blocks * pixels * (not many),
    }  # fmt: skip


def _vectors(length: int) -> VectorLoops:
    """Of each pixel `block`s of so many channels, in these `block_row`s of the window, and its elements, `tap`s."""

    def count(call: KernelCall) -> dict[str, int]:
        blocks, (rows, taps) = -(-call.out.channels // length), window_counts(call)
        pixels = call.out.height * call.out.width
        return sliding(call) | {"block": pixels * blocks, "block_row": rows * blocks, "tap": taps * blocks}

    return VectorLoops((*_SLIDING, "block", "block_row", "tap"), count)


def _global_vectors(length: int) -> VectorLoops:
    """`block`s of so many channels, and their elements, `tap`s."""

    def count(call: KernelCall) -> dict[str, int]:
        blocks = -(-call.out.channels // length)
        return {"call": 1, "block": blocks, "tap": blocks * call.x.height * call.x.width}

    return VectorLoops(("call", "block", "tap"), count)


_SLIDING = ("call", "row", "pixel")
_POOL = {
    "int8": (*_SLIDING, "wide", "wide_pixel", "block", "block_row", "block_tap", "narrow_pixel", "single", "single_row",
             "single_tap"),
    "float32": (*_SLIDING, "channel", "window_row", "tap"),
}  # fmt: skip
_GLOBAL = ("call", "channel", "tap")
c_function(CFunction(
    "avg_pool", _POOL | {"int8": (*_POOL["int8"], "triple")}, _average_loops, gap=_gap, vector=_vectors(4),
))  # fmt: skip
c_function(CFunction("max_pool", _POOL, _loops, gap=_gap, vector=_vectors(16)))
c_function(CFunction(
    "global_avg_pool", {"int8": ("call", "block", "output", "block_tap", "tap"), "float32": _GLOBAL},
    _global_loops, vector=_global_vectors(4),
))  # fmt: skip
c_function(CFunction(
    "global_max_pool", {"int8": _GLOBAL, "float32": _GLOBAL}, _global_loops, vector=_global_vectors(16),
))  # fmt: skip
