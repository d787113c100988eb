"""Trials of untrained networks whose proxies compete as objectives, and what of their front to train (PrototypeNAS)."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from samplers.optuna_studies.pareto import PROTOTYPENAS, ParetoSampler, Point, sound_front
from samplers.proxies.base import COSTS, Proxy
from samplers.scores.worker_pool import default_jobs
from samplers.subset.hypervolume import HypervolumeSelector
from samplers.training_free import Means, Measured, Record, RecordError, TrainingFreeSearch
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate, parse_candidate
from spaces.units import FORMATS

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["ParetoSearch", "Trial"]


@dataclass(frozen=True)
class Trial(Record):
    """A candidate that was evaluated.

    As JSON `{"trial": 0, "candidate": "mlp2: 16-16", "costs": {...}, "scores": {...}}`; scores that are no finite
    numbers are the texts `inf`, `-inf` and `nan`, which JSON has no numbers for.

    Args:
        number: of the trial.
        candidate: its line.
        costs: name -> value.
        scores: proxy -> score; infinities and NaN as the proxies give them.

    Example:
        >>> trial = Trial(0, "mlp2: 16-16", {"macs": 288}, {"meco": float("-inf")})
        >>> Trial.read(trial.plain(), 0).values
        {'meco': -inf, 'macs': 288}
    """

    damaged = "this line is not the trial that belongs there"

    candidate: str
    costs: Mapping[str, int | float]
    scores: Mapping[str, float]

    @property
    def values(self) -> dict[str, int | float]:
        """Costs and scores by name."""
        return {**self.scores, **self.costs}

    def plain(self) -> dict[str, Any]:
        """See the class."""
        scores = {name: value if math.isfinite(value) else str(value) for name, value in self.scores.items()}
        return {"trial": self.number, "candidate": self.candidate, "costs": dict(self.costs), "scores": scores}

    @classmethod
    def read(cls, data: Mapping[str, Any], place: int) -> Trial:
        """See `Record.read`."""
        scores = {name: float(value) for name, value in data["scores"].items()}
        if data["trial"] != place:
            raise ValueError
        return cls(place, str(data["candidate"]), dict(data["costs"]), scores)


@dataclass(frozen=True)
class ParetoSearch(TrainingFreeSearch[Trial]):
    """Evaluates what a `ParetoSampler` asks for, generation by generation, by proxies that need no training.

    Args:
        method: of `ParetoSampler`, as are its objectives and its population.
        objectives: proxies and costs, name -> `max` or `min`.
        population: candidates of a generation.
        trials: how many candidates; fewer where the set has no more.
        batch: examples per batch of a proxy.
        seed: of the sampler, and of first weights.
    """

    method: str = "nsga2"
    objectives: Mapping[str, str] = field(default_factory=PROTOTYPENAS.copy)
    population: int = 50
    trials: int = 500
    batch: int = 128
    seed: int = 0

    record = Trial

    def sampler(self) -> ParetoSampler:
        """What proposes, not asked yet."""
        return ParetoSampler(self.method, self.objectives, population=self.population, seed=self.seed)

    @property
    def proxies(self) -> list[Proxy]:
        """What has to be computed beside the costs."""
        from samplers.scores.scoring import batched

        return batched([name for name in self.objectives if name not in COSTS], self.batch)

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the sampler."""
        return self.sampler().state()["parameters"]

    def check(self, fs: AnySet | None = None) -> None:
        """Whether the set has members, and the costs that are objectives; the rest when the set is there, too."""
        if fs is None:
            return
        if not fs:
            message = f"no network of `{fs.program.space.name}` fits, so there is nothing to search"
            raise EngineError.of("empty-set", message, "`nascompile explain` says what the budgets lack")
        for name in FORMATS:
            if name in self.objectives and name not in fs.program.priced:
                which = "a latency profile" if name == "latency" else "a latency profile that has energies"
                hint = "give --latency-profile, or --latency-profile auto with --mcu"
                raise EngineError.of(f"no-{name}", f"the objective `{name}` needs {which}", hint)
        self.sampler().check(fs)

    def limited(self, batch: int) -> ParetoSearch:
        """With smaller batches."""
        return replace(self, batch=batch)

    def measure(self, fs: AnySet, data: Data, done: Sequence[Trial], means: Means) -> Generator[Trial, None, None]:
        """The trials that follow; see `TrainingFreeSearch.measure`."""
        sampler, total, number, asking = self.sampler(), min(self.trials, fs.between[1]), 0, 0.0
        while number < total:
            start = time.monotonic()
            asked = list(sampler.ask(fs, min(self.population, total - number)))
            asking += time.monotonic() - start
            if not asked:
                return
            with closing(self._trials(asked, number, data, done, means)) as found:
                for candidate, trial in zip(asked, found, strict=True):
                    sampler.tell_scores(candidate, trial.values)
                    number += 1
                    means.on_progress(f"{number:,} of {total:,} trials by proxies", asking)
                    if number > len(done):
                        yield trial

    def _trials(
        self, asked: Sequence[Candidate], first: int, data: Data, done: Sequence[Trial], means: Means
    ) -> Generator[Trial, None, None]:
        """The trials of candidates: those done, which must be of them, then those that are evaluated now."""
        known = done[first : first + len(asked)]
        for trial, candidate in zip(known, asked, strict=False):
            if trial.candidate != str(candidate):
                message = f"the search proposes `{candidate}` where the log has `{trial.candidate}`"
                raise RecordError(message, trial.number)
            yield trial
        fresh = asked[len(known) :]
        with closing(self._scores(fresh, data, means)) as found:
            for number, (candidate, scores) in enumerate(zip(fresh, found, strict=True), start=first + len(known)):
                yield Trial(number, str(candidate), candidate.costs, scores)

    def _scores(
        self, candidates: Sequence[Candidate], data: Data, means: Means
    ) -> Generator[Mapping[str, float], None, None]:
        """The scores of candidates, in their order."""
        from samplers.scores.scoring import score

        if not (proxies := self.proxies) or not candidates:
            yield from ({} for _ in candidates)
            return
        jobs = min(means.jobs or default_jobs(len(candidates), means.device), len(candidates))
        how: dict[str, Any] = {"batch_norm": means.batch_norm, "device": means.device}
        with closing(
            score(candidates, proxies, data, self.seed, **how, jobs=jobs, parallel_map=means.parallel_map)
        ) as found:
            for one in found:
                yield dict(one.scores)

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
