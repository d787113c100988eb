"""Rows of whole numbers as single numbers, and the distinct ones among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["combined", "distinct", "distinct_rows"]

Ints = NDArray[np.int64]


def combined(columns: Sequence[Ints]) -> Ints:
    """A code per row, not negative, and equal exactly where rows are.

    Args:
        columns: int64 [n] each, at least one, not negative.

    Example:
        >>> combined([np.array([0, 1, 1]), np.array([2, 0, 0])]).tolist()
        [2, 3, 3]
    """
    codes, size = columns[0], int(columns[0].max(initial=0)) + 1
    for column in columns[1:]:
        width = int(column.max(initial=0)) + 1
        if size > 2**62 // width:
            first, codes = distinct(codes)
            size = len(first) + 1
            if size > 2**62 // width:
                there, column = distinct(column)
                width = len(there) + 1
        codes, size = codes * width + column, size * width
    return codes


def distinct(codes: Ints) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each distinct code stands first, in order of first appearance; and for every code the number of its like.

    Args:
        codes: [n], not negative.

    Example:
        >>> [part.tolist() for part in distinct(np.array([7, 3, 7, 5]))]
        [[0, 1, 3], [0, 1, 0, 2]]
    """
    size = int(codes.max(initial=0)) + 1
    if size <= max(4 * len(codes), 1024):
        # A table is faster than sorting while it is not much larger than the codes themselves.
        place = np.full(size, -1, np.int64)
        place[codes[::-1]] = np.arange(len(codes))[::-1]
        first = np.sort(place[place >= 0])
        place[codes[first]] = np.arange(len(first))
        return first, place[codes]
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse]


def distinct_rows(columns: Sequence[Ints]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """`distinct` for rows of whole numbers that are not negative."""
    return distinct(combined(columns))
