"""Children of a member: those one decision away that have not been asked, in this variant or in others."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

from samplers.base import Run
from solvers.sets.neighbours import counterparts, neighbours
from solvers.sets.ranking import shuffled

__all__ = ["children"]

#: Draws from the counterparts of a parent in another variant.
_TRIES = 1_000


def children(run: Run, parent: int, source: random.Random) -> Iterator[int]:
    """Members one decision away that have not been asked, in random order; lazily."""
    outer = run.fs.outer
    member = outer[parent]
    others = [v for v in range(len(outer.program.variants)) if v != member.position]
    first = bool(others) and source.randrange(len(member.row) + 1) == 0
    if first:
        yield from _elsewhere(run, parent, others, source)
    near = [rank for rank in neighbours(outer, parent) if run.is_new(rank)]
    yield from run.fs.members(source.sample(near, len(near)))
    if not first:
        yield from _elsewhere(run, parent, others, source)


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
