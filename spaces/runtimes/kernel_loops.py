"""How often each loop of a C kernel runs for a given shape: what its instructions and cycles are proportional to.

The kernels of `nascompile deploy` have loops whose trip counts follow from shapes alone, and hardly a branch that
depends on data. So what a call takes is, up to those few branches, a sum over its loops: so much per call, per output
pixel, per block of four channels, per row of a window that lies inside the input, per word of four weights. The counts
here are those of `nascompile/deploy/c`; borders, remainders and channels computed twice are counted, not estimated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from spaces.blocks.base import Op
from spaces.runtimes.kernels import Kernel, layer_kernels
from spaces.runtimes.nascompile_c import c_kernel
from spaces.tensors import Pair, Shape

__all__ = ["LOOPS", "KernelCall", "kernel_calls", "loops"]

#: Channels that one pass over a window computes together.
_BLOCK = 4
#: Means of at most so many elements are rescaled by a shift of at most 32 bits, which takes another branch.
_SHORT = 4

_EACH = ("call", "element")
_SLIDING = ("call", "row", "pixel")
_POOL = (*_SLIDING, "channel", "window_row", "tap")
_CONV = (*_SLIDING, "group", "block", "single", "window_row", "run")
#: The loops of each C kernel, per data type: what `loops` counts.
LOOPS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "int8": {
        "conv": (*_CONV, "word", "tail"), "depthwise": (*_SLIDING, "block", "window_row", "tap"),
        "add": _EACH, "mul": ("call", "pixel", "element"), "requantise": ("call", "pixel", "element"),
        "avg_pool": (*_POOL, "short"), "max_pool": _POOL, "global_avg_pool": ("call", "channel", "tap"),
        "global_max_pool": ("call", "channel", "tap"), "lookup": _EACH, "zeros": _EACH,
    },
    "float32": {
        "conv": (*_CONV, "tap"), "depthwise": (*_SLIDING, "block", "window_row", "tap"),
        "add": _EACH, "mul": ("call", "pixel", "element"), "clip": ("call", "pixel", "element"),
        "avg_pool": _POOL, "max_pool": _POOL, "global_avg_pool": ("call", "channel", "tap"),
        "global_max_pool": ("call", "channel", "tap"), "hard_swish": _EACH, "hard_sigmoid": _EACH, "zeros": _EACH,
    },
}  # fmt: skip


class KernelCall(NamedTuple):
    """One call of a C kernel: the part of its row in the table that its loops depend on.

    Args:
        name: the C function without its `nc_`.
        x: shape of what it reads.
        out: shape of what it writes into.
        kernel: rows, columns of its window.
        stride: rows, columns.
        pads: above, left.
        groups: of a convolution.
    """

    name: str
    x: Shape
    out: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: Pair = (0, 0)
    groups: int = 1


def kernel_calls(ops: Sequence[Op], x: Shape, dtype: str) -> tuple[KernelCall, ...]:
    """The C calls of a layer.

    Args:
        ops: its operators; operand 0 is its input.
        x: shape of its input.
        dtype: `int8` or `float32`.

    Raises:
        UnknownKernel: an operator that has no kernel.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> x = Shape(16, 8, 8)
        >>> [call.name for call in kernel_calls(residual(x, filters=16), x, "int8")]
        ['conv', 'conv', 'add']
    """
    found, _ = layer_kernels(ops, x)
    shapes = [x, *(kernel.out for kernel in found)]
    return tuple(call for kernel in found for call in _calls(kernel, shapes, dtype))


def _calls(kernel: Kernel, shapes: Sequence[Shape], dtype: str) -> Iterator[KernelCall]:
    name = c_kernel(kernel, dtype)
    if kernel.kind == "concat":
        yield from (KernelCall(name, shapes[source], kernel.out) for source in kernel.inputs)
    elif kernel.kind == "linear":
        yield KernelCall(name, Shape(kernel.x.size), kernel.out)
    elif kernel.kind.startswith("global_"):
        yield KernelCall(name, kernel.x, kernel.out)
    elif name:
        top, _, left, _ = kernel.pads
        yield KernelCall(name, kernel.x, kernel.out, kernel.kernel, kernel.stride, (top, left), kernel.groups)


def loops(call: KernelCall, dtype: str) -> dict[str, int]:
    """How often each loop of a call runs.

    Args:
        call: the call.
        dtype: `int8` or `float32`.

    Returns:
        Loop -> iterations in all, for the loops that `LOOPS` names: `call` (1), `row` and `pixel` of the output,
        `group` of the convolution, `block` of four output channels, `single` channels where a group has fewer,
        `channel`, `window_row` (rows of a window inside the input), `run` (pieces of memory summed in one go), `word`
        and `tail` (four weights at a time, those left over), `tap` (elements of a window inside the input), `element`,
        `short` (means of at most four elements).

    Example:
        >>> call = KernelCall("depthwise", Shape(6, 3, 3), Shape(6, 3, 3), (3, 3), (1, 1), (1, 1), 6)
        >>> loops(call, "int8")
        {'call': 1, 'row': 3, 'pixel': 9, 'block': 18, 'window_row': 42, 'tap': 98}
    """
    out = call.out
    match call.name:
        case "conv":
            return _conv(call, dtype)
        case "depthwise":
            blocks = -(-out.channels // _BLOCK)
            rows, taps = _window(call)
            return _sliding(call) | {
                "block": out.height * out.width * blocks, "window_row": rows * blocks, "tap": taps * blocks,
            }  # fmt: skip
        case "avg_pool" | "max_pool":
            rows, taps = _window(call)
            found = _sliding(call) | {
                "channel": out.size, "window_row": rows * out.channels, "tap": taps * out.channels,
            }  # fmt: skip
            return found | {"short": _short(call) * out.channels} if "short" in LOOPS[dtype][call.name] else found
        case "global_avg_pool" | "global_max_pool":
            return {"call": 1, "channel": out.channels, "tap": call.x.height * call.x.width * out.channels}
        case "mul":
            return {"call": 1, "pixel": out.height * out.width, "element": out.size}
        case "requantise" | "clip":
            pixels = out.height * out.width
            return {"call": 1, "pixel": pixels, "element": pixels * call.x.channels}
    return {"call": 1, "element": out.size}


def _sliding(call: KernelCall) -> dict[str, int]:
    return {"call": 1, "row": call.out.height, "pixel": call.out.height * call.out.width}


def _conv(call: KernelCall, dtype: str) -> dict[str, int]:
    """Window row by window row; without groups a row is one run of memory, with groups each of its pixels is."""
    depth, share = call.x.channels // call.groups, call.out.channels // call.groups
    many = share >= _BLOCK
    blocks = call.groups * -(-share // _BLOCK) if many else call.out.channels
    pixels = call.out.height * call.out.width
    rows, taps = _window(call)
    found = _sliding(call) | {
        "group": pixels * call.groups, "block": pixels * blocks * many, "single": pixels * blocks * (not many),
        "window_row": rows * blocks, "run": (rows if call.groups == 1 else taps) * blocks,
    }  # fmt: skip
    if dtype != "int8":
        return found | {"tap": taps * depth * blocks}
    in_runs = (n * depth // 4 if call.groups == 1 else n * (depth // 4) for n in _columns(call))
    words = sum(_rows(call)) * sum(in_runs)
    return found | {"word": words * blocks, "tail": (taps * depth - 4 * words) * blocks}


def _window(call: KernelCall) -> tuple[int, int]:
    """Of the windows of all output pixels what lies inside the input: rows, and elements of one channel."""
    rows = sum(_rows(call))
    return rows * call.out.width, rows * sum(_columns(call))


def _rows(call: KernelCall) -> tuple[int, ...]:
    return _inside(call.x.height, call.kernel[0], call.stride[0], call.pads[0], call.out.height)


def _columns(call: KernelCall) -> tuple[int, ...]:
    return _inside(call.x.width, call.kernel[1], call.stride[1], call.pads[1], call.out.width)


def _short(call: KernelCall) -> int:
    """Windows of which at most four elements lie inside the input."""
    rows, columns = Counter(_rows(call)), Counter(_columns(call))
    return sum(n * m for r, n in rows.items() for c, m in columns.items() if max(1, r * c) <= _SHORT)


@lru_cache(maxsize=4096)
def _inside(size: int, kernel: int, stride: int, pad: int, out: int) -> tuple[int, ...]:
    """For each of `out` windows along one side, how much of it lies inside the input."""
    starts = [k * stride - pad for k in range(out)]
    return tuple(max(0, min(kernel, size - start) - max(0, -start)) for start in starts)
