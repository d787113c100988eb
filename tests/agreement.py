"""What is asked of every solver: the set that a walk of every network finds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from solvers.base import SOLVERS, solve
from spaces.errors import EngineError
from spaces.program.graph import Program
from tests.oracles import brute_force

#: Solvers that take only constraints that are local to the chain.
LOCAL = {"diagram"}


def check_solvers(program: Program, solvers: Iterable[str] = SOLVERS) -> None:
    """Solvers find what a walk of every network finds, in the same arrays, or say that a constraint is not local."""
    oracle = solve(program, "exhaustive")
    assert [str(c) for c in oracle] == brute_force(program)
    for solver in solvers:
        if solver in LOCAL and any(chain.residual for chain in program.chains):
            with pytest.raises(EngineError, match="not local"):
                solve(program, solver)
            continue
        fs = solve(program, solver)
        assert fs == oracle
        assert fs.tree.roots == oracle.tree.roots
        assert all(np.array_equal(a, b) for a, b in zip(fs.tree.levels, oracle.tree.levels, strict=True))
