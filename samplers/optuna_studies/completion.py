"""Decisions completed to members: the nearest member to a wish, and what a decision can still be once others are made.

All work on one chain of a set's tree, `levels` from the first decision to the last and the `root`, without listing it.
An optimiser that knows nothing of constraints proposes a row of options; the nearest member is what it gets instead.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from solvers.sets.tree import Level
from spaces.program.variants import Decision

__all__ = ["FAR", "distances", "nearest", "possible", "without"]

#: The distance between the two ends of a decision. Divisible by all numbers up to 16, so that steps of decisions with
#: up to 17 options are whole numbers, and members equally near are equally near exactly.
FAR = 720_720


def distances(decision: Decision, option: int) -> NDArray[np.int64]:
    """How far each option of a decision is from one of them, from 0 to `FAR` (Gower's distance).

    Options that are numbers lie in equal steps in the order of their values; any others are all equally far.

    Args:
        decision: the decision.
        option: index of the option wished for.

    Returns:
        int64 [options].

    Example:
        >>> (distances(Decision("M[1]", "M", (64, 16, 32)), 1) / FAR).tolist()
        [1.0, 0.0, 0.5]
        >>> (distances(Decision("op", "op", ("none", "conv", "pool")), 1) / FAR).tolist()
        [1.0, 0.0, 1.0]
    """
    count = len(decision.options)
    if not decision.numeric:
        return np.where(np.arange(count) == option, 0, FAR)
    places = np.argsort(np.argsort(np.array(decision.options, np.float64), kind="stable"), kind="stable")
    return np.abs(places - places[option]) * FAR // max(count - 1, 1)


def nearest(levels: Sequence[Level], root: int, costs: Sequence[NDArray[np.int64]], source: random.Random) -> list[int]:
    """The member of least total distance; of several, each is equally likely.

    A shortest path through the tree, level by level, over those nodes only that are no farther than the member found
    by taking the nearest possible option one decision after another.

    Args:
        levels: first decision first.
        root: the root; not 0.
        costs: per decision, the distance of each option, whole numbers from 0 up.
        source: decides between members that are equally near.

    Returns:
        The member's option indices.

    Example:
        >>> from samplers.testing import example_set
        >>> fs = example_set("small")
        >>> levels, root = fs.tree.chain(0)
        >>> wish = [distances(d, 3) for d in fs.program.variants[0].decisions]  # 64-64 does not fit
        >>> row = nearest(levels, root, wish, random.Random(0))
        >>> [d.options[x] for d, x in zip(fs.program.variants[0].decisions, row)]
        [32, 64]
    """
    bound = _greedy_distance(levels, root, costs)
    nodes, reached, ways = np.array([root]), np.zeros(1, np.int64), np.ones(1)
    steps = []
    for level, cost in zip(levels, costs, strict=True):
        children = level[nodes][:, : len(cost)]
        totals = reached[:, None] + cost
        parent, option = np.nonzero((children != 0) & (totals <= bound))
        total = totals[parent, option]
        nodes, child = np.unique(children[parent, option], return_inverse=True)
        reached = np.full(len(nodes), bound + 1)
        np.minimum.at(reached, child, total)
        tight = total == reached[child]
        parent, option, child = parent[tight], option[tight], child[tight]
        weight = ways[parent]
        ways = np.bincount(child, weight, len(nodes))
        steps.append((parent, option, child, weight))
    row, at = [], 0
    for parent, option, child, weight in reversed(steps):
        here = np.flatnonzero(child == at)
        (chosen,) = source.choices(here.tolist(), weight[here].tolist())
        row.append(int(option[chosen]))
        at = int(parent[chosen])
    return row[::-1]


def _greedy_distance(levels: Sequence[Level], root: int, costs: Sequence[NDArray[np.int64]]) -> int:
    """The distance of the member that takes the nearest possible option, one decision after another."""
    node, total = root, 0
    for level, cost in zip(levels, costs, strict=True):
        children = level[node][: len(cost)]
        options = np.flatnonzero(children)
        x = options[np.argmin(cost[options])]
        total += int(cost[x])
        node = int(children[x])
    return total


def possible(
    levels: Sequence[Level], root: int, allowed: Mapping[int, NDArray[np.bool_]], decision: int
) -> NDArray[np.bool_]:
    """Which options a decision can have in members whose other options are allowed, whichever come before it.

    Args:
        levels: first decision first.
        root: the root; 0 allows nothing.
        allowed: number of a decision, from 0 -> which of its options are allowed; the entry of `decision` is ignored.
        decision: the number of the decision.

    Returns:
        bool [options of the level].

    Example:
        >>> from samplers.testing import example_set
        >>> levels, root = example_set("small").tree.chain(0)
        >>> options = example_set("small").program.variants[0].decisions[0].options
        >>> last = np.arange(len(options)) == 3
        >>> [o for o, can in zip(options, possible(levels, root, {1: last}, 0)) if can]  # M[1] where M[2] = 64
        [16, 32]
    """
    last = max((t for t in allowed if t != decision), default=-1)
    nodes = np.array([root] if root else [], np.intp)
    passed: list[NDArray[np.intp]] = []
    for t in range(max(last, decision) + 1):
        passed.append(nodes)
        nodes = np.unique(_allowed(levels[t], nodes, allowed, t, decision))
        nodes = nodes[nodes != 0].astype(np.intp)
    live = nodes
    for t in range(last, decision, -1):
        leads_on = np.isin(_allowed(levels[t], passed[t], allowed, t, decision), live[live != 0])
        live = passed[t][leads_on.any(axis=1)]
    children = levels[decision][passed[decision]]
    return np.asarray(np.isin(children, live[live != 0]).any(axis=0))


def _allowed(
    level: Level, nodes: NDArray[np.intp], allowed: Mapping[int, NDArray[np.bool_]], t: int, decision: int
) -> NDArray[np.uint32]:
    """The children of nodes by the options that are allowed."""
    return level[nodes] if t == decision or t not in allowed else level[nodes][:, np.flatnonzero(allowed[t])]


def without(levels: Sequence[Level], root: int, rows: NDArray[np.int64]) -> tuple[list[Level], int]:
    """The chain without some of its members: the nodes on their ways are copied, and lead to them no more.

    Args:
        levels: first decision first.
        root: the root.
        rows: option indices of members; int64 [n, decisions].

    Returns:
        Levels and root; equal sub-trees are not merged again.

    Example:
        >>> from samplers.testing import example_set
        >>> levels, root = example_set("small").tree.chain(0)
        >>> levels, root = without(levels, root, np.array([[0, 0], [0, 1]]))  # 16-16 and 16-32
        >>> np.flatnonzero(possible(levels, root, {0: np.arange(6) == 0}, 1)).tolist()
        [2, 3, 4, 5]
        >>> without([], 1, np.zeros((1, 0), np.int64))  # of the one network of a space without decisions
        ([], 0)
    """
    if not len(rows):
        return list(levels), root
    firsts, groups, at = [], [], np.full(len(rows), root)
    for t, level in enumerate(levels):
        _, first, group = np.unique(rows[:, :t], axis=0, return_index=True, return_inverse=True)
        firsts.append(at[first])
        groups.append(group.ravel())
        at = level[at, rows[:, t]].astype(np.intp)
    result: list[Level] = []
    number = np.zeros(len(rows), np.int64)  # per row, the new number of the node behind it: nothing, at the end
    for t in range(len(levels) - 1, -1, -1):
        level = levels[t].astype(np.int64)
        copies = level[firsts[t]]
        copies[groups[t], rows[:, t]] = number
        own = np.where(copies.any(axis=1), len(level) + np.arange(len(copies)), 0)
        result.append(np.concatenate([level, copies]))
        number = own[groups[t]]
    return result[::-1], int(number[0])
