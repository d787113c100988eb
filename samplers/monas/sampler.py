"""MONAS with hard budgets: half of the networks drawn, half sought around the best, by the sum of proxies' ranks.

The published rule (`samplers.monas.paper`) scores operators, and weighs accuracy against cost. Per operator the two
rankings are nearly mirror images, so that a weight flips the search from the dearest cells to the cheapest, and the
middle is never visited; see `docs/decisions/003-monas-measures-cells.md`.
Here costs are limits, which no network breaks, and only the ranks of the proxies decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samplers.base import WORST, Directed, Run, check_counts, check_objectives
from samplers.children import children
from samplers.monas.limits import Limit, within
from samplers.proxies.base import ENSEMBLES, proxy
from samplers.proxies.ranking import rank_sums
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate

__all__ = ["MonasSampler", "best_first", "ranked"]

#: Draws without a new network after which all are taken to be known.
_TRIES = 10_000


def ranked() -> dict[str, str]:
    """The proxies of the default ensemble, each in its own direction."""
    return {name: "max" if proxy(name).better == "higher" else "min" for name in ENSEMBLES["default"]}


@dataclass
class MonasSampler(Directed):
    """Draws half of its networks uniformly, and takes the other half from the neighbours of the best so far.

    Neighbours are one decision away; where all of these are known, those in which two decisions are exchanged: at a
    budget that is used up, few decisions can change alone. The best is the one with the largest sum of ranks: each
    objective ranks all networks told of, from 1 for the worst.
    Networks that are the same function are asked once. Where there are several limits they take turns: each has its
    draws and its best, among those told of that keep it, so that all learn from one set of measurements.

    Tell it what cannot be measured, too, by `tell_scores`: infinities rank last.

    Args:
        objectives: what `tell` is given, name -> `max` or `min`; by default the proxies of `ENSEMBLES["default"]`.
        trials: networks asked in all, of which the first half is drawn; beyond it, neighbours go on.
        limits: of one cost, beyond those that the set was made for; without any the set is the limit.
        seed: of draws, and of the order of neighbours.

    Example:
        >>> from samplers.testing import example_set
        >>> fs = example_set("medium")
        >>> limits = (Limit("macs", 8_000), Limit("macs", 4_000))
        >>> sampler = MonasSampler({"entropy": "max", "params": "max"}, trials=20, limits=limits)
        >>> for candidate in sampler.ask(fs, 20):
        ...     sampler.tell(candidate, candidate.costs)
        >>> [sampler.best(limit).costs["macs"] <= limit.most for limit in limits]
        [True, True]
    """

    objectives: Mapping[str, str] = field(default_factory=ranked)
    trials: int = 84
    limits: Sequence[Limit] = ()

    @classmethod
    def learning(cls, metric: str) -> dict[str, Any]:
        """The metric as the only objective."""
        return {"objectives": {metric: "max"}}

    def check(self, fs: AnySet) -> None:
        """Whether there are such objectives and limits, and networks within these.

        Raises:
            EngineError: there are not.
        """
        check_counts(trials=self.trials)
        check_objectives(self.objectives)
        for limit in self.limits:
            limit.check(fs)

    def begin(self, run: Run) -> None:
        """Solve for the limits."""
        self.sets_ = [within(run.fs, limit) for limit in self.limits] or [run.fs]

    def propose(self, run: Run) -> int | None:
        """A draw, or the first unknown neighbour of the best that has one."""
        turns = len(self.sets_)
        # A limit within which all networks are known leaves its turn to the next.
        for turn in ((len(run.asked) + k) % turns for k in range(turns)):
            ways = [self._drawn(run, turn)]
            if len(run.asked) >= (self.trials + 1) // 2 and run.values:
                ways.insert(0, self._near(run, turn))
            rank = next((rank for way in ways for rank in way), None)
            if rank is not None:
                return rank
        return None

    def _drawn(self, run: Run, turn: int) -> Iterator[int]:
        """Unknown networks within a limit, in random order."""
        fs, outer = self.sets_[turn], run.fs.outer
        drawn = run.draws(run.source) if fs is run.fs else (outer.index(c) for c in _shuffled(fs, run))
        for _, rank in zip(range(_TRIES), drawn, strict=False):
            if run.is_new(rank):
                yield rank

    def _near(self, run: Run, turn: int) -> Iterator[int]:
        """Unknown neighbours within a limit, of the best first."""
        outer, source = run.fs.outer, run.source
        for rank in self._order(run, turn):
            for child in children(run, rank, source):
                if self._keeps(outer[child], turn):
                    yield child

    def _keeps(self, member: Candidate, turn: int) -> bool:
        return not self.limits or self.limits[turn].holds(member)

    def _order(self, run: Run, turn: int) -> list[int]:
        """The ranks in the set of those told of that keep a limit, the best first."""
        told = [(rank, values) for rank, values in run.told if self._keeps(run.fs.outer[rank], turn)]
        return [told[k][0] for k in best_first([values for _, values in told], self.objectives)]

    def best(self, limit: Limit | None = None) -> Candidate:
        """The best of those told of, within one of its limits where it has some.

        Raises:
            EngineError: none was told of.
        """
        return self.order(limit)[0]

    def order(self, limit: Limit | None = None) -> list[Candidate]:
        """All those told of, the best first, within one of its limits where it has some.

        Raises:
            EngineError: none was told of.
        """
        run = self.run_
        found = self._order(run, 0 if limit is None else list(self.limits).index(limit)) if run else []
        if run is None or not found:
            raise EngineError.of("none-told", "no network was measured that keeps the limits", "ask, and tell, first")
        return list(run.fs.outer.at(found))


def best_first(rows: Sequence[Mapping[str, float]], objectives: Mapping[str, str]) -> list[int]:
    """The places of networks by the sum of their ranks, the best first; of equals the first.

    Args:
        rows: per network, the values of the objectives; what is no finite number ranks last.
        objectives: name -> `max` or `min`.

    Example:
        >>> rows = [{"macs": 1, "zen": 5.0}, {"macs": 1, "zen": 6.0}, {"macs": 2, "zen": float("-inf")}]
        >>> best_first(rows, {"macs": "max", "zen": "max"})
        [1, 2, 0]
    """
    if not rows:
        return []
    sums = rank_sums(
        ([row[name] if abs(row[name]) < WORST else math.nan for row in rows], "higher" if sense == "max" else "lower")
        for name, sense in objectives.items()
    )
    return np.argsort(-sums, kind="stable").tolist()


def _shuffled(fs: AnySet, run: Run) -> Iterator[Candidate]:
    """Members of a set in random order, drawn when they are taken."""
    for rank in Run(fs, run.seed).draws(run.source):
        yield fs.outer[rank]
