"""Real factors as integers: a 31-bit multiplier and a shift, in the scheme of TensorFlow Lite (Jacob et al. 2018).

The product is rounded once, from 64 bits (`TFLITE_SINGLE_ROUNDING`): that cannot overflow, whatever the factor, and is
what a Cortex-M does in one long multiplication and a shift.
"""

from __future__ import annotations

from math import frexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HIGH", "LOW", "behind_upper_half", "multiplier_shift", "multipliers_shifts", "rescale"]

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


def behind_upper_half(
    multipliers: NDArray[Any], shifts: NDArray[Any], raised: int = 0
) -> tuple[Ints, NDArray[np.int8]]:
    """Factors as C has them: what is left to shift once the lower 32 bits of a product are dropped.

    A number raised by some bits is to be shifted by as many more. Less than 1 is left where the number itself must be
    raised first: since no product exceeds 2^28, that stays within 32 bits, but for a factor that is a power of two and
    makes just that; the largest multiplier below it makes the same of every number. Where more than 31 is left, nothing
    is left of any number.

    Args:
        multipliers: of `multipliers_shifts`.
        shifts: likewise.
        raised: bits by which numbers have been raised.

    Example:
        >>> [a.tolist() for a in behind_upper_half(*multipliers_shifts([0.75, 2.0**-6, 2.0**-33]), raised=2)]
        [[1610612736, 1073741824, 0], [1, 6, 1]]
    """
    right = 31 - shifts.astype(np.int64) + raised - 32
    # So much is a whole number for all sums, of which an eighth at most is taken away before it is rounded.
    even = (multipliers == 2**30) & (right <= -2)
    none = (multipliers == 0) | (right > 31)
    multipliers, right = np.where(even, 2**31 - 1, multipliers), np.where(even, right + 1, right)
    return np.where(none, 0, multipliers), np.where(none, 1, right).astype(np.int8)
