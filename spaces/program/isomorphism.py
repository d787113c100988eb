"""Which cells compute the same function: their forms after identities and missing paths are resolved.

Two rules. The benchmark's own (`benchmark_form`) compares texts and finds 6,466 forms in NAS-Bench-201; it tells apart
sums that were nested differently, and zeros that meet. `canonical_cell` flattens sums and carries zeros through, and
finds that only 4,930 of the 15,625 cells are different functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spaces.language.cell import IDENTITY, Cell

__all__ = ["benchmark_form", "canonical_cell", "representatives"]

#: What a node computes: a multiset of (operator, what it is applied to), sorted; `()` is zero.
Sum = tuple[tuple[str, "Sum"], ...]
_INPUT: Sum = (("input", ()),)


def canonical_cell(cell: Cell, names: Sequence[str]) -> Sum:
    """The function of a cell: equal for cells that differ only in the order of sums, in identities or dead edges.

    A node is the multiset of its incoming terms; an identity passes the terms of its source on; no connection, and
    anything applied to zero, adds none (a batch norm of zeros is zero until it is trained).

    Args:
        cell: the cell.
        names: the operator of each edge.

    Example:
        >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity"})
        >>> canonical_cell(cell, ("skip", "none", "skip")) == canonical_cell(cell, ("none", "skip", "skip"))
        True
    """
    nodes: dict[int, Sum] = {0: _INPUT}
    for (i, j), name in zip(cell.edges, names, strict=True):
        nodes[j] = nodes.get(j, ()) + _terms(cell, name, _sorted(nodes.get(i, ())))
    return _sorted(nodes.get(cell.last, ()))


def _terms(cell: Cell, name: str, source: Sum) -> Sum:
    if name in cell.zeros or not source:
        return ()
    return source if cell.operators[name] == IDENTITY else ((name, source),)


@lru_cache(maxsize=65536)
def _sorted(terms: Sum) -> Sum:
    return tuple(sorted(terms))


def benchmark_form(cell: Cell, names: Sequence[str]) -> str:
    """The text by which NAS-Bench-201 compares cells (`to_unique_str` of Dong and Yang's code, zeros considered).

    Example:
        >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity", "conv": ()})
        >>> benchmark_form(cell, ("conv", "none", "skip")), benchmark_form(cell, ("none", "conv", "skip"))
        ('#+(0)@conv', '#+(0)@conv')
    """
    parts: dict[int, list[str]] = {}
    texts = {0: "0"}
    for (i, j), name in zip(cell.edges, names, strict=True):
        source = texts.setdefault(i, "+".join(sorted(parts.get(i, ["#"]))))
        if name in cell.zeros or source == "#":
            term = "#"
        else:
            term = source if cell.operators[name] == IDENTITY else f"({source})@{name}"
        parts.setdefault(j, []).append(term)
    return "+".join(sorted(parts[cell.last]))


def representatives(cell: Cell, rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """For each cell the position of the first with the same `benchmark_form`; its own where it is the first.

    Args:
        cell: the cell.
        rows: [n, edges] options.

    Example:
        >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity"})
        >>> representatives(cell, np.array([[1, 0, 1], [1, 1, 1], [0, 1, 1]])).tolist()
        [0, 1, 0]
    """
    operators = tuple(cell.operators)
    first: dict[str, int] = {}
    forms = (benchmark_form(cell, [operators[x] for x in row]) for row in rows.tolist())
    return np.array([first.setdefault(form, k) for k, form in enumerate(forms)], np.int64)
