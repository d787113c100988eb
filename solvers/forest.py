"""Variants as one chain: which of them it is becomes the first decision, and what they end with alike is there once.

Variants of different depth are aligned at their ends. Those that begin later wait until then, in states of their own
with a single option. So all of them are an ordinary chain, and whatever takes a chain takes this one.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from solvers.memory import need
from solvers.part import Table
from spaces.program.graph import Chain, Limit, Stage
from spaces.program.variants import Decision, Variant

__all__ = ["joined"]

Ints = NDArray[np.int64]
_Key = tuple[str, int]  # the name of a limit, and which of several with this name

_SIZES: tuple[_Key, ...] = (("even", -1), ("odd", -1))


@dataclass(frozen=True, eq=False)
class _Block:
    """The states of one level that a variant can be in, with all that can follow; others may have it in common.

    Args:
        height: the number of decisions from here to the end.
        begin: the number of its first state among those of its level.
        table: next state [states, options] among those of the block that follows, -1 where there is none.
        columns: [states, options] per limit, the least living cost being 0; and of `_SIZES`.
        most: [states] per limit, the largest sum that can follow.
        after: the block that follows; at the end it is `_END`.
    """

    height: int
    begin: int
    table: Table
    columns: Mapping[_Key, Ints]
    most: Mapping[_Key, Ints]
    after: _Block | None


_END = _Block(0, 0, np.zeros((1, 0), np.int32), {}, most={}, after=None)


@dataclass(frozen=True, eq=False)
class _Entry:
    """A variant.

    Args:
        block: where it begins.
        rest: per limit, how much its costs, which begin at 0, may come to; none below 0.
        base: of `_SIZES`, what layers before the first decision have.
    """

    block: _Block
    rest: Mapping[_Key, int]
    base: Mapping[_Key, int]


def joined(chains: Sequence[Chain], allowed: Sequence[Sequence[Table] | None], pingpong: bool) -> Chain:
    """Several variants as one chain.

    Args:
        chains: the variants, at least one; all have the same limit on RAM.
        allowed: per variant the next state [states, options] per level, -1 where there is none; None where no network
            is possible.
        pingpong: whether the limit on RAM is one on ping-pong RAM; another one is in the tables.

    Returns:
        A chain whose first decision is the variant: option v, and then the first option until variant v begins, lead to
        the networks of variant v.

    Raises:
        EngineError: it would take more memory than is allowed.
    """
    own = [chain.variant.decisions for chain in chains]
    depth = max(map(len, own))
    widths = [max(len(each[-h].options) for each in own if len(each) >= h) for h in range(1, depth + 1)]
    sizes = pingpong and bool(chains[0].ram_limits)
    blocks = _Blocks(depth)
    entries = [
        _entry(chain, tables, blocks, sizes) if tables is not None else None
        for chain, tables in zip(chains, allowed, strict=True)
    ]
    limits = {key: limit for chain in chains for key, limit in _limits(chain).items()}
    tables = _tables(blocks, entries, widths)
    shared: list[Limit] = []
    for key, limit in limits.items():
        spent, bound = _spent(blocks, entries, key)
        shared.append(Limit(limit.name, _columns(blocks, key, spent, tables), bound, bound, ""))
    base = {key: np.array([[entry.base[key] if entry else 0 for entry in entries]]) for key in _SIZES if sizes}
    maxima = {key[0]: _columns(blocks, key, first, tables) for key, first in base.items()}
    stages = tuple(
        _stage(table, {name: columns[t] for name, columns in maxima.items()}) for t, table in enumerate(tables)
    )
    return Chain(
        Variant("", {}, tuple(stage.decision for stage in stages), (), 0),
        base={"even": 0, "odd": 0},
        stages=stages,
        out_size=np.ones(1, np.int64),
        limits=tuple(shared),
        ram_limits=chains[0].ram_limits if sizes else (),
        residual=(),
    )


class _Blocks:
    """The distinct blocks by height."""

    def __init__(self, depth: int) -> None:
        self.at: list[list[_Block]] = [[_END], *([] for _ in range(depth))]
        self.known: dict[Hashable, _Block] = {}

    def states(self, height: int) -> int:
        """How many states they have."""
        return self.at[height][-1].begin + len(self.at[height][-1].table) if self.at[height] else 0

    def add(self, table: Table, columns: Mapping[_Key, Ints], after: _Block) -> _Block:
        """The block with this content."""
        need(2 * table.nbytes + 2 * sum(column.nbytes for column in columns.values()))
        content = tuple((key, column.tobytes()) for key, column in columns.items())
        key = (id(after), table.shape, table.tobytes(), content)
        block = self.known.get(key)
        if block is None:
            most: dict[_Key, Ints] = {}
            for name, column in columns.items():
                if name not in _SIZES:
                    below = after.most[name][table] if after is not _END else 0
                    most[name] = np.where(table >= 0, column + below, 0).max(axis=1)
            height = after.height + 1
            block = _Block(height, self.states(height), table, columns, most=most, after=after)
            self.known[key] = block
            self.at[height].append(block)
        return block


def _limits(chain: Chain) -> dict[_Key, Limit]:
    """Those of a variant; several may have one name."""
    names = [limit.name for limit in chain.limits]
    return {
        (name, names[:k].count(name)): limit for k, (name, limit) in enumerate(zip(names, chain.limits, strict=True))
    }


def _entry(chain: Chain, tables: Sequence[Table], blocks: _Blocks, sizes: bool) -> _Entry | None:
    """A variant, its blocks added from the end; None where no network of it can keep a limit."""
    limits = _limits(chain)
    rest = {key: limit.bound for key, limit in limits.items()}
    block = _END
    for t in range(len(tables) - 1, -1, -1):
        table = tables[t] if block is not _END else np.minimum(tables[t], 0)
        living = table >= 0
        columns: dict[_Key, Ints] = {}
        for key, limit in limits.items():
            column = np.asarray(limit.columns[t], np.int64)
            least = int(column[living].min())
            rest[key] -= least
            columns[key] = np.where(living, column - least, 0)
        if sizes:
            columns |= {key: np.where(living, chain.stages[t].column(key[0]), 0) for key in _SIZES}
        block = blocks.add(table, columns, block)
    base = {key: int(chain.base[key[0]]) for key in _SIZES if sizes}
    return None if any(left < 0 for left in rest.values()) else _Entry(block, rest, base)


def _spent(blocks: _Blocks, entries: Sequence[_Entry | None], key: _Key) -> tuple[Ints, int]:
    """What choosing each variant takes of a limit, so that one bound holds for all: [1, variants]; and that bound."""
    divisor = 0
    for block in (block for level in blocks.at for block in level if key in block.columns):
        divisor = gcd(divisor, int(np.gcd.reduce(block.columns[key], axis=None)))
    divisor = max(1, divisor)
    left: list[int | None] = []
    for entry in entries:
        most = int(entry.block.most[key][0]) if entry and key in entry.block.most else 0
        # A bound above all sums is as good as the largest; what does not divide the costs is never used up.
        left.append(min(most, entry.rest[key] // divisor * divisor) if entry and key in entry.rest else None)
    bound = max((own for own in left if own is not None), default=0)
    return np.array([[0 if own is None else bound - own for own in left]], np.int64), bound


def _tables(blocks: _Blocks, entries: Sequence[_Entry | None], widths: Sequence[int]) -> list[Table]:
    """Next states per level, that of the variant first; after the states of blocks come those in which some wait."""
    depth = len(widths)
    firsts = dict.fromkeys(entry.block for entry in entries if entry)
    waiting = [
        {block: k for k, block in enumerate(block for block in firsts if block.height < height)}
        for height in range(depth + 1)
    ]

    def state(block: _Block, height: int) -> int:
        """Where a variant is at some height that begins with a block."""
        return block.begin if block.height == height else blocks.states(height) + waiting[height][block]

    tables = [np.array([[state(entry.block, depth) if entry else -1 for entry in entries]], np.int32)]
    for height in range(depth, 0, -1):
        rows = max(1, blocks.states(height) + len(waiting[height]))
        need(4 * rows * widths[height - 1])
        table = np.full((rows, widths[height - 1]), -1, np.int32)
        for block in blocks.at[height]:
            assert block.after
            into = np.where(block.table >= 0, block.table + block.after.begin, -1)
            table[block.begin : block.begin + len(into), : into.shape[1]] = into
        for block in waiting[height]:
            table[state(block, height), 0] = state(block, height - 1)
        tables.append(table)
    return tables


def _columns(blocks: _Blocks, key: _Key, first: Ints, tables: Sequence[Table]) -> list[Ints]:
    """[states, options] per level of a limit, or of `_SIZES`, given that of the first decision."""
    need(8 * sum(table.size for table in tables))
    columns = [first, *(np.zeros(table.shape, np.int64) for table in tables[1:])]
    for column, level in zip(reversed(columns), blocks.at[1:], strict=False):
        for block in level:
            own = block.columns.get(key)
            if own is not None:
                column[block.begin : block.begin + len(own), : own.shape[1]] = own
    return columns


def _stage(table: Table, sizes: Mapping[str, Ints]) -> Stage:
    rows = np.arange(table.size, dtype=np.int32).reshape(table.shape)
    decision = Decision("", "", tuple(range(table.shape[1])))
    flat = {name: column.ravel() for name, column in sizes.items()}
    return Stage(decision, table, rows if sizes else rows[:0], table=flat, derived_names=(), texts=tuple)
