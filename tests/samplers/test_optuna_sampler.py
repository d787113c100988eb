"""Optuna's samplers over a feasible set: the protocol, what Optuna gets to know, and that they learn."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from functools import cache

import numpy as np
import optuna
import pytest
from scipy.stats import wilcoxon

from samplers.base import WORST, Sampler
from samplers.optuna_studies.optuna_sampler import OptunaSampler
from samplers.testing import SamplerConformance, example_set
from samplers.uniform import UniformSampler
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import load_space
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets


class TestTpe(SamplerConformance):
    def make(self, seed):
        return OptunaSampler("tpe", seed=seed)


class TestTpeOfTwoObjectives(SamplerConformance):
    def make(self, seed):
        return OptunaSampler("tpe", {"accuracy": "max", "flops": "min"}, {"n_startup_trials": 5}, seed=seed)


class TestNsga2(SamplerConformance):
    def make(self, seed):
        return OptunaSampler("nsga2", {"accuracy": "max", "flops": "min"}, {"population_size": 4}, seed=seed)


class TestNsga3(SamplerConformance):
    def make(self, seed):
        return OptunaSampler("nsga3", {"accuracy": "max", "flops": "min"}, {"population_size": 4}, seed=seed)


class TestRandom(SamplerConformance):
    def make(self, seed):
        return OptunaSampler("random", seed=seed)


def own_sampler(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=3)


class TestOwnFactory(SamplerConformance):
    def make(self, seed):
        return OptunaSampler(own_sampler, seed=seed)


@cache
def deep_set() -> FeasibleSet:
    """Two depths, a tight budget: 3,070 members of 294,912."""
    space = load_space("dscnn", ["network.2.repeat=[3, 4]"])
    return solve(compile_space(space, Budgets(rom=450_000, ram=262_144)))


def goodness(candidate: Candidate) -> float:
    """An easy objective with one best member: narrow first, wide last, deep."""
    values = np.array(candidate["M"], float) / 280
    return float(-((values - np.linspace(0.3, 1, len(values))) ** 2).sum() + 0.1 * len(values))


def regret(sampler: Sampler, n: int) -> float:
    """How far the best of n candidates is from the best of all."""
    fs = deep_set()
    for candidate in sampler.ask(fs, n):
        sampler.tell(candidate, {"accuracy": goodness(candidate)})
    assert sampler.run_ is not None
    return best_of_all() - max(v["accuracy"] for v in sampler.run_.values.values())


@cache
def best_of_all() -> float:
    return max(map(goodness, deep_set()))


@pytest.mark.parametrize(
    ("method", "options", "n"), [("tpe", {"n_startup_trials": 5}, 20), ("nsga2", {"population_size": 10}, 80)]
)
def test_it_learns(method: str, options: dict[str, int], n: int) -> None:
    """After n of 3,070 its regret is half that of uniform draws; Wilcoxon over 20 seeds at the level 1 %."""
    own = [regret(OptunaSampler(method, options=options, seed=seed), n) for seed in range(20)]
    uniform = [regret(UniformSampler(seed=seed), n) for seed in range(20)]
    assert np.mean(own) < np.mean(uniform) / 2
    assert wilcoxon(own, uniform, alternative="less").pvalue < 0.01


def test_optuna_records_the_members_and_their_values() -> None:
    """Parameters of a trial give back its candidate, and its values are those told, in the order of the asks."""
    fs = deep_set()
    sampler = OptunaSampler("nsga2", {"accuracy": "max"}, {"population_size": 8}, seed=2)
    for _ in range(3):
        batch = list(sampler.ask(fs, 8))
        for candidate in reversed(batch):
            sampler.tell(candidate, {"accuracy": goodness(candidate)})
    last = next(sampler.ask(fs, 1))
    assert sampler.study_ is not None
    trials = sampler.study_.study.trials
    assert [t.user_attrs["candidate"] for t in trials] == [str(fs[r]) for r in sampler.run_.asked]
    assert {name for t in trials for name in t.params} == {"variant", *(f"M[{k}]" for k in range(1, 7))}
    for trial in trials:
        candidate = next(c for c in fs if str(c) == trial.user_attrs["candidate"])
        assert trial.params["variant"] == candidate.position
        options = sorted({o for label in fs.counts for o in fs.histograms(label)["M[1]"]})
        assert options[trial.params["M[1]"]] == candidate["M"][0]
        if candidate != last:
            assert trial.value == goodness(candidate)
    assert [t.system_attrs["NSGAIISampler:generation"] for t in trials] == [0] * 8 + [1] * 8 + [2] * 8 + [3]


def test_a_generation_is_the_same_asked_at_once_or_one_by_one() -> None:
    fs = deep_set()
    one, other = (OptunaSampler("nsga2", {"accuracy": "max"}, {"population_size": 6}, seed=4) for _ in range(2))
    lines = []
    for _ in range(4):
        batch = list(one.ask(fs, 6))
        lines += map(str, batch)
        for candidate in batch:
            one.tell(candidate, {"accuracy": goodness(candidate)})
    single = []
    for candidate in other.ask(fs, 24):
        other.tell(candidate, {"accuracy": goodness(candidate)})
        single.append(str(candidate))
    assert single == lines


def test_an_optuna_sampler_is_copied_and_its_state_restored() -> None:
    fs = example_set("medium")
    given = optuna.samplers.TPESampler(seed=3, n_startup_trials=3)
    one = OptunaSampler(given)
    for candidate in one.ask(fs, 8):
        one.tell(candidate, {"accuracy": candidate.costs["macs"]})
    state = json.loads(json.dumps(one.state()))
    assert state["parameters"]["method"].endswith("TPESampler")
    other = OptunaSampler(optuna.samplers.TPESampler(seed=3, n_startup_trials=3))
    other.restore(fs, state)
    assert [str(c) for c in other.ask(fs, 5)] == [str(c) for c in one.ask(fs, 5)]
    wrong = OptunaSampler(optuna.samplers.TPESampler(seed=4, n_startup_trials=3))
    with pytest.raises(EngineError, match="Optuna proposes `mlp2"):
        wrong.restore(fs, state)


def test_a_space_with_one_member() -> None:
    fs = solve(compile_space(load_space("mlp2", ["choices.M.stop=16"])))
    sampler = OptunaSampler()
    assert [str(c) for c in sampler.ask(fs, 3)] == ["mlp2: 16-16"]
    assert sampler.exhausted


def test_infinity_stands_for_the_worst_value() -> None:
    """The largest finite numbers that `tell` takes reach Optuna as infinities, which its samplers know how to treat."""
    fs = example_set("medium")
    sampler = OptunaSampler("nsga2", {"a": "max", "b": "min"}, {"population_size": 4})
    for k, candidate in enumerate(sampler.ask(fs, 20)):
        sampler.tell(candidate, {"a": -WORST if k % 3 == 0 else k, "b": WORST if k % 4 == 0 else k})
    list(sampler.ask(fs, 1))
    assert sampler.study_ is not None
    assert sampler.study_.study.trials[0].values == [-np.inf, np.inf]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "tpa"}, "did you mean `tpe`"),
        ({"options": {"no_such": 1}}, "no_such"),
        ({"method": "nsga2", "options": {"population_size": 1}}, "population_size"),
        ({"method": own_sampler, "options": {"multivariate": True}}, "`options` are of a method by name"),
        ({"objectives": {}}, "`objectives` names none"),
        ({"objectives": {"accuracy": "best"}}, "`accuracy` cannot be `best`"),
    ],
)
def test_mistakes(arguments: dict, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        OptunaSampler(**arguments).ask(example_set("small"), 1)


def test_nothing_is_printed_and_nothing_changed(capfd: pytest.CaptureFixture[str]) -> None:
    """Optuna's messages and warnings stay as the program has them, and ours are silent."""
    optuna.logging.enable_propagation()
    before = optuna.logging.get_verbosity()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fs = example_set("medium")
        sampler = OptunaSampler("tpe", options={"multivariate": True, "group": True})
        for candidate in sampler.ask(fs, 15):
            sampler.tell(candidate, {"accuracy": candidate.costs["macs"]})
    optuna.logging.disable_propagation()
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before


def test_samplers_load_without_optuna() -> None:
    """Until one is named that is Optuna's own."""
    code = (
        "import sys, samplers; assert not {'optuna', 'moocore', 'torch'} & set(sys.modules); "
        "samplers.FeasibleOptunaSampler; assert 'optuna' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
