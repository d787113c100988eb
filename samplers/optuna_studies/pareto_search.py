"""Trials of untrained networks whose proxies compete as objectives, and what of their front to train (PrototypeNAS)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from samplers.optuna_studies.pareto import PROTOTYPENAS, ParetoSampler, Point, sound_front
from samplers.proxy_search import ProxySearch, Trial
from samplers.subset.hypervolume import HypervolumeSelector
from samplers.training_free import Measured
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate, parse_candidate

__all__ = ["ParetoSearch"]


@dataclass(frozen=True)
class ParetoSearch(ProxySearch):
    """Evaluates what a `ParetoSampler` asks for, generation by generation, by proxies that need no training.

    Args:
        method: of `ParetoSampler`, as are its objectives and its population.
        objectives: proxies and costs, name -> `max` or `min`.
        population: candidates of a generation.
        trials: how many candidates; fewer where the set has no more.
        batch: examples per batch of a proxy.
        batches: name -> that of a single proxy.
        seed: of the sampler, and of first weights.
    """

    method: str = "nsga2"
    objectives: Mapping[str, str] = field(default_factory=PROTOTYPENAS.copy)
    population: int = 50
    trials: int = 500
    batch: int = 128
    batches: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0

    def sampler(self, fs: AnySet | None = None) -> ParetoSampler:
        """What proposes, not asked yet."""
        return ParetoSampler(self.method, self.objectives, population=self.population, seed=self.seed)

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the sampler."""
        return self.sampler().state()["parameters"]

    def front(self, fs: AnySet, trials: Sequence[Trial]) -> list[tuple[int, Point]]:
        """The trials that no other dominates, with their numbers, the best by the first objective first."""
        values = [[float(trial.values[name]) for name in self.objectives] for trial in trials]
        sign = 1 if next(iter(self.objectives.values())) == "min" else -1
        chosen = sorted(sound_front(values, self.objectives), key=lambda k: (sign * values[k][0], k))
        result = {k: parse_candidate(fs.program, trials[k].candidate) for k in chosen}
        return [(k, Point(one, dict(zip(self.objectives, values[k], strict=True)))) for k, one in result.items()]

    def choose(self, fs: AnySet, n: int, measured: Measured[Trial]) -> list[Candidate]:
        """Those of the front with the largest hypervolume, the best by the first objective first."""
        trials = measured(self, "trials", "")[: self.trials]
        front = self.front(fs, trials)
        if not front:
            message = f"none of {len(trials):,} trials has a finite value in every objective"
            raise EngineError.of("no-front", message, "leave out the objective that has none")
        asked = sorted(range(len(front)), key=lambda k: front[k][0])
        values = np.array([list(front[k][1].values.values()) for k in asked])
        subset = HypervolumeSelector(k=min(n, len(front))).select(values, list(self.objectives.values()))
        return [front[k][1].candidate for k in sorted(asked[chosen] for chosen in subset.chosen)]
