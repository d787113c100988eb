"""MONAS: prune a super-network operator by operator until a single cell is left (Qiao et al. 2023, Algorithm 2, Eq. 3).

`rule="paper"` is the published rule. Its measurements, differences between super-networks of 30 operators with and
without one, are smaller than their own noise: K moves as much with fresh weights, and the linear regions of a cell do
not depend at all on the edges into its output. `rule="cells"`, the default, therefore measures cells instead of
super-networks, as many of them, drawn from the feasible cells that are left, and ranks operators by their share in the
scores of the cells that have them; see `docs/decisions/003-monas-measures-cells.md`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from networkx import all_simple_paths
from numpy.typing import NDArray

from solvers.feasible_set import FeasibleSet
from solvers.ranking import distinct_draws
from spaces.candidate import Candidate
from spaces.cell import Cell
from spaces.errors import Diagnostic, EngineError
from spaces.program import Chain

if TYPE_CHECKING:
    import torch

    from samplers.indicators import Indicators, Measured

__all__ = ["MonasSampler", "Round", "Row"]

#: Called before each measurement: the round, what is measured, how many of how many.
Progress = Callable[[int, str, int, int], None]

Operators = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Row:
    """One operator of one edge in a round.

    Args:
        edge: label of the edge.
        operator: its name.
        k: K_2 of the super-network without it (lower is better); by the rule `cells` the median of the measured cells
            with it, None where there is none.
        regions: linear regions, likewise (higher is better).
        flops: FLOPs, likewise.
        latency: nanoseconds, likewise; None without a latency profile.
        score: Eq. 3; the lowest of an edge is pruned.
        fate: `kept`, `pruned`, or `needed` where pruning it would have left no feasible cell.
    """

    edge: str
    operator: str
    k: float | None
    regions: float | None
    flops: float | None
    latency: float | None
    score: float
    fate: str = "kept"


@dataclass(frozen=True)
class Round:
    """One round: the operators it started from, and what became of each."""

    number: int
    before: Operators
    rows: tuple[Row, ...]

    @property
    def after(self) -> Operators:
        """Label of each edge -> the operators left on it."""
        gone = {(row.edge, row.operator) for row in self.rows if row.fate == "pruned"}
        return {edge: tuple(o for o in names if (edge, o) not in gone) for edge, names in self.before.items()}


@dataclass(frozen=True)
class MonasSampler:
    """Searches a cell space by pruning, within its feasible set.

    Each round scores every operator of every edge, and prunes on each edge those of lowest score

        score = (1 - w) / 2 * rank(K) + (1 - w) / 2 * rank(R) + w * rank(F or L)          (MONAS Eq. 3)

    By the rule `paper` the ranks are of super-networks without the operator: first, and so pruned, comes the one whose
    removal lowers K most, costs fewest regions, or saves most FLOPs or latency. By the rule `cells` what an operator
    does to K and R, and to MeCo as a third indicator beside them, is its effect in a linear model of all cells measured
    so far; FLOPs and latency are those of the super-network, as in the paper.

    An operator is not pruned where no feasible cell with a path from input to output would be left, so that the search
    always ends at one: with respect to RAM, ROM and whatever else the feasible set was made for, the paper's stated
    future work.

    Args:
        lam: weight w of FLOPs, from 0 to below 1.
        mu: weight w of latency; at most one of the two is set.
        rule: `cells` or `paper`.
        prune: operators pruned per edge and round.
        cells: cells measured per round, by the rule `cells`; 21 in 4 rounds are as many measurements as the paper makes
            on NAS-Bench-201.
        repeats: measurements of K and R averaged; by default 1 for the rule `cells`, which averages over cells, else 3.
        thin: overrides under which K is measured; by default those of the space. A thin network tells the same at a
            fraction of the cost.
        seed: of weights, windows and draws.
    """

    lam: float = 0.0
    mu: float = 0.0
    rule: Literal["cells", "paper"] = "cells"
    prune: int = 1
    cells: int = 21
    repeats: int | None = None
    thin: tuple[str, ...] | None = None
    seed: int = 0

    def ask(self, fs: FeasibleSet, images: torch.Tensor, n: int = 1) -> Iterator[Candidate]:
        """Up to n different cells, each found by a search with a seed of its own: `seed`, `seed + 1`, ...

        Args:
            fs: the feasible set of a cell space.
            images: [32, channels, height, width].
            n: how many; fewer come where n more searches in a row find nothing new.
        """
        found: list[Candidate] = []
        for attempt in range(2 * n):
            rounds = list(replace(self, seed=self.seed + attempt).search(fs, images))
            cell = found_cell(fs, rounds)
            if cell not in found:
                found.append(cell)
                yield cell
            if len(found) == n:
                return

    def search(
        self, fs: FeasibleSet, images: torch.Tensor, done: Sequence[Round] = (), progress: Progress | None = None
    ) -> Iterator[Round]:
        """The rounds of one search; the last one leaves one operator on each edge, a member of the feasible set.

        Args:
            fs: the feasible set of a cell space.
            images: [32, channels, height, width], the mini-batch of the kernel.
            done: rounds of an earlier search with these settings, which is continued.
            progress: called before each measurement.

        Raises:
            EngineError: another kind of space, an empty set, or a weight that cannot be.
        """
        return self.search_with(fs, self.indicators(fs, images), done, progress)

    def indicators(self, fs: FeasibleSet, images: torch.Tensor) -> Indicators:
        """What measures for this sampler; it remembers, so that searches that differ in weights can share it."""
        from samplers.indicators import Indicators

        cells = self.rule == "cells"
        thin = fs.program.space.thin if self.thin is None else self.thin
        repeats = self.repeats or (1 if cells else 3)
        return Indicators(fs.program, images, repeats, self.seed, thin, common=cells, meco=cells)

    def search_with(
        self, fs: FeasibleSet, indicators: Indicators, done: Sequence[Round] = (), progress: Progress | None = None
    ) -> Iterator[Round]:
        """`search`, with indicators that may already know some measurements."""
        self.check(fs)
        rule = _Cells(self, fs, indicators) if self.rule == "cells" else _Paper(self, fs, indicators)
        remaining = done[-1].after if done else {d.label: d.options for d in _chain(fs).variant.decisions}
        number = len(done)
        for earlier in done:
            rule.recall(earlier)
        while any(len(names) > 1 for names in remaining.values()):
            number += 1
            rows = _pruned(fs, remaining, rule.scored(remaining, number, progress), self.prune)
            found = Round(number, dict(remaining), tuple(rows))
            remaining = found.after
            yield found

    def check_weights(self) -> None:
        """Whether the parameters can be.

        Raises:
            EngineError: they cannot; it says which.
        """
        if not (0 <= self.lam < 1 and 0 <= self.mu < 1) or (self.lam and self.mu):
            message = f"the weights lambda = {self.lam:g} and mu = {self.mu:g} cannot be"
            raise _error("bad-weight", message, "give one of them, from 0 to below 1 (MONAS Eq. 3)")
        if self.rule not in ("cells", "paper"):
            raise _error("bad-rule", f"there is no rule `{self.rule}`", "it is `cells` or `paper`")
        if min(self.prune, self.cells) < 1 or (self.repeats is not None and self.repeats < 1):
            raise _error("bad-count", "`prune`, `cells` and `repeats` are whole numbers from 1 up", "")

    def check(self, fs: FeasibleSet) -> None:
        """Whether this sampler can search a set.

        Raises:
            EngineError: parameters that cannot be, another kind of space, an empty set, or no latency profile for mu.
        """
        self.check_weights()
        _chain(fs)
        if self.mu and fs.program.latency is None:
            hint = "name one (`nascompile latency list`), or weigh FLOPs by lambda"
            raise _error("no-latency-profile", "the weight mu needs a latency profile", hint)

    def combined(self, indicators: Sequence[NDArray[np.float64]], saved: NDArray[np.float64]) -> NDArray[np.float64]:
        """Eq. 3 on ranks of operators, the one to prune first.

        Args:
            indicators: per indicator, how good each operator is; they share the weight 1 - w.
            saved: what pruning each saves, in FLOPs or time.
        """
        weight = self.lam or self.mu
        quality = sum(ranks(values) for values in indicators) / len(indicators)
        return (1 - weight) * quality + weight * ranks(-saved)


class _Paper:
    """Every operator by the super-network without it."""

    def __init__(self, sampler: MonasSampler, fs: FeasibleSet, indicators: Indicators) -> None:
        self.sampler = sampler
        self.indicators = indicators

    def recall(self, earlier: Round) -> None:
        """A super-network is measured anew in every round, so nothing is to be remembered."""

    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[Row]:
        removable = [(edge, o) for edge, names in remaining.items() if len(names) > 1 for o in names]
        measured: list[Measured] = []
        for k, (edge, operator) in enumerate(removable):
            if progress:
                progress(number, f"{edge} without {operator}", k, len(removable))
            without = {**remaining, edge: tuple(o for o in remaining[edge] if o != operator)}
            measured.append(self.indicators.measure(without))
        # An operator is as good as the network without it is bad; what is left without it has been saved less.
        k2 = np.array([m.k for m in measured])
        regions = -np.array([m.regions for m in measured])
        left = np.array([m.latency if self.sampler.mu else m.flops for m in measured], float)
        scores = self.sampler.combined([k2, regions], -left)
        return [
            Row(edge, operator, m.k, m.regions, m.flops, m.latency, float(score))
            for (edge, operator), m, score in zip(removable, measured, scores, strict=True)
        ]


class _Cells:
    """Every operator by the feasible cells that have it."""

    def __init__(self, sampler: MonasSampler, fs: FeasibleSet, indicators: Indicators) -> None:
        self.sampler = sampler
        self.fs = fs
        self.indicators = indicators
        self.seen: dict[Candidate, Measured] = {}

    def recall(self, earlier: Round) -> None:
        """Measure again what an earlier round has measured: draws and weights depend on the seed alone."""
        self._draw(earlier.before, earlier.number, None)

    def _draw(self, remaining: Operators, number: int, progress: Progress | None) -> None:
        """Measure cells drawn uniformly from the feasible ones that are left, without repeating any."""
        left = within(self.fs, remaining)
        draws = random.Random(self.sampler.seed * 1000 + number)
        count = min(self.sampler.cells, left.size)
        for k, cell in enumerate(left.at(distinct_draws(left.size, count, draws))):
            if progress:
                progress(number, str(cell), k, count)
            if cell not in self.seen:
                operators = {label: (name,) for label, name in cell.values.items() if label in remaining}
                self.seen[cell] = self.indicators.measure(operators)

    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[Row]:
        self._draw(remaining, number, progress)
        pairs = [(edge, o) for edge, names in self._all().items() for o in names]
        has = np.array([[cell.values[edge] == o for edge, o in pairs] for cell in self.seen], float)
        rows = [self._row(has[:, j], *pair, remaining) for j, pair in enumerate(pairs)]
        removable = [j for j, (edge, o) in enumerate(pairs) if len(remaining[edge]) > 1 and o in remaining[edge]]
        measured = list(self.seen.values())
        good = ([-m.k for m in measured], [m.regions for m in measured], [m.meco for m in measured])
        effects = [_effects(has, ranks(np.array(values)))[removable] for values in good]
        scores = self.sampler.combined(effects, np.array([self._saved(remaining, *pairs[j]) for j in removable]))
        return [replace(rows[j], score=float(score)) for j, score in zip(removable, scores, strict=True)]

    def _saved(self, remaining: Operators, edge: str, operator: str) -> float:
        """What the super-network saves without an operator, exactly; as in the paper."""
        without = {**remaining, edge: tuple(o for o in remaining[edge] if o != operator)}
        position = 1 if self.sampler.mu else 0
        before, after = (self.indicators.deployed(operators)[position] for operators in (remaining, without))
        return float((before or 0) - (after or 0))

    def _row(self, has: NDArray[np.float64], edge: str, operator: str, remaining: Operators) -> Row:
        mine = [m for m, there in zip(self.seen.values(), has, strict=True) if there]
        k, regions, flops, latency = _medians(mine)
        return Row(edge, operator, k, regions, flops, latency, 0.0)

    def _all(self) -> Operators:
        return {d.label: d.options for d in _chain(self.fs).variant.decisions}


def _effects(has: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The effect of each operator in a linear model of the cells' values, shrunk a little (ridge, 1).

    Args:
        has: [cells, operators], 1 where a cell has an operator.
        values: [cells].
    """
    centred = (values - values.mean()) / (values.std() or 1.0)
    return np.linalg.solve(has.T @ has + np.eye(has.shape[1]), has.T @ centred)


def _medians(measured: list[Measured]) -> tuple[float | None, ...]:
    """Of K, regions, FLOPs and latency; None where there is nothing to take it of."""
    columns = ([getattr(m, name) for m in measured] for name in ("k", "regions", "flops", "latency"))
    return tuple(None if None in column or not column else float(np.median(column)) for column in columns)


def _pruned(fs: FeasibleSet, remaining: Operators, rows: list[Row], most: int) -> list[Row]:
    """The rows with their fates: lowest score first, at most so many per edge, and never to an empty set."""
    left = dict(remaining)
    fates: dict[tuple[str, str], str] = {}
    pruned = dict.fromkeys(left, 0)
    for row in sorted(rows, key=lambda r: r.score):
        if pruned[row.edge] >= most or len(left[row.edge]) == 1:
            continue
        without = {**left, row.edge: tuple(o for o in left[row.edge] if o != row.operator)}
        if not _connected(fs, without):
            fates[row.edge, row.operator] = "needed"
            continue
        left, fates[row.edge, row.operator] = without, "pruned"
        pruned[row.edge] += 1
    return [replace(row, fate=fates.get((row.edge, row.operator), "kept")) for row in rows]


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ascending ranks from 0; equal values share the mean of theirs.

    Example:
        >>> ranks(np.array([3.0, 1.0, 3.0, np.inf])).tolist()
        [1.5, 0.0, 1.5, 3.0]
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes + 1) / 2)[group]


def within(fs: FeasibleSet, remaining: Operators) -> FeasibleSet:
    """The members of a feasible set whose edges have only these operators."""
    choices: dict[str, Any] = {}
    for label, names in remaining.items():
        cell, _, position = label.rstrip("]").partition("[")
        choices.setdefault(cell, {})[int(position)] = list(names)
    return fs.where(None, **choices)


def _connected(fs: FeasibleSet, remaining: Operators) -> bool:
    """Whether a feasible cell with these operators has a path from each cell's input to its output.

    A cell without such a path gives the same output whatever it is shown, and costs least.
    """
    left = within(fs, remaining)
    return left.size > 0 and any(
        within(left, {**remaining, **_nonzero(cells, remaining)}).size > 0
        for cells in product(*(_paths(cell) for cell in fs.program.space.cells.values()))
        if all(_nonzero(cells, remaining).values())
    )


def _paths(cell: Cell) -> list[tuple[Cell, list[str]]]:
    """The paths of a cell from input to output, each as the labels of its edges."""
    labels = {edge: cell.label(k) for k, edge in enumerate(cell.edges)}
    paths = all_simple_paths(cell.graph, 0, cell.last)
    return [(cell, [labels[i, j] for i, j in pairwise(nodes)]) for nodes in paths]


def _nonzero(cells: Sequence[tuple[Cell, list[str]]], remaining: Operators) -> Operators:
    """For the edges of some paths, what is left on them and connects."""
    return {label: tuple(o for o in remaining[label] if o not in cell.zeros) for cell, path in cells for label in path}


def found_cell(fs: FeasibleSet, rounds: Sequence[Round]) -> Candidate:
    """The cell that the last round of a search has left."""
    return within(fs, rounds[-1].after)[0]


def _chain(fs: FeasibleSet) -> Chain:
    """The one chain of a set of cells."""
    space = fs.program.space
    if len(fs.program.chains) != 1 or any(d.choice not in space.cells for d in fs.program.chains[0].variant.decisions):
        message = f"MONAS prunes the edges of cells, and `{space.name}` has other decisions"
        raise _error("no-cell-space", message, "take a cell space, such as `nasbench201`")
    if not fs:
        raise _error(
            "empty-set", f"no network of `{space.name}` is feasible", "`nascompile explain` says what is missing"
        )
    return fs.program.chains[0]


def _error(code: str, message: str, hint: str) -> EngineError:
    return EngineError(Diagnostic(code, message, None, hint))
