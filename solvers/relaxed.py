"""A feasible set between two that can be held, where its own tree cannot: costs in whole quanta.

Write an additive limit as sum_t c_t <= B, every column shifted so that its least entry is 0. For a quantum q

    sum_t c_t <= B                        implies   sum_t floor(c_t / q) <= floor(B / q)     so the outer set is larger
    sum_t ceil(c_t / q) <= floor(B / q)   implies   sum_t c_t <= B                           so the inner is smaller

and both have few distinct sums, so small diagrams. RAM under the liveness model deletes transitions, and stays exact;
under the ping-pong model it is an automaton over sizes, exact where that can be held, else over sizes in whole quanta.
A constraint that is not local to the chain is left out of the outer set, and no inner set is known then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import gcd
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from solvers.base import Progress
from solvers.diagram import chain_tree
from solvers.memory import allowed, stated
from solvers.sets.relaxed_set import RelaxedSet
from solvers.sets.tree import Level, join
from spaces.errors import EngineError
from spaces.program.graph import Chain, Limit, Program

__all__ = ["MEMORY", "Units", "relax", "solve"]

#: Bytes that the trees may take while they are made where nobody said how much memory is allowed: seconds of work.
MEMORY = 1 << 29

#: Bytes of working memory per entry of the trees, an option of a node; measured on trees of a million and more.
_ENTRY = 32

#: Into how many quanta a limit is divided at first, and at most, as powers of two.
_COARSEST, _FINEST = 4, 62

Ints = NDArray[np.int64]
ChainTree = tuple[list[Level], int]
Quanta = Mapping[str, int | None]


def solve(program: Program, progress: Progress | None = None) -> RelaxedSet:
    """The feasible set of a program between an outer and an inner one, as near as memory allows.

    Every limit is divided into equally many quanta; they are halved as long as the trees are expected to fit into half
    of the memory that was allowed (`solvers.memory`), or into `MEMORY` where nobody said how much.

    Args:
        program: the compiled space.
        progress: called once per division.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> solve(compile_space(load_space("mlp2"), Budgets(rom=13_600))).between  # small enough for all of it
        (14, 14)
    """
    start = perf_counter()
    given = stated()
    room = min(MEMORY, allowed() // 2) if given is None else given // 2
    units, ram, best, before = Units(program), False, None, 0
    resolution = _COARSEST
    while resolution < _FINEST:
        quanta = units.quanta(resolution, ram)
        if progress:
            progress(f"relaxed, limits in 2^{resolution} steps", 0)
        try:
            found = relax(program, quanta)
        except EngineError as error:
            if error.diagnostics[0].code != "too-large":
                raise
            if best is not None or ram or not units.pingpong:
                break
            # The automaton of sizes is too large by itself: from now on it is rounded, too.
            ram = True
            continue
        best, entries = found, sum(level.size for level in found.tree.levels)
        growth = max(2.0, entries / before) if before else 2.0
        if not quanta or _ENTRY * entries * growth > room:
            break
        before, resolution = entries, resolution + 1
    if best is None:
        # Not even that coarse: then all that exists, of which draws alone tell what fits.
        best = relax(program, dict.fromkeys(units.names, None))
    best.seconds = perf_counter() - start
    return best


def relax(program: Program, quanta: Quanta) -> RelaxedSet:
    """The outer and the inner set for given quanta.

    Args:
        program: the compiled space.
        quanta: name of a limit -> to multiples of what its costs are rounded, None to leave it out; `ram` for the sizes
            of the ping-pong model. Limits that are not named are kept exactly.

    Raises:
        EngineError: a diagram would not fit into memory.
    """
    start = perf_counter()
    outer = [_outer(chain, program.ram_model, quanta) for chain in program.chains]
    inner = [
        _inner(chain, program.ram_model, quanta) or tree for chain, tree in zip(program.chains, outer, strict=True)
    ]
    tree = join([*outer, *inner])
    half = len(outer)
    own = replace(tree, roots=tree.roots[:half])
    return RelaxedSet(program, own, tree.roots[half:], quanta, perf_counter() - start)


class Units:
    """The limits that may be rounded, each with its unit, of which all its costs are multiples, and its reach.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> units = Units(compile_space(load_space("mlp2"), Budgets(rom=13_600, macs=10_000)))
        >>> units.quanta(3, ram=False), units.quanta(10, ram=False)
        ({'rom': 2048, 'macs': 2048}, {})
    """

    def __init__(self, program: Program) -> None:
        self.pingpong = program.ram_model == "pingpong" and any(chain.ram_limits for chain in program.chains)
        self._units: dict[str, int] = {}
        self._reach: dict[str, int] = {}
        for chain in program.chains:
            for limit in () if chain.impossible else chain.limits:
                columns, bound = _shifted(chain, limit)
                live = (column[stage.next >= 0] for column, stage in zip(columns, chain.stages, strict=True))
                self._add(limit.name, bound, [int(np.gcd.reduce(part, initial=0)) for part in live])
            if self.pingpong and chain.ram_limit is not None:
                self._add("ram", chain.ram_limit, [1])

    def _add(self, name: str, reach: int, units: list[int]) -> None:
        self._units[name] = gcd(self._units.get(name, 0), *units)
        self._reach[name] = max(self._reach.get(name, 0), reach)

    @property
    def names(self) -> list[str]:
        """Of all of them."""
        return list(self._units)

    def quanta(self, resolution: int, ram: bool) -> dict[str, int]:
        """What divides each limit into at most 2^resolution steps; without those that are exact that way.

        Args:
            resolution: the exponent.
            ram: whether the sizes of the ping-pong model are rounded.
        """
        result: dict[str, int] = {}
        for name, unit in self._units.items():
            steps = self._reach[name] // max(unit, 1)
            excess = steps.bit_length() - resolution
            if excess > 0 and unit and (ram or name != "ram"):
                result[name] = unit << excess
        return result


def _outer(chain: Chain, ram_model: str, quanta: Quanta) -> ChainTree:
    """The diagram that admits all that fits."""
    return chain_tree(_rounded(chain, quanta, up=False), ram_model)


def _inner(chain: Chain, ram_model: str, quanta: Quanta) -> ChainTree | None:
    """The diagram that admits only what fits; None where that is the outer one."""
    own = [limit.name for limit in chain.limits]
    own += ["ram"] if ram_model == "pingpong" and chain.ram_limits else []
    if chain.residual or any(quanta.get(name, 1) is None for name in own):
        return [np.zeros((1, len(d.options)), np.int32) for d in chain.variant.decisions], 0
    if not any(name in quanta for name in own):
        return None
    return chain_tree(_rounded(chain, quanta, up=True), ram_model)


def _rounded(chain: Chain, quanta: Quanta, up: bool) -> Chain:
    """The chain with its limits in whole quanta, and without those that are left out."""
    if chain.impossible:
        return chain
    limits: list[Limit] = []
    for limit in chain.limits:
        quantum = quanta.get(limit.name, 1)
        if quantum is not None:
            limits.append(limit if quantum == 1 else _in_quanta(chain, limit, quantum, up))
    chain = replace(chain, limits=tuple(limits), residual=())
    quantum = quanta.get("ram", 1)
    if quantum is None:
        return replace(chain, ram_limits=())
    return chain if quantum == 1 else _sizes_in_quanta(chain, quantum, up)


def _in_quanta(chain: Chain, limit: Limit, quantum: int, up: bool) -> Limit:
    columns, bound = _shifted(chain, limit)
    return replace(limit, columns=tuple(_divided(column, quantum, up) for column in columns), bound=bound // quantum)


def _shifted(chain: Chain, limit: Limit) -> tuple[list[Ints], int]:
    """The columns less their least entries, and what is left of the bound."""
    pairs = list(zip(limit.columns, chain.stages, strict=True))
    least = [int(column[stage.next >= 0].min(initial=_NONE)) for column, stage in pairs]
    least = [0 if low == _NONE else low for low in least]
    columns = [np.asarray(column, np.int64) - low for (column, _), low in zip(pairs, least, strict=True)]
    return columns, limit.bound - sum(least)


#: Above every cost: the least entry of a stage that leads nowhere.
_NONE = np.iinfo(np.int64).max


def _sizes_in_quanta(chain: Chain, quantum: int, up: bool) -> Chain:
    """The chain with the sizes of the ping-pong model, and the limit on them, in whole quanta."""
    stages = tuple(
        replace(stage, table={**stage.table, **{n: _divided(stage.table[n], quantum, up) for n in ("even", "odd")}})
        for stage in chain.stages
    )
    base = {name: int(_divided(np.array(chain.base[name]), quantum, up)) for name in ("even", "odd")}
    ram = tuple((name, bound // quantum) for name, bound in chain.ram_limits)
    return replace(chain, stages=stages, base={**chain.base, **base}, ram_limits=ram)


def _divided(values: Ints, quantum: int, up: bool) -> Ints:
    return -(-values // quantum) if up else values // quantum
