"""The members of a set in order of falling entropy: which one is at a position, and which position has one.

Two ways to the same thing. A set that can be listed is sorted by the entropies of its members. Of any other set the
distribution of the entropy comes out of dynamic programming, with entropies rounded to a stated error; members of one
rounded entropy follow in the order in which `solvers.sets.distribution` counts them. Of a relaxed set some members are
known, which are sorted as if they were all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from solvers.sets.distribution import Distribution, distribution
from solvers.sets.feasible_set import FeasibleSet
from spaces.program.candidate import candidate_of

__all__ = ["Binned", "EntropyOrder", "Known", "Listed", "by_bins", "by_known", "by_listing"]

#: Entropies are compared by so many decimals: the order in which logarithms are added moves the last bits.
_DECIMALS = 9


@dataclass(frozen=True, eq=False)
class EntropyOrder(ABC):
    """Positions of the members of a set, by falling entropy.

    Args:
        fs: the set.
        values: float64, entropies (EBS Eq. 6), from the largest down; equal ones may follow each other.
        starts: the position of the first member of each value, then the number of members.
        error: how far a member's entropy can be from the value it is counted under, at most.
    """

    fs: FeasibleSet
    values: NDArray[np.float64]
    starts: Sequence[int]
    error: float

    @abstractmethod
    def rank(self, position: int) -> int:
        """The rank in the set of the member at a position."""

    @abstractmethod
    def position(self, rank: int) -> int | None:
        """The position of the member with this rank; None where it is not among them."""


@dataclass(frozen=True, eq=False)
class Listed(EntropyOrder):
    """A set that was listed and sorted.

    Args:
        ranks: int64 [members], by position.
    """

    ranks: NDArray[np.int64]

    @cached_property
    def _positions(self) -> NDArray[np.int64]:
        result = np.empty_like(self.ranks)
        result[self.ranks] = np.arange(len(result))
        return result

    def rank(self, position: int) -> int:
        """The rank in the set of the member at a position."""
        return int(self.ranks[position])

    def position(self, rank: int) -> int:
        """The position of the member with this rank."""
        return int(self._positions[rank])


def by_listing(fs: FeasibleSet) -> Listed:
    """Sort the members of a set; takes about a microsecond and 24 bytes for each.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> order = by_listing(solve(compile_space(load_space("mlp2"), Budgets(rom=13_600))))
        >>> str(order.fs[order.rank(0)]), order.values[:2].round(2).tolist(), order.starts[:3]
        ('mlp2: 16-96', [69.7, 66.0], [0, 1, 2])
    """
    entropies = _entropies(fs, range(fs.size))
    ranks = np.argsort(-entropies, kind="stable")
    return Listed(fs, *_values(entropies[ranks]), 0.0, ranks)


@dataclass(frozen=True, eq=False)
class Known(EntropyOrder):
    """Some members of a set.

    Args:
        ranks: by position.
    """

    ranks: Sequence[int]

    @cached_property
    def _positions(self) -> dict[int, int]:
        return {rank: position for position, rank in enumerate(self.ranks)}

    def rank(self, position: int) -> int:
        """The rank in the set of the member at a position."""
        return self.ranks[position]

    def position(self, rank: int) -> int | None:
        """The position of the member with this rank; None where it is not among them."""
        return self._positions.get(rank)


def by_known(fs: FeasibleSet, ranks: Sequence[int]) -> Known:
    """Sort some members of a set.

    Example:
        >>> from samplers.testing import example_set
        >>> order = by_known(example_set("small"), [13, 0, 5])
        >>> order.rank(0), order.values.round(2).tolist(), order.starts, order.position(1)
        (5, [69.7, 41.29, 32.0], [0, 1, 2, 3], None)
    """
    entropies = _entropies(fs, ranks)
    order = np.argsort(-entropies, kind="stable")
    return Known(fs, *_values(entropies[order]), 0.0, [ranks[k] for k in order.tolist()])


def _entropies(fs: FeasibleSet, ranks: Sequence[int]) -> NDArray[np.float64]:
    """The entropies of members, rounded."""
    result = np.zeros(len(ranks))
    at = 0
    for positions, rows in fs.rows(ranks):
        for v in np.unique(positions):
            here = np.flatnonzero(positions == v)
            own = rows[here, : len(fs.program.variants[v].decisions)]
            result[at + here] = fs.program.costs(int(v), own)["entropy"]
        at += len(rows)
    return result.round(_DECIMALS)


def _values(entropies: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[int]]:
    """The different values of falling entropies, and where each begins; then how many there are."""
    values, first = np.unique(-entropies, return_index=True)
    return -values, [*first.tolist(), len(entropies)]


@dataclass(frozen=True, eq=False)
class Binned(EntropyOrder):
    """A set known by the distribution of the sum in Eq. 6; each bin of each variant has a value.

    Args:
        parts: the distribution of the sum of log-widths by the position of the variant.
        variants: int64, the position of the variant of each value's bin.
        numbers: int64, the bin's number there.
    """

    parts: dict[int, Distribution]
    variants: NDArray[np.int64]
    numbers: NDArray[np.int64]

    @cached_property
    def _places(self) -> dict[int, NDArray[np.intp]]:
        """Per variant, where the value of each bin is."""
        return {v: np.flatnonzero(self.variants == v)[np.argsort(self.numbers[self.variants == v])] for v in self.parts}

    def rank(self, position: int) -> int:
        """The rank in the set of the member at a position."""
        k = bisect_right(self.starts, position) - 1
        variant = int(self.variants[k])
        row = self.parts[variant].row(int(self.numbers[k]), position - self.starts[k])
        return self.fs.index(candidate_of(self.fs.program, variant, row))

    def position(self, rank: int) -> int:
        """The position of the member with this rank."""
        member = self.fs[rank]
        number, place = self.parts[member.position].place(member.row)
        return self.starts[self._places[member.position][number]] + place


def by_bins(fs: FeasibleSet, bins: int = 2048) -> Binned:
    """Count the members of a set by their entropy, without listing them.

    H = log2(u_L) * sum log2(w_i): the sum is rounded, once for each variant; its factor is that of the final state.

    Args:
        fs: the set.
        bins: how many sums are told apart at most; see `solvers.sets.distribution`.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> order = by_bins(solve(compile_space(load_space("mlp2"), Budgets(rom=13_600))))
        >>> str(order.fs[order.rank(0)]), order.values[:2].round(2).tolist(), order.error < 0.01
        ('mlp2: 16-96', [69.7, 66.0], True)
    """
    parts: dict[int, Distribution] = {}
    values, error = [np.zeros(0)], 0.0
    for v, chain in enumerate(fs.program.chains):
        if not fs.counts[chain.variant.label]:
            continue
        lifted = fs.metrics.lifted(v)
        part = parts[v] = distribution(lifted, lifted.edges("log_width"), chain.base["log_width"], bins)
        factors = chain.log_out[part.states]
        values.append((factors * part.values).round(_DECIMALS))
        error = max(error, float(factors.max()) * part.error)
    value = np.concatenate(values)
    variant = np.repeat(list(parts), [len(part.counts) for part in parts.values()]).astype(np.int64)
    number = np.concatenate([np.arange(0), *(np.arange(len(part.counts)) for part in parts.values())])
    counts = [count for part in parts.values() for count in part.counts.tolist()]
    order = np.lexsort((number, variant, -value))
    starts = list(accumulate((counts[k] for k in order.tolist()), initial=0))
    return Binned(fs, value[order], starts, error=error, parts=parts, variants=variant[order], numbers=number[order])
