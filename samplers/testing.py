"""The conformance suites of samplers: inherit one, say how yours is made, and pytest checks every rule of its protocol.

    from samplers.testing import SamplerConformance

    class TestMySampler(SamplerConformance):
        def make(self, seed):
            return MySampler(seed=seed)

`TrainingFreeConformance` is that of searches that train nothing. The sets come from the library of spaces: one of 14
members, one of 64, and one of more than 10^13.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from samplers.base import Sampler
from samplers.training_free import Means, Record, TrainingFreeSearch
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import load_space, read_space
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from spaces.program.network_keys import NetworkKeys

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["SamplerConformance", "TrainingFreeConformance", "example_set"]


#: Three blocks, each an identity or one of two convolutions.
_EQUAL = "space: equal\ninput: {channels: 2, height: 4, width: 4}\ncells:\n" + "".join(
    f"  c{k}:\n    nodes: 2\n    operators:\n      skip: identity\n      a: [{{conv: {{filters: channels}}}}]\n"
    "      b: [{conv: {filters: channels, kernel: 1}}]\n"
    for k in range(3)
) + "network: [{cell: c0}, {cell: c1}, {cell: c2}, flatten]\n"  # fmt: skip


@cache
def example_set(name: str) -> FeasibleSet:
    """A feasible set to test samplers on.

    Args:
        name: `small` (14 members), `medium` (64), `large` (dscnn with 16 layers, more than 10^13 members), `equal` (27
            members that are 15 networks) or `empty`.

    Example:
        >>> [len(example_set(name)) for name in ("empty", "small", "medium", "equal")]
        [0, 14, 64, 27]
        >>> len(example_set("large")) > 10**13
        True
    """
    if name == "equal":
        return solve(compile_space(read_space(_EQUAL)), "diagram")
    if name == "large":
        space = load_space("dscnn", ["network.2.repeat=14"])
        return solve(compile_space(space, Budgets(rom=3_000_000)), "diagram")
    rom = {"empty": 1, "small": 13_600, "medium": None}[name]
    return solve(compile_space(load_space("mlp2"), Budgets(rom=rom)), "diagram")


class SamplerConformance:
    """What every sampler must do. Override `make`, and `values` where your objectives need numbers of their own."""

    #: How many candidates of the large set are asked for.
    many = 30

    def make(self, seed: int) -> Sampler:
        """A sampler with this seed, not asked yet."""
        raise NotImplementedError("say how your sampler is made")

    def values(self, sampler: Sampler, candidate: Candidate) -> Mapping[str, float]:
        """What the sampler is told of a candidate: its MACs, with a sign of their own for each objective."""
        macs = float(candidate.costs["macs"])
        return {name: macs * (-1) ** k / (k + 1) for k, name in enumerate(sampler.objectives or ("accuracy",))}

    def drive(self, sampler: Sampler, fs: FeasibleSet, n: int) -> list[str]:
        """Ask for n candidates, one after another, telling of each."""
        lines = []
        for candidate in sampler.ask(fs, n):
            sampler.tell(candidate, self.values(sampler, candidate))
            lines.append(str(candidate))
        return lines

    def batch(self, sampler: Sampler, fs: FeasibleSet, n: int, backwards: bool = False) -> list[str]:
        """Ask for n candidates at once, and tell of them in their order or backwards, as workers may finish."""
        candidates = list(sampler.ask(fs, n))
        for candidate in reversed(candidates) if backwards else candidates:
            sampler.tell(candidate, self.values(sampler, candidate))
        return [str(c) for c in candidates]

    @pytest.mark.parametrize("name", ["small", "large"])
    def test_proposes_members_only_and_none_twice(self, name: str) -> None:
        """Every candidate is in the set, and no two are equal."""
        fs = example_set(name)
        lines = self.drive(self.make(0), fs, min(self.many, len(fs)))
        assert len(set(lines)) == len(lines) == min(self.many, len(fs))
        assert all(line in fs for line in lines)

    def test_says_exhausted_when_the_set_runs_out(self) -> None:
        """Asked for more than there is, it gives every member once, and then nothing."""
        fs = example_set("small")
        sampler = self.make(0)
        assert not sampler.exhausted
        assert sorted(self.drive(sampler, fs, len(fs) + 5)) == sorted(map(str, fs))
        assert sampler.exhausted
        assert list(sampler.ask(fs, 1)) == []

    def test_proposes_no_network_twice(self) -> None:
        """Identities at other places make candidates that differ, but no other networks."""
        fs = example_set("equal")
        keys = NetworkKeys(fs.program)
        sampler = self.make(0)
        lines = self.drive(sampler, fs, len(fs))
        networks = [keys.of(fs[fs.index(line)]) for line in lines]
        assert len(set(networks)) == len(networks) == len(set(keys.all(list(fs)))) == 15
        assert sampler.exhausted

    def test_gives_nothing_of_an_empty_set(self) -> None:
        """An empty set is exhausted at once."""
        sampler = self.make(0)
        assert list(sampler.ask(example_set("empty"), 3)) == []
        assert sampler.exhausted

    def test_the_same_seed_gives_the_same_sequence(self) -> None:
        """Two samplers with one seed agree; of five seeds, not all agree."""
        fs = example_set("medium")
        first = self.drive(self.make(7), fs, 12)
        assert self.drive(self.make(7), fs, 12) == first
        assert any(self.drive(self.make(seed), fs, 12) != first for seed in range(5))

    def test_workers_may_finish_in_any_order(self) -> None:
        """What comes after a batch does not depend on the order in which its results were told."""
        fs = example_set("medium")
        one, other = self.make(3), self.make(3)
        for _ in range(4):
            assert self.batch(one, fs, 5) == self.batch(other, fs, 5, backwards=True)

    def test_nothing_outside_influences_it(self) -> None:
        """The global generators of random numbers neither change it nor are changed by it."""
        import random

        import numpy as np

        fs = example_set("medium")
        first = self.drive(self.make(1), fs, 10)
        random.seed(99)
        np.random.seed(99)
        before = random.getstate()
        assert self.drive(self.make(1), fs, 10) == first
        assert random.getstate() == before

    @pytest.mark.parametrize("name", ["medium", "large"])
    @pytest.mark.parametrize("stop", [0, 1, 9])
    def test_goes_on_from_its_state(self, name: str, stop: int) -> None:
        """Killed after some candidates, the last of them not told, and restored, it goes on as if nothing happened."""
        fs = example_set(name)
        whole, killed, restored = self.make(5), self.make(5), self.make(5)
        expected = self.drive(whole, fs, stop) + self.batch(whole, fs, 1) + self.drive(whole, fs, 5)
        got = self.drive(killed, fs, stop)
        pending = list(killed.ask(fs, 1))
        state = json.loads(json.dumps(killed.state()))
        restored.restore(fs, state)
        assert restored.state() == killed.state()
        for candidate in pending:
            restored.tell(candidate, self.values(restored, candidate))
        got += [str(c) for c in pending] + self.drive(restored, fs, 5)
        assert got == expected

    def test_refuses_the_state_of_another(self) -> None:
        """The state of another seed, or of another set, is refused."""
        fs = example_set("small")
        sampler = self.make(1)
        self.drive(sampler, fs, 3)
        with pytest.raises(EngineError):
            self.make(2).restore(fs, sampler.state())
        with pytest.raises(EngineError):
            self.make(1).restore(example_set("medium"), sampler.state())
        with pytest.raises(EngineError):
            sampler.restore(fs, sampler.state())

    def test_says_what_it_learns_from(self) -> None:
        """A metric becomes its one objective, the larger the better; a sampler that does not learn has none."""
        sampler = self.make(0)
        given = type(sampler).learning("told")
        again = type(sampler)(**{**sampler.parameters, **given})
        assert bool(given) == bool(sampler.objectives)
        assert dict(again.objectives) == ({"told": "max"} if given else {})

    def test_refuses_another_set(self) -> None:
        """A sampler stays with the set on which it has begun."""
        sampler = self.make(0)
        list(sampler.ask(example_set("small"), 2))
        with pytest.raises(EngineError):
            sampler.ask(example_set("medium"), 1)

    def test_refuses_to_be_told_nonsense(self) -> None:
        """Of what was never asked, twice, without an objective, or with what is no number."""
        fs = example_set("small")
        sampler = self.make(0)
        (candidate,) = sampler.ask(fs, 1)
        values = dict(self.values(sampler, candidate))
        other = next(c for c in fs if c != candidate)
        with pytest.raises(EngineError):
            sampler.tell(other, values)
        with pytest.raises(EngineError):
            sampler.tell(candidate, {**values, next(iter(values)): float("nan")})
        for name in sampler.objectives:
            with pytest.raises(EngineError):
                sampler.tell(candidate, {k: v for k, v in values.items() if k != name})
        sampler.tell(candidate, values)
        with pytest.raises(EngineError):
            sampler.tell(candidate, values)

    def test_the_constructor_stores_parameters_only(self) -> None:
        """A sampler with the same parameters, made by the class itself, is equal; a copy before use stays unused."""
        sampler = self.make(4)
        again = type(sampler)(**sampler.parameters)
        assert again == sampler
        assert again.run_ is None
        unused = copy.deepcopy(sampler)
        self.drive(sampler, example_set("small"), 3)
        assert unused == sampler
        assert unused.run_ is None


class TrainingFreeConformance:
    """What every search that trains nothing must do. Override `make`, and `fs` where yours takes other sets."""

    def make(self, seed: int) -> TrainingFreeSearch[Any]:
        """A search with this seed, of few records."""
        raise NotImplementedError("say how your search is made")

    def fs(self) -> FeasibleSet:
        """A set that it can search."""
        return example_set("small")

    def data(self, search: TrainingFreeSearch[Any]) -> Data:
        """Two batches of noise."""
        from samplers.proxies.data import Data
        from spaces.program.breakdown import outputs

        fs = self.fs()
        return Data.gaussian(fs.program.space.input.dims, outputs(fs[0]), 2 * search.examples)

    def records(self, search: TrainingFreeSearch[Any], done: Sequence[Record] = ()) -> list[Record]:
        """What the search measures after the records done."""
        return list(search.measure(self.fs(), self.data(search), done, Means()))

    def lines(self, records: Sequence[Record]) -> list[str]:
        """Records as a log has them; NaN, too, is equal to itself there."""
        return [json.dumps(record.plain()) for record in records]

    def test_its_records_are_plain_data(self) -> None:
        """Each comes back from JSON as it was, at its own place only if it says so."""
        search = self.make(0)
        found = self.records(search)
        again = [search.record.read(json.loads(line), k) for k, line in enumerate(self.lines(found))]
        assert found
        assert self.lines(again) == self.lines(found)

    def test_the_same_seed_gives_the_same_records(self) -> None:
        """Two searches with one seed agree; of five seeds, not all agree."""
        first = self.lines(self.records(self.make(2)))
        assert self.lines(self.records(self.make(2))) == first
        assert any(self.lines(self.records(self.make(seed))) != first for seed in range(5))

    def test_goes_on_from_its_records(self) -> None:
        """Killed after any of its records, it measures the others, and none of those again."""
        found = self.records(self.make(1))
        for stop in range(len(found) + 1):
            done = found[:stop]
            assert self.lines([*done, *self.records(self.make(1), done)]) == self.lines(found)
            assert done == found[:stop]

    def test_chooses_different_members(self) -> None:
        """As many as are wanted, or fewer; the same ones from the same records."""
        fs, search = self.fs(), self.make(0)
        for n in (1, 3):
            chosen = search.choose(fs, n, lambda one, *_: self.records(one))
            assert 1 <= len(set(chosen)) == len(chosen) <= n
            assert all(candidate in fs for candidate in chosen)
            assert search.choose(fs, n, lambda one, *_: self.records(one)) == chosen

    def test_says_what_it_measures(self) -> None:
        """Whoever waits for it hears of it."""
        heard: list[tuple[str, float]] = []
        search = self.make(0)
        means = Means(on_progress=lambda what, asking: heard.append((what, asking)))
        assert list(search.measure(self.fs(), self.data(search), (), means))
        assert heard
        assert all(what and asking >= 0 for what, asking in heard)

    def test_checks_parameters_and_set(self) -> None:
        """Without a set, and with one; its own is fine, an empty one is not."""
        search, fs = self.make(0), self.fs()
        search.check()
        search.check(fs)
        with pytest.raises(EngineError):
            search.check(fs - fs)

    def test_is_its_parameters(self) -> None:
        """They are plain data, tell seeds apart, and make an equal search; smaller batches do not change them."""
        search = self.make(3)
        assert replace(search) == search
        assert json.loads(json.dumps(search.parameters)) != json.loads(json.dumps(self.make(4).parameters))
        smaller = search.limited(2)
        assert type(smaller) is type(search)
        assert smaller.parameters == search.parameters
