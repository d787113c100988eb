"""Whole numbers of many layers at once, so that the arithmetic of a block runs once for all of them.

A block is a plain function of whole numbers. Given `Lanes` in their place it computes the same for every lane, on
arrays. Where its lanes would go different ways (a branch, an index, a key, a text), it stops with `Split`, and `each`
calls it again for every part on its own, in the end lane by lane with plain numbers: a function that arrays cannot
follow is slow, never wrong.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.tensors import Infeasible

__all__ = ["Lanes", "Number", "each", "largest", "mapped", "of_lanes", "ratio"]

Ints = NDArray[np.int64]

#: Below this no operation on 64 bits wraps around.
_SAFE = 2**62


class Split(Exception):  # noqa: N818 - a signal, not an error
    """Lanes go different ways.

    Args:
        parts: the lanes of each way, as numbers of lanes.
    """

    def __init__(self, parts: Sequence[NDArray[np.intp]]) -> None:
        super().__init__()
        self.parts = parts


class Lanes:
    """A whole number per lane; computes as `int` does, and a condition is 1 or 0.

    Args:
        values: int64 [lanes], or Python's integers where these are too large.
        most: no value is further from 0.

    Example:
        >>> side = of_lanes(np.array([49, 10]))
        >>> (-(-side // 2)).values.tolist()
        [25, 5]
        >>> [(lanes.tolist(), what) for lanes, what in each(lambda x: "odd" if x % 2 else "even", [np.arange(4)])]
        [([0, 2], 'even'), ([1, 3], 'odd')]
    """

    __slots__ = ("most", "values")

    def __init__(self, values: NDArray[Any], most: int) -> None:
        self.values, self.most = values, most

    # -- arithmetic ------------------------------------------------------------------------------------------------

    def _other(self, other: object) -> tuple[Any, int] | None:
        if isinstance(other, Lanes):
            return other.values, other.most
        return (other, abs(other)) if isinstance(other, int) else None

    def _with(self, other: object, operation: Any, most: Callable[[int, int], int], swap: bool = False) -> Any:
        if isinstance(other, Fraction):
            # Arrays have no fractions.
            return operation(other, self._one()) if swap else operation(self._one(), other)
        right = self._other(other)
        if right is None:
            return NotImplemented
        (a, n), (b, m) = (self.values, self.most), right
        bound = most(n, m)
        if bound > _SAFE:
            # The bounds of bounds grow faster than the numbers.
            n, m = _largest_of(a), _largest_of(b)
            bound = most(n, m)
            if bound > _SAFE:
                a, b = (v.astype(object) if isinstance(v, np.ndarray) else v for v in (a, b))
        return Lanes(operation(b, a) if swap else operation(a, b), bound)

    def __add__(self, other: object) -> Any:
        return self._with(other, operator.add, int.__add__)

    def __sub__(self, other: object) -> Any:
        return self._with(other, operator.sub, int.__add__)

    def __rsub__(self, other: object) -> Any:
        return self._with(other, operator.sub, int.__add__, swap=True)

    def __mul__(self, other: object) -> Any:
        return self._with(other, operator.mul, int.__mul__)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Lanes:
        return Lanes(-self.values, self.most)

    def __floordiv__(self, other: object) -> Any:
        return self._divided(other, operator.floordiv, swap=False)

    def __rfloordiv__(self, other: object) -> Any:
        return self._divided(other, operator.floordiv, swap=True)

    def __mod__(self, other: object) -> Any:
        return self._divided(other, operator.mod, swap=False)

    def __rmod__(self, other: object) -> Any:
        return self._divided(other, operator.mod, swap=True)

    def __divmod__(self, other: object) -> tuple[Any, Any]:
        return self // other, self % other

    def _divided(self, other: object, operation: Any, swap: bool) -> Any:
        below = self if swap else other
        if (below == 0) if isinstance(below, int) else isinstance(below, Lanes) and not below.values.all():
            raise ZeroDivisionError
        return self._with(other, operation, lambda n, m: max(n, m), swap)

    # -- conditions ------------------------------------------------------------------------------------------------

    def _against(self, other: object, operation: Any) -> Any:
        if isinstance(other, Fraction):
            return operation(self._one(), other)
        right = self._other(other)
        return NotImplemented if right is None else Lanes(operation(self.values, right[0]).astype(np.int64), 1)

    def __eq__(self, other: object) -> Any:
        return self._against(other, operator.eq)

    def __ne__(self, other: object) -> Any:
        return self._against(other, operator.ne)

    def __lt__(self, other: object) -> Any:
        return self._against(other, operator.lt)

    def __le__(self, other: object) -> Any:
        return self._against(other, operator.le)

    def __gt__(self, other: object) -> Any:
        return self._against(other, operator.gt)

    def __ge__(self, other: object) -> Any:
        return self._against(other, operator.ge)

    def __bool__(self) -> bool:
        true = self.values != 0
        if true.all() or not true.any():
            return bool(true[0])
        raise Split([np.flatnonzero(true), np.flatnonzero(~true)])

    # -- where every value goes its own way --------------------------------------------------------------------------

    def _apart(self) -> Split:
        _, inverse = np.unique(self.values, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        return Split(np.split(order, np.cumsum(np.bincount(inverse))[:-1]))

    def _one(self) -> int:
        """The number that all lanes have."""
        if (self.values == self.values[0]).all():
            return int(self.values[0])
        raise self._apart()

    def __int__(self) -> int:
        return self._one()

    def __index__(self) -> int:
        return self._one()

    def __float__(self) -> float:
        return float(self._one())

    def __hash__(self) -> int:
        return hash(self._one())

    def __str__(self) -> str:
        return str(self._one())

    def __repr__(self) -> str:
        return str(self._one())

    def __format__(self, form: str) -> str:
        return format(self._one(), form)


Number = int | Lanes


def _largest_of(values: Any) -> int:
    return int(np.abs(values).max()) if isinstance(values, np.ndarray) else abs(values)


def of_lanes(values: Ints) -> Any:
    """Lanes with these values; the number itself where all have the same."""
    first = int(values[0])
    return first if (values == first).all() else Lanes(values, _largest_of(values))


def each(function: Callable[..., Any], columns: Sequence[Ints]) -> list[tuple[NDArray[np.intp], Any]]:
    """Call a function for many lanes at once.

    Args:
        function: of whole numbers; it may raise `Infeasible`, which then is its result.
        columns: int64 [lanes] for every argument.

    Returns:
        Numbers of lanes, and the result for them, in which `Lanes` have a value for each of these. Every lane is in one
        of the parts.
    """
    parts: list[tuple[NDArray[np.intp], Any]] = []
    todo = [np.arange(len(columns[0]))]
    while todo:
        lanes = todo.pop()
        try:
            result = function(*(of_lanes(column[lanes]) for column in columns))
        except Infeasible as reason:
            result = reason
        except Split as ways:
            # The first lane goes first: where one is a mistake, it is that which a loop over them would meet.
            todo += sorted((lanes[part] for part in ways.parts), key=lambda part: -int(part[0]))
            continue
        parts.append((lanes, result))
    return sorted(parts, key=lambda part: int(part[0][0]))


def largest(*values: Number) -> Any:
    """The largest number of each lane."""
    if not any(isinstance(value, Lanes) for value in values):
        return max(values)
    return reduce(_larger, values)


def _larger(a: Any, b: Any) -> Any:
    if not (isinstance(a, Lanes) or isinstance(b, Lanes)):
        return max(a, b)
    (a, n), (b, m) = ((v.values, v.most) if isinstance(v, Lanes) else (v, abs(v)) for v in (a, b))
    return Lanes(np.maximum(a, b), max(n, m))


def ratio(above: Number, below: Number) -> Any:
    """above / below, exactly: a whole number per lane where it is one in all, else a fraction."""
    if not (isinstance(above, Lanes) or isinstance(below, Lanes)):
        return Fraction(above, below)
    whole = above // below
    return whole if whole * below == above else Fraction(int(above), int(below))


def mapped(function: Callable[[Any], float], value: Any) -> Any:
    """A function of a number, or of the number of each lane: float64 [lanes]."""
    if not isinstance(value, Lanes):
        return function(value)
    distinct, inverse = np.unique(value.values, return_inverse=True)
    return np.array(list(map(function, distinct.tolist())))[inverse]
