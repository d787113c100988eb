"""The diagram of a limit on ping-pong RAM: an automaton over the largest even and the largest odd output so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.memory import need
from solvers.part import Part, Table, merged_within_states, no_network
from solvers.sets.tree import Level, distinct_codes, unique_codes
from spaces.program.graph import Chain

__all__ = ["pingpong_part"]

Ints = NDArray[np.int64]


def pingpong_part(chain: Chain, allowed: Sequence[Table], limit: int) -> Part | None:
    """The diagram of even + odd <= limit (EBS Eq. 4); None where every possible network satisfies it.

    Args:
        chain: the variant.
        allowed: next state [states, options] per level, -1 where there is none.
        limit: bytes.
    """
    columns = [(stage.column("even"), stage.column("odd")) for stage in chain.stages]
    base = (int(chain.base["even"]), int(chain.base["odd"]))
    if base[0] + base[1] > limit:
        return no_network([t.shape[1] for t in allowed])
    sizes = _sizes(columns, base)
    ranks = [(np.searchsorted(sizes, even), np.searchsorted(sizes, odd)) for even, odd in columns]
    rounding = _Rounding(allowed, ranks, np.searchsorted(sizes, limit - sizes, "right") - 1)
    state, even, odd = (np.array([v]) for v in (0, *(np.searchsorted(sizes, b) for b in base)))
    levels: list[Level] = []
    states: list[NDArray[Any]] = []
    binding = False
    for t, table in enumerate(allowed):
        need(80 * len(state) * table.shape[1], len(state))
        after = table[state].astype(np.int64)
        new_even = np.maximum(even[:, None], ranks[t][0][state])
        new_odd = np.maximum(odd[:, None], ranks[t][1][state])
        new_even, new_odd, fits = rounding.largest(t + 1, after, new_even, new_odd)
        binding |= bool((~fits & (after >= 0)).any())
        n = len(sizes)
        codes = np.where(fits & (after >= 0), 1 + (after * n + new_even) * n + new_odd, 0)
        distinct, children = unique_codes(codes, 1 + (int(after.max(initial=0)) + 1) * n * n)
        children = np.minimum(children, 1) if t + 1 == len(allowed) else children
        levels.append(np.concatenate([np.zeros((1, table.shape[1]), np.int32), children.astype(np.int32)]))
        states.append(np.concatenate([[0], state]))
        state, even, odd = (distinct - 1) // (n * n), (distinct - 1) // n % n, (distinct - 1) % n
    return merged_within_states(Part(tuple(levels), tuple(states), 1)) if binding else None


class _Rounding:
    """Pairs of maxima that leave the same completions feasible, replaced by the same larger pair.

    All sizes are given by their ranks, 0 being no more than any.

    Args:
        allowed: next state [states, options] per level.
        ranks: even and odd outputs [states, options] per level.
        fit: per size, the largest that fits beside it; -1 where none does.
    """

    def __init__(self, allowed: Sequence[Table], ranks: Sequence[tuple[Ints, Ints]], fit: Ints) -> None:
        self.fit = fit
        # Per parity and level: the least maximum that can follow each state, and the largest later size up to a size.
        self.least: list[list[Ints]] = []
        self.later: list[list[Ints]] = []
        for parity in (0, 1):
            least = [np.zeros(int(allowed[-1].max()) + 1, np.int64)] if allowed else []
            met = np.zeros(len(fit), np.bool_)
            later = [np.zeros(len(fit), np.int64)]
            for table, columns in zip(reversed(allowed), reversed(ranks), strict=True):
                own = columns[parity]
                lowest = np.where(table >= 0, np.maximum(least[-1][table], own), len(fit)).min(axis=1)
                # Of a state that leads nowhere, which is looked up in place of none, any size will do.
                least.append(np.minimum(lowest, len(fit) - 1))
                met[own[table >= 0]] = True
                later.append(np.maximum.accumulate(np.where(met, np.arange(len(fit)), 0)))
            self.least.append(least[::-1])
            self.later.append(later[::-1])

    def largest(self, t: int, state: Ints, even: Ints, odd: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """The pair that stands for (even, odd) at a state of level t, and whether it fits whatever follows at least."""
        even, odd = np.maximum(even, self.least[0][t][state]), np.maximum(odd, self.least[1][t][state])
        fits = odd <= self.fit[even]
        # An even maximum matters only as far as it fits beside the odd ones there can be, and the other way round.
        even = self.fit[np.maximum(odd, self.later[1][t][self.fit[even]])]
        return even, self.fit[np.maximum(even, self.later[0][t][self.fit[odd]])], fits


def _sizes(columns: Sequence[tuple[Ints, Ints]], base: tuple[int, int]) -> Ints:
    """Every size that an even or odd maximum can take, ascending."""
    sizes = np.concatenate([np.array(base, np.int64), *(c.ravel() for pair in columns for c in pair)])
    return distinct_codes(sizes, int(sizes.max()) + 1)
