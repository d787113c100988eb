"""The two rules by which MONAS scores operators: by super-networks without them, or by the cells that have them."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samplers.cell_sets import Operators, within
from solvers.feasible_set import FeasibleSet
from solvers.ranking import distinct_draws
from spaces.candidate import Candidate

if TYPE_CHECKING:
    from samplers.indicators import Indicators, Measured

__all__ = ["Cells", "Paper", "Progress", "Round", "Row", "Rule", "ranks"]

#: Called before each measurement: the round, what is measured, how many of how many.
Progress = Callable[[int, str, int, int], None]

Floats = NDArray[np.float64]


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


@dataclass
class Rule(ABC):
    """Scores the operators that are left.

    Args:
        fs: the feasible set.
        indicators: measure networks, and remember.
        lam: weight of FLOPs.
        mu: weight of latency.
    """

    fs: FeasibleSet
    indicators: Indicators
    lam: float
    mu: float

    @abstractmethod
    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[Row]:
        """A row per operator that could be pruned, the lowest score first to go."""

    def recall(self, earlier: Round) -> None:  # noqa: B027 - most rules remember nothing
        """Take up what an earlier round has measured, when a search is continued."""

    def left(self, remaining: Operators) -> int:
        """FLOPs, or nanoseconds where mu weighs, of the super-network with these operators."""
        flops, latency = self.indicators.deployed(remaining)
        return (latency or 0) if self.mu else flops

    def combined(self, indicators: Sequence[NDArray[np.float64]], saved: NDArray[np.float64]) -> NDArray[np.float64]:
        """Eq. 3 on ranks of operators, the one to prune first.

        Args:
            indicators: per indicator, how good each operator is; they share the weight 1 - w.
            saved: what pruning each saves, in FLOPs or time.
        """
        weight = self.lam or self.mu
        quality = sum(ranks(values) for values in indicators) / len(indicators)
        return (1 - weight) * quality + weight * ranks(-saved)


class Paper(Rule):
    """Every operator by the super-network without it."""

    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[Row]:
        """See `Rule.scored`."""
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
        left = np.array([m.latency if self.mu else m.flops for m in measured], float)
        scores = self.combined([k2, regions], -left)
        return [
            Row(edge, operator, m.k, m.regions, m.flops, m.latency, float(score))
            for (edge, operator), m, score in zip(removable, measured, scores, strict=True)
        ]


@dataclass
class Cells(Rule):
    """Every operator by the feasible cells that have it.

    Args:
        draws: cells measured per round.
        seed: of the draws.
    """

    draws: int = 21
    seed: int = 0
    seen: dict[Candidate, Measured] = field(default_factory=dict)

    def recall(self, earlier: Round) -> None:
        """Measure again what an earlier round has measured: draws and weights depend on the seed alone."""
        self._draw(earlier.before, earlier.number, None)

    def _draw(self, remaining: Operators, number: int, progress: Progress | None) -> None:
        """Measure cells drawn uniformly from the feasible ones that are left, without repeating any."""
        left = within(self.fs, remaining)
        drawn = random.Random(self.seed * 1000 + number)
        count = min(self.draws, left.size)
        for k, cell in enumerate(left.at(distinct_draws(left.size, count, drawn))):
            if progress:
                progress(number, str(cell), k, count)
            if cell not in self.seen:
                operators = {label: (name,) for label, name in cell.values.items() if label in remaining}
                self.seen[cell] = self.indicators.measure(operators)

    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[Row]:
        """See `Rule.scored`."""
        self._draw(remaining, number, progress)
        pairs = [(edge, o) for edge, names in self._all().items() for o in names]
        has = np.array([[cell.values[edge] == o for edge, o in pairs] for cell in self.seen], float)
        rows = [self._row(has[:, j], *pair, remaining) for j, pair in enumerate(pairs)]
        removable = [j for j, (edge, o) in enumerate(pairs) if len(remaining[edge]) > 1 and o in remaining[edge]]
        measured = list(self.seen.values())
        good = ([-m.k for m in measured], [m.regions for m in measured], [m.meco for m in measured])
        effects = [_effects(has, ranks(np.array(values)))[removable] for values in good]
        scores = self.combined(effects, np.array([self._saved(remaining, *pairs[j]) for j in removable]))
        return [replace(rows[j], score=float(score)) for j, score in zip(removable, scores, strict=True)]

    def _saved(self, remaining: Operators, edge: str, operator: str) -> float:
        """What the super-network saves without an operator, exactly; as in the paper."""
        without = {**remaining, edge: tuple(o for o in remaining[edge] if o != operator)}
        return float(self.left(remaining) - self.left(without))

    def _row(self, has: NDArray[np.float64], edge: str, operator: str, remaining: Operators) -> Row:
        mine = [m for m, there in zip(self.seen.values(), has, strict=True) if there]
        k, regions, flops, latency = _medians(mine)
        return Row(edge, operator, k, regions, flops, latency, 0.0)

    def _all(self) -> Operators:
        return {d.label: d.options for d in self.fs.program.chains[0].variant.decisions}


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


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ascending ranks from 0; equal values share the mean of theirs.

    Example:
        >>> ranks(np.array([3.0, 1.0, 3.0, np.inf])).tolist()
        [1.5, 0.0, 1.5, 3.0]
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes + 1) / 2)[group]
