"""The diagram of a limit on ping-pong RAM: an automaton over the largest even and the largest odd output so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    columns = [(np.asarray(stage.even), np.asarray(stage.odd)) for stage in chain.stages]
    base = (int(chain.base["even"]), int(chain.base["odd"]))
    if base[0] + base[1] > limit:
        return no_network([t.shape[1] for t in allowed])
    sizes = _sizes(columns, base)
    state, even, odd = (np.array([v]) for v in (0, *(np.searchsorted(sizes, b) for b in base)))
    levels: list[Level] = []
    states: list[NDArray[Any]] = []
    binding = False
    for t, table in enumerate(allowed):
        after = table[state].astype(np.int64)
        new_even = np.maximum(even[:, None], np.searchsorted(sizes, columns[t][0])[state])
        new_odd = np.maximum(odd[:, None], np.searchsorted(sizes, columns[t][1])[state])
        fits = sizes[new_even] + sizes[new_odd] <= limit
        binding |= bool((~fits & (after >= 0)).any())
        n = len(sizes)
        codes = np.where(fits & (after >= 0), 1 + (after * n + new_even) * n + new_odd, 0)
        distinct, children = unique_codes(codes, 1 + (int(after.max(initial=0)) + 1) * n * n)
        children = np.minimum(children, 1) if t + 1 == len(allowed) else children
        levels.append(np.concatenate([np.zeros((1, table.shape[1]), np.int32), children.astype(np.int32)]))
        states.append(np.concatenate([[0], state]))
        state, even, odd = (distinct - 1) // (n * n), (distinct - 1) // n % n, (distinct - 1) % n
    return merged_within_states(Part(tuple(levels), tuple(states), 1)) if binding else None


def _sizes(columns: Sequence[tuple[Ints, Ints]], base: tuple[int, int]) -> Ints:
    """Every size that an even or odd maximum can take, ascending."""
    sizes = np.concatenate([np.array(base, np.int64), *(c.ravel() for pair in columns for c in pair)])
    return distinct_codes(sizes, int(sizes.max()) + 1)
