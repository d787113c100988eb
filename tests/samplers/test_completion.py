"""The nearest member and the options that are left, against a listing of the set."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from scipy.stats import chisquare

from samplers.optuna_studies.completion import FAR, distances, nearest, possible, without
from samplers.testing import example_set
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from spaces.program.variants import Decision
from tests.samplers.test_monas import SPACE


@cache
def some_set(name: str) -> FeasibleSet:
    if name == "dscnn":
        space = load_space("dscnn", ["network.2.repeat=[3, 4]", "choices.M.step=49"])
        return solve(compile_space(space, Budgets(rom=350_000, ram=262_144)))
    if name == "cells":
        return solve(compile_space(read_space(SPACE), Budgets(rom=300)))
    return example_set(name)


def rows_of(fs: FeasibleSet, position: int) -> np.ndarray:
    blocks = [rows[positions == position] for positions, rows in fs.rows(range(fs.size))]
    return np.concatenate(blocks)[:, : len(fs.program.variants[position].decisions)]


@pytest.mark.parametrize("name", ["small", "dscnn", "cells"])
def test_nearest_is_a_member_at_the_least_distance(name: str) -> None:
    fs, source = some_set(name), random.Random(0)
    for position, chain in enumerate(fs.program.chains):
        rows = rows_of(fs, position)
        levels, root = fs.tree.chain(position)
        for _ in range(60):
            wish = [source.randrange(len(d.options)) for d in chain.variant.decisions]
            costs = [distances(d, x) for d, x in zip(chain.variant.decisions, wish, strict=True)]
            totals = sum(cost[rows[:, t]] for t, cost in enumerate(costs))
            found = nearest(levels, root, costs, source)
            (at,) = np.flatnonzero((rows == found).all(axis=1))
            assert totals[at] == totals.min()


def test_members_equally_near_are_equally_likely() -> None:
    """Chi-square at the level 0.1 % over 2,000 draws."""
    fs, source = some_set("dscnn"), random.Random(1)
    rows = rows_of(fs, 1)
    levels, root = fs.tree.chain(1)
    decisions = fs.program.variants[1].decisions
    costs = [distances(d, len(d.options) - 1) for d in decisions]
    totals = sum(cost[rows[:, t]] for t, cost in enumerate(costs))
    tied = {tuple(row) for row in rows[totals == totals.min()].tolist()}
    drawn = Counter(tuple(nearest(levels, root, costs, source)) for _ in range(2_000))
    assert len(tied) > 5
    assert set(drawn) == tied
    assert chisquare([drawn[row] for row in tied]).pvalue > 0.001


@pytest.mark.parametrize("name", ["small", "dscnn", "cells"])
def test_possible_options_are_those_of_the_members_that_agree(name: str) -> None:
    fs, source = some_set(name), random.Random(2)
    empty = 0
    for position, chain in enumerate(fs.program.chains):
        rows = rows_of(fs, position)
        levels, root = fs.tree.chain(position)
        decisions = range(len(chain.variant.decisions))
        for _ in range(60):
            asked = source.choice(decisions)
            made = {t: source.randrange(len(chain.variant.decisions[t].options)) for t in decisions}
            made = {t: x for t, x in made.items() if source.random() < 0.5}
            allowed = {t: np.arange(len(chain.variant.decisions[t].options)) == x for t, x in made.items()}
            agree = np.all([rows[:, t] == x for t, x in made.items() if t != asked] or [np.ones(len(rows))], axis=0)
            expected = np.isin(np.arange(levels[asked].shape[1]), rows[agree, asked])
            assert possible(levels, root, allowed, asked).tolist() == expected.tolist()
            empty += not expected.any()
    assert empty  # contradictions were among them


@pytest.mark.parametrize("name", ["small", "dscnn", "cells"])
def test_without_some_members_all_others_are_left(name: str) -> None:
    """One after another in random parts, until none is; the chain is that of a listing."""
    fs, source = some_set(name), random.Random(3)
    for position in range(len(fs.program.variants)):
        rows = rows_of(fs, position)
        order = source.sample(range(len(rows)), len(rows))
        for count in sorted({*source.sample(range(len(rows)), 4), len(rows)}):
            levels, root = without(*fs.tree.chain(position), rows[order[:count]])
            every = itertools.product(*(range(level.shape[1]) for level in levels))
            left = {row for row in every if root and is_member(levels, root, row)} if rows.shape[1] < 4 else None
            assert bool(root) == (count < len(rows))
            if left is not None:
                assert left == {tuple(row) for row in rows[order[count:]].tolist()}
            assert not any(root and is_member(levels, root, row) for row in rows[order[:count]].tolist())
            assert all(is_member(levels, root, row) for row in rows[order[count:]].tolist())


def is_member(levels: list[np.ndarray], node: int, row: Sequence[int]) -> bool:
    for level, x in zip(levels, row, strict=True):
        node = int(level[node][x])
    return node == 1


def test_nothing_is_possible_in_an_empty_variant() -> None:
    levels, root = example_set("empty").tree.chain(0)
    assert not possible(levels, root, {}, 0).any()


def test_distances_count_places_of_numbers() -> None:
    """In the order of the values, not of the file; without numbers, all are far."""
    assert distances(Decision("W", "W", (0.5, 0.25, 1.0)), 1).tolist() == [FAR // 2, 0, FAR]
    assert distances(Decision("E", "E", ("relu", "swish")), 0).tolist() == [0, FAR]
    assert distances(Decision("K", "K", (3,)), 0).tolist() == [0]
