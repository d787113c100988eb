"""Feasible sets of cells, restricted to the operators that a pruning search has left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product
from typing import Any

from networkx import all_simple_paths

from solvers.sets.relaxed_set import AnySet
from spaces.language.cell import Cell

__all__ = ["Operators", "connected", "removable", "within", "without"]

#: Label of each edge -> the operators left on it.
Operators = dict[str, tuple[str, ...]]


def removable(remaining: Operators) -> list[tuple[str, str]]:
    """Every (edge, operator) that could be pruned: those of edges with more than one."""
    return [(edge, o) for edge, names in remaining.items() if len(names) > 1 for o in names]


def without(remaining: Operators, edge: str, operator: str) -> Operators:
    """The operators that are left when one of them is pruned.

    Example:
        >>> without({"cell[1]": ("none", "skip"), "cell[2]": ("skip",)}, "cell[1]", "none")
        {'cell[1]': ('skip',), 'cell[2]': ('skip',)}
    """
    return {**remaining, edge: tuple(o for o in remaining[edge] if o != operator)}


def within(fs: AnySet, remaining: Operators) -> AnySet:
    """The members of a feasible set whose edges have only these operators."""
    choices: dict[str, Any] = {}
    for label, names in remaining.items():
        cell, _, position = label.rstrip("]").partition("[")
        choices.setdefault(cell, {})[int(position)] = list(names)
    return fs.where(None, **choices)


def connected(fs: AnySet, remaining: Operators) -> bool:
    """Whether a feasible cell with these operators has a path from each cell's input to its output.

    A cell without such a path gives the same output whatever it is shown, and costs least.
    """
    left = within(fs, remaining)
    return bool(left) and any(
        within(left, {**remaining, **_nonzero(cells, remaining)})
        for cells in product(*(_paths(cell) for cell in fs.program.space.cells.values()))
        if all(_nonzero(cells, remaining).values())
    )


def _paths(cell: Cell) -> list[tuple[Cell, list[str]]]:
    """The paths of a cell from input to output, each as the labels of its edges."""
    labels = {edge: cell.label(k) for k, edge in enumerate(cell.edges)}
    paths = all_simple_paths(cell.graph, 0, cell.last)
    return [(cell, [labels[i, j] for i, j in pairwise(nodes)]) for nodes in paths]


def _nonzero(cells: Sequence[tuple[Cell, list[str]]], remaining: Operators) -> Operators:
    """For the edges of some paths, what is left on them and connects."""
    return {label: tuple(o for o in remaining[label] if o not in cell.zeros) for cell, path in cells for label in path}
