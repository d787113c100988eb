"""What the diagrams of single limits have in common: nodes that know their state, not merged across states yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.memory import need
from solvers.sets.tree import Level, numbered_rows, row_blocks

__all__ = ["Part", "Table", "longest", "merged_within_states", "no_network", "structure"]

Table = NDArray[np.int32]  # next state [states, options], -1 where there is none


@dataclass(frozen=True, eq=False)
class Part:
    """A diagram over the decisions of one variant, each of whose nodes belongs to one state.

    Args:
        levels: int32 [nodes + 1, options] per decision, first decision first; entries number nodes of the next level
            from 1, 0 is dead, and after the last decision there is just the leaf, 1. Row 0 is dead.
        states: [nodes + 1] per decision, the state of each node, ascending from row 1 on.
        root: number of the root; 0 where there is no network.
    """

    levels: tuple[Level, ...]
    states: tuple[NDArray[Any], ...]
    root: int


def structure(allowed: Sequence[Table]) -> Part:
    """The diagram of the state graph itself: every possible network."""
    levels = [np.concatenate([np.zeros((1, t.shape[1]), np.int32), t + 1]) for t in allowed]
    if levels:
        levels[-1] = np.minimum(levels[-1], 1)
    return Part(tuple(levels), tuple(np.maximum(np.arange(-1, len(t)), 0) for t in allowed), 1)


def no_network(options: Sequence[int]) -> Part:
    """The diagram without members, given the number of options of each decision."""
    return Part(tuple(np.zeros((1, n), np.int32) for n in options), tuple(np.zeros(1, np.int32) for _ in options), 0)


def longest(part: Part, columns: Sequence[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """Per level and node of a diagram, the largest sum of some costs over the node's completions; -1 where none is.

    Args:
        part: the diagram.
        columns: costs [states, options] per level, none below 0.
    """
    below = np.array([-1, 0], np.int64)
    out: list[NDArray[np.int64]] = []
    for level, states, column in zip(reversed(part.levels), reversed(part.states), reversed(columns), strict=True):
        need(8 * len(level))
        sums = np.empty(len(level), np.int64)
        for rows in row_blocks(*level.shape):
            down = below[level[rows]]
            sums[rows] = np.where(down >= 0, down + column[states[rows]], -1).max(axis=1)
        below = sums
        out.append(below)
    return out[::-1]


def merged_within_states(part: Part) -> Part:
    """The same with equal sub-trees of one state merged, and dead ones dropped."""
    number: NDArray[Any] = np.array([0, 1], np.int32)
    levels: list[Level] = []
    states: list[NDArray[Any]] = []
    for level, state in zip(reversed(part.levels), reversed(part.states), strict=True):
        need(20 * level.size, len(level))
        rows = np.column_stack([state, number[level]])
        live = rows[:, 1:].any(axis=1)
        rows = rows[live]
        first, inverse = numbered_rows(rows)
        order = np.argsort(rows[first, 0], kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(1, len(order) + 1)
        number = np.zeros(len(live), np.int32)
        number[live] = place[inverse]
        rows = np.concatenate([np.zeros((1, rows.shape[1]), rows.dtype), rows[first[order]]])
        levels.append(rows[:, 1:].astype(np.int32))
        states.append(rows[:, 0])
    return Part(tuple(levels[::-1]), tuple(states[::-1]), int(number[part.root]))
