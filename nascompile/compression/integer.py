"""The integer-only reference: each kernel in numpy, exactly what generated C must compute.

Sums of products go through float64 matrix products, which are exact here: every sum stays below 2^53.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from nascompile.compression.fixed_point import LOW, rescale
from nascompile.compression.quantised_op import QuantisedOp, QuantisedTensor
from spaces.tensors import Pads, Pair

__all__ = ["ADD_SHIFT", "run"]

Ints = NDArray[np.int64]
Bytes = NDArray[np.int8]
Floats = NDArray[np.float64]

#: Bits by which the operands of an addition are raised, as TensorFlow Lite does, so that rescaling them loses nothing.
ADD_SHIFT = 20


def run(ops: Sequence[QuantisedOp], tensors: Sequence[QuantisedTensor], x: Bytes) -> list[Bytes]:
    """Every tensor of a network, the input first.

    Args:
        ops: in the order of execution.
        tensors: 0 is the input, k the output of the k-th operator.
        x: int8 [n, ...]; a series is an image of one row.
    """
    held = [x]
    for k, op in enumerate(ops):
        operands = [(held[i], tensors[i]) for i in op.inputs]
        held.append(compute(op, operands, tensors[k + 1]))
    return held


def compute(op: QuantisedOp, operands: list[tuple[Bytes, QuantisedTensor]], out: QuantisedTensor) -> Bytes:
    """One kernel.

    Args:
        op: what to compute.
        operands: int8 [n, ...] each, with what it stands for.
        out: what its output stands for.
    """
    if op.kind in _COPIES:
        return _COPIES[op.kind](op, operands[0][0])
    if op.kind == "zeros":
        return np.full_like(operands[0][0], out.zero_point)
    centred = [q.astype(np.int64) - tensor.zero_point for q, tensor in operands]
    found = _ARITHMETIC[op.kind](op, centred)
    return np.clip(found + out.zero_point, op.low, op.high).astype(np.int8)


def _scaled(op: QuantisedOp, values: Ints, j: int) -> Ints:
    return rescale(values, op.multipliers[j], op.shifts[j])


def _per_channel(op: QuantisedOp, sums: Ints) -> Ints:
    """Sums [n, out, ...] with bias, rescaled channel by channel."""
    shape = (1, -1, *[1] * (sums.ndim - 2))
    sums = sums + op.biases.astype(np.int64).reshape(shape)
    return rescale(sums, op.multipliers.reshape(shape), op.shifts.reshape(shape))


def _conv(op: QuantisedOp, operands: list[Ints]) -> Ints:
    """Zeros around a centred input are its zero point around the input itself."""
    windows = _windows(operands[0].astype(np.float64), op.kernel, op.stride, op.pads, 0)
    own = op.groups == windows.shape[1] == len(op.weights)
    sums = _depthwise_sums(op, windows) if own else _grouped_sums(op, windows)
    return _per_channel(op, sums.astype(np.int64))


def _depthwise_sums(op: QuantisedOp, windows: Floats) -> Floats:
    """A filter per channel: a product of feature maps for each place in the window."""
    weights = op.weights.astype(np.float64)
    sums = np.zeros(windows.shape[:4])
    for a, b in np.ndindex(*op.kernel):
        sums += windows[..., a, b] * weights[:, 0, a, b, None, None]
    return sums


def _grouped_sums(op: QuantisedOp, windows: Floats) -> Floats:
    """A matrix product per group, [n * rows * columns, in * window] times [in * window, out]."""
    n, channels, rows, columns = windows.shape[:4]
    groups = op.groups
    parts = windows.reshape(n, groups, channels // groups, rows, columns, *op.kernel)
    parts = parts.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, n * rows * columns, -1)
    weights = op.weights.reshape(groups, len(op.weights) // groups, -1).astype(np.float64)
    sums = (parts @ weights.transpose(0, 2, 1)).reshape(groups, n, rows, columns, -1)
    return sums.transpose(1, 0, 4, 2, 3).reshape(n, -1, rows, columns)


def _linear(op: QuantisedOp, operands: list[Ints]) -> Ints:
    flat = operands[0].reshape(len(operands[0]), -1)
    return _per_channel(op, (flat.astype(np.float64) @ op.weights.astype(np.float64).T).astype(np.int64))


def _add(op: QuantisedOp, operands: list[Ints]) -> Ints:
    raised = [_scaled(op, values << ADD_SHIFT, j) for j, values in enumerate(operands)]
    return _scaled(op, raised[0] + raised[1], 2)


def _mul(op: QuantisedOp, operands: list[Ints]) -> Ints:
    gates, x = operands
    return _scaled(op, gates[:, :, None, None] * x, 0)


def _concat(op: QuantisedOp, operands: list[Ints]) -> Ints:
    return np.concatenate([_scaled(op, values, j) for j, values in enumerate(operands)], axis=1)


def _avg_pool(op: QuantisedOp, operands: list[Ints]) -> Ints:
    sums, there = (
        _windows(values, op.kernel, op.stride, op.pads, 0).sum((-2, -1))
        for values in (operands[0], np.ones_like(operands[0][:1, :1]))
    )
    # A window that lies in the padding altogether sums nothing: zero, by any multiplier.
    place = np.maximum(there, 1) - 1
    return rescale(sums, op.multipliers[place], op.shifts[place])


def _global_avg_pool(op: QuantisedOp, operands: list[Ints]) -> Ints:
    return _scaled(op, operands[0].sum((2, 3)), 0)


def _requantise(op: QuantisedOp, operands: list[Ints]) -> Ints:
    return _scaled(op, operands[0], 0)


def _max_pool(op: QuantisedOp, q: Bytes) -> Bytes:
    return _windows(q, op.kernel, op.stride, op.pads, LOW).max((-2, -1))


def _lookup(op: QuantisedOp, q: Bytes) -> Bytes:
    return op.table[q.astype(np.int64) - LOW]


def _windows(x: NDArray[Any], kernel: Pair, stride: Pair, pads: Pads, outside: int) -> NDArray[Any]:
    """[n, c, h, w] -> [n, c, rows, columns, kernel rows, kernel columns]."""
    top, bottom, left, right = pads
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=outside)
    return sliding_window_view(padded, kernel, (2, 3))[:, :, :: stride[0], :: stride[1]]


_COPIES: dict[str, Callable[[QuantisedOp, Bytes], Bytes]] = {
    "max_pool": _max_pool,
    "global_max_pool": lambda _, q: q.max((2, 3)),
    "flatten": lambda _, q: q.reshape(len(q), -1),
    "lookup": _lookup,
}

_ARITHMETIC: dict[str, Callable[[QuantisedOp, list[Ints]], Ints]] = {
    "conv": _conv,
    "pointwise": _conv,
    "depthwise": _conv,
    "linear": _linear,
    "add": _add,
    "mul": _mul,
    "concat": _concat,
    "avg_pool": _avg_pool,
    "global_avg_pool": _global_avg_pool,
    "requantise": _requantise,
}
