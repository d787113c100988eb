"""What is asked of every solver: the set that a walk of every network finds, or bounds on it.

`python -m tests.agreement --spaces 5000` asks it of as many random programs, and says what was among them: cells,
switches, decided depths, latencies, runtimes and residual constraints, under budgets of which a third is attained by
some network to the last byte.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import hypothesis
import numpy as np
import pytest

from solvers.base import EXACT, SOLVERS, solve
from solvers.relaxed import Units, relax
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.space import Switch, has_decided_depth
from spaces.program.constraints import divisors
from spaces.program.graph import Program
from spaces.runtimes.ebs import Ebs
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


def features(program: Program) -> Iterator[str]:
    """What a program has of the language, for the count of a campaign."""
    space, texts = program.space, [constraint.text for constraint in program.space.constraints]
    found = {
        "cells": bool(space.cells),
        "switches": any(isinstance(item, Switch) for item in space.network),
        "decided depths": has_decided_depth(space.network),
        "latency": program.latency is not None,
        "nascompile-c": not isinstance(program.runtime, Ebs),
        "liveness": program.ram_model == "liveness",
        "constraints": bool(texts),
        "residual": any(chain.residual for chain in program.chains),
        "budgets": bool(program.budgets.items()),
        "in [...]": any(" in [" in text for text in texts),
        "slices": any(":" in text for text in texts),
        "entropy": any("entropy" in text for text in texts),
        "guarded": any(any(divisors(constraint.tree)) for constraint in space.constraints),
    }
    yield from (name for name, there in found.items() if there)


def campaign(spaces: int, seed: int) -> Counter[str]:
    """Check all solvers on random programs.

    Args:
        spaces: how many.
        seed: of the generator.

    Returns:
        How many of them there were, how many had each feature, members and networks in all.
    """
    from tests.program_strategies import programs

    counts: Counter[str] = Counter()
    begun = time.perf_counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=spaces, database=None, phases=[hypothesis.Phase.generate])
    @hypothesis.given(programs())
    def check(program: Program) -> None:
        try:
            check_solvers(program)
        except BaseException:
            print(f"{program.space.document.dump()}\n{program.budgets}, {program.ram_model}, {program.runtime.name}")
            raise
        counts.update(("programs", *features(program)))
        counts["members"] += len(solve(program, "exhaustive"))
        counts["networks"] += program.size
        if counts["programs"] % 100 == 0:
            print(f"{counts['programs']:,} agree, {time.perf_counter() - begun:,.0f} s", flush=True)

    check()
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Whether all solvers agree on random spaces.")
    parser.add_argument("--spaces", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    hypothesis.settings.register_profile(
        "campaign", deadline=None, suppress_health_check=list(hypothesis.HealthCheck), print_blob=False
    )
    hypothesis.settings.load_profile("campaign")
    for name, count in campaign(arguments.spaces, arguments.seed).items():
        print(f"{name}: {count:,}")
