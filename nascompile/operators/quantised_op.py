"""One kernel call in integers, and the tensors between calls."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nascompile.operators.fixed_point import HIGH, LOW
from spaces.tensors import Pads, Pair, Shape

__all__ = ["ARRAYS", "QuantisedOp", "QuantisedTensor"]

ARRAYS = ("weights", "biases", "multipliers", "shifts", "table")


def _none8() -> NDArray[np.int8]:
    return np.zeros(0, np.int8)


def _none32() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


@dataclass(frozen=True)
class QuantisedTensor:
    """An int8 tensor: it stands for scale * (q - zero_point).

    Args:
        shape: of one example.
        scale: real value of one step.
        zero_point: the q of zero.
    """

    shape: Shape
    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class QuantisedOp:
    """One kernel call.

    `rescale(v, j)` below is `(v * multipliers[j] + 2^(30 - shifts[j])) >> (31 - shifts[j])` in 64 bits; every output is
    clamped to `low`..`high` after the output's zero point is added. With z the zero point of an input:

    * conv, pointwise, depthwise, linear: the sum of weights * (q - z), plus bias, rescaled per output channel. Outside
      of the input stands z. A linear layer reads channels, then rows, then columns.
    * add: rescale((q0 - z0) << 20, 0) + rescale((q1 - z1) << 20, 1), rescaled by 2; the factor of the operand of the
      larger scale is a half.
    * mul: (q0 - z0) * (q1 - z1), rescaled; operand 0 has one value per channel.
    * concat, requantise: q - z, rescaled per operand.
    * avg_pool: the sum of q - z over the n elements that exist, rescaled by n - 1; global_avg_pool has one multiplier.
    * max_pool, global_max_pool, flatten: values of the input.
    * lookup: table[q + 128].
    * zeros: the output's zero point.

    Args:
        kind: see `spaces.runtimes.kernels.Kernel`, as the next six.
        inputs: tensors that it reads.
        kernel: rows, columns of its window.
        stride: rows, columns.
        pads: above, below, left, right.
        groups: of a convolution.
        low: least output.
        high: greatest output.
        weights: int8 [out, in / groups, rows, columns], or [out, in] of a linear layer.
        biases: int32 [out].
        multipliers: int32.
        shifts: int8, as many.
        table: int8 [256].
        part: the channels that a split takes: the first, and the one behind the last.
        followers: how many kernels behind it may run with it row by row.
    """

    kind: str
    inputs: tuple[int, ...]
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1
    low: int = LOW
    high: int = HIGH
    weights: NDArray[np.int8] = field(default_factory=_none8)
    biases: NDArray[np.int32] = field(default_factory=_none32)
    multipliers: NDArray[np.int32] = field(default_factory=_none32)
    shifts: NDArray[np.int8] = field(default_factory=_none8)
    table: NDArray[np.int8] = field(default_factory=_none8)
    part: Pair = (0, 0)
    followers: int = 0

    def __post_init__(self) -> None:
        for name in ARRAYS:
            getattr(self, name).flags.writeable = False
