"""The two rules by which MONAS scores operators: by super-networks without them, or by the cells that have them."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samplers.monas.cell_sets import Operators, removable, within, without
from samplers.training_free import Record
from solvers.sets.relaxed_set import AnySet
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from samplers.monas.indicators import Indicators, Measured

__all__ = ["Cells", "Paper", "Progress", "Round", "Rule", "ScoreRow", "ranks"]

#: Called before each measurement: the round, what is measured, how many of how many.
Progress = Callable[[int, str, int, int], None]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoreRow:
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
class Round(Record):
    """One round: the operators it started from, and what became of each."""

    damaged = "this line is no round of a search"

    before: Operators
    rows: tuple[ScoreRow, ...]

    @classmethod
    def read(cls, data: Mapping[str, Any], place: int) -> Round:
        """See `Record.read`."""
        before = {edge: tuple(names) for edge, names in data["before"].items()}
        return cls(data["number"], before, tuple(ScoreRow(**row) for row in data["rows"]))

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

    fs: AnySet
    indicators: Indicators
    lam: float
    mu: float

    @abstractmethod
    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[ScoreRow]:
        """A row per operator that could be pruned, the lowest score first to go."""

    def recall(self, earlier: Round) -> None:  # noqa: B027 - most rules remember nothing
        """Take up what an earlier round has measured, when a search is continued."""

    def left(self, remaining: Operators) -> int:
        """FLOPs, or nanoseconds where mu weighs, of the super-network with these operators."""
        flops, latency = self.indicators.deployed(remaining)
        return (latency or 0) if self.mu else flops

    def combined(self, indicators: Sequence[NDArray[np.float64]], left: Sequence[int]) -> NDArray[np.float64]:
        """Eq. 3 on ranks of operators, the one to prune first.

        Args:
            indicators: per indicator, how good each operator is; they share the weight 1 - w.
            left: per operator, the FLOPs or time of the super-network without it.
        """
        weight = self.lam or self.mu
        quality = sum(ranks(values) for values in indicators) / len(indicators)
        return (1 - weight) * quality + weight * ranks(np.array(left, float))


class Paper(Rule):
    """Every operator by the super-network without it."""

    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[ScoreRow]:
        """See `Rule.scored`."""
        pairs = removable(remaining)
        measured: list[Measured] = []
        for k, (edge, operator) in enumerate(pairs):
            if progress:
                progress(number, f"{edge} without {operator}", k, len(pairs))
            measured.append(self.indicators.measure(without(remaining, edge, operator)))
        # An operator is as good as the network without it is bad.
        k2 = np.array([m.k for m in measured])
        regions = -np.array([m.regions for m in measured])
        left = [(m.latency or 0) if self.mu else m.flops for m in measured]
        scores = self.combined([k2, regions], left)
        return [
            ScoreRow(edge, operator, k=m.k, regions=m.regions, flops=m.flops, latency=m.latency, score=float(score))
            for (edge, operator), m, score in zip(pairs, measured, scores, strict=True)
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
        ranks = left.draws(self.draws, drawn)
        for k, cell in enumerate(left.outer.at(ranks)):
            if progress:
                progress(number, str(cell), k, len(ranks))
            if cell not in self.seen:
                operators = {label: (name,) for label, name in cell.values.items() if label in remaining}
                self.seen[cell] = self.indicators.measure(operators)

    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[ScoreRow]:
        """See `Rule.scored`."""
        self._draw(remaining, number, progress)
        every = [(edge, o) for edge, names in self._all().items() for o in names]
        has = np.array([[cell.values[edge] == o for edge, o in every] for cell in self.seen], float)
        pairs = removable(remaining)
        columns = [every.index(pair) for pair in pairs]
        measured = list(self.seen.values())
        good = ([-m.k for m in measured], [m.regions for m in measured], [m.meco for m in measured])
        effects = [_effects(has, ranks(np.array(values)))[columns] for values in good]
        scores = self.combined(effects, [self.left(without(remaining, *pair)) for pair in pairs])
        return [
            ScoreRow(
                *pair, *_medians([m for m, there in zip(measured, has[:, j], strict=True) if there]), score=float(score)
            )
            for pair, j, score in zip(pairs, columns, scores, strict=True)
        ]

    def _all(self) -> Operators:
        return {d.label: d.options for d in self.fs.program.variants[0].decisions}


def _effects(has: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The effect of each operator in a linear model of the cells' values, shrunk a little (ridge, 1).

    Args:
        has: [cells, operators], 1 where a cell has an operator.
        values: [cells].
    """
    centred = (values - values.mean()) / (values.std() or 1.0)
    return np.linalg.solve(has.T @ has + np.eye(has.shape[1]), has.T @ centred)


_Median = float | None


def _medians(measured: list[Measured]) -> tuple[_Median, _Median, _Median, _Median]:
    """Of K, regions, FLOPs and latency; None where there is nothing to take it of."""

    def median(column: list[_Median]) -> _Median:
        known = [value for value in column if value is not None]
        return float(np.median(known)) if known else None

    return (
        median([m.k for m in measured]),
        median([m.regions for m in measured]),
        median([m.flops for m in measured]),
        median([m.latency for m in measured]),
    )


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ascending ranks from 0; equal values share the mean of theirs.

    Example:
        >>> ranks(np.array([3.0, 1.0, 3.0, np.inf])).tolist()
        [1.5, 0.0, 1.5, 3.0]
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes + 1) / 2)[group]
