"""Regularised evolution: the protocol, its mutations, and that it learns."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from samplers import UniformSampler
from samplers.evolution import EvolutionSampler
from samplers.testing import SamplerConformance, example_set
from solvers.base import solve
from solvers.sets.neighbours import neighbours
from spaces.errors import EngineError
from spaces.language.reader import load_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets


class TestEvolutionSampler(SamplerConformance):
    def make(self, seed):
        return EvolutionSampler(population=4, tournament=2, seed=seed)


class TestEvolutionSamplerThatMinimises(SamplerConformance):
    def make(self, seed):
        return EvolutionSampler(population=1, tournament=3, objective="loss", direction="min", seed=seed)


def driven(sampler, fs, n, value):
    found = []
    for candidate in sampler.ask(fs, n):
        sampler.tell(candidate, {"accuracy": value(candidate)})
        found.append(candidate)
    return found


def apart(a, b):
    return sum(x != y for x, y in zip(a.row, b.row, strict=True))


def test_a_population_of_one_walks_from_neighbour_to_neighbour():
    """Each child differs from its only possible parent in one decision, in a set of more than 10^13 members."""
    fs = example_set("large")
    walk = driven(EvolutionSampler(population=1, tournament=1, seed=1), fs, 40, lambda c: 0.0)
    assert [apart(a, b) for a, b in pairwise(walk)] == [1] * 39


def test_the_parent_is_among_the_youngest():
    """Ageing: whatever was best long ago, each child is a neighbour of one of the last told."""
    fs = example_set("large")
    found = driven(EvolutionSampler(population=5, tournament=5, seed=3), fs, 60, lambda c: -float(c.costs["macs"]))
    for k in range(5, 60):
        assert any(apart(found[k], parent) == 1 for parent in found[k - 5 : k])


def test_a_large_tournament_takes_the_best():
    """Of 4, 60 draws with replacement leave none out: each child is a neighbour of the best of the last 4 told."""
    fs = example_set("large")
    found = driven(EvolutionSampler(population=4, tournament=60, seed=0), fs, 40, lambda c: -float(c.costs["macs"]))
    for k in range(4, 40):
        best = min(found[k - 4 : k], key=lambda c: c.costs["macs"])
        assert apart(found[k], best) == 1


def test_every_feasible_change_is_equally_likely():
    """Chi-square at the level 0.1 % over 1,500 seeds, from one parent."""
    fs = example_set("medium")
    parent = 27
    children = neighbours(fs, parent)
    counts = dict.fromkeys(children, 0)
    for seed in range(1_500):
        sampler = EvolutionSampler(population=1, tournament=1, seed=seed)
        sampler.restore(fs, {**state_after(fs, parent, seed), "parameters": sampler.parameters})
        (child,) = sampler.ask(fs, 1)
        counts[fs.index(child)] += 1
    assert chisquare(list(counts.values())).pvalue > 0.001


def state_after(fs, rank, seed):
    """The state of a sampler that has asked and been told of one member."""
    sampler = EvolutionSampler(population=1, tournament=1, seed=seed)
    list(sampler.ask(fs, 0))
    return {**sampler.state(), "events": [["ask", rank], ["tell", rank, {"accuracy": 1.0}]]}


def test_it_changes_the_variant():
    """From one network of one depth, others of all depths; each keeps the layers that both have, or changes one."""
    fs = solve(compile_space(load_space("dscnn"), Budgets(rom=1_000_000)))
    walk = driven(EvolutionSampler(population=1, tournament=1, seed=0), fs, 60, lambda c: 0.0)
    assert {c.variant.label for c in walk} == {"6", "7", "8"}
    for a, b in pairwise(walk):
        shared = min(len(a.row), len(b.row))
        changed = sum(x != y for x, y in zip(a.row[:shared], b.row[:shared], strict=True))
        assert changed == (a.position == b.position)


def test_it_goes_on_where_all_neighbours_are_taken():
    """The whole set is asked, though a population of one runs into dead ends."""
    fs = example_set("small")
    found = driven(EvolutionSampler(population=1, tournament=1, seed=0), fs, len(fs), lambda c: 0.0)
    assert sorted(map(str, found)) == sorted(map(str, fs))
    assert not all(apart(a, b) == 1 for a, b in pairwise(found))


def test_it_learns():
    """A sign test over 20 seeds at the level 1 %: nearer to given widths than uniform draws after 60 of 10^13."""
    fs = example_set("large")

    def value(candidate):
        widths = np.array(candidate["M"])
        return -float(((widths - np.linspace(280, 84, len(widths))) ** 2).mean())

    pairs = [
        [max(map(value, driven(s, fs, 60, value))) for s in (EvolutionSampler(10, 4, seed=k), UniformSampler(seed=k))]
        for k in range(20)
    ]
    more, less = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    assert binomtest(more, more + less, alternative="greater").pvalue < 0.01


@pytest.mark.parametrize(
    ("parameters", "named"),
    [({"direction": "up"}, "`direction`"), ({"population": 0}, "`population`"), ({"tournament": 0}, "`tournament`")],
)
def test_parameters_that_cannot_be(parameters, named):
    with pytest.raises(EngineError, match=named):
        EvolutionSampler(**parameters).ask(example_set("small"), 1)
