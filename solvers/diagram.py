"""Build the exact feasible set without visiting its members: one decision diagram per limit, all conjoined.

A budget on a sum makes a diagram of intervals (`solvers.interval`), one on ping-pong RAM an automaton
(`solvers.pingpong`); peak RAM deletes transitions. Their tuples are walked together (`solvers.conjoin`), and equal
sub-trees merged. Every step works on whole levels as numpy arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.base import Progress
from solvers.conjoin import conjoined, conjoined_count
from solvers.interval import interval_part
from solvers.memory import need
from solvers.part import Part, no_network, structure
from solvers.pingpong import pingpong_part
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.tree import Level, join, reduce_chain
from spaces.errors import EngineError
from spaces.program.graph import Chain, Program

__all__ = ["chain_count", "chain_tree", "count", "from_rows", "solve"]

ChainTree = tuple[list[Level], int]


def solve(program: Program, progress: Progress | None = None) -> FeasibleSet:
    """The exact feasible set by decision diagrams.

    Args:
        program: the compiled space; every constraint must be local to the chain.
        progress: called once per variant, step and level.

    Raises:
        EngineError: a constraint is not local, or the diagram would not fit into memory.
    """
    start = perf_counter()
    _refuse_residual(program)
    trees: list[ChainTree] = []
    for chain in program.chains:
        # Of several variants each is merged before the next is made; `join` merges a single one itself.
        make = chain_tree if len(program.chains) > 1 else _unmerged
        trees.append(make(chain, program.ram_model, _saying(chain, progress)))
    return FeasibleSet(program, join(trees, progress or _silent), "diagram", perf_counter() - start)


def count(program: Program, progress: Progress | None = None) -> list[int]:
    """How many networks of each variant satisfy every limit; arguments and errors as for `solve`."""
    _refuse_residual(program)
    return [chain_count(chain, program.ram_model, _saying(chain, progress)) for chain in program.chains]


def _refuse_residual(program: Program) -> None:
    for chain in program.chains:
        if chain.residual:
            message = f"the constraint `{chain.residual[0].expression}` is not local to the chain"
            raise EngineError.of("not-local", message, "use --solver cp-sat")


def chain_tree(chain: Chain, ram_model: str, progress: Progress | None = None) -> ChainTree:
    """The reduced diagram of one variant under all its limits."""
    return reduce_chain(*_unmerged(chain, ram_model, progress))


def _unmerged(chain: Chain, ram_model: str, progress: Progress | None) -> ChainTree:
    return conjoined(_parts(chain, ram_model, progress), progress)


def chain_count(chain: Chain, ram_model: str, progress: Progress | None = None) -> int:
    """How many networks of one variant satisfy all its limits; no tree is made for it."""
    return conjoined_count(_parts(chain, ram_model, progress), chain.variant.size, progress)


def _saying(chain: Chain, progress: Progress | None) -> Progress | None:
    """Progress on one variant."""
    label = f"variant {chain.variant.label}: " if chain.variant.label else ""
    return (lambda what, done: progress(label + what, done)) if progress else None


def _silent(what: str, done: int) -> None:
    """Nobody wants to know."""


def _parts(chain: Chain, ram_model: str, progress: Progress | None) -> list[Part]:
    """One diagram per limit that binds, its equal sub-trees not merged yet; together they are the variant's set."""
    nothing = no_network([len(d.options) for d in chain.variant.decisions])
    allowed = None if chain.impossible else _allowed(chain, ram_model)
    if allowed is None:
        return [nothing]
    parts = [interval_part(allowed, limit, progress) for limit in chain.limits]
    if ram_model == "pingpong" and chain.ram_limit is not None:
        parts.append(pingpong_part(chain, allowed, chain.ram_limit))
    return [p for p in parts if p is not None] or [structure(allowed)]


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
        nodes = int(group[-1]) if len(rows) else 0
        need(4 * (nodes + 1) * len(decision.options) + 24 * len(rows), nodes)
        level = np.zeros((nodes + 1, len(decision.options)), np.int32)
        level[group, rows[:, t]] = after if t + 1 < len(decisions) else 1
        levels.append(level)
        group = after
    return reduce_chain(levels, 1 if len(rows) else 0)
