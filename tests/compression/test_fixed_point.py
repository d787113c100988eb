"""Factors as integers: against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nascompile.operators.fixed_point import multiplier_shift, rescale

FACTORS = st.floats(2.0**-40, 2.0**29, exclude_max=True)


@given(FACTORS)
def test_a_factor_is_kept_to_31_bits(factor: float) -> None:
    multiplier, shift = multiplier_shift(factor)
    if factor < 2.0**-33:
        assert (multiplier, shift) == (0, 0)
    elif multiplier:
        assert 2**30 <= multiplier < 2**31
        assert -31 <= shift <= 30
        assert abs(Fraction(multiplier, 2**31) * Fraction(2) ** shift / Fraction(factor) - 1) <= Fraction(1, 2**31)
    else:
        assert factor < 2.0**-32


@given(FACTORS, st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5))
def test_rescaling_rounds_the_exact_product(factor: float, values: list[int]) -> None:
    multiplier, shift = multiplier_shift(factor)
    exact = [Fraction(v) * multiplier * Fraction(2) ** (shift - 31) for v in values]
    assert rescale(np.array(values), multiplier, shift).tolist() == [floor(e + Fraction(1, 2)) for e in exact]


def test_one_is_exact() -> None:
    values = np.arange(-300, 300)
    assert np.array_equal(rescale(values, *multiplier_shift(1.0)), values)
