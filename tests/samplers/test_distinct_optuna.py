"""Studies in which no network is taken twice, and the names that parameters may have."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from samplers.optuna_studies.feasible_optuna import FeasibleOptunaSampler, NoneLeftError
from samplers.testing import example_set
from solvers.base import solve
from solvers.relaxed import relax
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import load_space, read_space
from spaces.program.candidate import parse_candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from spaces.program.network_keys import NetworkKeys

#: Six networks: one or two layers of 8 or 16 filters.
SMALL = """
space: small
input: {channels: 1, height: 16, width: 16}
choices:
  M: [8, 16]
network:
  - conv: {filters: M, stride: 2}
    repeat: [1, 2]
  - global_avg_pool
  - linear: {units: 2}
"""

#: Twelve networks of two architectures; the depth of one is a choice that shapes it.
SWITCHED = """
space: switched
input: {channels: 1, height: 16, width: 16}
choices:
  R: {options: [1, 2], shared: true}
  M: [8, 16]
network:
  - switch: arch
    cases:
      plain:
        - conv: {filters: M, stride: 2}
          repeat: R
      deep:
        - conv: {filters: M, stride: 2}
          repeat: R + 1
  - global_avg_pool
  - linear: {units: 2}
"""

#: 27 candidates, 15 networks: a pooling of one element is none.
POOLED = """
space: pooled
input: {channels: 1, height: 32, width: 32}
choices:
  P: [1, 2, 3]
network:
  - max_pool: {kernel: P, stride: P}
    repeat: 3
  - conv: {filters: 4}
  - global_avg_pool
  - linear: {units: 2}
"""

BASES = [
    RandomSampler,
    partial(TPESampler, n_startup_trials=2),
    partial(TPESampler, n_startup_trials=2, multivariate=True),
    partial(NSGAIISampler, population_size=3),
]


pytestmark = pytest.mark.usefixtures("silent_optuna")


@cache
def small(text: str = SMALL) -> FeasibleSet:
    return solve(compile_space(read_space(text), Budgets()))


def networks(sampler: FeasibleOptunaSampler, study: optuna.Study) -> list[str]:
    return [str(sampler.candidate(trial)) for trial in study.trials if trial.state is TrialState.COMPLETE]


def by_depth(sampler: FeasibleOptunaSampler, trial: Trial) -> float:
    depth = trial.suggest_int("variant", 1, 2)
    for k in range(1, depth + 1):
        trial.suggest_categorical(f"M[{k}]", [8, 16])
    return sampler.candidate(trial).costs["entropy"]


def one_length(sampler: FeasibleOptunaSampler, trial: Trial) -> float:
    """Always the same parameters, as samplers like it that propose jointly; the variant last."""
    for k in (2, 1):
        trial.suggest_int(f"M[{k}]", 8, 16, step=8)
    trial.suggest_categorical("variant", ["1", "2"])
    return sampler.candidate(trial).costs["entropy"]


def few(sampler: FeasibleOptunaSampler, trial: Trial) -> float:
    """The remaining decisions are the sampler's."""
    trial.suggest_categorical("M[1]", [8, 16])
    return sampler.candidate(trial).costs["entropy"]


def nothing(sampler: FeasibleOptunaSampler, trial: Trial) -> float:
    return sampler.candidate(trial).costs["entropy"]


@pytest.mark.parametrize("objective", [by_depth, one_length, few, nothing])
@pytest.mark.parametrize("base", BASES)
def test_every_network_once_and_then_it_stops(
    base: Callable[..., BaseSampler], objective: Callable[[FeasibleOptunaSampler, Trial], float]
) -> None:
    """Though 20 trials are asked for; without one more that finds nothing."""
    sampler = FeasibleOptunaSampler(small(), base(seed=0), seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(partial(objective, sampler), n_trials=20)
    assert sorted(networks(sampler, study)) == sorted(map(str, small()))
    assert len(study.trials) == 6


def test_without_distinct_as_before() -> None:
    sampler = FeasibleOptunaSampler(small(), seed=0, distinct=False)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(partial(by_depth, sampler), n_trials=12)
    assert len(study.trials) == 12
    assert not any(name.startswith("nascompile") for trial in study.trials for name in trial.system_attrs)


def test_an_inner_set_is_had_once_too() -> None:
    """Every network that is known of a relaxed set, with two at a time."""
    fs = relax(compile_space(load_space("mlp2"), Budgets(rom=13_600)), {"rom": 2048})
    sampler = FeasibleOptunaSampler(fs, RandomSampler(seed=0), seed=0)

    def objective(trial: Trial) -> float:
        for name in ("M[1]", "M[2]"):
            trial.suggest_int(name, 16, 128, step=16)
        return sampler.candidate(trial).costs["macs"]

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=100, n_jobs=2)
    inner = sorted(map(str, fs.inner_set))
    assert 3 < len(inner) < 64
    assert sorted(networks(sampler, study)) == inner


def pooled(sampler: FeasibleOptunaSampler, trial: Trial) -> float:
    for k in (2, 1, 3):
        trial.suggest_int(f"P[{k}]", 1, 3)
    return sampler.candidate(trial).costs["macs"]


def assert_every_function_once(found: list[str]) -> None:
    keys = NetworkKeys(small(POOLED).program)
    every = keys.all(list(small(POOLED)))
    mine = keys.all([parse_candidate(small(POOLED).program, line) for line in found])
    assert (len(every), len(set(every))) == (27, 15)
    assert sorted(mine) == sorted(set(every))


@pytest.mark.parametrize("base", BASES)
def test_the_same_network_is_taken_once(base: Callable[..., BaseSampler]) -> None:
    """Whichever candidate it is; and the study stops without a trial that finds nothing."""
    sampler = FeasibleOptunaSampler(small(POOLED), base(seed=1), seed=1)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(partial(pooled, sampler), n_trials=27)
    assert_every_function_once(networks(sampler, study))
    assert len(study.trials) == 15


def in_a_process(url: str, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = FeasibleOptunaSampler(small(POOLED), RandomSampler(seed=0), seed=seed)
    study = optuna.load_study(study_name="one", storage=url, sampler=sampler)
    study.optimize(partial(pooled, sampler))


def test_several_processes_on_one_storage(tmp_path: Path) -> None:
    """All of the same seed, so that they want the same; each stops by itself."""
    url = f"sqlite:///{tmp_path}/study.db"
    study = optuna.create_study(study_name="one", storage=url)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=in_a_process, args=(url, 0)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    sampler = FeasibleOptunaSampler(small(POOLED))
    assert_every_function_once(networks(sampler, study))
    assert {t.state for t in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}
    study.sampler = sampler
    trial = study.ask()
    with pytest.raises(NoneLeftError, match="all networks that it could have were had by other trials"):
        sampler.candidate(trial)


def test_a_study_that_has_all_prunes_and_stops() -> None:
    sampler = FeasibleOptunaSampler(small(), seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(partial(by_depth, sampler), n_trials=20)
    study.optimize(partial(by_depth, sampler), n_trials=20)
    assert [trial.state for trial in study.trials[6:]] == [TrialState.PRUNED]
    with pytest.raises(NoneLeftError):
        sampler.candidate(study.trials[6])
    with pytest.raises(NoneLeftError):
        study.ask().suggest_int("M[1]", 8, 16, step=8)


def test_what_is_enqueued_is_taken_as_it_is() -> None:
    """The same network again, or part of one; and nothing that waits is dropped when all are had."""
    sampler = FeasibleOptunaSampler(small(), seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for _ in range(3):
        study.enqueue_trial({"variant": 2, "M[1]": 8, "M[2]": 8})
    study.optimize(partial(by_depth, sampler), n_trials=3)
    assert networks(sampler, study) == ["small/2: 8-8"] * 3
    study.optimize(partial(by_depth, sampler), n_trials=20)
    assert len(study.trials) == 8
    study.enqueue_trial({"M1": 16})
    study.optimize(partial(by_depth, sampler), n_trials=20)
    assert len(study.trials) == 9
    assert sampler.candidate(study.trials[8])["M"][0] == 16


def test_failures_count_and_kills_do_not() -> None:
    """An exception is a trial of its network; a process that was killed while it ran leaves none."""
    sampler = FeasibleOptunaSampler(small(), seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def fails(trial: Trial) -> float:
        by_depth(sampler, trial)
        raise ValueError("no luck")

    study.optimize(fails, n_trials=2, catch=(ValueError,))
    killed = study.ask()
    lost = str(sampler.candidate(killed))
    study.optimize(partial(by_depth, sampler), n_trials=20)
    assert [t.state for t in study.trials].count(TrialState.COMPLETE) == 3
    assert lost not in networks(sampler, study)
    study._storage.set_trial_state_values(killed._trial_id, TrialState.FAIL)  # as a heartbeat that ends does
    study.optimize(partial(by_depth, sampler), n_trials=20)
    assert len(study.trials) == 7
    assert str(sampler.candidate(study.trials[6])) == lost


def test_trials_of_another_sampler_are_known_by_their_parameters() -> None:
    sampler = FeasibleOptunaSampler(small(), seed=0)
    study = optuna.create_study(direction="maximize")

    widths = CategoricalDistribution([8, 16])
    study.add_trial(create_trial(
        params={"variant": 2, "M[1]": 16, "M[2]": 16}, value=1,
        distributions={"variant": IntDistribution(1, 2), "M[1]": widths, "M[2]": widths},
    ))  # fmt: skip
    study.sampler = sampler
    study.optimize(partial(by_depth, sampler), n_trials=20)
    assert len(networks(sampler, study)) == len(set(networks(sampler, study))) == 6


def test_it_stops_when_all_are_had_that_can_be_suggested() -> None:
    """Distributions that leave options or variants out, whatever comes first."""

    def some(sampler: FeasibleOptunaSampler, trial: Trial) -> float:
        trial.suggest_categorical("M[1]", [8, 16])
        trial.suggest_categorical("M[2]", [16])
        trial.suggest_int("variant", 2, 2)
        return sampler.candidate(trial).costs["macs"]

    sampler = FeasibleOptunaSampler(small(), seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(partial(some, sampler), n_trials=20)
    assert sorted(networks(sampler, study)) == ["small/2: 16-16", "small/2: 8-16"]

    def rising(trial: Trial) -> float:
        """A distribution that depends on what was suggested before: no way to know what is left, and yet it ends."""
        first = trial.suggest_int("M[1]", 8, 16, step=8)
        trial.suggest_int("M[2]", first, 16, step=8)
        trial.suggest_categorical("variant", ["2"])
        return sampler.candidate(trial).costs["macs"]

    study = optuna.create_study(sampler=sampler)
    study.optimize(rising)
    assert sorted(networks(sampler, study)) == ["small/2: 16-16", "small/2: 8-16", "small/2: 8-8"]


def test_names_as_reduce_prints_them_and_what_shapes_variants() -> None:
    """`M1`, and the names of a switch and of a repeat, in the place of the variant's."""
    fs = small(SWITCHED)
    sampler = FeasibleOptunaSampler(fs, seed=0)
    assert len(fs) == 2 + 4 + 4 + 8
    keys = NetworkKeys(fs.program)
    assert len(set(keys.all(list(fs)))) == 2 + 4 + 8  # two layers are the same network by either way

    def objective(trial: Trial) -> float:
        arch = trial.suggest_categorical("arch", ["deep", "plain"])
        depth = trial.suggest_int("R", 1, 2) + (arch == "deep")
        widths = [trial.suggest_int(f"M{k}", 8, 16, step=8) for k in range(1, depth + 1)]
        candidate = sampler.candidate(trial)
        assert candidate["M"] == tuple(widths)
        assert candidate.variant.constants["arch"] == arch
        return candidate.costs["macs"]

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=30)
    found = keys.all([fs[fs.index(line)] for line in networks(sampler, study)])
    assert len(found) == len(set(found)) == 2 + 4 + 8
    both = optuna.create_study(sampler=sampler).ask()
    assert both.suggest_int("M1", 8, 16, step=8) == both.suggest_int("M[1]", 8, 16, step=8)


def test_a_name_that_is_none_is_an_error() -> None:
    """Whether it is asked of the sampler or, with one value, is not; and only if it is not said to be one's own."""
    sampler = FeasibleOptunaSampler(small(), seed=0, own=["rate", "augment_*"])
    study = optuna.create_study(sampler=sampler)
    trial = study.ask()
    assert 0 <= trial.suggest_float("rate", 0, 1) <= 1
    assert trial.suggest_categorical("augment_shift", [1, 2]) in (1, 2)
    with pytest.raises(EngineError, match=r"`M\[3\]` is no decision of `small`") as error:
        trial.suggest_categorical("M[3]", [8, 16])
    assert "did you mean" in str(error.value)
    assert 'own=["M[3]"]' in str(error.value)
    trial = study.ask()
    trial.suggest_categorical("width", [8])
    with pytest.raises(EngineError, match="`width` is no decision"):
        sampler.candidate(trial)
    with pytest.raises(EngineError, match="`variant` is no decision"):  # there is only one
        optuna.create_study(sampler=FeasibleOptunaSampler(example_set("small"))).ask().suggest_int("variant", 1, 2)


def test_callbacks_know_the_network() -> None:
    """Of a trial that suggested part of it, the same as in the objective."""
    sampler = FeasibleOptunaSampler(small(), seed=0)
    evaluated: list[str] = []
    told: list[str] = []

    def objective(trial: Trial) -> float:
        value = few(sampler, trial)
        evaluated.append(str(sampler.candidate(trial)))
        return value

    def callback(_: Any, trial: FrozenTrial) -> None:
        told.append(str(sampler.candidate(trial)))

    optuna.create_study(sampler=sampler).optimize(objective, n_trials=4, callbacks=[callback])
    assert evaluated == told
    assert len(told) == 4
