"""Samplers on relaxed sets: members only, each once, all of them where there are few, and on from a state."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import optuna
import pytest
from scipy.stats import chisquare

from samplers import entropy
from samplers.bayesian.adaptive import AdaptiveSampler
from samplers.entropy import EntropySampler, cluster_shares
from samplers.monas.cell_sets import connected, within
from samplers.optuna_studies.feasible_optuna import FeasibleOptunaSampler
from samplers.optuna_studies.genes import Genes
from samplers.optuna_studies.optuna_sampler import OptunaSampler
from samplers.registry import SAMPLERS, sampler
from samplers.uniform import UniformSampler
from solvers.base import solve
from solvers.relaxed import relax
from solvers.sets.relaxed_set import RelaxedSet
from spaces.errors import EngineError
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from tests.samplers.test_monas import SPACE as CELLS


@pytest.fixture(scope="module")
def small() -> RelaxedSet:
    """14 members of 30."""
    return relax(compile_space(load_space("mlp2"), Budgets(rom=13_600)), {"rom": 1 << 13})


@pytest.fixture(scope="module")
def variants() -> RelaxedSet:
    """Members of three variants, about a third of the outer set."""
    space = load_space("dscnn", ["network.2.repeat=[2, 3, 4]"])
    return relax(compile_space(space, Budgets(rom=350_000)), {"rom": 28 << 12})


@pytest.fixture(scope="module")
def large() -> RelaxedSet:
    """More than 10^13 members, about three quarters of the outer set."""
    space = load_space("dscnn", ["network.2.repeat=14"])
    return relax(compile_space(space, Budgets(rom=3_000_000)), {"rom": 28 << 10})


def drive(one: Any, fs: RelaxedSet, n: int) -> list[str]:
    lines = []
    for candidate in one.ask(fs, n):
        one.tell(candidate, dict.fromkeys(one.objectives or ("accuracy",), float(candidate.costs["macs"])))
        lines.append(str(candidate))
    return lines


@pytest.mark.parametrize("name", SAMPLERS)
class TestEverySampler:
    def test_gives_every_member_of_a_small_set(self, name: str, small: RelaxedSet) -> None:
        one = sampler(name)
        members = sorted(map(str, solve(small.program)))
        assert sorted(drive(one, small, 20)) == members
        assert one.exhausted
        assert list(one.ask(small, 1)) == []

    @pytest.mark.parametrize("where", ["variants", "large"])
    def test_gives_members_only(self, name: str, where: str, request: pytest.FixtureRequest) -> None:
        fs = request.getfixturevalue(where)
        lines = drive(sampler(name, seed=1), fs, 30)
        assert len(set(lines)) == 30
        assert all(line in fs for line in lines)
        assert not fs.holds(fs.outer.draws(200, random.Random(0))).all()

    def test_goes_on_from_its_state(self, name: str, variants: RelaxedSet) -> None:
        whole, killed, restored = (sampler(name, seed=5) for _ in range(3))
        expected = drive(whole, variants, 18)
        got = drive(killed, variants, 12)
        restored.restore(variants, json.loads(json.dumps(killed.state())))
        assert got + drive(restored, variants, 6) == expected
        with pytest.raises(EngineError):
            sampler(name, seed=5).restore(variants.where(variant="4"), killed.state())


class TestUniform:
    def test_first_draws_are_uniform(self, small: RelaxedSet) -> None:
        """Chi-square at the level 0.1 %."""
        members = list(map(str, solve(small.program)))
        counts = Counter(str(next(UniformSampler(seed=k).ask(small))) for k in range(30 * 14))
        assert chisquare([counts[member] for member in members]).pvalue > 0.001


class TestEntropy:
    def test_known_members_are_clustered_as_if_they_were_all(self, small: RelaxedSet) -> None:
        """Where all are known, everything is as on the exact set."""
        one, exact = EntropySampler(clusters=5, seed=3), EntropySampler(clusters=5, seed=3)
        fs = solve(small.program)
        assert [str(c) for c in one.ask(small, 9)] == [str(c) for c in exact.ask(fs, 9)]
        assert one.bounds_ == exact.bounds_
        assert one.remark(small) == exact.remark(fs)

    def test_of_a_large_set_a_hundred_thousand_are_known(self, large: RelaxedSet) -> None:
        one = EntropySampler(seed=2)
        (candidate,) = one.ask(large, 1)
        assert one.order_ is not None
        assert one.order_.starts[-1] == 100_000
        assert one.remark(large) == "clusters by entropy are those of 100,000 members, drawn uniformly with seed 2"
        assert candidate in large
        with pytest.raises(EngineError, match="the set is relaxed"):
            EntropySampler(method="quantised").ask(large)
        with pytest.raises(EngineError, match="members are too many"):
            EntropySampler(method="exact").ask(large)

    def test_clusters_are_drawn_by_equation_seven(self, large: RelaxedSet, monkeypatch: pytest.MonkeyPatch) -> None:
        """Chi-square at the level 0.1 %, over the clusters of the first draw."""
        monkeypatch.setattr(entropy, "_KNOWN", 100)
        found = Counter()
        for seed in range(150):
            one = EntropySampler(clusters=4, seed=seed)
            list(one.ask(large, 1))
            assert one.order_ is not None
            assert one.run_ is not None
            (rank,) = one.run_.asked
            found[one.cluster_at(one.order_.position(rank))] += 1
        shares = cluster_shares([1, 1, 1, 1], 0.5)
        assert chisquare([found[c] for c in range(4)], [150 * share for share in shares]).pvalue > 0.001

    def test_all_others_follow_on_those_known(self, small: RelaxedSet, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(entropy, "AUTO_LISTED", 20)
        monkeypatch.setattr(entropy, "_KNOWN", 6)
        one = EntropySampler(seed=0)
        lines = [str(c) for c in one.ask(small, 99)]
        assert sorted(lines) == sorted(map(str, solve(small.program)))
        assert one.exhausted


class TestAdaptive:
    def test_searches_a_small_set_completely(self, small: RelaxedSet) -> None:
        one = AdaptiveSampler(objective="macs", direction="min", start=4, seed=0)
        assert "mlp2: 16-16" in drive(one, small, 9)
        assert one.columns_ is not None

    def test_of_a_large_set_draws_are_searched(self, large: RelaxedSet) -> None:
        one = AdaptiveSampler(objective="macs", direction="min", start=4, pool=50, seed=0)
        told = []
        for candidate in one.ask(large, 12):
            told.append(candidate.costs["macs"])
            one.tell(candidate, {"macs": told[-1]})
        assert min(told[4:]) < min(told[:4])


class TestOptuna:
    def test_a_proposal_outside_becomes_a_member_near_it(self, small: RelaxedSet) -> None:
        """The nearest of the outer set or the inner set, moved on: no member one decision away is nearer."""
        genes = Genes(small)
        members = [c.row for c in solve(small.program)]
        for first in range(genes.space["M[1]"].high + 1):
            for second in range(genes.space["M[2]"].high + 1):
                found = genes.member({"M[1]": first, "M[2]": second}, random.Random(0))
                assert found is not None
                row = small.outer[found[0]].row
                assert row in members
                assert row == (first, second) or (first, second) not in members
                steps = [(x, row[1]) for x in range(first, row[0], 1 if first < row[0] else -1)]
                steps += [(row[0], x) for x in range(second, row[1], 1 if second < row[1] else -1)]
                assert not any(step in members for step in steps)

    def test_without_an_inner_set_it_proposes_again(self) -> None:
        fs = relax(compile_space(load_space("mlp2"), Budgets(rom=13_600)), {"rom": None})
        assert fs.between == (0, 64)
        assert Genes(fs).member({"M[1]": 7, "M[2]": 7}, random.Random(0)) is None
        assert len(set(drive(OptunaSampler("tpe", seed=0), fs, 14))) == 14

    def test_one_network_alone(self) -> None:
        """Nothing is left to decide."""
        fs = relax(compile_space(load_space("mlp2"), Budgets(rom=13_600)), {"rom": 2048}).where(M=16)
        assert drive(OptunaSampler("tpe", seed=0), fs, 3) == ["mlp2: 16-16"]

    def test_studies_of_the_users_own(self, variants: RelaxedSet) -> None:
        """Every suggestion leads to a member of the inner set."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        one = FeasibleOptunaSampler(variants, seed=0)

        def objective(trial: optuna.Trial) -> float:
            depth = trial.suggest_int("variant", 4, 6)
            widths = [trial.suggest_int(f"M[{k}]", 84, 280, step=28) for k in range(1, depth + 1)]
            candidate = one.candidate(trial)
            assert candidate["M"] == tuple(widths)
            assert candidate in variants
            return candidate.costs["entropy"]

        study = optuna.create_study(direction="maximize", sampler=one)
        study.optimize(objective, n_trials=25)
        assert len({str(trial.params) for trial in study.trials}) > 5

    def test_studies_need_an_inner_set(self) -> None:
        fs = relax(compile_space(load_space("mlp2"), Budgets(rom=13_600)), {"rom": None})
        with pytest.raises(EngineError, match="none of its members is known beforehand"):
            FeasibleOptunaSampler(fs)


class TestMonas:
    def test_never_prunes_to_an_empty_set(self) -> None:
        program = compile_space(read_space(CELLS), Budgets(rom=400))
        fs, exact = relax(program, {"rom": 256}), solve(program)
        assert fs.between[0] < exact.size < fs.between[1]
        (chain,) = program.chains
        every = {d.label: d.options for d in chain.variant.decisions}
        for label, options in every.items():
            for option in options:
                left = {**every, label: (option,)}
                assert bool(within(fs, left)) == bool(within(exact, left))
                assert connected(fs, left) == connected(exact, left)


class TestOwnSamplers:
    def test_one_that_leaves_the_set_is_caught(self, small: RelaxedSet) -> None:
        class Wrong(UniformSampler):
            def propose(self, run: Any) -> int:
                return next(rank for rank in range(30) if not small.holds([rank])[0])

        with pytest.raises(EngineError, match="`Wrong` takes the relaxed set for an exact one"):
            list(Wrong(seed=0).ask(small, 1))
