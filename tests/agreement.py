"""What is asked of every solver: the set that a walk of every network finds, or bounds on it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from solvers.base import EXACT, SOLVERS, solve
from solvers.relaxed import Units, relax
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.program.graph import Program
from tests.oracles import brute_force

#: Solvers that take only constraints that are local to the chain.
LOCAL = {"diagram"}

#: Into how many steps limits are divided, as powers of two, so that rounding shows even with small spaces.
RESOLUTIONS = (1, 2, 4)


def check_solvers(program: Program, solvers: Iterable[str] = SOLVERS) -> None:
    """Exact solvers find what a walk of every network finds, in the same arrays, or say that a constraint is not local.

    Relaxed sets have it between them, however coarse, and know it network by network.
    """
    oracle = solve(program, "exhaustive")
    assert [str(c) for c in oracle] == brute_force(program)
    for solver in solvers:
        if solver not in EXACT:
            for resolution in RESOLUTIONS:
                check_relaxed(program, oracle, resolution)
            continue
        if solver in LOCAL and any(chain.residual for chain in program.chains):
            with pytest.raises(EngineError, match="not local"):
                solve(program, solver)
            continue
        fs = solve(program, solver)
        assert fs == oracle
        assert fs.tree.roots == oracle.tree.roots
        assert all(np.array_equal(a, b) for a, b in zip(fs.tree.levels, oracle.tree.levels, strict=True))


def check_relaxed(program: Program, oracle: FeasibleSet, resolution: int) -> None:
    """A relaxed set holds the exact one between its two trees, and says of each network whether it is a member."""
    fs = relax(program, Units(program).quanta(resolution, ram=True))
    for label, (least, most) in fs.counts_between.items():
        assert least <= oracle.counts[label] <= most
    kept = np.flatnonzero(fs.holds(range(fs.outer.size)))
    members = [str(c) for c in oracle]
    assert [str(c) for c in fs.outer.at(kept.tolist())] == members
    assert set(map(str, fs.inner_set)) <= set(members)
    if not any(chain.residual for chain in program.chains):
        assert (fs.inner_set == oracle) == (fs.between[0] == oracle.size)
