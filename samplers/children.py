"""Children of a member: those one decision away, in this variant or in others, and those with two exchanged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

from samplers.base import Run
from solvers.sets.neighbours import counterparts, exchanges, neighbours
from solvers.sets.ranking import shuffled

__all__ = ["children"]

#: Draws from the counterparts of a parent in another variant.
_TRIES = 1_000


def children(run: Run, parent: int, source: random.Random) -> Iterator[int]:
    """Members one decision away that have not been asked, then those with two decisions exchanged; lazily.

    Each in random order.
    """
    outer = run.fs.outer
    member = outer[parent]
    others = [v for v in range(len(outer.program.variants)) if v != member.position]
    first = bool(others) and source.randrange(len(member.row) + 1) == 0
    if first:
        yield from _elsewhere(run, parent, others, source)
    yield from _new(run, neighbours(outer, parent), source)
    if not first:
        yield from _elsewhere(run, parent, others, source)
    yield from _new(run, exchanges(outer, parent), source)


def _new(run: Run, ranks: list[int], source: random.Random) -> Iterator[int]:
    """Those that are members and have not been asked, in random order."""
    new = [rank for rank in ranks if run.is_new(rank)]
    return run.fs.members(source.sample(new, len(new)))


def _elsewhere(run: Run, parent: int, others: list[int], source: random.Random) -> Iterator[int]:
    """Counterparts in other variants: the variants in random order, one draw of each.

    Of a relaxed set the draw is repeated until it is a member, but not more than `_TRIES` times.
    """
    for variant in source.sample(others, len(others)):
        kin = counterparts(run.fs.outer, parent, variant)
        drawn = islice(map(kin.rank, shuffled(kin.size, source)), _TRIES)
        rank = next(run.fs.members(drawn), None)
        if rank is not None and run.is_new(rank):
            yield rank
