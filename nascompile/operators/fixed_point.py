"""Real factors as integers: a 31-bit multiplier and a shift, in the scheme of TensorFlow Lite (Jacob et al. 2018).

The product is rounded once, from 64 bits (`TFLITE_SINGLE_ROUNDING`): that cannot overflow, whatever the factor, and is
what a Cortex-M does in one long multiplication and a shift.
"""

from __future__ import annotations

from math import frexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HIGH", "LOW", "multiplier_shift", "multipliers_shifts", "rescale"]

#: The range of int8.
LOW, HIGH = -128, 127

Ints = NDArray[np.int64]


def multiplier_shift(factor: float) -> tuple[int, int]:
    """The factor as multiplier * 2^(shift - 31), the multiplier from 2^30 to below 2^31.

    A factor below 2^-32 turns every 32-bit number into 0, and is 0.

    Args:
        factor: 0 or more, below 2^30.

    Example:
        >>> multiplier_shift(0.75)
        (1610612736, 0)
        >>> multiplier_shift(1.0)
        (1073741824, 1)
    """
    mantissa, exponent = frexp(factor)
    multiplier = round(mantissa * 2**31)
    if multiplier == 2**31:
        multiplier, exponent = 2**30, exponent + 1
    return (0, 0) if exponent < -31 or not multiplier else (multiplier, exponent)


def multipliers_shifts(factors: NDArray[np.float64] | list[float]) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Several factors; see `multiplier_shift`."""
    pairs = [multiplier_shift(float(f)) for f in factors]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def rescale(values: NDArray[Any], multiplier: Any, shift: Any) -> Ints:
    """Integers times factors, rounded to the nearest, halves upwards.

    Args:
        values: within 32 bits.
        multiplier: one, or an array that broadcasts.
        shift: as the multiplier.

    Example:
        >>> rescale(np.array([10, -10, 2]), *multiplier_shift(0.75)).tolist()
        [8, -7, 2]
    """
    total = 31 - np.asarray(shift, np.int64)
    product = values.astype(np.int64) * np.asarray(multiplier, np.int64)
    return (product + (np.int64(1) << (total - 1))) >> total
