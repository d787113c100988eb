"""Searches whose sampler is told proxies of untrained networks: they ask, measure and tell, trial after trial."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from samplers.base import Sampler
from samplers.proxies.base import COSTS, Proxy
from samplers.scores.worker_pool import default_jobs
from samplers.training_free import Means, Record, RecordError, TrainingFreeSearch
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate
from spaces.units import FORMATS

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["ProxySearch", "Scorer", "Trial"]

#: The scores of candidates, in their order.
Scorer = Callable[[Sequence[Candidate]], Generator[Mapping[str, float], None, None]]


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


class ProxySearch(TrainingFreeSearch[Trial]):
    """Evaluates what a sampler asks for, round by round, by proxies that need no training.

    Subclasses are frozen dataclasses with these fields, and others.

    Attributes:
        objectives: proxies and costs, name -> `max` or `min`.
        population: candidates asked for at once; so many can be evaluated at a time.
        trials: how many candidates; fewer where the set has no more.
        batch: examples per batch of a proxy.
        batches: name -> that of a single proxy.
        seed: of the sampler, and of first weights.
    """

    objectives: Mapping[str, str]
    population: int
    trials: int
    batch: int
    batches: Mapping[str, int]

    record = Trial
    #: By what it measures, in words.
    by = "proxies"

    @abstractmethod
    def sampler(self, fs: AnySet) -> Sampler:
        """What proposes, not asked yet."""

    @property
    def proxies(self) -> list[Proxy]:
        """What has to be computed beside the costs."""
        from samplers.scores.scoring import batched

        return batched([name for name in self.objectives if name not in COSTS], self.batch, self.batches)

    @property
    def examples(self) -> int:
        """The largest of all batches."""
        from samplers.scores.scoring import batched_examples

        return batched_examples(self.proxies, max(self.batch, 1))

    def limited(self, batch: int) -> Self:
        """With smaller batches."""
        from samplers.scores.scoring import COUNTED

        own = {p.name: min(p.options["batch"], batch) for p in self.proxies if p.name in COUNTED}
        return replace(self, batch=min(self.batch, batch), batches=own)

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
        self.sampler(fs).check(fs)

    def measure(self, fs: AnySet, data: Data, done: Sequence[Trial], means: Means) -> Generator[Trial, None, None]:
        """The trials that follow; see `TrainingFreeSearch.measure`."""
        sampler, total, number, asking = self.sampler(fs), min(self.trials, fs.between[1]), 0, 0.0
        scores = self.scorer(fs, data, means)
        while number < total:
            start = time.monotonic()
            asked = list(sampler.ask(fs, min(self.population, total - number)))
            asking += time.monotonic() - start
            if not asked:
                return
            with closing(self._trials(asked, number, done, scores)) as found:
                for candidate, trial in zip(asked, found, strict=True):
                    sampler.tell_scores(candidate, trial.values)
                    number += 1
                    means.on_progress(f"{number:,} of {total:,} trials by {self.by}", asking)
                    if number > len(done):
                        yield trial

    def _trials(
        self, asked: Sequence[Candidate], first: int, done: Sequence[Trial], scored: Scorer
    ) -> Generator[Trial, None, None]:
        """The trials of candidates: those done, which must be of them, then those that are evaluated now."""
        known = done[first : first + len(asked)]
        for trial, candidate in zip(known, asked, strict=False):
            if trial.candidate != str(candidate):
                message = f"the search proposes `{candidate}` where the log has `{trial.candidate}`"
                raise RecordError(message, trial.number)
            yield trial
        fresh = asked[len(known) :]
        with closing(scored(fresh)) as found:
            for number, (candidate, scores) in enumerate(zip(fresh, found, strict=True), start=first + len(known)):
                yield Trial(number, str(candidate), candidate.costs, scores)

    def scorer(self, fs: AnySet, data: Data, means: Means) -> Scorer:
        """What scores candidates of a set."""
        return partial(self._scores, data=data, means=means)

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
