"""Build the exact feasible set without visiting its members: one decision diagram per constraint, conjoined.

An additive budget needs no state explosion. For a given stage and state, let V be the sorted distinct sums that the
remaining decisions can still cost. Two prefixes that reach the state with slacks between the same two consecutive
elements of V leave exactly the same completions feasible, so the interval is the node: canonical, and no search.
Ping-pong RAM is an automaton over the pair (largest even, largest odd output so far); peak RAM deletes transitions.
Every step works on whole levels as numpy arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.base import Progress
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.tree import (
    MAX_NODES,
    Level,
    count_up_to,
    distinct_codes,
    join,
    member_counts,
    merge_pairs,
    reduce_chain,
    too_large,
    unique_codes,
)
from spaces.errors import EngineError
from spaces.program.graph import Chain, Limit, Program

__all__ = ["chain_count", "chain_tree", "limit_diagram", "ram_diagram", "solve", "structure_diagram"]

Ints = NDArray[np.int64]
ChainTree = tuple[list[Level], int]


def solve(program: Program, progress: Progress | None = None) -> FeasibleSet:
    """The exact feasible set by decision diagrams.

    Args:
        program: the compiled space; every constraint must be local to the chain.
        progress: called once per variant.

    Raises:
        EngineError: a constraint is not local, or the diagram would not fit into memory.
    """
    start = perf_counter()
    for chain in program.chains:
        if chain.residual:
            message = f"the constraint `{chain.residual[0].expression}` is not local to the chain"
            raise EngineError.of("not-local", message, "use --solver cp-sat")
    trees: list[ChainTree] = []
    for chain in program.chains:
        if progress:
            progress(f"variant {chain.variant.label}".strip(), len(trees))
        trees.append(chain_tree(chain, program.ram_model))
    return FeasibleSet(program, join(trees), "diagram", perf_counter() - start)


def chain_tree(chain: Chain, ram_model: str) -> ChainTree:
    """The reduced diagram of one variant under all its limits."""
    levels = len(chain.variant.decisions)
    parts = [reduce_chain(*part) for part in _parts(chain, ram_model)]
    parts.sort(key=lambda part: sum(map(len, part[0])))
    assert all(len(part[0]) == levels for part in parts)
    return reduce(lambda a, b: merge_pairs(a, b, "&"), parts)


def chain_count(chain: Chain, ram_model: str) -> int:
    """How many networks of one variant satisfy all its limits.

    Under a single limit equal sub-trees need not be merged first, unless the counts are Python's integers, which cost
    more than merging.
    """
    first, *others = _parts(chain, ram_model)
    levels, root = chain_tree(chain, ram_model) if others or chain.variant.size >= 2**62 else first
    return int(member_counts(reversed(levels))[-1][root])


def _parts(chain: Chain, ram_model: str) -> list[ChainTree]:
    """One diagram per limit that binds, its equal sub-trees not merged yet; together they are the variant's set."""
    nothing = [np.zeros((1, len(d.options)), np.int32) for d in chain.variant.decisions], 0
    allowed = None if chain.impossible else _allowed(chain, ram_model)
    if allowed is None:
        return [nothing]
    parts = [limit_diagram(allowed, limit) for limit in chain.limits]
    if ram_model == "pingpong" and chain.ram_limit is not None:
        parts.append(ram_diagram(chain, allowed, chain.ram_limit))
    return [p for p in parts if p is not None] or [structure_diagram(allowed)]


def _allowed(chain: Chain, ram_model: str) -> list[NDArray[np.int32]] | None:
    """Next-state tables with the transitions over the peak-RAM limit, and those that lead nowhere, deleted."""
    tables = [stage.next for stage in chain.stages]
    limit = chain.ram_limit
    if ram_model == "liveness" and limit is not None:
        if chain.base["peak"] > limit:
            return None
        tables = [np.where(s.column("peak") <= limit, s.next, -1) for s in chain.stages]
    alive: NDArray[np.bool_] = np.ones(len(chain.out_size), np.bool_)
    out: list[NDArray[np.int32]] = []
    for table in reversed(tables):
        table = np.where((table >= 0) & alive[table], table, -1).astype(np.int32)
        alive = np.asarray((table >= 0).any(axis=1))
        out.append(table)
    return out[::-1] if alive.all() or not tables else None


def structure_diagram(allowed: Sequence[NDArray[np.int32]]) -> ChainTree:
    """The diagram of the state graph itself: every possible network."""
    levels = [np.concatenate([np.zeros((1, t.shape[1]), np.int32), t + 1]) for t in allowed]
    if levels:
        levels[-1] = np.minimum(levels[-1], 1)
    return levels, 1


# -- additive limits -------------------------------------------------------------------------------------------------


def limit_diagram(allowed: Sequence[NDArray[np.int32]], limit: Limit) -> ChainTree | None:
    """The diagram of an additive limit; None where every possible network satisfies it.

    Raises:
        EngineError: more than `MAX_NODES` nodes.
    """
    columns, bound = _scaled(allowed, limit)
    low, high = _prefix_sums(allowed, columns)
    slack_low = [bound - h for h in high]
    slack_high = [bound - h for h in low]
    if not columns:
        return None if bound >= 0 else ([], 0)
    if int(slack_low[-1].min()) >= 0:
        return None
    owners, values = _suffix_sums(allowed, columns, slack_low, slack_high)
    return _interval_nodes(allowed, columns, bound, owners, values)


def _scaled(allowed: Sequence[NDArray[np.int32]], limit: Limit) -> tuple[list[Ints], int]:
    """Columns shifted to start at 0 and divided by their common divisor, with the bound that means the same."""
    live = [column[table >= 0] for column, table in zip(limit.columns, allowed, strict=True)]
    least = [int(part.min()) for part in live]
    divisor = 0
    for part, low in zip(live, least, strict=True):
        divisor = np.gcd(divisor, np.gcd.reduce(part - low))
    divisor = max(1, int(divisor))
    columns = [(column - low) // divisor for column, low in zip(limit.columns, least, strict=True)]
    return columns, (limit.bound - sum(least)) // divisor


def _prefix_sums(allowed: Sequence[NDArray[np.int32]], columns: Sequence[Ints]) -> tuple[list[Ints], list[Ints]]:
    """Least and largest cost of reaching each state, per level."""
    low, high = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    for t, (table, column) in enumerate(zip(allowed, columns, strict=True)):
        states = len(allowed[t + 1]) if t + 1 < len(allowed) else int(table.max()) + 1
        least = np.full(states, np.iinfo(np.int64).max // 4)
        most = np.full(states, np.iinfo(np.int64).min // 4)
        s, x = np.nonzero(table >= 0)
        np.minimum.at(least, table[s, x], low[-1][s] + column[s, x])
        np.maximum.at(most, table[s, x], high[-1][s] + column[s, x])
        low.append(least)
        high.append(most)
    return low, high


def _suffix_sums(
    allowed: Sequence[NDArray[np.int32]], columns: Sequence[Ints], slack_low: list[Ints], slack_high: list[Ints]
) -> tuple[list[NDArray[Any]], list[Ints]]:
    """Per level, the distinct sums that can still follow each state, as (owner state, value), sorted by both.

    Only sums that can matter are kept: none above the largest slack that can arrive, and of those that every arriving
    slack covers, only the largest.
    """
    final = len(slack_low[-1])
    owners: list[NDArray[Any]] = [np.arange(final)]
    values: list[Ints] = [np.zeros(final, np.int64)]
    for t in range(len(allowed) - 1, -1, -1):
        owner, value = _preceding(
            allowed[t], columns[t], owners[-1], values[-1], slack_low=slack_low[t], slack_high=slack_high[t]
        )
        owners.append(owner)
        values.append(value)
    return owners[::-1], values[::-1]


def _preceding(
    table: NDArray[np.int32], column: Ints, owner: NDArray[Any], value: Ints, slack_low: Ints, slack_high: Ints
) -> tuple[NDArray[Any], Ints]:
    s, x = np.nonzero(table >= 0)
    after, cost = table[s, x].astype(np.int64), column[s, x]
    size = int(value.max(initial=0)) + 2
    keys = owner * size + value
    # Values v of the next state with slack_low < v + cost <= slack_high, and the largest one at or below slack_low.
    begin = np.searchsorted(keys, after * size + np.clip(slack_low[s] - cost, -1, size - 1), "right") - 1
    begin = np.maximum(begin, np.searchsorted(keys, after * size))
    end = np.searchsorted(keys, after * size + np.clip(slack_high[s] - cost, -1, size - 1), "right")
    length = np.maximum(end - begin, 0)
    total = int(length.sum())
    if total > 5 * MAX_NODES:
        raise too_large(total)
    index = np.repeat(begin - np.cumsum(length) + length, length) + np.arange(total)
    sums = value[index] + np.repeat(cost, length)
    size = int(sums.max(initial=0)) + 1
    codes = distinct_codes(np.repeat(s, length) * size + sums, len(table) * size)
    owner, value = codes // size, codes % size
    # Of each state's values at or below slack_low only the last may stay: the next one must be above or another's.
    covered = value <= slack_low[owner]
    drop = np.zeros(len(value), np.bool_)
    drop[:-1] = covered[:-1] & covered[1:] & (owner[:-1] == owner[1:])
    return owner[~drop], value[~drop]


def _interval_nodes(
    allowed: Sequence[NDArray[np.int32]], columns: Sequence[Ints], bound: int, owners: list[Any], values: list[Ints]
) -> ChainTree:
    """The diagram whose nodes are the intervals between consecutive suffix sums, the lower end standing for each."""
    if sum(len(v) for v in values) > MAX_NODES:
        raise too_large(sum(len(v) for v in values))
    levels: list[Level] = []
    for t, table in enumerate(allowed):
        owner, value = owners[t + 1], values[t + 1]
        size = int(value.max(initial=0)) + 2
        keys = owner * size + value
        state, slack = owners[t], values[t]
        after = table[state].astype(np.int64)
        rest = slack[:, None] - columns[t][state]
        states = int(after.max(initial=0)) + 1
        within = max(states, int(owner.max(initial=0)) + 1) * size
        place = count_up_to(keys, after * size + np.clip(rest, -1, size - 1), within)
        begins = np.searchsorted(keys, np.arange(states) * size)
        alive = (after >= 0) & (place > begins[after])
        children = np.where(alive, place, 0).astype(np.int32)
        if t + 1 == len(allowed):
            children = np.minimum(children, 1)
        levels.append(np.concatenate([np.zeros((1, table.shape[1]), np.int32), children]))
    root = int(np.searchsorted(values[0], bound, "right"))
    return levels, root


# -- ping-pong RAM ---------------------------------------------------------------------------------------------------


def ram_diagram(chain: Chain, allowed: Sequence[NDArray[np.int32]], limit: int) -> ChainTree | None:
    """The diagram of even + odd <= limit (EBS Eq. 4); None where every possible network satisfies it."""
    columns = [(stage.column("even"), stage.column("odd")) for stage in chain.stages]
    base = (int(chain.base["even"]), int(chain.base["odd"]))
    values = _ranks(columns, base)
    states, even, odd = (np.array([v]) for v in (0, *(np.searchsorted(values, b) for b in base)))
    if base[0] + base[1] > limit:
        return [np.zeros((1, t.shape[1]), np.int32) for t in allowed], 0
    levels: list[Level] = []
    binding = False
    for t, table in enumerate(allowed):
        after = table[states].astype(np.int64)
        new_even = np.maximum(even[:, None], np.searchsorted(values, columns[t][0])[states])
        new_odd = np.maximum(odd[:, None], np.searchsorted(values, columns[t][1])[states])
        fits = values[new_even] + values[new_odd] <= limit
        binding |= bool((~fits & (after >= 0)).any())
        alive = fits & (after >= 0)
        size = len(values)
        codes = np.where(alive, 1 + (after * size + new_even) * size + new_odd, 0)
        distinct, children = unique_codes(codes, 1 + (int(after.max(initial=0)) + 1) * size * size)
        rest = distinct - 1
        states, even, odd = rest // (size * size), rest // size % size, rest % size
        children = np.minimum(children, 1) if t + 1 == len(allowed) else children
        levels.append(np.concatenate([np.zeros((1, table.shape[1]), np.int32), children.astype(np.int32)]))
    return (levels, 1) if binding else None


def _ranks(columns: Sequence[tuple[Ints, Ints]], base: tuple[int, int]) -> Ints:
    """Every size that an even or odd maximum can take, ascending."""
    sizes = np.concatenate([np.array(base, np.int64), *(c.ravel() for pair in columns for c in pair)])
    return distinct_codes(sizes, int(sizes.max()) + 1)


# -- listed members --------------------------------------------------------------------------------------------------


def from_rows(program: Program, rows: Sequence[NDArray[Any]], engine: str, seconds: float) -> FeasibleSet:
    """The set with exactly these members, for engines that list.

    Args:
        program: what was solved.
        rows: option indices [n, decisions] per variant, distinct and in lexicographic order.
        engine: which solver listed them.
        seconds: how long it took.
    """
    return FeasibleSet(
        program, join([_chain_of_rows(c, r) for c, r in zip(program.chains, rows, strict=True)]), engine, seconds
    )


def _chain_of_rows(chain: Chain, rows: NDArray[Any]) -> ChainTree:
    decisions = chain.variant.decisions
    levels: list[Level] = []
    starts = np.zeros(len(rows), np.bool_)
    starts[:1] = True
    group = np.cumsum(starts)
    for t, decision in enumerate(decisions):
        starts[1:] |= rows[1:, t] != rows[:-1, t]
        after = np.cumsum(starts)
        level = np.zeros((int(group[-1]) + 1 if len(rows) else 1, len(decision.options)), np.int32)
        level[group, rows[:, t]] = after if t + 1 < len(decisions) else 1
        levels.append(level)
        group = after
    return reduce_chain(levels, 1 if len(rows) else 0)
