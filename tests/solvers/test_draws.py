"""Uniform draws from a set that cannot be listed."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.ranking import distinct_draws, unrank_rows
from spaces.language.reader import load_space, read_space
from spaces.program.candidate import candidate_of
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from tests.strategies import small_spaces


@pytest.fixture(scope="module")
def huge() -> FeasibleSet:
    """dscnn with 16 layers: 277,681,457,231,712 members."""
    return solve(compile_space(load_space("dscnn", ["network.2.repeat=14"]), Budgets(rom=3_000_000)))


@st.composite
def sets_and_ranks(draw: st.DrawFn) -> tuple[FeasibleSet, list[int]]:
    fs = solve(compile_space(read_space(draw(small_spaces(max_size=200)))))
    return fs, list(range(min(fs.size, 100)))


def prefix_counts(fs: FeasibleSet, first: int, length: int) -> np.ndarray:
    """The exact number of members per combination of `length` decisions from decision `first` on.

    By counting paths of the tree, forwards to `first` and then kept apart by combination.
    """
    levels, root = fs.tree.chain(0)
    options = levels[0].shape[1]
    ways = np.zeros((1, len(levels[0])), object)
    ways[0, root] = 1
    for t in range(first + length):
        after = len(levels[t + 1]) if t + 1 < len(levels) else 2
        split = []
        for x in range(options):
            onto = np.zeros((len(ways), after), object)
            np.add.at(onto, (slice(None), levels[t][:, x]), ways)
            onto[:, 0] = 0
            split.append(onto)
        ways = np.concatenate(np.stack(split, axis=1)) if t >= first else sum(split)
    return (ways * fs.tree.counts[len(levels) - first - length][None, :]).sum(axis=1)


@pytest.mark.parametrize(("first", "length"), [(0, 3), (7, 2), (14, 2)])
def test_draws_are_uniform_over_prefixes(huge: FeasibleSet, first: int, length: int) -> None:
    """Chi-square at the level 0.1 % with 60,000 draws: the first three decisions, two in the middle, the last two."""
    counts = prefix_counts(huge, first, length)
    assert sum(counts) == huge.size
    ranks = distinct_draws(huge.size, 60_000, random.Random(1))
    drawn = np.zeros(len(counts), int)
    for _, rows in huge.rows(ranks):
        combination = np.zeros(len(rows), int)
        for t in range(first, first + length):
            combination = combination * 8 + rows[:, t]
        drawn += np.bincount(combination, minlength=len(counts))
    expected = np.array([float(count) for count in counts]) * 60_000 / huge.size
    # Rare combinations are put together, for chi-square wants some five of each.
    rare = expected < 5
    drawn, expected = np.append(drawn[~rare], drawn[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    assert len(drawn) > 20
    assert chisquare(drawn[expected > 0], expected[expected > 0]).pvalue > 0.001


def test_arrays_and_candidates_are_the_same_draws(huge: FeasibleSet) -> None:
    ranks = distinct_draws(huge.size, 500, random.Random(3))
    rows = np.concatenate([block for _, block in huge.rows(ranks)])
    assert huge.sample(500, seed=3) == [candidate_of(huge.program, 0, row) for row in rows]
    assert len(set(ranks)) == 500
    assert [huge.index(candidate) for candidate in huge.at(ranks[:50])] == ranks[:50]


@given(sets_and_ranks())
def test_both_ways_to_pick_an_option_agree(given_: tuple[FeasibleSet, list[int]]) -> None:
    """Few ranks and many ranks take different paths; so do counts in 64 bits and Python integers."""
    fs, ranks = given_
    for v, chain in enumerate(fs.program.chains):
        own = np.array([rank for rank in ranks if rank < fs.counts[chain.variant.label]], np.int64)
        if not len(own):
            continue
        levels, root = fs.tree.chain(v)
        one_by_one = np.concatenate(
            [unrank_rows(levels, root, fs.tree.counts, own[k : k + 1]) for k in range(len(own))]
        )
        many = np.resize(own, 600)
        assert np.array_equal(unrank_rows(levels, root, fs.tree.counts, many), one_by_one[np.arange(600) % len(own)])
        exact = [counts.astype(object) for counts in fs.tree.counts]
        assert np.array_equal(unrank_rows(levels, root, exact, many.astype(object))[: len(own)], one_by_one)
