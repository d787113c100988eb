"""The oracle: try every option combination with numpy, in blocks. For tests and small spaces."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from solvers.base import Progress
from solvers.diagram import from_rows
from solvers.memory import need
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.membership import fitting
from spaces.errors import EngineError
from spaces.program.graph import Program

__all__ = ["MAX_COMBINATIONS", "solve"]

MAX_COMBINATIONS = 200_000_000
_BLOCK = 1 << 19


def solve(program: Program, progress: Progress | None = None) -> FeasibleSet:
    """The exact feasible set by brute force.

    Args:
        program: the compiled space.
        progress: called once per block with the combinations tried.

    Raises:
        EngineError: more than `MAX_COMBINATIONS` combinations, or more members than memory holds.
    """
    if program.size > MAX_COMBINATIONS:
        message = f"brute force over {program.size:,} combinations; at most {MAX_COMBINATIONS:,} are allowed"
        raise EngineError.of("too-large", message, "use --solver auto")
    start = perf_counter()
    rows: list[NDArray[np.int64]] = []
    tried = 0
    for position, chain in enumerate(program.chains):
        kept = [np.zeros((0, len(chain.variant.decisions)), np.int64)]
        for block in () if chain.impossible else _blocks([len(d.options) for d in chain.variant.decisions]):
            kept.append(block[fitting(program, position, block)])
            tried += len(block)
            # What is kept so far is put together at the end.
            need(sum(one.nbytes for one in kept))
            if progress:
                progress("combinations tried", tried)
        rows.append(np.concatenate(kept))
    return from_rows(program, rows, "exhaustive", perf_counter() - start)


def _blocks(sizes: list[int]) -> Iterator[NDArray[np.int64]]:
    """All rows of option indices in lexicographic order, a block at a time."""
    total = int(np.prod(sizes, dtype=np.int64))
    for begin in range(0, total, _BLOCK):
        rest = np.arange(begin, min(total, begin + _BLOCK))
        rows = np.zeros((len(rest), len(sizes)), np.int64)
        for t in range(len(sizes) - 1, -1, -1):
            rest, rows[:, t] = np.divmod(rest, sizes[t])
        yield rows
