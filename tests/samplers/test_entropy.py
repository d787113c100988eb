"""Entropy sampling: the clusters of EBS Eq. 7, uniform within them, and the same with and without listing the set."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from samplers.base import Run
from samplers.entropy import EntropySampler, cluster_by_value, cluster_shares
from samplers.entropy_order import EntropyOrder, by_bins, by_listing
from samplers.testing import SamplerConformance, example_set
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import EngineError
from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from tests.strategies import budgets_for, small_spaces

#: Chi-square tests fail one in a thousand correct samplers; seeds are fixed, so these either pass or do not.
LEVEL = 0.001
METHODS = ["exact", "quantised"]


class TestAutomatic(SamplerConformance):
    """Listed where the set is small, quantised where it is large."""

    def make(self, seed):
        return EntropySampler(seed=seed, bins=64)


class TestQuantised(SamplerConformance):
    """Never listed, and with other clusters."""

    def make(self, seed):
        return EntropySampler(7, 0.3, method="quantised", bins=50, seed=seed)


def begun(fs: FeasibleSet, *asked: int, **parameters) -> EntropySampler:
    """A sampler after some members, by rank, have been asked; each of its proposals is then independent of the last."""
    sampler = EntropySampler(**parameters)
    sampler.begin(run_with(fs, 0, *asked))
    return sampler


def run_with(fs: FeasibleSet, seed: int, *asked: int) -> Run:
    run = Run(fs, seed)
    for rank in asked:
        run.take(rank)
    return run


def draws(sampler: EntropySampler, fs: FeasibleSet, n: int, *asked: int) -> list[int]:
    """The next proposal, by position, of n samplers that differ in their seeds."""
    order = order_of(sampler)
    return [order.position(sampler.propose(run_with(fs, seed, *asked))) for seed in range(n)]


def order_of(sampler: EntropySampler) -> EntropyOrder:
    assert sampler.order_ is not None
    return sampler.order_


# -- which cluster -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("clusters", "p"), [(5, 0.5), (9, 0.2)])
def test_clusters_are_drawn_by_eq_7(method: str, clusters: int, p: float) -> None:
    """Chi-square at the level 0.1 % over 4,000 seeds; the first case is the paper's example."""
    fs = example_set("small" if clusters == 5 else "medium")
    sampler = begun(fs, clusters=clusters, p=p, method=method)
    drawn = Counter(map(sampler.cluster_at, draws(sampler, fs, 4_000)))
    expected = np.array([(1 - p) ** c * p for c in range(clusters)])
    assert chisquare([drawn[c] for c in range(clusters)], 4_000 * expected / expected.sum()).pvalue > LEVEL


def test_the_example_of_the_paper() -> None:
    """Fig. 2: five clusters of the 14 networks, p = 0.5, so that each is drawn half as often as the one before it."""
    fs = example_set("small")
    sampler = begun(fs, clusters=5, p=0.5)
    order, bounds = order_of(sampler), sampler.bounds_
    assert (len(bounds), bounds[0], bounds[-1]) == (6, 0, 14)
    entropies = [fs[order.rank(k)].costs["entropy"] for k in range(14)]
    means = [np.mean(entropies[a:b]) for a, b in itertools.pairwise(bounds)]
    assert entropies == pytest.approx(sorted(entropies, reverse=True))
    assert means == sorted(means, reverse=True)
    shares = np.array(cluster_shares(sampler.left_, 0.5))
    assert shares.sum() == pytest.approx(1)
    # Five clusters together have P = 1 - 0.5^5 by Eq. 7; the rest is shared out in proportion.
    assert shares * (1 - 0.5**5) == pytest.approx([0.5, 0.25, 0.125, 0.0625, 0.03125])


def test_an_empty_cluster_gives_its_share_to_the_others() -> None:
    """With the first and the third cluster taken, the others are drawn in their old proportions; 0.1 %, 4,000 seeds."""
    fs = example_set("small")
    order, bounds = by_listing(fs), begun(fs, clusters=5).bounds_
    asked = [order.rank(k) for k in range(14) if bounds[0] <= k < bounds[1] or bounds[2] <= k < bounds[3]]
    sampler = begun(fs, *asked, clusters=5)
    drawn = Counter(map(sampler.cluster_at, draws(sampler, fs, 4_000, *asked)))
    assert set(drawn) == {1, 3, 4}
    assert [size == 0 for size in sampler.left_] == [True, False, True, False, False]
    expected = 4_000 * np.array([8, 2, 1]) / 11
    assert chisquare([drawn[1], drawn[3], drawn[4]], expected).pvalue > LEVEL


def test_it_says_which_clusters_are_exhausted_and_which_has_most_draws() -> None:
    fs = example_set("small")
    sampler = EntropySampler(clusters=5, seed=0)
    assert sampler.remark(fs) == ""
    assert len(list(sampler.ask(fs, 4))) == 4
    assert sum(sampler.drawn.values()) == 4
    assert (
        sampler.remark(fs)
        == f"{sampler.left_.count(0)} of 5 clusters by entropy are exhausted: draws are of the others"
    )
    assert len(list(sampler.ask(fs, 99))) == 10
    assert sampler.drawn == {c: b - a for c, (a, b) in enumerate(itertools.pairwise(sampler.bounds_))}
    assert sampler.remark(fs) == "5 of 5 clusters by entropy are exhausted"
    sampler = EntropySampler(clusters=2, p=0.9, seed=0)
    assert len(list(sampler.ask(example_set("medium"), 16))) == 16
    assert (
        f"{sampler.drawn[0]} of 16 draws are of one cluster, which has {sampler.left_[0]} members left"
        in sampler.remark(example_set("medium"))
    )


def test_shares_stay_finite_where_powers_vanish() -> None:
    left = [0] * 90 + [1] * 10
    assert cluster_shares(left, 1 - 1e-9)[90] == pytest.approx(1)
    assert sum(cluster_shares(left, 1e-9)) == pytest.approx(1)


# -- which member of it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_members_of_a_cluster_are_uniform(method: str) -> None:
    """Also after some have been taken; chi-square at 0.1 % over 3,000 seeds for each of the four clusters."""
    fs = example_set("medium")
    order = order_of(begun(fs, clusters=4, p=0.25, method=method))
    asked = [order.rank(k) for k in (0, 1, 5, 20, 21, 22, 40, 63)]
    sampler = begun(fs, *asked, clusters=4, p=0.25, method=method)
    drawn = Counter(draws(sampler, fs, 3_000, *asked))
    free = sorted(set(range(64)) - set(map(order.position, asked)))
    assert set(drawn) <= set(free)
    for c in range(4):
        counts = [drawn[k] for k in free if sampler.cluster_at(k) == c]
        assert chisquare(counts).pvalue > LEVEL


def test_both_methods_draw_alike() -> None:
    """Two-sample chi-square over the members, first draw and tenth, at the level 0.1 %, 3,000 seeds each."""
    fs = example_set("medium")
    asked = list(range(0, 63, 7))
    for taken in ([], asked):
        ranks = []
        for method, shift in zip(METHODS, (0, 3_000), strict=True):
            sampler = begun(fs, *taken, clusters=10, p=0.2, method=method)
            ranks.append(Counter(sampler.propose(run_with(fs, shift + seed, *taken)) for seed in range(3_000)))
        members = [rank for rank in range(64) if ranks[0][rank] + ranks[1][rank] >= 10]
        table = [[counts[rank] for rank in members] for counts in ranks]
        assert np.sum(table) > 5_500
        assert chi2_contingency(table).pvalue > LEVEL


# -- the order ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([1, 5, 60, 2048]))
def test_orders_are_sorted_and_complete(data: st.DataObject, bins: int) -> None:
    """Every member has a position, and the entropy of its value there; the quantised order within its stated error."""
    space = read_space(data.draw(small_spaces(max_size=300)))
    fs = solve(compile_space(space, data.draw(budgets_for(compile_space(space)))))
    entropies = np.array([c.costs["entropy"] for c in fs])
    for order in (by_listing(fs), by_bins(fs, bins)):
        assert order.starts[-1] == fs.size
        assert (np.diff(order.values) <= 0).all()
        positions = [order.position(rank) for rank in range(fs.size)]
        assert sorted(positions) == list(range(fs.size))
        assert [order.rank(position) for position in positions] == list(range(fs.size))
        at = np.searchsorted(order.starts, positions, "right") - 1
        assert np.abs(order.values[at] - entropies).max(initial=0) <= order.error + 1e-6


def test_the_error_holds_on_a_set_that_cannot_be_listed() -> None:
    """Of 277,681,457,231,712 members, 200 drawn uniformly: the rounded entropy is as near as stated, and no nearer."""
    fs = example_set("large")
    order = by_bins(fs)
    assert order.starts[-1] == fs.size
    (part,) = order.parts.values()
    out = float(np.log2(fs.program.chains[0].out_size.max()))
    assert order.error <= 16 * part.quantum / 2 * out
    assert order.error < 0.5
    off = []
    for candidate in fs.sample(200, seed=0):
        rank = fs.index(candidate)
        position = order.position(rank)
        assert order.rank(position) == rank
        at = int(np.searchsorted(np.array(order.starts, object), position, "right")) - 1
        off.append(abs(order.values[at] - candidate.costs["entropy"]))
    assert order.error / 20 < max(off) <= order.error


# -- clusters ----------------------------------------------------------------------------------------------------------


def test_fewer_entropies_than_clusters() -> None:
    """As many clusters as entropies."""
    fs = example_set("small")
    sampler = begun(fs, clusters=100)
    assert sampler.bounds_ == list(order_of(sampler).starts)
    assert len(list(EntropySampler().ask(fs, 20))) == 14


def test_k_means_is_near_the_best_partition() -> None:
    """Its inertia is within 5 % of the optimum, which dynamic programming over all cuts of the values finds."""
    source = np.random.default_rng(0)
    values = -np.sort(-source.normal(size=300))
    weights = source.integers(1, 10**15, 300).astype(object)

    def inertia(a: int, b: int) -> float:
        own, share = values[a:b], weights[a:b].astype(float)
        return float((share * (own - np.average(own, weights=share)) ** 2).sum())

    first = [*cluster_by_value(values, weights, 12), 300]
    assert len(first) == 13
    table = [[inertia(a, b) if a < b else 0.0 for b in range(301)] for a in range(300)]
    best = [table[0][b] for b in range(301)]
    for _ in range(11):
        best = [0.0] + [min(best[a] + table[a][b] for a in range(b)) for b in range(1, 301)]
    found = sum(inertia(a, b) for a, b in itertools.pairwise(first))
    assert best[300] <= found * (1 + 1e-9) <= 1.05 * best[300]


def test_equal_values_are_one_cluster() -> None:
    weights = np.array([1, 2, 3, 4], object)
    assert cluster_by_value(np.array([2.0, 2.0, 2.0, 1.0]), weights, 3) == [0, 3]
    assert cluster_by_value(np.array([]), np.array([], object), 3) == []


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"clusters": 0}, "`clusters` = 0"),
        ({"p": 0.0}, "`p` = 0.0"),
        ({"p": 1.0}, "`p` = 1.0"),
        ({"p": float("nan")}, "`p` = nan"),
        ({"method": "fast"}, "`method` = 'fast'"),
        ({"bins": 0}, "`bins` = 0"),
    ],
)
def test_parameters_that_cannot_be(parameters: dict, text: str) -> None:
    with pytest.raises(EngineError, match=text):
        EntropySampler(**parameters).ask(example_set("small"))


def test_a_set_too_large_to_list_is_refused_by_exact() -> None:
    with pytest.raises(EngineError, match="are too many"):
        EntropySampler(method="exact").ask(example_set("large"))
