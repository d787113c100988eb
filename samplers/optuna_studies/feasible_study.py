"""An Optuna study whose every trial is a member of a feasible set, and none twice.

What Optuna proposes becomes the nearest member (`samplers.optuna_studies.genes`), and the trial is recorded as that
member, so that Optuna learns from what was evaluated, not from what it had wished for.

This module loads Optuna.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler

from samplers.base import WORST, Run
from samplers.optuna_studies.genes import Genes
from solvers.sets.relaxed_set import AnySet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial, TrialState

__all__ = ["ATTEMPTS", "FeasibleStudy", "quiet"]

#: Proposals that were all asked before, after which a member is drawn uniformly from those that were not.
ATTEMPTS = 3


class FeasibleStudy:
    """An in-memory study over a feasible set.

    Args:
        fs: the set; not empty.
        objectives: name -> `max` or `min`, in Optuna's order.
        sampler: proposes; used by this study alone.

    Attributes:
        study: Optuna's, for its plots; the user attribute `candidate` of a trial is its member's line.
    """

    def __init__(self, fs: AnySet, objectives: Mapping[str, str], sampler: BaseSampler) -> None:
        self._objectives = tuple(objectives)
        self._genes = Genes(fs)
        self._nearest = _Nearest(sampler, self._genes)
        self._waiting: dict[int, Trial] = {}
        with quiet():
            self.study = optuna.create_study(
                sampler=self._nearest,
                directions=["maximize" if sense == "max" else "minimize" for sense in objectives.values()],
            )

    def propose(self, run: Run) -> int | None:
        """The rank of a member that has not been asked; what was told since the last proposal is passed on first."""
        if not self._genes.space:
            return next(run.draws(run.source), None)
        self._pass_on(run)
        self._nearest.run = run
        with quiet():
            try:
                trial = self.study.ask(self._genes.space)
            except _NothingLeftError:
                return None
            rank = self._nearest.rank
            trial.set_user_attr("candidate", str(run.fs.outer[rank]))
        self._waiting[rank] = trial
        return rank

    def _pass_on(self, run: Run) -> None:
        """Tell Optuna what is known by now, in the order in which it was asked."""
        for rank in [rank for rank in self._waiting if rank in run.values]:
            values = [_unbounded(run.values[rank][name]) for name in self._objectives]
            with quiet():
                self.study.tell(self._waiting.pop(rank), values)


class _NothingLeftError(Exception):
    """All members have been asked."""


class _Nearest(BaseSampler):
    """Samples as another one does, but the nearest member, and one that has not been asked."""

    def __init__(self, base: BaseSampler, genes: Genes) -> None:
        self._base = base
        self._genes = genes
        self.run: Run | None = None
        self.rank = -1

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._genes.space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        run = self.run
        assert run is not None
        source = run.source
        proposed: dict[str, Any] = {}
        for _ in range(ATTEMPTS):
            proposed = self._proposed(study, trial)
            found = self._genes.member(proposed, source)
            if found is not None and run.is_new(found[0]):
                self.rank, values = found
                return values
        drawn = next(filter(run.is_new, run.draws(source)), None)
        if drawn is None:
            raise _NothingLeftError
        self.rank = drawn
        return self._genes.values(drawn, proposed)

    def _proposed(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """What the other one samples, whether jointly or one by one."""
        joint = self._base.infer_relative_search_space(study, trial)
        result = self._base.sample_relative(study, trial, joint)
        return {
            name: result[name] if name in result else self._base.sample_independent(study, trial, name, distribution)
            for name, distribution in self._genes.space.items()
        }

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._base.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        self._base.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        self._base.reseed_rng()


def _unbounded(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= WORST else value


@contextmanager
def quiet() -> Iterator[None]:
    """Within, Optuna does not say that a study begins or a feature is experimental; afterwards it does as before."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(max(level, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        logger.setLevel(level)
