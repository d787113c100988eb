"""The kernels once more, as `QuantisedOp` words them: plain Python integers, element by element."""

from __future__ import annotations

from itertools import product
from typing import Any

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor

Map = dict[tuple[int, int, int], int]


def run_scalar(network: QuantisedNetwork, x: Any) -> Map:
    """The output for one example, [channels, ...] in int8."""
    shape = network.tensors[0].shape
    flat = x.reshape(shape)
    held: list[Map] = [{(c, i, j): int(flat[c, i, j]) for c, i, j in product(*map(range, shape))}]
    for k, op in enumerate(network.ops):
        held.append(_kernel(op, network, [held[i] for i in op.inputs], network.tensors[k + 1]))
    return held[-1]


def _rescale(op: QuantisedOp, value: int, j: int) -> int:
    multiplier, shift = int(op.multipliers[j]), int(op.shifts[j])
    return (value * multiplier + 2 ** (30 - shift)) >> (31 - shift)


def _kernel(op: QuantisedOp, network: QuantisedNetwork, xs: list[Map], out: QuantisedTensor) -> Map:
    tensors = [network.tensors[i] for i in op.inputs]
    zeros = [t.zero_point for t in tensors]
    found: Map = {}
    for place in product(*map(range, out.shape)):
        if op.kind in ("max_pool", "global_max_pool", "flatten", "lookup", "zeros", "split", "shuffle"):
            found[place] = _copied(op, xs[0], tensors[0], out, place)
        else:
            value = _computed(op, xs, zeros, tensors, place) + out.zero_point
            found[place] = max(op.low, min(op.high, value))
    return found


def _copied(op: QuantisedOp, x: Map, there: QuantisedTensor, out: QuantisedTensor, place: Any) -> int:
    c, i, j = place
    if op.kind == "zeros":
        return out.zero_point
    if op.kind == "lookup":
        return int(op.table[x[place] + 128])
    if op.kind == "flatten":
        _, h, w = there.shape
        return x[c // (h * w), c // w % h, c % w]
    if op.kind == "split":
        return x[c + op.part[0], i, j]
    if op.kind == "shuffle":
        return x[c % op.groups * (there.shape.channels // op.groups) + c // op.groups, i, j]
    if op.kind == "global_max_pool":
        return max(v for (channel, _, _), v in x.items() if channel == c)
    return max(x[c, r, s] for r, s, *_ in _window(op, there, i, j))


def _computed(op: QuantisedOp, xs: list[Map], zeros: list[int], tensors: list[QuantisedTensor], place: Any) -> int:
    c, i, j = place
    x, zero, shape = xs[0], zeros[0], tensors[0].shape
    if op.kind in ("conv", "pointwise", "depthwise"):
        out_group, in_group = len(op.weights) // op.groups, shape.channels // op.groups
        total = int(op.biases[c])
        for n in range(in_group):
            channel = c // out_group * in_group + n
            for r, s, a, b in _window(op, tensors[0], i, j):
                total += int(op.weights[c, n, a, b]) * (x[channel, r, s] - zero)
        return _rescale(op, total, c)
    if op.kind == "linear":
        _, h, w = shape
        total = sum(int(op.weights[c, (a * h + b) * w + d]) * (v - zero) for (a, b, d), v in x.items())
        return _rescale(op, total + int(op.biases[c]), c)
    if op.kind == "add":
        raised = [_rescale(op, (xs[k][place] - zeros[k]) << 20, k) for k in (0, 1)]
        return _rescale(op, sum(raised), 2)
    if op.kind == "mul":
        return _rescale(op, (x[c, 0, 0] - zero) * (xs[1][place] - zeros[1]), 0)
    if op.kind == "requantise":
        return _rescale(op, x[place] - zero, 0)
    if op.kind == "concat":
        k = 0
        while c >= tensors[k].shape.channels:
            c -= tensors[k].shape.channels
            k += 1
        return _rescale(op, xs[k][c, i, j] - zeros[k], k)
    if op.kind == "avg_pool":
        inside = list(_window(op, tensors[0], i, j))
        return _rescale(op, sum(x[c, r, s] - zero for r, s, *_ in inside), max(1, len(inside)) - 1)
    assert op.kind == "global_avg_pool"
    return _rescale(op, sum(v - zero for (channel, _, _), v in x.items() if channel == c), 0)


def _window(op: QuantisedOp, there: QuantisedTensor, i: int, j: int) -> Any:
    """Rows and columns of the input under a window, and where in the window they are."""
    for a, b in product(range(op.kernel[0]), range(op.kernel[1])):
        r, s = i * op.stride[0] + a - op.pads[0], j * op.stride[1] + b - op.pads[2]
        if 0 <= r < there.shape.height and 0 <= s < there.shape.width:
            yield r, s, a, b
