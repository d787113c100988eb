"""Members that differ in one decision or have two exchanged, found on the tree without listing it: for local search.

The variant counts as a decision, too. What a member becomes in another variant is not one member, though: it keeps each
decision that both variants have, and all others are open. Such members are counted, and the k-th is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.tree import Level

__all__ = ["Completions", "counterparts", "exchanges", "neighbours", "rank_rows"]


def neighbours(fs: FeasibleSet, rank: int) -> list[int]:
    """The members of the same variant that differ from a member in exactly one decision.

    One pass through the tree for all of them at once.

    Args:
        fs: the set.
        rank: of the member.

    Returns:
        Their ranks, ascending.

    Raises:
        IndexError: the set has no such rank.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2"), Budgets(rom=13_600)))
        >>> str(fs[4]), [str(fs[rank]) for rank in neighbours(fs, 4)][-4:]
        ('mlp2: 16-80', ['mlp2: 16-32', 'mlp2: 16-48', 'mlp2: 16-64', 'mlp2: 16-96'])
    """
    member = fs[rank]
    widths = [len(d.options) for d in member.variant.decisions]
    rows = np.tile(np.array(member.row, np.int64), (sum(widths), 1))
    rows[np.arange(sum(widths)), np.repeat(np.arange(len(widths)), widths)] = np.concatenate(
        [np.arange(width) for width in widths] or [np.zeros(0, np.int64)]
    )
    return _members(fs, member.position, rows[(rows != member.row).any(axis=1)])


def exchanges(fs: FeasibleSet, rank: int) -> list[int]:
    """The members of the same variant in which two decisions of a member have each other's options.

    Along a budget that is used up, one decision can hardly change alone: what grows needs something to shrink.

    Args:
        fs: the set.
        rank: of the member.

    Returns:
        Their ranks, ascending.

    Raises:
        IndexError: the set has no such rank.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2")))
        >>> [str(fs[rank]) for rank in exchanges(fs, fs.index("mlp2: 16-80"))]
        ['mlp2: 80-16']
    """
    member = fs[rank]
    rows: list[tuple[int, ...]] = []
    for (i, a), (j, b) in combinations(enumerate(member.variant.decisions), 2):
        one, other = a.options[member.row[i]], b.options[member.row[j]]
        if one != other and one in b.options and other in a.options:
            row = list(member.row)
            row[i], row[j] = a.options.index(other), b.options.index(one)
            rows.append(tuple(row))
    return _members(fs, member.position, np.array(rows, np.int64).reshape(len(rows), len(member.row)))


def _members(fs: FeasibleSet, position: int, rows: NDArray[np.integer]) -> list[int]:
    """The ranks of those rows of a variant that are members, ascending."""
    levels, root = fs.tree.chain(position)
    start = _start(fs, position)
    return sorted(start + int(r) for r in rank_rows(levels, root, fs.tree.counts, rows) if r >= 0)


def rank_rows(
    levels: Sequence[Level], root: int, counts: Sequence[NDArray[Any]], rows: NDArray[np.integer]
) -> NDArray[Any]:
    """The rank of each row among the members of one chain of a tree; the inverse of `solvers.sets.ranking.unrank_rows`.

    Args:
        levels: first decision first.
        root: the root.
        counts: members below each node, by height.
        rows: [n, decisions] option indices.

    Returns:
        [n], int64 or Python integers; -1 for a row that is no member.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> tree = solve(compile_space(load_space("mlp2"))).tree
        >>> rank_rows(*tree.chain(0), tree.counts, np.array([[0, 3], [2, 1]])).tolist()
        [3, 17]
    """
    every = np.arange(len(rows))
    node = np.full(len(rows), root)
    ranks = np.zeros(len(rows), counts[len(levels)].dtype)
    for t, level in enumerate(levels):
        children = level[node]
        below = counts[len(levels) - 1 - t][children]
        x = rows[:, t]
        ranks = ranks + np.cumsum(below, axis=1)[every, x] - below[every, x]
        node = children[every, x]
    return np.where(node > 0, ranks, -1)


def counterparts(fs: FeasibleSet, rank: int, variant: int) -> Completions:
    """The members of another variant that agree with a member on every decision that both variants have.

    Decisions are the same where their labels are; an option that the other variant does not know has no counterparts.

    Args:
        fs: the set.
        rank: of the member.
        variant: position of the other variant.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("dscnn"), Budgets(rom=1_000_000)))
        >>> rank = fs.index("dscnn/7: 84-112-84-84-84-196-84")
        >>> shallower, deeper = counterparts(fs, rank, 0), counterparts(fs, rank, 2)
        >>> [str(fs[shallower.rank(k)]) for k in range(shallower.size)], deeper.size
        (['dscnn/6: 84-112-84-84-84-196'], 8)
    """
    values = fs[rank].values
    levels, root = fs.tree.chain(variant)
    decisions = fs.program.variants[variant].decisions
    made = {t: d.options.index(values[d.label]) if values[d.label] in d.options else -1
            for t, d in enumerate(decisions) if d.label in values}  # fmt: skip
    if -1 in made.values():
        root = 0
    return Completions(levels, root, fs.tree.counts, made, _start(fs, variant))


@dataclass(frozen=True, eq=False)
class Completions:
    """The members of one chain of a tree that have made certain decisions in a given way.

    Only nodes that such members pass are looked at.

    Args:
        levels: first decision first.
        root: the root; 0 has no members.
        counts: members below each node, by height.
        made: number of a decision, from 0 -> index of its option.
        start: rank of the chain's first member in the set.
    """

    levels: Sequence[Level]
    root: int
    counts: Sequence[NDArray[Any]]
    made: Mapping[int, int]
    start: int = 0

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self._ways[0][1].sum()) if self.root else 0

    def rank(self, k: int) -> int:
        """The rank in the set of the k-th of them, k from 0, in the order of the set.

        Raises:
            IndexError: there are not so many.
        """
        if not 0 <= k < self.size:
            raise IndexError(f"completion {k} of {self.size}")
        node = self.root
        row: list[int] = []
        for t, level in enumerate(self.levels):
            nodes, ways = self._ways[t + 1]
            children = self._allowed(t, level[[node]])[0]
            found = np.minimum(np.searchsorted(nodes, children), len(nodes) - 1)
            upto = np.cumsum(np.where(nodes[found] == children, ways[found], 0))
            x = int((upto <= k).sum())
            k -= int(upto[x - 1]) if x else 0
            row.append(x)
            node = int(children[x])
        (rank,) = rank_rows(self.levels, self.root, self.counts, np.array([row], np.int64))
        return self.start + int(rank)

    def _allowed(self, t: int, children: NDArray[Any]) -> NDArray[Any]:
        """Children with those dead that the decisions made rule out."""
        if t not in self.made:
            return children
        kept = np.zeros_like(children)
        kept[:, self.made[t]] = children[:, self.made[t]]
        return kept

    @cached_property
    def _ways(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Per level and behind the last, the nodes that can be reached, ascending, and the completions of each."""
        reached = [np.array([self.root], np.int64)]
        for t, level in enumerate(self.levels):
            below = np.unique(self._allowed(t, level[reached[-1]]))
            reached.append(below[below > 0].astype(np.int64))
        ways = [np.ones(len(reached[-1]), self.counts[len(self.levels)].dtype)]
        for t in range(len(self.levels) - 1, -1, -1):
            children = self._allowed(t, self.levels[t][reached[t]])
            known = np.zeros(int(children.max(initial=0)) + 1, ways[-1].dtype)
            known[reached[t + 1]] = ways[-1]
            ways.append(known[children].sum(axis=1))
        return list(zip(reached, ways[::-1], strict=True))


def _start(fs: FeasibleSet, variant: int) -> int:
    """The rank of a variant's first member."""
    return sum(list(fs.counts.values())[:variant])
