"""Studies that never leave the feasible set, and Optuna's own tests of samplers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler, NSGAIISampler, PartialFixedSampler, RandomSampler, TPESampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase, RelativeSamplerTestCase
from optuna.trial import Trial
from scipy.stats import chisquare

from samplers.optuna_studies.feasible_optuna import FeasibleOptunaSampler
from samplers.testing import example_set
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from tests.samplers.test_monas import SPACE

pytestmark = pytest.mark.usefixtures("silent_optuna")


class TestOptunasOwn(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    """All of Optuna's public tests but `SingleOnlySamplerTestCase`, which is for samplers of one objective only."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        def make() -> BaseSampler:
            base = TPESampler(n_startup_trials=0, multivariate=True, seed=0)
            return FeasibleOptunaSampler(example_set("small"), base, seed=0, own="*")

        return make


@cache
def depths() -> FeasibleSet:
    """Two depths of 4 and 5 decisions, 224 members of 18,750."""
    space = load_space("dscnn", ["network.2.repeat=[3, 4]", "choices.M.step=49"])
    return solve(compile_space(space, Budgets(rom=350_000, ram=262_144)))


@cache
def cells() -> FeasibleSet:
    return solve(compile_space(read_space(SPACE), Budgets(rom=300)))


BASES = [partial(TPESampler, n_startup_trials=5), partial(NSGAIISampler, population_size=8), RandomSampler]


def checked(sampler: FeasibleOptunaSampler, fs: FeasibleSet, trial: Trial) -> Any:
    """The trial's candidate, after a look at whether it is a member and has what was suggested."""
    candidate = sampler.candidate(trial)
    assert candidate in fs
    for name, value in trial.params.items():
        if name in candidate.values:
            assert candidate.values[name] == value
    if "variant" in trial.params:
        assert candidate.variant.label == str(trial.params["variant"])
    assert sampler.candidate(trial) == candidate
    return candidate


@pytest.mark.parametrize("base", BASES)
def test_every_trial_is_a_member_whatever_the_order(base: Callable[..., BaseSampler]) -> None:
    """The variant first, last or never; decisions in any order, some left out; as integers or categories."""
    fs, source = depths(), random.Random(0)
    sampler = FeasibleOptunaSampler(fs, base(seed=0), seed=0, own=["ra*"])
    categorical = random.Random(1).sample(range(1, 7), 3)

    def suggest(trial: Trial, name: str) -> None:
        if name == "variant":
            trial.suggest_categorical(name, list(fs.counts))
        elif int(name[2]) in categorical:
            trial.suggest_categorical(name, [84, 133, 182, 231, 280])
        else:
            trial.suggest_int(name, 84, 280, step=49)

    def objective(trial: Trial) -> float:
        names = [*fs.program.variants[source.randrange(2)].decisions]
        order = [d.label for d in names] + ["variant"] * source.randrange(2)
        source.shuffle(order)
        for name in order[source.randrange(3) :]:
            suggest(trial, name)
        return trial.suggest_float("rate", 1e-4, 1, log=True) * checked(sampler, fs, trial).costs["macs"]

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=60)
    assert all(1e-4 <= trial.params["rate"] <= 1 for trial in study.trials)
    assert len({str(sampler.candidate(trial)) for trial in study.trials}) > 20


@pytest.mark.parametrize("base", BASES)
def test_categories_by_name(base: Callable[..., BaseSampler]) -> None:
    """Operators of a cell, and two objectives."""
    fs = cells()
    sampler = FeasibleOptunaSampler(fs, base(seed=1), seed=1, distinct=False)
    operators = list(fs.program.variants[0].decisions[0].options)

    def objective(trial: Trial) -> tuple[float, float]:
        for edge in (3, 1, 2):
            trial.suggest_categorical(f"cell[{edge}]", operators)
        candidate = checked(sampler, fs, trial)
        return candidate.costs["macs"], candidate.costs["params"]

    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=40)
    assert len(study.trials) == 40


def test_it_learns_as_its_base_does() -> None:
    """What TPE tries within the set is better than random suggestions are, in the mean over 3 seeds."""
    fs = depths()

    def mean(base: Callable[..., BaseSampler], seed: int) -> float:
        sampler = FeasibleOptunaSampler(fs, base(seed=seed), seed=seed)

        def objective(trial: Trial) -> float:
            depth = int(trial.suggest_categorical("variant", list(fs.counts)))
            for k in range(1, depth + 1):
                trial.suggest_int(f"M[{k}]", 84, 280, step=49)
            return sampler.candidate(trial).costs["macs"]

        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=25)
        return sum(trial.value or 0 for trial in study.trials) / 25

    tpe = sum(mean(partial(TPESampler, n_startup_trials=5), seed) for seed in range(3))
    assert tpe > sum(mean(RandomSampler, seed) for seed in range(3))


@pytest.mark.filterwarnings("ignore:PartialFixedSampler is experimental")  # as Optuna says of it
def test_what_was_enqueued_or_fixed_is_respected() -> None:
    fs = depths()
    sampler = FeasibleOptunaSampler(fs, RandomSampler(seed=0), seed=0)
    study = optuna.create_study(sampler=sampler)
    wanted = dict.fromkeys(("M[2]", "M[4]"), 84)

    def objective(trial: Trial, first: int = 1) -> float:
        for k in (first, *(k for k in range(1, 5) if k != first)):
            trial.suggest_int(f"M[{k}]", 84, 280, step=49)
        return checked(sampler, fs, trial).costs["macs"]

    for _ in range(10):  # known before it is suggested, last
        study.enqueue_trial({"M[4]": wanted["M[4]"], "M[2]": wanted["M[2]"]})
    study.optimize(objective, n_trials=10)
    assert {(t.params["M[4]"], t.params["M[2]"]) for t in study.trials} == {(wanted["M[4]"], wanted["M[2]"])}
    assert len({t.params["M[3]"] for t in study.trials}) > 1

    study.sampler = PartialFixedSampler({"M[2]": wanted["M[2]"]}, sampler)
    study.optimize(partial(objective, first=2), n_trials=10)
    assert {t.params["M[2]"] for t in study.trials[10:]} == {wanted["M[2]"]}


def test_free_decisions_are_drawn_uniformly_among_completions() -> None:
    """Chi-square at the level 0.1 % over 1,500 trials; the suggested decision has one value only."""
    fs = example_set("small")
    sampler = FeasibleOptunaSampler(fs, RandomSampler(seed=0), distinct=False)
    study = optuna.create_study(sampler=sampler)
    drawn: Counter[str] = Counter()
    for _ in range(1_500):
        trial = study.ask()
        trial.suggest_int("M[1]", 16, 16)
        drawn[str(sampler.candidate(trial))] += 1
    assert len(drawn) == 6
    assert chisquare(list(drawn.values())).pvalue > 0.001


def test_a_float_is_moved_to_the_nearest_option() -> None:
    """The other sampler proposes 47.3 and 47.3; only 48-16 and 48-32 have 48 first."""

    class Stubborn(RandomSampler):
        def sample_independent(self, *_: Any) -> float:
            return 47.3

    sampler = FeasibleOptunaSampler(example_set("small"), Stubborn())
    trial = optuna.create_study(sampler=sampler).ask()
    assert (trial.suggest_float("M[1]", 0, 200), trial.suggest_float("M[2]", 0, 200)) == (48.0, 32.0)


def test_where_nothing_is_left() -> None:
    fs = depths()
    sampler = FeasibleOptunaSampler(fs)
    study = optuna.create_study(sampler=sampler)
    with pytest.raises(EngineError, match=r"no member has `M\[1\]` in IntDistribution"):
        study.ask().suggest_int("M[1]", 85, 90)
    study.enqueue_trial({"M[1]": 280, "M[2]": 280, "M[3]": 280, "M[4]": 280})
    trial = study.ask()
    for k in range(1, 5):
        trial.suggest_int(f"M[{k}]", 84, 280, step=49)
    with pytest.raises(EngineError, match=r"no member has `M\[1\]` = 280"):
        sampler.candidate(trial)
    with pytest.raises(EngineError, match="the feasible set is empty"):
        FeasibleOptunaSampler(example_set("empty"))


def test_decisions_of_other_variants_mean_nothing() -> None:
    """With a depth of 5, M[6] is the other sampler's own."""
    fs = depths()
    shallow = next(iter(fs.counts))
    sampler = FeasibleOptunaSampler(fs, RandomSampler(seed=2))
    trial = optuna.create_study(sampler=sampler).ask()
    trial.suggest_categorical("variant", [shallow])
    beyond = f"M[{int(shallow) + 1}]"
    assert trial.suggest_int(beyond, 1_000, 1_001) in (1_000, 1_001)
    assert checked(sampler, fs, trial).variant.label == shallow


def test_threads() -> None:
    """Two at a time, in one study."""
    fs = example_set("medium")
    sampler = FeasibleOptunaSampler(fs, TPESampler(n_startup_trials=3), seed=0)

    def objective(trial: Trial) -> float:
        for name in ("M[2]", "M[1]"):
            trial.suggest_int(name, 16, 128, step=16)
        return checked(sampler, fs, trial).costs["macs"]

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=20, n_jobs=2)
    assert len(study.trials) == 20
