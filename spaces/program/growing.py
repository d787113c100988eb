"""A table that rows are added to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["Growing"]


class Growing:
    """Rows of numbers; adding some costs little, however many there are.

    Args:
        width: numbers of a row.
        dtype: their type.

    Example:
        >>> table = Growing(2, np.int64)
        >>> table.extend([[1, 2], [3, 4]])
        >>> len(table), table[np.array([1, 1])].tolist()
        (2, [[3, 4], [3, 4]])
    """

    def __init__(self, width: int, dtype: DTypeLike) -> None:
        self._room: NDArray[Any] = np.zeros((16, width), dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, rows: NDArray[np.integer]) -> NDArray[Any]:
        """[n] -> [n, width]."""
        return self._room[rows]

    def extend(self, rows: ArrayLike) -> None:
        """Add rows: [n, width]."""
        rows = np.asarray(rows)
        after = self._length + len(rows)
        if after > len(self._room):
            larger = np.zeros((2 * after, self._room.shape[1]), self._room.dtype)
            larger[: self._length] = self._room[: self._length]
            self._room = larger
        self._room[self._length : after] = rows
        self._length = after
