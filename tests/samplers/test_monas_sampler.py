"""MONAS by ranks: within hard limits, each network once, one set of measurements for a whole front."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from samplers.base import Sampler
from samplers.monas.limits import Limit, between, within
from samplers.monas.sampler import MonasSampler, best_first
from samplers.monas.search import MonasSearch
from samplers.proxy_search import Trial
from samplers.testing import SamplerConformance, TrainingFreeConformance, example_set
from samplers.training_free import Means
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate
from spaces.program.network_keys import NetworkKeys
from tests.samplers.test_monas import WHOLE

CLOSED = {"live_macs": "max", "shortcuts": "max", "params": "min"}


def values(candidate: Candidate) -> Mapping[str, float]:
    """Of a made-up quality that has a single best network."""
    return {"quality": -abs(candidate.costs["macs"] - 3000.0), "params": candidate.costs["params"]}


def searched(sampler: MonasSampler, fs: FeasibleSet, n: int) -> list[Candidate]:
    result = []
    for candidate in sampler.ask(fs, n):
        sampler.tell(candidate, values(candidate))
        result.append(candidate)
    return result


class TestMonasSampler(SamplerConformance):
    def make(self, seed: int) -> Sampler:
        return MonasSampler({"a": "max", "b": "min"}, trials=6, seed=seed)


class TestMonasSearch(TrainingFreeConformance):
    def make(self, seed: int) -> MonasSearch:
        return MonasSearch({"naswot": "max", **CLOSED}, trials=8, batch=4, population=3, seed=seed)


class TestMonasFront(TrainingFreeConformance):
    def make(self, seed: int) -> MonasSearch:
        return MonasSearch(CLOSED, trials=12, metric="macs", seed=seed)

    def fs(self) -> FeasibleSet:
        return WHOLE


def test_half_is_drawn_and_half_is_beside_the_best() -> None:
    fs = example_set("medium")
    sampler = MonasSampler({"quality": "max"}, trials=20, seed=1)
    found = searched(sampler, fs, 20)
    for k in range(10, 20):
        told = sorted(found[:k], key=lambda c: values(c)["quality"], reverse=True)
        rows = [c.row for c in told if c.position == found[k].position]
        apart = [sum(a != b for a, b in zip(row, found[k].row, strict=True)) for row in rows]
        exchanged = any(n == 2 and sorted(row) == sorted(found[k].row) for n, row in zip(apart, rows, strict=True))
        assert 1 in apart or exchanged or found[k].position != told[0].position
    assert sampler.best() == max(found, key=lambda c: values(c)["quality"])
    assert values(sampler.best())["quality"] >= max(values(c)["quality"] for c in found[:10])


def test_functions_are_asked_once_and_no_limit_is_broken() -> None:
    limits = (between(WHOLE, "macs", 0.3), between(WHOLE, "macs", 0.7))
    sampler = MonasSampler({"quality": "max", "params": "max"}, trials=24, limits=limits)
    found = searched(sampler, WHOLE, 24)
    keys = NetworkKeys(WHOLE.program)
    assert len(set(keys.all(found))) == len(found)
    few = len(set(keys.all(list(within(WHOLE, limits[0])))))
    assert sum(limits[0].holds(c) for c in found) >= min(12, few)
    assert all(limits[0].holds(c) for k, c in enumerate(found) if k < 2 * min(few // 2, 12) and k % 2 == 0)
    assert all(limits[1].holds(c) for c in found)
    for limit in limits:
        kept = [c for c in found if c.costs["macs"] <= limit.most]
        first = best_first([values(c) | {"params": c.costs["params"]} for c in kept], sampler.objectives)[0]
        assert sampler.best(limit) == kept[first]
    whole = MonasSampler({"quality": "max", "params": "max"})
    assert len(searched(whole, WHOLE, 10**4)) == len(set(keys.all(list(WHOLE))))
    assert whole.exhausted


@pytest.mark.parametrize("metric", ["macs", "flops", "rom", "ram", "latency"])
def test_limits_are_exact(metric: str) -> None:
    limit = between(WHOLE, metric, 0.4)
    assert list(within(WHOLE, limit)) == [c for c in WHOLE if c.costs[metric] <= limit.most]
    part = WHOLE.where(None, cell={1: "conv"})
    assert list(within(part, limit)) == [c for c in part if c.costs[metric] <= limit.most]


def test_a_weight_is_a_limit_between_the_dearest_and_the_cheapest() -> None:
    low, high = WHOLE.metrics.extremes("latency")
    (limit,) = MonasSearch(mu=0.75).at(WHOLE)
    assert limit == Limit("latency", int(low + 0.25 * (high - low)))
    found = MonasSearch(CLOSED, trials=10, lam=0.9)
    (most,) = found.at(WHOLE)
    records: list[Trial] = list(found.measure(WHOLE, None, (), Means()))  # type: ignore[arg-type]
    assert records
    assert all(t.costs["flops"] <= most.most for t in records)
    (chosen,) = found.choose(WHOLE, 1, lambda *_: records)
    assert chosen.costs["flops"] <= most.most


def test_a_front_chooses_the_best_of_each_limit_first() -> None:
    search = MonasSearch(CLOSED, trials=16, metric="macs", limits=(9000, 5000))
    records = list(search.measure(WHOLE, None, (), Means()))  # type: ignore[arg-type]
    low, high = search.at(WHOLE)
    assert (low.most, high.most) == (5000, 9000)
    chosen = search.choose(WHOLE, 2, lambda *_: records)
    assert chosen[0] == search.order(WHOLE, records, low)[0]
    assert {*chosen} >= {search.order(WHOLE, records, high)[0]}


@pytest.mark.parametrize(
    ("search", "code"),
    [
        (MonasSearch(lam=1.0), "bad-weight"),
        (MonasSearch(lam=0.5, mu=0.5), "bad-weight"),
        (MonasSearch(mu=float("nan")), "bad-weight"),
        (MonasSearch(mu=0.5, metric="macs"), "bad-weight"),
        (MonasSearch(trials=0), "bad-count"),
        (MonasSearch(metric="macs", limits=(0,)), "bad-count"),
        (MonasSearch({"zen": "most"}), "bad-objectives"),
        (MonasSearch({}), "bad-objectives"),
        (MonasSearch(metric="params"), "wrong-value"),
        (MonasSearch(metric="macs", limits=(1,)), "empty-set"),
    ],
)
def test_what_cannot_be(search: MonasSearch, code: str) -> None:
    with pytest.raises(EngineError) as caught:
        search.check(WHOLE)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_latency_needs_a_profile_and_bests_need_values() -> None:
    with pytest.raises(EngineError, match="a limit on the latency needs a latency profile"):
        MonasSearch(mu=0.5).check(example_set("medium"))
    with pytest.raises(EngineError, match="no network was measured"):
        MonasSampler({"a": "max"}).best()
