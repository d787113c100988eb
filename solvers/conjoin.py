"""Diagrams of single limits conjoined: all are walked at once, and what none needs any more is given up at every step.

A network fits when it fits every limit, so the nodes of the whole are tuples, a node of every diagram. Walked as they
come, tuples keep a slack of one limit that another no longer lets them use, and many stand for the same completions.
So every tuple is tightened before it is expanded: let F be the largest sum of one limit's costs over the completions
that another diagram's node admits, a longest path through that diagram. Whatever the tuple admits never costs more, so
its node of the first may be replaced by the one of least slack that still admits F. Equal tuples are one.

Tuples are expanded in blocks, and a level is a table of 32-bit numbers, so that a step takes a few words a transition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.base import Progress
from solvers.interval import Interval
from solvers.memory import need
from solvers.part import Part, longest
from solvers.sets.tree import Level, few_codes, numbered_in_parts, numbered_rows, row_blocks

__all__ = ["conjoined", "conjoined_count", "counted"]

_Columns = list[NDArray[np.int32]]  # one node per part and tuple
_WORD = 62  # bits of a code
_LIMB = 30  # bits of a count that are added up at once, so that billions of them cannot overflow


@dataclass(frozen=True, eq=False)
class _Step:
    """One decision of all tuples.

    Args:
        alive: bool [tuples, options].
        columns: the distinct tuples that they lead to.
        number: which of these, per living transition in order.
    """

    alive: NDArray[np.bool_]
    columns: _Columns
    number: NDArray[np.int32]


def conjoined(parts: Sequence[Part], progress: Progress | None = None) -> tuple[list[Level], int]:
    """The diagram of the networks that all parts admit, its equal sub-trees not merged yet.

    Args:
        parts: at least one, over the same states and decisions.
        progress: called once per level with the tuples so far.

    Returns:
        (levels, root), as `solvers.sets.tree.reduce_chain` takes them.
    """
    if not all(part.root for part in parts):
        return [np.zeros((1, level.shape[1]), np.int32) for level in parts[0].levels], 0
    parts = _needed(parts)
    if len(parts) == 1:
        return list(parts[0].levels), parts[0].root
    levels: list[Level] = []
    for step in _steps(parts, progress):
        need(4 * (step.alive.size + len(step.number)), len(step.alive))
        level = np.zeros((len(step.alive) + 1, step.alive.shape[1]), np.int32)
        level[1:][step.alive] = step.number + 1
        levels.append(level)
    return levels, 1


def conjoined_count(parts: Sequence[Part], size: int, progress: Progress | None = None) -> int:
    """How many networks all parts admit, without their diagram: prefixes are counted per tuple, a level at a time.

    Args:
        parts: at least one, over the same states and decisions.
        size: how many networks there can be at most.
        progress: called once per level with the tuples so far.
    """
    if not all(part.root for part in parts):
        return 0
    limbs = size.bit_length() // _LIMB + 1
    counts = np.zeros((limbs, 1), np.int64)
    counts[0] = 1
    for step in _steps(_needed(parts), progress):
        need(8 * limbs * len(step.columns[0]))
        into = np.zeros((limbs, len(step.columns[0])), np.int64)
        begin = 0
        for rows in row_blocks(*step.alive.shape):
            times = np.count_nonzero(step.alive[rows], axis=1)
            block = step.number[begin : begin + int(times.sum())]
            for limb, own in zip(into, counts, strict=True):
                np.add.at(limb, block, np.repeat(own[rows], times))
            begin += len(block)
        _carry(into)
        counts = into
    return _whole(counts.sum(axis=1))


def counted(levels: Sequence[Level], nodes: Sequence[tuple[int, int]], size: int) -> list[int]:
    """How many members nodes of a diagram have.

    Args:
        levels: of the diagram, first decision first.
        nodes: a level and a node of it, each.
        size: how many members there can be at most.
    """
    found = [0] * len(nodes)
    below = np.zeros((size.bit_length() // _LIMB + 1, 2), np.int64)
    below[0, 1] = 1
    for t in range(len(levels), -1, -1):
        for k in (k for k, (at, _) in enumerate(nodes) if at == t):
            found[k] = _whole(below[:, nodes[k][1]])
        if t:
            below = _counts(levels[t - 1], below)
    return found


def _counts(level: Level, below: NDArray[np.int64]) -> NDArray[np.int64]:
    """The members of the nodes of a level, given those of the next: [limbs, nodes]."""
    need(8 * len(below) * len(level), len(level))
    own = np.empty((len(below), len(level)), np.int64)
    for rows in row_blocks(*level.shape):
        children = level[rows]
        for sums, limb in zip(own, below, strict=True):
            limb[children].sum(axis=1, out=sums[rows])
    _carry(own)
    return own


def _whole(limbs: NDArray[np.int64]) -> int:
    """The number that limbs make."""
    return sum(int(limb) << (_LIMB * k) for k, limb in enumerate(limbs.tolist()))


def _carry(limbs: NDArray[np.int64]) -> None:
    """Hand on what is more than a limb holds."""
    for limb, above in pairwise(limbs):
        above += limb >> _LIMB
        limb &= (1 << _LIMB) - 1


def _needed(parts: Sequence[Part]) -> list[Part]:
    """Without the limits that another one implies."""
    kept = sorted(parts, key=_nodes)
    for part in kept[::-1]:
        if isinstance(part, Interval) and any(
            int(longest(other, part.columns)[0][other.root]) <= int(part.sums[0][part.root])
            for other in kept
            if other is not part
        ):
            kept.remove(part)
    return kept


def _nodes(part: Part) -> int:
    return sum(map(len, part.levels))


def _steps(parts: Sequence[Part], progress: Progress | None) -> Iterator[_Step]:
    """All tuples, decision by decision."""
    depth = len(parts[0].levels)
    most = [
        [_most(part, other) if isinstance(part, Interval) and part is not other else None for other in parts]
        for part in parts
    ]
    columns: _Columns = [np.array([part.root], np.int32) for part in parts]
    done = 0
    for t in range(depth):
        if progress:
            progress("conjoining limits", done)
        done += len(columns[0])
        width = parts[0].levels[t].shape[1]
        need(len(columns[0]) * width)
        alive = np.zeros((len(columns[0]), width), np.bool_)
        after = _Level(parts, t + 1, alive.size) if t + 1 < depth else None
        for rows in row_blocks(*alive.shape):
            children = [part.levels[t][column[rows]] for part, column in zip(parts, columns, strict=True)]
            living = alive[rows]
            np.logical_and.reduce([child > 0 for child in children], out=living)
            if after:
                nodes = [child[living] for child in children]
                for node, bounds in zip(nodes, most, strict=True):
                    for other, bound in zip(nodes, bounds, strict=True):
                        if bound is not None:
                            np.minimum(node, bound[t + 1][other], out=node)
                after.add(nodes)
        if after:
            columns, number = after.numbered()
        else:
            columns, number = [np.zeros(1, np.int32)], np.zeros(np.count_nonzero(alive), np.int32)
        yield _Step(alive, columns, number)


def _most(part: Interval, other: Part) -> list[NDArray[np.int32]]:
    """Per level and node of another diagram, the node of `part` that admits all that the other's node admits."""
    sums = longest(other, part.columns)
    return [part.admitting(t, other.states[t], sums[t]) for t in range(len(sums))]


class _Level:
    """The tuples of a level, collected as they come and then numbered, equal ones alike.

    A tuple is written as a number: its state, then each part's node among those of the state; as several numbers where
    one would have more than `_WORD` bits. While there are not many more possible numbers than tuples, a table of flags
    finds the distinct ones faster than sorting.

    Args:
        parts: the diagrams.
        t: which level.
        room: how many tuples will come at most.
    """

    def __init__(self, parts: Sequence[Part], t: int, room: int) -> None:
        owners = [part.states[t] for part in parts]
        states = max(int(owner.max(initial=0)) for owner in owners) + 1
        self.begins = [np.searchsorted(owner[1:], np.arange(states + 1)) + 1 for owner in owners]
        self.sizes = [max(1, int(np.diff(begin).max())) for begin in self.begins]
        # Which parts share a word; the first begins with the state.
        self.words: list[list[int]] = [[]]
        size = states
        for k, own in enumerate(self.sizes):
            if (size * own).bit_length() > _WORD:
                self.words.append([])
                size = 1
            self.words[-1].append(k)
            size *= own
        few = len(self.words) == 1 and few_codes(room, size, spare=32)
        need(24 * sum(map(len, owners)) + (4 * room + size if few else 8 * room * len(self.words)))
        kind = np.int32 if few else np.int64
        # What each node adds to its word.
        self.adds: list[NDArray[Any]] = []
        for k, (owner, begin) in enumerate(zip(owners, self.begins, strict=True)):
            word = next(members for members in self.words if k in members)
            unit = prod(self.sizes[other] for other in word if other > k)
            add = (np.arange(len(owner)) - begin[owner]) * unit
            if k == 0:
                add += owner * (unit * self.sizes[0])
            self.adds.append(add.astype(kind, copy=False))
        self.flags = np.zeros(size, np.bool_) if few else None
        self.codes = np.empty((len(self.words), room), kind)
        self.count = 0

    def add(self, nodes: _Columns) -> None:
        """More tuples, a node per part."""
        block = slice(self.count, self.count + len(nodes[0]))
        for code, members in zip(self.codes, self.words, strict=True):
            own = self.adds[members[0]][nodes[members[0]]]
            for k in members[1:]:
                own += self.adds[k][nodes[k]]
            code[block] = own
            if self.flags is not None:
                self.flags[own] = True
        self.count = block.stop

    def numbered(self) -> tuple[_Columns, NDArray[np.int32]]:
        """The distinct tuples, and the number of each that was added; what was collected is given up."""
        codes, self.codes = self.codes[:, : self.count], self.codes[:0]
        if self.flags is not None:
            need(8 * len(self.flags))
            places = np.cumsum(self.flags, dtype=np.int32)
            places -= 1
            number = codes[0]
            for block in row_blocks(len(number), 1):
                number[block] = places[number[block]]
            words = [np.flatnonzero(self.flags)]
            del places
        elif len(codes) == 1:
            distinct, number = numbered_in_parts(codes[0])
            words = [distinct]
        else:
            first, number = numbered_rows(codes.T)
            words = [code[first] for code in codes]
        del codes
        return self._nodes(words), number

    def _nodes(self, words: list[NDArray[np.int64]]) -> _Columns:
        """The tuples of words."""
        total = len(words[0])
        need(4 * total * len(self.begins), total)
        columns = [np.empty(total, np.int32) for _ in self.begins]
        for rows in row_blocks(total, 1):
            local: dict[int, NDArray[np.int64]] = {}
            state = words[0][rows]
            for code, members in zip(words, self.words, strict=True):
                rest = code[rows]
                for k in reversed(members):
                    rest, local[k] = np.divmod(rest, self.sizes[k])
                state = rest if 0 in members else state
            for k, (column, begin) in enumerate(zip(columns, self.begins, strict=True)):
                column[rows] = begin[state] + local[k]
        return columns
