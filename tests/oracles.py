"""Slow, obvious ways to the same answers. None of them uses the solvers' own code."""

from __future__ import annotations

from itertools import product

import numpy as np

from spaces.breakdown import breakdown, derived, totals
from spaces.candidate import Candidate, candidate_of
from spaces.constraints import ground
from spaces.expressions import evaluate
from spaces.program import Chain, Program
from spaces.tensors import Infeasible


def all_candidates(program: Program) -> list[Candidate]:
    """Every option combination of a program, in order."""
    return [
        candidate_of(program, v, row)
        for v, chain in enumerate(program.chains)
        for row in product(*(range(len(d.options)) for d in chain.variant.decisions))
    ]


def fits(candidate: Candidate) -> bool:
    """Whether a network exists, satisfies every constraint of the space as written, and every budget.

    Layers are walked one by one and constraints evaluated as they stand; neither tables nor limits are used.
    """
    try:
        layers = breakdown(candidate)
    except Infeasible:
        return False
    costs = totals(candidate)
    names = {**candidate.values, **derived(layers), **costs}
    program = candidate.program
    return all(costs[name] <= bound for name, bound in program.budgets.items()) and all(
        evaluate(tree, names)
        for constraint in program.space.constraints
        for tree in ground(constraint, candidate.variant)
    )


def brute_force(program: Program) -> list[str]:
    """The lines of all feasible candidates, in order."""
    return [str(c) for c in all_candidates(program) if fits(c)]


def count_by_sums(chain: Chain) -> int:
    """The number of feasible networks of a variant, by counting prefixes that agree on state, sums and maxima.

    Forward dynamic programming over (state, sum per limit, largest even, largest odd); exact in Python integers.
    """
    if chain.impossible:
        return 0
    bounds = [limit.bound for limit in chain.limits]
    cap = chain.ram_limit
    table = {(0, (0,) * len(bounds), int(chain.base["even"]), int(chain.base["odd"])): 1}
    for t, stage in enumerate(chain.stages):
        after: dict[tuple[int, tuple[int, ...], int, int], int] = {}
        for (state, sums, even, odd), n in table.items():
            for x in np.flatnonzero(stage.next[state] >= 0):
                new_even, new_odd = max(even, int(stage.even[state, x])), max(odd, int(stage.odd[state, x]))
                if cap is not None and new_even + new_odd > cap:
                    continue
                new_sums = tuple(
                    s + int(limit.columns[t][state, x]) for s, limit in zip(sums, chain.limits, strict=True)
                )
                key = (int(stage.next[state, x]), new_sums, new_even, new_odd)
                after[key] = after.get(key, 0) + n
        table = after
    fits_ram = cap is None or chain.stages or chain.base["even"] + chain.base["odd"] <= cap
    return sum(
        n for (_, sums, _, _), n in table.items() if all(s <= b for s, b in zip(sums, bounds, strict=True)) and fits_ram
    )
