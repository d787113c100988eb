"""Which limit removes how much: the number of networks that each limit alone would leave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from solvers.diagram import counts as counts_of
from spaces.program.graph import Chain, Program

__all__ = ["RELATIONS", "counts_alone"]

#: The name under which the relations between decisions, and shapes that vanish, are counted.
RELATIONS = "structure"


def counts_alone(program: Program, feasible: int | None = None) -> dict[str, int | None]:
    """Per limit, the exact number of networks that satisfy it, all other limits set aside.

    Relations between neighbouring decisions are part of the compiled graph; they count together under `structure`, and
    every limit is counted on top of them. None for constraints that are not local, which only CP-SAT could count.

    Args:
        program: the compiled space.
        feasible: how many networks satisfy every limit, where that is known.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> counts_alone(compile_space(load_space("mlp2"), Budgets(rom=13_600, macs=10_000)))
        {'rom': 14, 'macs': 47}
    """
    names = dict.fromkeys(name for chain in program.chains for name in _names(chain))
    counts: dict[str, int | None] = {}
    structure = _count(program, [_only(chain, None) for chain in program.chains])
    if structure != program.size:
        counts[RELATIONS] = structure
    found: dict[str, int] = {}
    ram = {name for chain in program.chains for name, _ in chain.ram_limits}
    for name in sorted(names, key=lambda name: name not in ram):
        # Where no other limit removes anything, this one leaves what all leave. Those on the RAM are counted fast.
        last = feasible is not None and len(found) == len(names) - 1 and set(found.values()) <= {structure}
        alone = feasible if last else _count(program, [_only(chain, name) for chain in program.chains])
        assert alone is not None
        found[name] = alone
    counts |= {name: found[name] for name in names}
    for chain in program.chains:
        counts |= {str(relation.expression): None for relation in chain.residual}
    return counts


def _names(chain: Chain) -> list[str]:
    return [limit.name for limit in chain.limits] + [name for name, _ in chain.ram_limits]


def _only(chain: Chain, name: str | None) -> Chain:
    """The chain with nothing but one limit."""
    limits = tuple(limit for limit in chain.limits if limit.name == name)
    ram = tuple(limit for limit in chain.ram_limits if limit[0] == name)
    return replace(chain, limits=limits, ram_limits=ram, residual=())


def _count(program: Program, chains: Iterable[Chain]) -> int:
    return sum(counts_of(list(chains), program.ram_model))
