"""Arithmetic of many layers at once, against the same arithmetic of each."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.lanes import Lanes, each, largest, mapped, of_lanes, ratio
from spaces.program.codes import combined, distinct
from spaces.tensors import Infeasible

numbers = st.one_of(st.integers(-9, 9), st.integers(-(2**40), 2**40))
columns = st.integers(1, 8).flatmap(
    lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=3, max_size=3)
)


def _branches(a: Any, b: Any, c: Any) -> Any:
    """What blocks do: products, divisions, branches, indices, keys, texts, refusals."""
    if a > b:
        return a * b * c + max(a, c) - largest(a, b, c, 3)
    if c == 0:
        raise Infeasible(f"{a} on {b}")
    if a % 3 == 1:
        return (a // c, -a % 5, 7 - b, divmod(b, 16))
    return {a: "key"}[a], list(range(3))[b % 3], f"{c}"


FUNCTIONS: list[Callable[..., Any]] = [
    _branches,
    lambda a, b, c: a * a * b * b * c * c,
    lambda a, b, c: (a == b, (a, b) == (b, c), not a, a >= c, a < 3, a != b, int(a), float(b)),
    lambda a, b, c: sum([a, b, c]) if a and b else 2 * c,
    lambda a, b, c: (Fraction(1, 2) * a + b, c - Fraction(3, 2), 1 if a < Fraction(1, 3) else b),
    lambda a, b, c: (ratio(a * 6, 3), ratio(b, abs(int(c)) + 1)),
]


def _spread(result: Any, lane: int) -> Any:
    if isinstance(result, Lanes):
        return int(result.values[lane])
    return type(result)(_spread(part, lane) for part in result) if isinstance(result, tuple | list) else result


def _plainly(function: Callable[..., Any], row: tuple[int, ...]) -> Any:
    try:
        return function(*row)
    except Infeasible as reason:
        return str(reason)


@pytest.mark.parametrize("function", FUNCTIONS)
@given(rows=columns)
def test_lanes_compute_what_each_does(function: Callable[..., Any], rows: list[list[int]]) -> None:
    found: dict[int, Any] = {}
    for lanes, result in each(function, [np.array(column, np.int64) for column in rows]):
        for place, lane in enumerate(lanes.tolist()):
            assert lane not in found
            found[lane] = str(result) if isinstance(result, Infeasible) else _spread(result, place)
    assert found == {lane: _plainly(function, row) for lane, row in enumerate(zip(*rows, strict=True))}


@given(columns)
def test_a_division_by_zero_is_one(rows: list[list[int]]) -> None:
    a, b = (of_lanes(np.array(column, np.int64)) for column in rows[:2])
    for divide in (lambda: a // b, lambda: a % b):
        if 0 in rows[1]:
            with pytest.raises(ZeroDivisionError):
                divide()
        else:
            divide()


def test_alike_lanes_run_once() -> None:
    """Plain arithmetic is one call, a branch two more, and what differs in every lane one for each."""
    calls = 0

    def counted(branch: Callable[[Any], Any]) -> int:
        nonlocal calls
        calls = 0

        def function(x: Any) -> Any:
            nonlocal calls
            calls += 1
            return branch(x)

        each(function, [np.arange(100)])
        return calls

    assert counted(lambda x: 3 * x * x + 1) == 1
    assert counted(lambda x: x if x > 50 else -x) == 3
    assert counted(str) == 101


def test_a_function_of_lanes_is_asked_once_for_each_value() -> None:
    asked: list[int] = []
    result = mapped(lambda value: asked.append(value) or value / 2, of_lanes(np.array([4, 2, 4, 2])))
    assert (result.tolist(), asked) == ([2, 1, 2, 1], [2, 4])
    assert mapped(lambda value: value / 2, Fraction(1, 2)) == 0.25


@given(st.lists(st.lists(st.integers(0, 2**61), min_size=4, max_size=4), min_size=1, max_size=30))
def test_codes_are_equal_where_rows_are(rows: list[list[int]]) -> None:
    first, number = distinct(combined(list(np.array(rows, np.int64).T)))
    seen = list(dict.fromkeys(map(tuple, rows)))
    assert [tuple(rows[k]) for k in first.tolist()] == seen
    assert number.tolist() == [seen.index(tuple(row)) for row in rows]
