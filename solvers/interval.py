"""The diagram of one additive limit, with no node more than its prefixes can tell apart.

For a stage and state let V be the sorted distinct sums that the remaining decisions can still cost, and P the distinct
slacks with which prefixes arrive there. A prefix with slack p leaves exactly the same completions feasible as one with
slack max{v in V : v <= p}: these maxima are the nodes, at most min(|P|, |V|) of a level.

P is known from the front and V from the back. Whichever is cheaper to carry on is carried on, until they meet at a
level; there V is trimmed to the maxima. Before that level the maxima come straight from those of the level after it,

    max{v in V_t(s) : v <= p} = max over options x of cost(s, x) + max{v in V_t+1(next(s, x)) : v <= p - cost(s, x)},

and after it they are the children of the nodes before them, as a node's maximum is itself a slack that stands for it.
Levels are made in blocks of rows, so that they take little more memory than they hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.base import Progress
from solvers.memory import need
from solvers.part import Part, Table, no_network
from solvers.sets.tree import ROW_BLOCK, Level, Places, distinct_in_blocks, row_blocks
from spaces.errors import EngineError
from spaces.program.graph import Limit

__all__ = ["Interval", "interval_part"]

Ints = NDArray[np.int64]
_Sums = tuple[Ints, Ints]  # (state, slack or sum) of each, ascending by both

_ENDLESS = np.iinfo(np.int64).max // 4


@dataclass(frozen=True, eq=False)
class Interval(Part):
    """The diagram of one additive limit; a node is a state with the largest sum that may still follow.

    Args:
        columns: int64 [states, options] per level, the limit's costs, shifted and divided so that they start at 0.
        sums: int64 [nodes + 1] per level, the largest sum that may follow each node, ascending within each state.
    """

    columns: tuple[Ints, ...]
    sums: tuple[Ints, ...]

    def admitting(self, t: int, states: NDArray[Any], largest: Ints) -> NDArray[np.int32]:
        """Per (state, sum), the node of level t with the least slack that admits it; the state's last if none does."""
        need(40 * len(states) + 32 * len(self.sums[t]))
        owner, sums = self.states[t][1:].astype(np.int64), self.sums[t][1:]
        size = int(sums.max(initial=0)) + 2
        wanted = states.astype(np.int64) * size + np.clip(largest, 0, size - 1)
        last = np.searchsorted(owner, np.arange(int(states.max(initial=0)) + 1), "right")
        return np.minimum(np.searchsorted(owner * size + sums, wanted) + 1, last[states]).astype(np.int32)


def interval_part(allowed: Sequence[Table], limit: Limit, progress: Progress | None = None) -> Part | None:
    """The diagram of an additive limit; None where every possible network satisfies it.

    Args:
        allowed: next state [states, options] per level, -1 where there is none; every state leads to the end.
        limit: the limit, with a column per level.
        progress: called once per level.

    Raises:
        EngineError: it would take more memory than is allowed, or sums are too large to be told apart by state.
    """
    columns, bound = _scaled(allowed, limit)
    least, most = _completions(allowed, columns)
    if most[0][0] <= bound:
        return None
    if least[0][0] > bound:
        return no_network([t.shape[1] for t in allowed])
    states = max(len(column) for column in (*allowed, least[-1]))
    if (states + 2) * (int(most[0][0]) + 2) >= 2**62:
        # A state and a sum are written as one number.
        message = f"`{limit.name}` has sums up to {int(most[0][0]):,} in {states:,} states, which 62 bits cannot hold"
        raise EngineError.of("too-large", message, "use smaller sizes, or take `--solver relaxed`")
    work = _Trimming(allowed, columns, bound, least, most)
    return work.interval((lambda done: progress(f"sums of {limit.name}", done)) if progress else lambda done: None)


def _scaled(allowed: Sequence[Table], limit: Limit) -> tuple[list[Ints], int]:
    """Columns shifted to start at 0 and divided by their common divisor, with the bound that means the same."""
    columns = [np.asarray(column).astype(np.int64) for column in limit.columns]
    live = [column[table >= 0] for column, table in zip(columns, allowed, strict=True)]
    least = [int(part.min()) for part in live]
    divisor = 0
    for part, low in zip(live, least, strict=True):
        divisor = np.gcd(divisor, np.gcd.reduce(part - low))
    divisor = max(1, int(divisor))
    columns = [(column - low) // divisor for column, low in zip(columns, least, strict=True)]
    return columns, (limit.bound - sum(least)) // divisor


def _completions(allowed: Sequence[Table], columns: Sequence[Ints]) -> tuple[list[Ints], list[Ints]]:
    """Least and largest sum that can follow each state, per level."""
    final = int(allowed[-1].max()) + 1 if allowed else 1
    least, most = [np.zeros(final, np.int64)], [np.zeros(final, np.int64)]
    for table, column in zip(reversed(allowed), reversed(columns), strict=True):
        ok = table >= 0
        least.append(np.where(ok, least[-1][table] + column, _ENDLESS).min(axis=1))
        most.append(np.where(ok, most[-1][table] + column, -1).max(axis=1))
    return least[::-1], most[::-1]


def _prefixes(allowed: Sequence[Table], columns: Sequence[Ints]) -> tuple[list[Ints], list[Ints]]:
    """Least and largest cost of reaching each state, per level."""
    least, most = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    for t, (table, column) in enumerate(zip(allowed, columns, strict=True)):
        states = len(allowed[t + 1]) if t + 1 < len(allowed) else int(table.max()) + 1
        low, high = np.full(states, _ENDLESS), np.full(states, -_ENDLESS)
        s, x = np.nonzero(table >= 0)
        np.minimum.at(low, table[s, x], least[-1][s] + column[s, x])
        np.maximum.at(high, table[s, x], most[-1][s] + column[s, x])
        least.append(low)
        most.append(high)
    return least, most


class _Trimming:
    """The work on one limit: slacks from the front, sums from the back, and the nodes where they meet."""

    def __init__(self, allowed: Sequence[Table], columns: list[Ints], bound: int, least: list[Ints], most: list[Ints]):
        self.allowed, self.columns, self.bound = allowed, columns, bound
        self.least, self.most = least, most
        low, high = _prefixes(allowed, columns)
        self.slack_low, self.slack_high = [bound - h for h in high], [bound - x for x in low]

    def interval(self, report: Callable[[int], None]) -> Interval:
        depth = len(self.allowed)
        slacks: list[_Sums] = [(np.zeros(1, np.int64), np.array([self.bound]))]
        final = len(self.least[-1])
        sums: list[_Sums] = [(np.arange(final), np.zeros(final, np.int64))]  # from the last level backwards
        while (meeting := len(slacks) - 1) < (t := depth - len(sums)) + 1:
            report(len(slacks) + len(sums) - 2)
            spans = _Spans(self, t, sums[-1])
            if len(slacks[-1][0]) * self.allowed[meeting].shape[1] <= spans.total:
                slacks.append(self._arriving(meeting, slacks[-1]))
            else:
                sums.append(spans.sums())
        trimmed = [self._trimmed(slacks[-1], sums[-1])]
        size = 0
        for t in range(meeting - 1, -1, -1):
            report(depth)
            trimmed.append(self._maxima(t, slacks[t], trimmed[-1]))
            # What the levels will take is known before any is made.
            size += 4 * self.allowed[t].shape[1] * len(trimmed[-1][0])
            need(size, len(trimmed[-1][0]))
        return self._nodes([*reversed(trimmed), *reversed(sums[:-1])], meeting, report)

    def _arriving(self, t: int, slacks: _Sums) -> _Sums:
        """The slacks after decision t; those above every completion count as one, those below all as none."""
        table, column = self.allowed[t], self.columns[t]
        after = np.maximum(table, 0)
        least = np.where(table >= 0, self.least[t + 1][after], _ENDLESS)
        most = self.most[t + 1][after]
        size = int(most.max()) + 1
        base = after.astype(np.int64) * size

        def blocks() -> Iterator[Ints]:
            for rows in row_blocks(len(slacks[0]), table.shape[1]):
                state = slacks[0][rows]
                rest = slacks[1][rows][:, None] - column[state]
                alive = rest >= least[state]
                np.minimum(rest, most[state], out=rest)
                rest += base[state]
                yield rest[alive]

        states = len(self.most[t + 1])
        return _split(distinct_in_blocks(blocks(), states * size, len(slacks[0]) * table.shape[1]), size)

    def _trimmed(self, slacks: _Sums, sums: _Sums) -> _Sums:
        """Of the sums of a level, those that are the largest within some slack."""
        size = int(sums[1].max(initial=0)) + 2
        need(26 * len(sums[0]) + 24 * len(slacks[0]))
        keys = sums[0] * size + sums[1]
        keep = np.zeros(len(keys), np.bool_)
        keep[np.searchsorted(keys, slacks[0] * size + np.minimum(slacks[1], size - 1), "right") - 1] = True
        return sums[0][keep], sums[1][keep]

    def _maxima(self, t: int, slacks: _Sums, after: _Sums) -> _Sums:
        """The largest sum within each slack of level t, out of those of the next level."""
        column = self.columns[t]
        within = _Within(self.allowed[t], column, after, slacks)
        need(8 * len(after[0]) + 8 * len(slacks[0]))
        value = np.concatenate([[-_ENDLESS], after[1]])
        size = int(slacks[1].max()) + 1
        codes = np.empty(len(slacks[0]), np.int64)
        for rows in row_blocks(len(codes), column.shape[1]):
            state, slack = slacks[0][rows], slacks[1][rows]
            best = value[within(state, slack)]
            best += column[state]
            codes[rows] = state * size + best.max(axis=1)
        return _split(distinct_in_blocks([codes], len(column) * size, len(codes)), size)

    def _nodes(self, sums: list[_Sums], meeting: int, report: Callable[[int], None]) -> Interval:
        """The nodes, first level first; those after the meeting that no node before them leads to are dropped."""
        levels: list[Level] = []
        kept = sums[0]
        nodes = [kept]
        for t, table in enumerate(self.allowed):
            report(len(self.allowed) + t)
            after = sums[t + 1]
            within = _Within(table, self.columns[t], after, kept)
            need(4 * (len(kept[0]) + 1) * table.shape[1], len(kept[0]))
            level = np.empty((len(kept[0]) + 1, table.shape[1]), np.int32)
            level[0] = 0
            need(26 * len(after[0]))
            used = np.zeros(len(after[0]) + 1, np.bool_)
            for rows in row_blocks(len(kept[0]), table.shape[1]):
                children = within(kept[0][rows], kept[1][rows])
                level[1:][rows] = children
                if t >= meeting:
                    used[children] = True
            levels.append(level)
            kept = after
            if t + 1 == len(self.allowed):
                np.minimum(level, 1, out=level)
            elif t >= meeting:
                used[0] = False
                number = np.cumsum(used, dtype=np.int32) * used
                kept = after[0][used[1:]], after[1][used[1:]]
                for rows in row_blocks(*level.shape):
                    level[rows] = number[level[rows]]
            nodes.append(kept)
        owners = tuple(np.concatenate([[0], state]) for state, _ in nodes[:-1])
        values = tuple(np.concatenate([[-1], value]) for _, value in nodes[:-1])
        return Interval(tuple(levels), owners, 1, tuple(self.columns), values)


def _split(codes: Ints, size: int) -> _Sums:
    need(16 * len(codes), len(codes))
    return codes // size, codes % size


class _Within:
    """Per (state, slack) and option, the largest sum of the next level that the slack leaves: its place from 1, or 0.

    Args:
        table: next state [states, options], -1 where there is none.
        column: costs [states, options].
        after: the sums of the next level.
        slacks: what will be asked for.
    """

    def __init__(self, table: Table, column: Ints, after: _Sums, slacks: _Sums) -> None:
        most = int(slacks[1].max(initial=0))
        size = max(most, int(after[1].max(initial=0))) + 2
        # Codes begin at 1 * size, so that what is over the slack stays above 0, and a dead option below all of them.
        self.base = np.where((table >= 0) & (column <= most), (table.astype(np.int64) + 1) * size - column, 0)
        states = int(table.max()) + 1
        need(24 * len(after[0]))
        self.count = Places((after[0] + 1) * size + after[1], (states + 1) * size, len(slacks[0]) * table.shape[1])
        begins = np.searchsorted(after[0], np.arange(states))
        self.begin = begins[np.maximum(table, 0)].astype(np.int32)

    def __call__(self, state: Ints, slack: Ints) -> NDArray[Any]:
        code = self.base[state]
        code += slack[:, None]
        place = self.count(code)
        place *= place > self.begin[state]
        return place


class _Spans:
    """The sums of level t: per transition, the run of the next level's sums that some arriving slack can tell apart."""

    def __init__(self, work: _Trimming, t: int, after: _Sums) -> None:
        self.low, self.states = work.slack_low[t], len(work.allowed[t])
        self.state, option = np.nonzero(work.allowed[t] >= 0)
        need(24 * len(after[0]) + 80 * len(self.state))
        into = work.allowed[t][self.state, option].astype(np.int64)
        self.cost, self.values = work.columns[t][self.state, option], after[1]
        size = int(after[1].max(initial=0)) + 2
        keys = after[0] * size + after[1]
        # The values v with slack_low < v + cost <= slack_high, and the largest one at or below slack_low.
        low, high = work.slack_low[t][self.state] - self.cost, work.slack_high[t][self.state] - self.cost
        begin = np.searchsorted(keys, into * size + np.clip(low, -1, size - 1), "right") - 1
        self.begin = np.maximum(begin, np.searchsorted(keys, into * size))
        end = np.searchsorted(keys, into * size + np.clip(high, -1, size - 1), "right")
        self.length = np.maximum(end - self.begin, 0)
        self.total = int(self.length.sum())
        self.most = int(np.max(self.cost + after[1][np.maximum(end - 1, 0)], initial=0))

    def sums(self) -> _Sums:
        """The distinct sums, none above the largest slack that arrives; of those that every slack covers, the last."""
        size = self.most + 1
        owner, value = _split(distinct_in_blocks(self._blocks(size), self.states * size, self.total), size)
        need(28 * len(owner))
        covered = value <= self.low[owner]
        drop = np.zeros(len(value), np.bool_)
        drop[:-1] = covered[:-1] & covered[1:] & (owner[:-1] == owner[1:])
        return owner[~drop], value[~drop]

    def _blocks(self, size: int) -> Iterator[Ints]:
        ends = np.cumsum(self.length)
        marks = np.searchsorted(ends, np.arange(ROW_BLOCK, self.total + ROW_BLOCK, ROW_BLOCK))
        first = 0
        for last in (marks + 1).tolist():
            last = min(last, len(ends))
            if last > first:
                length = self.length[first:last]
                total = int(length.sum())
                index = np.repeat(self.begin[first:last] - np.cumsum(length) + length, length) + np.arange(total)
                owner = np.repeat(self.state[first:last] * size + self.cost[first:last], length)
                yield owner + self.values[index]
                first = last
