"""Exact questions about costs over a whole feasible set, answered on the tree without listing it.

A tree merges prefixes with equal futures, whatever they cost; costs belong to the program's states. So the tree is
walked together with the state graph: the *lifted* graph has a node per reachable pair (tree node, program state), and a
metric is a number on each of its edges. Optima are longest paths on it, extremes of RAM are bottleneck paths, and the k
best members come out of a best-first search whose bound is exact.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.sets.tree import Tree, unique_codes
from spaces.errors import EngineError, did_you_mean
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.graph import ADDITIVE_METRICS, Chain, Program

__all__ = ["Lifted", "Metrics", "check_sense", "lift"]

#: What gives costs that not every program has.
_MISSING = {
    "latency": "there are latencies only with a latency profile: --latency-profile NAME",
    "energy": "there are energies only with a latency profile that has them: --latency-profile nrf5340",
}

Values = NDArray[Any]
Edge = Callable[[int], Values]


@dataclass(frozen=True, eq=False)
class Lifted:
    """A variant of a set, walked together with its state graph.

    Args:
        chain: the compiled variant.
        states: program state per node, per level, the final states last; node 0 of every level is dead.
        children: int [nodes, options] per level.
    """

    chain: Chain
    states: tuple[NDArray[Any], ...]
    children: tuple[NDArray[Any], ...]

    def edges(self, name: str) -> Edge:
        """A quantity of the stages as a number per edge: `edges("rom")(t)` is [nodes, options]."""

        def at(t: int) -> Values:
            stage = self.chain.stages[t]
            return self._wide(stage.table[name][stage.rows[self.states[t]]], t)

        return at

    def option_values(self, label: str) -> Edge:
        """The value of one decision, 0 at all others."""

        def at(t: int) -> Values:
            decision = self.chain.stages[t].decision
            own = [float(v) for v in decision.options] if decision.label == label else [0.0] * len(decision.options)
            return self._wide(np.broadcast_to(own, (len(self.states[t]), len(own))), t)

        return at

    def _wide(self, table: Values, t: int) -> Values:
        """A level may be wider than its options where variants share it."""
        missing = self.children[t].shape[1] - table.shape[1]
        return np.pad(table, ((0, 0), (0, missing))) if missing else table


def lift(program: Program, tree: Tree, variant: int) -> Lifted:
    """Walk a variant's tree and its state graph together."""
    chain = program.chains[variant]
    levels, root = tree.chain(variant)
    nodes, states = np.array([0, root]), np.array([0, 0])
    all_states = [states]
    children: list[Values] = []
    for t, level in enumerate(levels):
        table = chain.stages[t].next
        below = level[nodes].astype(np.int64)
        after = np.zeros(below.shape, np.int64)
        after[:, : table.shape[1]] = table[states]
        size = int(table.max(initial=0)) + 1
        codes = np.where(below > 0, below * size + after, 0)
        distinct, place = unique_codes(codes, (int(below.max(initial=0)) + 1) * size)
        nodes, states = (np.concatenate([[0], part]) for part in (distinct // size, distinct % size))
        children.append(place)
        all_states.append(states)
    return Lifted(chain, tuple(all_states), tuple(children))


def check_sense(sense: str) -> None:
    """Whether there is such a sense.

    Raises:
        EngineError: it is neither `max` nor `min`.
    """
    if sense not in ("max", "min"):
        raise EngineError.of("wrong-value", f"`sense` = {sense!r}", "it is `max` or `min`")


class Metrics:
    """Optima, extremes and the k best members of a set, by rom, ram, params, macs, flops, entropy, or a decision.

    Every answer is exact: whole-number metrics in 64-bit integers, the entropy in double precision.

    Args:
        program: what was solved.
        tree: its members.
    """

    def __init__(self, program: Program, tree: Tree) -> None:
        self.program, self.tree = program, tree
        self.lifted = cache(partial(lift, program, tree))

    def _variants(self) -> list[int]:
        return [v for v, (_, node) in enumerate(self.tree.roots) if node]

    def _check(self, metric: str, known: set[str], sense: str) -> None:
        check_sense(sense)
        if metric not in known:
            hint = _MISSING.get(metric) or did_you_mean(metric, known)
            raise EngineError.of("unknown-metric", f"there is no metric `{metric}` here", hint)
        if not self._variants():
            raise EngineError.of("empty-set", "the set is empty", "`nascompile explain` says why")

    def _additive(self) -> set[str]:
        labels = {d.label for v in self.program.variants for d in v.decisions if d.numeric}
        return {*self.program.metrics, "entropy", *labels}

    def best(self, metric: str, sense: str = "max") -> Candidate:
        """See `FeasibleSet.best`."""
        self._check(metric, {*self._additive(), "ram"}, sense)
        return self._ram(sense) if metric == "ram" else self.top(metric, 1, sense)[0]

    def extremes(self, metric: str) -> tuple[int | float, int | float]:
        """The least and the largest value of a metric over the set."""
        return tuple(self._value(self.best(metric, sense), metric) for sense in ("min", "max"))  # type: ignore[return-value]

    @staticmethod
    def _value(candidate: Candidate, metric: str) -> Any:
        return candidate.values[metric] if metric in candidate.values else candidate.costs[metric]

    def top(self, metric: str, k: int, sense: str = "max") -> list[Candidate]:
        """See `FeasibleSet.top`."""
        if metric == "ram":
            message = "the RAM is a maximum, not a sum: only the single best member by RAM can be asked for"
            raise EngineError.of("not-additive", message, "ask for one: `best`, or `--number 1`")
        self._check(metric, self._additive(), sense)
        if k < 0:
            raise EngineError.of("wrong-value", f"`k` = {k}", "it is 0 or more")
        streams = [s for v in self._variants() for s in self._ordered(v, metric, 1 if sense == "max" else -1)]
        merged = heapq.merge(*streams, key=lambda item: item[0])
        result = (candidate_of(self.program, v, row) for _, v, row in merged)
        return list(islice(result, k))

    def _ordered(self, variant: int, metric: str, sign: int) -> Iterator[Iterator[tuple[float, int, tuple[int, ...]]]]:
        """Streams of (-value, variant, row), each best first."""
        lifted = self.lifted(variant)
        chain = lifted.chain
        sizes = chain.out_size[lifted.states[-1]]
        if metric != "entropy":
            known = metric in ADDITIVE_METRICS
            edge = lifted.edges(metric) if known else lifted.option_values(metric)
            if not known and metric not in {d.label for d in chain.variant.decisions}:
                return
            base = chain.base[metric] if known else 0
            yield _best_first(lifted, edge, np.ones(len(sizes), np.bool_), sign, base, scale=1.0, variant=variant)
            return
        # H = log2(u_L) * sum log2(w): for each size of the last feature map, the sum alone decides.
        for size in np.unique(sizes[1:]):
            scale, edge = float(np.log2(size)), lifted.edges("log_width")
            base = chain.base["log_width"]
            yield _best_first(lifted, edge, sizes == size, sign, base, scale=scale, variant=variant)

    # -- RAM, a maximum rather than a sum --------------------------------------------------------------------------

    def _ram(self, sense: str) -> Candidate:
        find = _largest_peak if sense == "max" else _least_peak
        found = [(find(self.lifted(v), self.program.ram_model), v) for v in self._variants()]
        pick = max if sense == "max" else min
        (_, row), variant = pick(found, key=lambda item: item[0][0])
        return candidate_of(self.program, variant, row)


def _best_first(
    lifted: Lifted, edge: Edge, ends: NDArray[np.bool_], sign: int, base: Any, scale: float, variant: int
) -> Iterator[tuple[float, int, tuple[int, ...]]]:
    """Members by falling value: a best-first search, whose bound (value so far + best suffix) is exact.

    Args:
        lifted: the variant.
        edge: the metric per edge; sums stay exact below 2^53.
        ends: which final nodes count.
        sign: 1 for the largest first, -1 for the least.
        base: what every member has in common.
        scale: factor of the whole sum.
        variant: position, passed through.
    """
    levels = range(len(lifted.children))
    costs = [sign * edge(t).astype(np.float64) for t in levels]
    final = np.where(ends, 0.0, -np.inf)
    final[0] = -np.inf
    suffix = _suffixes(lifted, costs, final)
    heap: list[tuple[float, int, tuple[int, ...], int, float]] = []
    if suffix[0][1] > -np.inf:
        heap.append((-float(suffix[0][1]), 0, (), 1, 0.0))
    while heap:
        negative, depth, row, node, value = heapq.heappop(heap)
        if -depth == len(levels):
            yield scale * (negative - sign * base), variant, row
            continue
        children = lifted.children[-depth][node]
        for x in np.flatnonzero(children).tolist():
            so_far = value + float(costs[-depth][node, x])
            bound = so_far + float(suffix[1 - depth][children[x]])
            if bound > -np.inf:
                # Deeper first among equals, so that a plateau is walked along, not flooded.
                heapq.heappush(heap, (-bound, depth - 1, (*row, x), int(children[x]), so_far))


def _suffixes(lifted: Lifted, costs: list[Values], final: Values) -> list[Values]:
    """Per level, the largest sum from each node to the end."""
    best = [final]
    for children, cost in zip(reversed(lifted.children), reversed(costs), strict=True):
        best.append(np.where(children > 0, cost + best[-1][children], -np.inf).max(axis=1))
    return best[::-1]


# -- extremes of RAM -------------------------------------------------------------------------------------------------


def _least_peak(lifted: Lifted, ram_model: str) -> tuple[int, tuple[int, ...]]:
    """The least RAM, and a member that has it: for every cap on the even side, the least possible odd side."""
    names = ("even", "odd") if ram_model == "pingpong" else ("peak", "peak")
    levels = range(len(lifted.children))
    capped, other = ([lifted.edges(name)(t) for t in levels] for name in names)
    bases = [int(lifted.chain.base[name]) for name in names]
    caps = np.unique(np.concatenate([[bases[0]], *(c[k > 0] for c, k in zip(capped, lifted.children, strict=True))]))
    if ram_model == "liveness":
        caps = caps[-1:]
    best: tuple[int, tuple[int, ...]] | None = None
    for cap in caps[caps >= bases[0]]:
        needed = _bottleneck(lifted, [np.where(c <= cap, o, _HUGE) for c, o in zip(capped, other, strict=True)])
        side = max(bases[1], int(needed[0][1]))
        total = side + (int(cap) if ram_model == "pingpong" else 0)
        if side < _HUGE and (best is None or total < best[0]):
            best = total, _within(lifted, capped, other, cap=int(cap), side=side, needed=needed)
    assert best is not None
    return best


_HUGE = 2**62


def _bottleneck(lifted: Lifted, costs: list[Values]) -> list[Values]:
    """Per level, the least over all completions of the largest cost on the way."""
    least = [np.zeros(len(lifted.states[-1]), np.int64)]
    for children, cost in zip(reversed(lifted.children), reversed(costs), strict=True):
        value = np.where(children > 0, np.maximum(cost, least[-1][children]), _HUGE).min(axis=1)
        least.append(value)
    return least[::-1]


def _within(
    lifted: Lifted, capped: list[Values], other: list[Values], cap: int, side: int, needed: list[Values]
) -> tuple[int, ...]:
    """The first member whose costs stay within a cap and a side."""
    node = 1
    row: list[int] = []
    for t, children in enumerate(lifted.children):
        below = children[node]
        good = (below > 0) & (capped[t][node] <= cap) & (other[t][node] <= side) & (needed[t + 1][below] <= side)
        x = int(np.argmax(good))
        row.append(x)
        node = int(below[x])
    return tuple(row)


def _largest_peak(lifted: Lifted, ram_model: str) -> tuple[int, tuple[int, ...]]:
    """The largest RAM, and a member that has it.

    A maximum of sums of maxima is a longest path that may pick each quantity once: the best pick is the maximum.
    """
    names = ("even", "odd") if ram_model == "pingpong" else ("peak",)
    masks = range(1 << len(names))
    bases = [sum(int(lifted.chain.base[n]) for k, n in enumerate(names) if mask >> k & 1) for mask in masks]
    best = [[np.full(len(lifted.states[-1]), base, np.int64) for base in bases]]
    for t in range(len(lifted.children) - 1, -1, -1):
        best.append([_picked(lifted, names, t, mask, best[-1])[0] for mask in masks])
    best.reverse()
    node, mask = 1, masks[-1]
    row: list[int] = []
    for t, children in enumerate(lifted.children):
        _, choices, picks = _picked(lifted, names, t, mask, best[t + 1], node=node)
        row.append(int(choices[0]))
        node, mask = int(children[node, choices[0]]), mask & ~int(picks[0])
    return int(best[0][-1][1]), tuple(row)


def _picked(
    lifted: Lifted, names: tuple[str, ...], t: int, mask: int, after: list[Values], node: int | None = None
) -> tuple[Values, Values, Values]:
    """Per node, the largest total of the quantities in `mask`; the option taken and what is picked there."""
    rows = slice(None) if node is None else slice(node, node + 1)
    children = lifted.children[t][rows]
    tables = [lifted.edges(name)(t)[rows] for name in names]
    within = [pick for pick in range(mask + 1) if pick & mask == pick]
    totals: list[Values] = []
    for pick in within:
        gain = sum((table for k, table in enumerate(tables) if pick >> k & 1), np.zeros(children.shape, np.int64))
        totals.append(np.where(children > 0, gain + after[mask & ~pick][children], -_HUGE))
    flat = np.moveaxis(np.stack(totals), 0, 1).reshape(len(children), -1)
    where = flat.argmax(axis=1)
    return flat.max(axis=1), where % children.shape[1], np.array(within)[where // children.shape[1]]
