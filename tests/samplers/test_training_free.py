"""Searches that train nothing: all follow one protocol, and so may those of others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from samplers.monas.paper import MonasPaper
from samplers.optuna_studies.pareto_search import ParetoSearch
from samplers.testing import TrainingFreeConformance
from samplers.training_free import RecordError
from solvers.sets.feasible_set import FeasibleSet
from tests.samplers.test_monas import WHOLE


class TestParetoSearch(TrainingFreeConformance):
    def make(self, seed: int) -> ParetoSearch:
        return ParetoSearch("nsga2", {"params": "min", "snip": "max"}, population=4, trials=10, batch=4, seed=seed)

    def test_records_of_another_search_are_refused(self) -> None:
        found = self.records(self.make(1))
        with pytest.raises(RecordError, match=r"the search proposes `mlp2: .*` where the log has `mlp2: "):
            self.records(self.make(2), found)

    def test_a_set_without_a_latency_profile_has_no_latency(self) -> None:
        with pytest.raises(Exception, match="the objective `latency` needs a latency profile"):
            replace(self.make(0), objectives={"latency": "min"}).check(self.fs())


class TestMonasPaper(TrainingFreeConformance):
    def make(self, seed: int) -> MonasPaper:
        return MonasPaper(prune=2, repeats=1, seed=seed)

    def fs(self) -> FeasibleSet:
        return WHOLE
