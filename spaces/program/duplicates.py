"""Cells that are the same function, by their form (`spaces.program.isomorphism`), in the order of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from spaces.language.cell import Cell
from spaces.language.numbering import count_of, row_of
from spaces.program.candidate import Candidate
from spaces.program.graph import Program
from spaces.program.isomorphism import benchmark_form, representatives

__all__ = ["MOST_CELLS", "chosen", "first_alike", "numbered_cell", "originals"]

#: Cells beyond which a search for the first with a given form is not worth its time.
MOST_CELLS = 100_000

Names = tuple[str, ...]


def chosen(candidate: Candidate, cell: Cell) -> Names:
    """The operator that a candidate has on each edge of a cell.

    Raises:
        KeyError: the candidate's variant does not use the cell.
    """
    values = candidate.values
    return tuple(values[cell.label(k)] for k in range(len(cell.edges)))


def numbered_cell(program: Program) -> Cell | None:
    """The cell by which a benchmark numbers the candidates of a program; None where there is more to decide."""
    numbered = [cell for cell in program.space.cells.values() if cell.numbering]
    if len(numbered) != 1:
        return None
    labels = [numbered[0].label(k) for k in range(len(numbered[0].edges))]
    same = all([d.label for d in variant.decisions] == labels for variant in program.variants)
    return numbered[0] if same else None


def first_alike(cell: Cell, names: Sequence[str]) -> Names | None:
    """The first cell with the same `benchmark_form`: in the order of its numbering, else in that of the operators.

    None where there are more than `MOST_CELLS` cells to look through.

    Example:
        >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity"})
        >>> first_alike(cell, ("skip", "none", "skip"))
        ('none', 'skip', 'none')
    """
    if len(cell.operators) ** len(cell.edges) > MOST_CELLS:
        return None
    form = benchmark_form(cell, names)
    return next(some for some in _in_order(cell) if benchmark_form(cell, some) == form)


def _in_order(cell: Cell) -> Iterator[Names]:
    operators = tuple(cell.operators)
    if not cell.numbering:
        yield from product(operators, repeat=len(cell.edges))
        return
    for index in range(count_of(cell.numbering)):
        yield tuple(operators[x] for x in row_of(cell.numbering, index, len(operators), len(cell.edges)))


@cache
def originals(cell: Cell) -> NDArray[np.int64]:
    """For each cell of a numbering, by its index, the index of the first with the same form; its own where it is that.

    Args:
        cell: a numbered cell.

    Example:
        >>> from spaces.language.reader import load_space
        >>> first = originals(load_space("nasbench201").cells["cell"])
        >>> len(first), len(set(first.tolist()))
        (15625, 6466)
    """
    options, edges = len(cell.operators), len(cell.edges)
    rows = [row_of(cell.numbering, index, options, edges) for index in range(count_of(cell.numbering))]
    return representatives(cell, np.array(rows))
