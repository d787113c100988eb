"""Convolutions in integers: the sum of weights * (q - z), plus bias, rescaled per output channel."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.operators.base import IntegerKernel, Ints, TimedFunction, integer_kernel, timed
from nascompile.operators.fixed_point import rescale
from nascompile.operators.quantised_op import QuantisedOp
from nascompile.operators.shapes import CHANNELS, image, slide, upto
from nascompile.operators.windows import windows
from spaces.operators import KernelCall
from spaces.operators.conv_function import FLOAT_BLOCK, conv_size
from spaces.operators.convolution import CONV, DEPTHWISE, POINTWISE
from spaces.operators.depthwise_function import depthwise_sides
from spaces.operators.kernel import words
from spaces.tensors import Shape

__all__ = ["filled", "layout", "per_channel"]

Floats = NDArray[np.float64]


def per_channel(op: QuantisedOp, sums: Floats) -> Ints:
    """Sums [n, out, ...] with bias, rescaled channel by channel.

    Products go through float64 matrix products, which are exact here: every sum stays below 2^53.
    """
    shape = (1, -1, *[1] * (sums.ndim - 2))
    whole = sums.astype(np.int64) + op.biases.astype(np.int64).reshape(shape)
    return rescale(whole, op.multipliers.reshape(shape), op.shifts.reshape(shape))


def _run(op: QuantisedOp, operands: list[Ints]) -> Ints:
    """Zeros around a centred input are its zero point around the input itself."""
    result = windows(op, operands[0].astype(np.float64))
    own = op.groups == result.shape[1] == len(op.weights)
    return per_channel(op, _depthwise_sums(op, result) if own else _grouped_sums(op, result))


def _depthwise_sums(op: QuantisedOp, found: Floats) -> Floats:
    """A filter per channel: a product of feature maps for each place in the window."""
    weights = op.weights.astype(np.float64)
    sums = np.zeros(found.shape[:4])
    for a, b in np.ndindex(*op.kernel):
        sums += found[..., a, b] * weights[:, 0, a, b, None, None]
    return sums


def _grouped_sums(op: QuantisedOp, found: Floats) -> Floats:
    """A matrix product per group, [n * rows * columns, in * window] times [in * window, out]."""
    n, channels, rows, columns = found.shape[:4]
    groups = op.groups
    parts = found.reshape(n, groups, channels // groups, rows, columns, *op.kernel)
    parts = parts.transpose(1, 0, 3, 4, 2, 5, 6).reshape(groups, n * rows * columns, -1)
    weights = op.weights.reshape(groups, len(op.weights) // groups, -1).astype(np.float64)
    sums = (parts @ weights.transpose(0, 2, 1)).reshape(groups, n, rows, columns, -1)
    return sums.transpose(1, 0, 4, 2, 3).reshape(n, -1, rows, columns)


def layout(weights: NDArray[Any], x: Shape, call: KernelCall) -> NDArray[Any]:
    """Weights as C has them: channels last, as they lie in RAM.

    Args:
        weights: [out, in / groups, rows, columns].
        x: shape of the input as it lies in RAM.
        call: that reads them.
    """
    if weights.dtype == np.float32:
        return _in_fours(weights, 1 if call.name == DEPTHWISE.name else call.groups)
    if call.name == DEPTHWISE.name:
        along, across = depthwise_sides(call)
        return weights[:, 0].transpose(0, 1 + across, 1 + along)
    rows = weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
    return filled(rows, words(rows.shape[1])) if call.name == "linear" else _in_pairs(rows, call)


def filled(rows: NDArray[Any], length: int) -> NDArray[Any]:
    """Rows with zeros behind them.

    Example:
        >>> filled(np.array([[1, 2, 3]]), 4).tolist()
        [[1, 2, 3, 0]]
    """
    return np.pad(rows, ((0, 0), (0, length - rows.shape[1])))


def _in_fours(weights: NDArray[Any], groups: int) -> NDArray[Any]:
    """The filters of a group four by four, their weights in turn, and so those that are left over."""
    rows = weights.transpose(0, 2, 3, 1).reshape(groups, len(weights) // groups, -1)
    parts = [group[k : k + FLOAT_BLOCK].T.reshape(-1) for group in rows for k in range(0, rows.shape[1], FLOAT_BLOCK)]
    return np.concatenate(parts)


def _in_pairs(rows: NDArray[Any], call: KernelCall) -> NDArray[Any]:
    """The filters of a group two by two, their weights in turn; beside one left over stand zeros."""
    share = len(rows) // call.groups
    groups = filled(rows, conv_size(call)).reshape(call.groups, share, -1)
    return np.pad(groups, ((0, 0), (0, share % 2), (0, 0))).reshape(-1, 2, groups.shape[2]).transpose(0, 2, 1)


for _kind in (CONV, POINTWISE, DEPTHWISE):
    integer_kernel(IntegerKernel(_kind.name, _run, layout=layout))


def _draw(rng: random.Random, name: str) -> KernelCall:
    channels, filters = upto(rng, CHANNELS), upto(rng, CHANNELS)
    if rng.random() < 0.2:  # by chance alone hardly any would be such a one
        x = image(rng, channels)
        return KernelCall(name, x, x._replace(channels=filters))
    groups = rng.choice((2, 3, 4)) if rng.random() < 0.35 else 1
    depth, share = upto(rng, CHANNELS // groups), upto(rng, CHANNELS // groups // 4)
    if groups > 1:
        channels, filters = groups * depth, groups * share
    return slide(rng, name, image(rng, channels), filters, groups)


def _draw_depthwise(rng: random.Random, name: str) -> KernelCall:
    least = rng.choice((1, 1, 1, 5, 7))
    # Of fewer channels where windows are wide: else too few such calls were small enough to be run.
    channels = max(4, upto(rng, CHANNELS if least == 1 else CHANNELS // 10))
    return slide(rng, name, image(rng, channels), channels, channels, least=least)


timed(TimedFunction("conv", _draw, share=6))
timed(TimedFunction("depthwise", _draw_depthwise, share=6))
