"""Members of a tree by rank: which member is the k-th, which rank has a member, and all of them at once.

Every function works on one chain of a tree: `levels` from the first decision to the last, the `root`, and `counts`, the
members below each node by height. Members are rows of option indices in lexicographic order.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.sets.tree import Level

__all__ = ["distinct_draws", "list_rows", "rank_row", "shuffled", "unrank_rows"]

Counts = Sequence[NDArray[Any]]


def rank_row(levels: Sequence[Level], root: int, counts: Counts, row: Sequence[int]) -> int | None:
    """The rank of a row, or None where it is no member."""
    rank, node = 0, root
    for t, x in enumerate(row):
        children = levels[t][node]
        rank += int(counts[len(levels) - 1 - t][children[:x]].sum())
        node = int(children[x])
    return rank if node else None


def unrank_rows(levels: Sequence[Level], root: int, counts: Counts, ranks: NDArray[Any]) -> NDArray[np.int64]:
    """The rows with these ranks; int64 [n, decisions].

    Every rank must be below the number of members; ranks may be Python integers in an object array.
    """
    node = np.full(len(ranks), root)
    rows = np.zeros((len(levels), len(ranks)), np.int64)
    pick = _pick_by_option if len(ranks) >= _MANY else _pick_at_once
    for t, level in enumerate(levels):
        below = counts[len(levels) - 1 - t]
        rows[t], ranks = pick(level[node], below, ranks)
        node = level[node, rows[t]]
    return rows.T


#: Ranks from which a pass per option is faster than one over all options: its arrays are long and lie in order.
_MANY = 256


def _pick_at_once(children: Level, below: NDArray[Any], ranks: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The option that each rank falls on, and its rank among the members there."""
    sizes = below[children]
    upto = np.cumsum(sizes, axis=1)
    x = (upto <= ranks[:, None]).sum(axis=1)
    every = np.arange(len(ranks))
    return x, ranks - upto[every, x] + sizes[every, x]


def _pick_by_option(children: Level, below: NDArray[Any], ranks: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The same as `_pick_at_once`."""
    x = np.zeros(len(ranks), np.int64)
    on = np.ones(len(ranks), np.bool_)
    for column in children[:, :-1].T.copy():
        sizes = below[column]
        on &= ranks >= sizes
        ranks = ranks - sizes * on
        x += on
    return x, ranks


#: Prefixes that are extended at once: few enough for the processor's cache.
_PIECE = 1 << 14


def list_rows(
    levels: Sequence[Level], root: int, counts: Counts, options: Sequence[NDArray[Any]], out: NDArray[Any]
) -> None:
    """Write all rows, in order, as option values: prefixes are extended level by level.

    Each prefix is written as often as it has completions, so the work is proportional to the output.

    Args:
        levels: first decision first.
        root: the root.
        counts: members below each node, by height.
        options: the values of each decision's options.
        out: [members, at least decisions]; its first columns are filled. Column-major order is fastest.
    """

    def extend(t: int, frontier: NDArray[Any], row: int) -> None:
        """Write decision t and all later ones for the prefixes that end in the nodes of `frontier`, from a row on."""
        if t == len(levels):
            return
        for begin in range(0, len(frontier), _PIECE):
            children = levels[t][frontier[begin : begin + _PIECE]]
            prefix, x = np.nonzero(children)
            after = children[prefix, x]
            column = options[t][x]
            if t + 1 < len(levels):
                column = np.repeat(column, counts[len(levels) - 1 - t][after].astype(np.int64))
            out[row : row + len(column), t] = column
            extend(t + 1, after, row)
            row += len(column)

    if root:
        extend(0, np.array([root]), 0)


def distinct_draws(count: int, n: int, source: random.Random) -> list[int]:
    """n different whole numbers below `count`, uniformly and in random order, for counts of any size.

    Raises:
        ValueError: n is negative or larger than `count`.
    """
    if not 0 <= n <= count:
        raise ValueError(f"cannot draw {n:,} different members from a set of {count:,}")
    if count < 2**62:
        return source.sample(range(count), n)
    # `range` cannot be this long; with so many numbers a repeat is rare, and simply drawn again.
    drawn: dict[int, None] = {}
    while len(drawn) < n:
        drawn[source.randrange(count)] = None
    return list(drawn)


def shuffled(count: int, source: random.Random) -> Iterator[int]:
    """All whole numbers below `count` in random order, each drawn when it is taken; `count` may be of any size.

    A Fisher-Yates shuffle that remembers only what it has moved. The first number is `source.randrange(count)`.

    Example:
        >>> sorted(shuffled(5, random.Random(0)))
        [0, 1, 2, 3, 4]
        >>> next(shuffled(10**30, random.Random(0))) == random.Random(0).randrange(10**30)
        True
    """
    moved: dict[int, int] = {}
    first = 0
    while first < count:
        place = source.randrange(first, count)
        yield moved.get(place, place)
        moved[place] = moved.pop(first, first)
        first += 1
