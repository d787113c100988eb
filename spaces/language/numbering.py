"""Published numberings of a cell space: the index by which a benchmark knows each of its cells."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["NUMBERINGS", "count_of", "index_of", "row_of"]

#: Name -> file: uint16 [cells] in the order of the benchmark, each cell's options as the digits of a number.
NUMBERINGS = {"nasbench201": Path(__file__).parents[1] / "numberings" / "nasbench201.npy"}


@cache
def _codes(name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    codes = np.load(NUMBERINGS[name], allow_pickle=False).astype(np.int64)
    return codes, np.argsort(codes)


def count_of(name: str) -> int:
    """How many cells a numbering has.

    Example:
        >>> count_of("nasbench201")
        15625
    """
    return len(_codes(name)[0])


def row_of(name: str, index: int, options: int, edges: int) -> tuple[int, ...]:
    """The options of the edges of a cell, from its index.

    Raises:
        IndexError: the numbering has no such index.

    Example:
        >>> row_of("nasbench201", 0, 5, 6)
        (4, 2, 1, 2, 1, 1)
    """
    codes, _ = _codes(name)
    if not 0 <= index < len(codes):
        raise IndexError(f"{name} numbers its cells from 0 to {len(codes) - 1:,}")
    code = int(codes[index])
    return tuple(code // options**k % options for k in reversed(range(edges)))


def index_of(name: str, rows: NDArray[np.integer], options: int) -> NDArray[np.int64]:
    """The indices of cells.

    Args:
        name: of the numbering.
        rows: [n, edges] options.
        options: how many an edge has.

    Example:
        >>> index_of("nasbench201", np.array([[4, 2, 1, 2, 1, 1]]), 5).tolist()
        [0]
    """
    places = [options**k for k in reversed(range(rows.shape[1]))]
    codes, order = _codes(name)
    return order[np.searchsorted(codes[order], rows @ np.array(places, np.int64))]
