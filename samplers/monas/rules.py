"""The rule by which MONAS scores operators: by super-networks without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samplers.monas.cell_sets import Operators, removable, without
from samplers.proxies.ranking import ranks
from samplers.training_free import Record

if TYPE_CHECKING:
    from samplers.monas.indicators import Indicators, Measured

__all__ = ["Paper", "Progress", "Round", "ScoreRow"]

#: Called before each measurement: the round, what is measured, how many of how many.
Progress = Callable[[int, str, int, int], None]


@dataclass(frozen=True)
class ScoreRow:
    """One operator of one edge in a round.

    Args:
        edge: label of the edge.
        operator: its name.
        k: K_2 of the super-network without it (lower is better).
        regions: linear regions, likewise (higher is better).
        flops: FLOPs, likewise.
        latency: nanoseconds, likewise; None without a latency profile.
        score: Eq. 3; the lowest of an edge is pruned.
        fate: `kept`, `pruned`, or `needed` where pruning it would have left no feasible cell.
    """

    edge: str
    operator: str
    k: float
    regions: float
    flops: int
    latency: int | None
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
class Paper:
    """Scores the operators that are left, each by the super-network without it.

    Args:
        indicators: measure networks, and remember.
        lam: weight of FLOPs.
        mu: weight of latency.
    """

    indicators: Indicators
    lam: float
    mu: float

    def combined(self, indicators: Sequence[NDArray[np.float64]], left: Sequence[int]) -> NDArray[np.float64]:
        """Eq. 3 on ranks of operators, the one to prune first.

        Args:
            indicators: per indicator, how good each operator is; they share the weight 1 - w.
            left: per operator, the FLOPs or time of the super-network without it.
        """
        weight = self.lam or self.mu
        quality = sum(ranks(values) for values in indicators) / len(indicators)
        return (1 - weight) * quality + weight * ranks(np.array(left, float))

    def scored(self, remaining: Operators, number: int, progress: Progress | None) -> list[ScoreRow]:
        """A row per operator that could be pruned, the lowest score first to go."""
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
