"""Build the exact feasible set without visiting its members: one decision diagram per limit, all conjoined.

A budget on a sum makes a diagram of intervals (`solvers.interval`), one on ping-pong RAM an automaton
(`solvers.pingpong`); peak RAM deletes transitions. Their tuples are walked together (`solvers.conjoin`), and equal
sub-trees merged. Several variants are one chain (`solvers.forest`), as far as memory allows. Every step works on whole
levels as numpy arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.base import Progress
from solvers.conjoin import conjoined, conjoined_count, counted
from solvers.forest import joined
from solvers.interval import interval_part
from solvers.memory import need
from solvers.part import Part, no_network, structure
from solvers.pingpong import pingpong_part
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.tree import Level, join, reduce_chain
from spaces.errors import EngineError
from spaces.program.graph import Chain, Program

__all__ = ["chain_count", "chain_tree", "count", "counts", "from_rows", "solve"]

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
    trees = _trees(program.chains, program.ram_model, progress, merged=False)
    return FeasibleSet(program, join(trees, progress or _silent), "diagram", perf_counter() - start)


def count(program: Program, progress: Progress | None = None) -> list[int]:
    """How many networks of each variant satisfy every limit; arguments and errors as for `solve`."""
    _refuse_residual(program)
    return counts(program.chains, program.ram_model, progress)


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


def counts(chains: Sequence[Chain], ram_model: str, progress: Progress | None = None) -> list[int]:
    """How many networks of each variant satisfy all its limits."""
    if len(chains) == 1:
        return [chain_count(chains[0], ram_model, _saying(chains[0], progress))]
    together = _together(chains, ram_model, progress)
    if together is None:
        return [n for some in _halves(chains) for n in counts(some, ram_model, progress)]
    return counted(together[0], _entries(chains, *together), max(chain.variant.size for chain in chains))


def _trees(chains: Sequence[Chain], ram_model: str, progress: Progress | None, merged: bool = True) -> list[ChainTree]:
    """The diagrams of variants, with the arrays in common that can be; equal sub-trees merged or not."""
    if len(chains) == 1:
        make = chain_tree if merged else _unmerged
        return [make(chains[0], ram_model, _saying(chains[0], progress))]
    together = _together(chains, ram_model, progress)
    if together is None:
        return [tree for some in _halves(chains) for tree in _trees(some, ram_model, progress)]
    levels, root = reduce_chain(*together) if merged else together
    return [(levels[begin:], node) for begin, node in _entries(chains, levels, root)]


def _together(chains: Sequence[Chain], ram_model: str, progress: Progress | None) -> ChainTree | None:
    """The diagram of several variants as one, which is their first decision; None where it would be too large."""
    if len({chain.ram_limit for chain in chains}) > 1:
        return None
    try:
        need(4 * sum(stage.next.size for chain in chains for stage in chain.stages))
        allowed = [None if chain.impossible else _allowed(chain, ram_model) for chain in chains]
        return _unmerged(joined(chains, allowed, ram_model == "pingpong"), ram_model, progress)
    except EngineError as error:
        if error.diagnostics[0].code != "too-large":
            raise
    return None


def _halves(chains: Sequence[Chain]) -> tuple[Sequence[Chain], Sequence[Chain]]:
    middle = len(chains) // 2
    return chains[:middle], chains[middle:]


def _entries(chains: Sequence[Chain], levels: Sequence[Level], root: int) -> list[tuple[int, int]]:
    """The first level and the root of each variant in a diagram of all of them; see `solvers.forest.joined`."""
    entries: list[tuple[int, int]] = []
    for v, chain in enumerate(chains):
        node, begin = int(levels[0][root, v]), len(levels) - len(chain.variant.decisions)
        for level in levels[1:begin]:
            node = int(level[node, 0])
        entries.append((begin, node))
    return entries


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
