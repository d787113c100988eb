"""Competing objectives: the protocol, the archive, and that it finds more of the front than uniform draws."""

from __future__ import annotations

import json
import math
from functools import cache

import moocore
import numpy as np
import pytest
from scipy.stats import wilcoxon

from samplers.base import WORST
from samplers.optuna_studies.pareto import PROTOTYPENAS, ParetoSampler
from samplers.subset.dominance import as_minimised
from samplers.testing import SamplerConformance, example_set
from samplers.uniform import UniformSampler
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import load_space
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets


class TestNsga2OfThePaper(SamplerConformance):
    def make(self, seed):
        return ParetoSampler(population=6, seed=seed)


class TestNsga3(SamplerConformance):
    def make(self, seed):
        return ParetoSampler("nsga3", {"a": "min", "b": "max"}, population=5, seed=seed)


class TestTpe(SamplerConformance):
    def make(self, seed):
        return ParetoSampler("tpe", {"a": "min", "b": "max"}, {"n_startup_trials": 5}, population=5, seed=seed)


class TestUniform(SamplerConformance):
    def make(self, seed):
        return ParetoSampler("uniform", {"a": "min", "b": "max"}, population=5, seed=seed)


OBJECTIVES = {"width": "min", "rise": "max"}


def trade_off(candidate: Candidate) -> dict[str, float]:
    """Two objectives of opposite interest: few filters, but many more at the end than at the beginning."""
    values = np.array(candidate["M"], float) / 280
    return {"width": float(values.mean()), "rise": float((values[1:] - values[:-1]).clip(min=0).sum() + values[-1])}


@cache
def deep_set() -> FeasibleSet:
    """Two depths, a tight budget: 3,070 members of 294,912."""
    space = load_space("dscnn", ["network.2.repeat=[3, 4]"])
    return solve(compile_space(space, Budgets(rom=450_000, ram=262_144)))


@cache
def extremes() -> tuple[np.ndarray, np.ndarray]:
    points = as_minimised([list(trade_off(c).values()) for c in deep_set()], list(OBJECTIVES.values()))
    return points.min(axis=0), points.max(axis=0)


def hypervolume(sampler: ParetoSampler) -> float:
    lower, upper = extremes()
    points = as_minimised([list(p.values.values()) for p in sampler.archive()], list(OBJECTIVES.values()))
    return float(moocore.hypervolume((points - lower) / (upper - lower), ref=[1.1, 1.1]))


def searched(method: str, seed: int, n: int = 120) -> ParetoSampler:
    sampler = ParetoSampler(method, OBJECTIVES, population=20, seed=seed)
    while sampler.run_ is None or len(sampler.run_.asked) < n:
        for candidate in list(sampler.ask(deep_set(), sampler.population)):
            sampler.tell(candidate, trade_off(candidate))
    return sampler


@pytest.mark.parametrize("method", ["nsga2", "nsga3"])
def test_it_finds_more_of_the_front_than_uniform_draws(method: str) -> None:
    """Hypervolume after 120 trials of 3,070; Wilcoxon over 10 seeds at the level 1 %."""
    own = [hypervolume(searched(method, seed)) for seed in range(10)]
    uniform = [hypervolume(searched("uniform", seed)) for seed in range(10)]
    assert wilcoxon(own, uniform, alternative="greater").pvalue < 0.01


def dominates(one: list[float], other: list[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@pytest.mark.parametrize("seed", range(4))
def test_the_archive_is_what_none_dominates(seed: int) -> None:
    """Against all pairs, with ties, copies, and scores that are no numbers."""
    rng = np.random.default_rng(seed)
    sampler = ParetoSampler(objectives={"a": "min", "b": "max", "c": "max"}, population=16, seed=seed)
    points = {}
    for candidate in list(sampler.ask(example_set("medium"), 48)):
        a, b, c = rng.integers(0, 5, 3).astype(float)
        c = float(rng.choice([c, c, c, math.nan, -math.inf, math.inf]))
        sampler.tell_scores(candidate, {"a": a, "b": b, "c": c, "other": math.nan})
        if math.isfinite(c):
            points[str(candidate)] = [a, -b, -c]
    front = {line: p for line, p in points.items() if not any(dominates(q, p) for q in points.values())}
    assert {str(p.candidate): [p.values["a"], -p.values["b"], -p.values["c"]] for p in sampler.archive()} == front
    assert [str(p.candidate) for p in sampler.archive()] == list(front)
    assert 1 < len(front) < len(points) < 48


def test_scores_that_are_no_numbers_are_the_worst() -> None:
    fs = example_set("small")
    sampler = ParetoSampler(objectives={"a": "min", "b": "max"}, population=2)
    for candidate, a, b in zip(list(sampler.ask(fs, 3)), (math.nan, -math.inf, 1.0), (1, 2, -math.inf), strict=True):
        sampler.tell_scores(candidate, {"a": a, "b": b})
    assert sampler.run_ is not None
    assert list(sampler.run_.values.values()) == [{"a": WORST, "b": 1}, {"a": WORST, "b": 2}, {"a": 1, "b": -WORST}]
    assert sampler.archive() == []
    json.loads(json.dumps(sampler.state(), allow_nan=False))
    (candidate,) = sampler.ask(fs, 1)
    with pytest.raises(EngineError, match="without `b`"):
        sampler.tell_scores(candidate, {"a": 1.0})


def test_uniform_is_uniform_sampling() -> None:
    fs = deep_set()
    drawn = ParetoSampler("uniform", OBJECTIVES, seed=5).ask(fs, 10)
    assert [str(c) for c in drawn] == [str(c) for c in UniformSampler(seed=5).ask(fs, 10)]


def test_the_objectives_of_the_paper_are_the_default() -> None:
    sampler = ParetoSampler()
    assert (sampler.method, sampler.population) == ("nsga2", 50)
    assert dict(sampler.objectives) == PROTOTYPENAS
    assert sampler.archive() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "unifrom"}, "did you mean `uniform`"),
        ({"population": 1}, "`population` = 1"),
        ({"options": {"population_size": 3}}, "give it as `population`"),
        ({"method": "uniform", "options": {"x": 3}}, "leave them out"),
        ({"method": "tpe", "options": {"x": 3}}, "optuna.samplers.TPESampler"),
        ({"objectives": {"a": "low"}}, "`a` cannot be `low`"),
        ({"objectives": {"a": "low"}, "method": "uniform"}, "`a` cannot be `low`"),
    ],
)
def test_mistakes(arguments: dict, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        ParetoSampler(**arguments).ask(example_set("small"), 1)
