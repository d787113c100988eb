"""Trials of a search by proxies: asked generation by generation, evaluated, told, and kept in a log that continues."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nascompile.records.trial_log import Trial, TrialLog
from samplers.optuna_studies.pareto import ParetoSampler
from samplers.proxies.base import Proxy
from samplers.scores.worker_pool import Spread
from solvers.sets.feasible_set import FeasibleSet
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["ProxyTrials", "default_jobs"]

#: Starting a process takes as long as scoring some small networks.
_WORTH_A_PROCESS = 16


@dataclass
class ProxyTrials:
    """Evaluates what a sampler asks for; what the log has is told without being evaluated again.

    Args:
        fs: the set.
        sampler: asked in generations, and told in the order of asking.
        proxies: what is computed beside the costs.
        data: examples for them.
        log: of trials.
        seed: of the first weights.
        batch_norm: `kept` or `folded`.
        device: where to evaluate.
        jobs: processes; None for up to one a core. The trials are the same.
        spread: hands the work out in place of these processes.

    Attributes:
        asking: seconds spent by the sampler.
    """

    fs: FeasibleSet
    sampler: ParetoSampler
    proxies: Sequence[Proxy]
    data: Data
    log: TrialLog
    seed: int
    batch_norm: str = "kept"
    device: str = "cpu"
    jobs: int | None = None
    spread: Spread | None = None
    asking: float = field(default=0.0, init=False)

    def run(self, total: int, told: Callable[[int, Candidate, Trial], None]) -> None:
        """Bring the log to so many trials.

        Args:
            total: at most as many as there are members.
            told: called with the number of each trial, in order, those of the log included.
        """
        there, done = min(len(self.log.trials), total), 0
        while done < total:
            start = time.monotonic()
            asked = list(self.sampler.ask(self.fs, min(self.sampler.population, total - done)))
            self.asking += time.monotonic() - start
            with closing(self._trials(asked, done, there)) as found:
                for candidate, trial in found:
                    self.sampler.tell_scores(candidate, trial.values)
                    told(done, candidate, trial)
                    done += 1

    def _trials(
        self, asked: Sequence[Candidate], done: int, there: int
    ) -> Generator[tuple[Candidate, Trial], None, None]:
        """The trials of candidates: those in the log, then those that are evaluated now, and added to it."""
        known = asked[: max(0, there - done)]
        for number, candidate in enumerate(known, start=done):
            yield candidate, self.log.expect(number, str(candidate))
        fresh = asked[len(known) :]
        with closing(self._evaluated(fresh)) as found:
            for candidate, scores in zip(fresh, found, strict=True):
                trial = Trial(str(candidate), candidate.costs, scores)
                self.log.append(trial)
                yield candidate, trial

    def _evaluated(self, candidates: Sequence[Candidate]) -> Generator[dict[str, float], None, None]:
        """The scores of candidates, in their order."""
        from samplers.scores.scoring import score

        if not self.proxies or not candidates:
            yield from ({} for _ in candidates)
            return
        jobs = min(self.jobs or default_jobs(len(candidates), self.device), len(candidates))
        settings = {"batch_norm": self.batch_norm, "device": self.device, "jobs": jobs, "spread": self.spread}
        with closing(score(candidates, self.proxies, self.data, self.seed, **settings)) as found:
            for one in found:
                yield dict(one.scores)


def default_jobs(tasks: int, device: str) -> int:
    """Processes for so many tasks that are handed out at once: one per core, as far as that is worth it.

    Example:
        >>> default_jobs(5, "cpu"), default_jobs(1000, "cuda")
        (1, 1)
    """
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, tasks // _WORTH_A_PROCESS))
