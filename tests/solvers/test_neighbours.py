"""Members that differ in one decision, or have two exchanged: against brute force over the whole set."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.neighbours import counterparts, exchanges, neighbours, rank_rows
from solvers.sets.ranking import distinct_draws, unrank_rows
from spaces.language.reader import load_space, read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from tests.strategies import budgets_for, small_spaces


@st.composite
def sets(draw: st.DrawFn) -> FeasibleSet:
    space = read_space(draw(small_spaces(max_size=500)))
    return solve(compile_space(space, draw(budgets_for(compile_space(space)))))


@pytest.fixture(scope="module")
def huge() -> FeasibleSet:
    """More than 2^63 members, so that ranks are Python integers: dscnn with 22 to 24 layers."""
    return solve(compile_space(load_space("dscnn", ["network.2.repeat=[20, 21, 22]"]), Budgets(rom=6_000_000)))


def one_apart(fs: FeasibleSet, rank: int) -> list[int]:
    position, row = fs[rank].position, fs[rank].row
    return [k for k, other in enumerate(fs) if other.position == position and differ(other.row, row) == 1]


def exchanged(fs: FeasibleSet, rank: int) -> list[int]:
    found, member = [], fs[rank]
    labels = [d.label for d in member.variant.decisions]
    for k, other in enumerate(fs):
        if other.position == member.position and differ(other.row, member.row) == 2:
            a, b = (label for label in labels if other.values[label] != member.values[label])
            if (other.values[a], other.values[b]) == (member.values[b], member.values[a]):
                found.append(k)
    return found


def differ(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    return sum(x != y for x, y in zip(a, b, strict=True))


def agreeing(fs: FeasibleSet, rank: int, variant: int) -> list[int]:
    own = {d.label: fs[rank].values[d.label] for d in fs[rank].variant.decisions}
    found = []
    for k, other in enumerate(fs):
        common = [d.label for d in other.variant.decisions if d.label in own]
        if other.position == variant and all(other.values[label] == own[label] for label in common):
            found.append(k)
    return found


@given(sets(), st.randoms(use_true_random=False))
def test_neighbours_are_those_that_brute_force_finds(fs: FeasibleSet, source: random.Random) -> None:
    for rank in source.sample(range(len(fs)), min(3, len(fs))):
        assert neighbours(fs, rank) == one_apart(fs, rank)
        assert exchanges(fs, rank) == exchanged(fs, rank)


@given(sets(), st.randoms(use_true_random=False))
def test_counterparts_are_those_that_brute_force_finds(fs: FeasibleSet, source: random.Random) -> None:
    for rank in source.sample(range(len(fs)), min(3, len(fs))):
        for variant in range(len(fs.program.variants)):
            kin = counterparts(fs, rank, variant)
            assert [kin.rank(k) for k in range(kin.size)] == agreeing(fs, rank, variant)
            with pytest.raises(IndexError):
                kin.rank(kin.size)


@given(sets(), st.randoms(use_true_random=False))
def test_the_rank_of_a_row_is_the_inverse_of_the_row_of_a_rank(fs: FeasibleSet, source: random.Random) -> None:
    for v, chain in enumerate(fs.program.chains):
        levels, root = fs.tree.chain(v)
        ranks = np.arange(fs.tree.count(v))
        rows = unrank_rows(levels, root, fs.tree.counts, ranks)
        assert rank_rows(levels, root, fs.tree.counts, rows).tolist() == ranks.tolist()
        options = [len(d.options) for d in chain.variant.decisions]
        some = np.array([[source.randrange(n) for n in options] for _ in range(20)], np.int64).reshape(20, -1)
        members = set(map(tuple, rows.tolist()))
        found = rank_rows(levels, root, fs.tree.counts, some)
        assert [tuple(row) in members for row in some.tolist()] == (found >= 0).tolist()


def test_sets_of_any_size(huge: FeasibleSet) -> None:
    """Each neighbour is a member one decision away, and all changes that are no neighbours are no members."""
    assert huge.size > 2**63
    for rank in distinct_draws(huge.size, 5, random.Random(1)):
        member = huge[rank]
        near = neighbours(huge, rank)
        assert near == sorted(set(near))
        rows = {other.row for other in huge.at(near)}
        assert {differ(row, member.row) for row in rows} == {1}
        levels, root = huge.tree.chain(member.position)
        for t, decision in enumerate(member.variant.decisions):
            for x in set(range(len(decision.options))) - {member.row[t]}:
                row = (*member.row[:t], x, *member.row[t + 1 :])
                assert (row in rows) == (rank_rows(levels, root, huge.tree.counts, np.array([row]))[0] >= 0)


def test_counterparts_in_sets_of_any_size(huge: FeasibleSet) -> None:
    """A shallower network has one counterpart for each pair of two more layers that fits, and is that of each."""
    shallow = huge[12_345]
    deep = counterparts(huge, huge.index(shallow), 2)
    assert 1 <= deep.size <= 64
    for k in range(deep.size):
        other = huge[deep.rank(k)]
        assert other.position == 2
        assert other["M"][:-2] == shallow["M"]
        back = counterparts(huge, deep.rank(k), 0)
        assert [back.rank(j) for j in range(back.size)] == [huge.index(shallow)]


def test_no_neighbours() -> None:
    """A set of one member."""
    fs = solve(compile_space(load_space("mlp2"))).where(M={1: 16, 2: 32})
    assert len(fs) == 1
    assert neighbours(fs, 0) == exchanges(fs, 0) == []
    with pytest.raises(IndexError):
        neighbours(fs, 1)
