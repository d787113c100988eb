"""Slow, obvious ways to the same answers. None of them uses the solvers' own code."""

from __future__ import annotations

from itertools import product

import numpy as np

from spaces.language.expressions import evaluate
from spaces.program.breakdown import breakdown, totals
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.constraints import ground
from spaces.program.graph import Chain, Program
from spaces.program.terms import derived
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

    Forward dynamic programming over rows (state, largest even, largest odd, sum per limit) with exact counts.
    """
    if chain.impossible:
        return 0
    rows = np.array([[0, chain.base["even"], chain.base["odd"], *(0 for _ in chain.limits)]], np.int64)
    counts = np.array([1], object)
    cap = chain.ram_limit
    for t, stage in enumerate(chain.stages):
        s, x = np.nonzero(stage.next[rows[:, 0]] >= 0)
        state = rows[s, 0]
        after = rows[s].copy()
        after[:, 0] = stage.next[state, x]
        after[:, 1] = np.maximum(after[:, 1], stage.column("even")[state, x])
        after[:, 2] = np.maximum(after[:, 2], stage.column("odd")[state, x])
        for k, limit in enumerate(chain.limits):
            after[:, 3 + k] += limit.columns[t][state, x]
        rows, counts = _added_up(after, counts[s], cap)
    fits_all = np.ones(len(rows), np.bool_)
    for k, limit in enumerate(chain.limits):
        fits_all &= rows[:, 3 + k] <= limit.bound
    if cap is not None:
        fits_all &= rows[:, 1] + rows[:, 2] <= cap
    return int(sum(counts[fits_all]))


def _added_up(rows: np.ndarray, counts: np.ndarray, cap: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Equal rows once, their counts added; rows over the cap dropped."""
    if cap is not None:
        keep = rows[:, 1] + rows[:, 2] <= cap
        rows, counts = rows[keep], counts[keep]
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    total = np.zeros(len(distinct), object)
    np.add.at(total, inverse.ravel(), counts)
    return distinct, total
