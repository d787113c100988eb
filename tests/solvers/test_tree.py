"""The array algorithms on trees: every fast path equals a slow one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvers.sets import tree
from solvers.sets.tree import (
    Places,
    Tree,
    distinct_codes,
    distinct_in_blocks,
    join,
    merge_pairs,
    numbered,
    numbered_in_parts,
    numbered_rows,
    reduce_chain,
    unique_codes,
)

matrices = st.integers(0, 40).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=n, max_size=n)
).map(lambda rows: np.array(rows, np.int32).reshape(-1, 3))  # fmt: skip
codes = st.lists(st.integers(0, 60), max_size=40).map(lambda values: np.array(values, np.int64))


@given(matrices, st.booleans())
def test_numbered_rows(rows: np.ndarray, collide: bool) -> None:
    """Also when every hash collides."""
    with pytest.MonkeyPatch.context() as patch:
        if collide:
            patch.setattr(tree, "_MULTIPLIERS", np.zeros(4096, np.uint64))
        first, number = numbered_rows(rows)
    assert np.array_equal(rows[first][number], rows)
    assert len(first) == len({tuple(row) for row in rows.tolist()})


@given(st.lists(st.integers(0, 2**62) | st.integers(0, 9) | st.integers(2**61, 2**61 + 9), max_size=40))
def test_numbered(values: list[int]) -> None:
    """Also where values have so many bits that only some fit beside a position."""
    for kind in (np.int64, np.uint64):
        array = np.array(values, kind)
        first, number = numbered(array)
        assert array[first].tolist() == sorted(set(values))
        assert array[first][number].tolist() == values


@given(st.lists(st.integers(0, 2**62) | st.integers(0, 9), max_size=40), st.integers(1, 50))
def test_numbers_in_parts(values: list[int], part: int) -> None:
    """The same in one go and in several, however often a number comes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "_PART", part)
        distinct, number = numbered_in_parts(np.array(values, np.int64))
    assert distinct.tolist() == sorted(set(values))
    assert distinct[number].tolist() == values


@given(codes, st.booleans(), st.integers(1, 10))
def test_codes_by_flags_and_by_sorting(values: np.ndarray, sparse: bool, block: int) -> None:
    """The size of the code space decides between a table of flags and sorting; the answer is the same."""
    size = 2**40 if sparse else 61
    known = sorted(set(values.tolist()))
    assert distinct_codes(values, size).tolist() == known
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tree, "_BLOCK", 7)
        blocks = (values[i : i + block] for i in range(0, len(values), block))
        assert distinct_in_blocks(blocks, size, len(values)).tolist() == known
    distinct, place = unique_codes(values, size)
    assert distinct.tolist() == sorted(set(values.tolist()) - {0})
    assert [0 if p == 0 else int(distinct[p - 1]) for p in place] == values.tolist()
    keys = distinct_codes(values, size)
    asked = np.arange(61)
    assert Places(keys, size, len(asked))(asked).tolist() == [int((keys <= a).sum()) for a in asked]


def listed(levels: list[np.ndarray], root: int) -> list[tuple[int, ...]]:
    """All members, by walking."""
    if not levels:
        return [()] if root else []
    return [
        (x, *rest)
        for x, child in enumerate(levels[0][root].tolist())
        if child
        for rest in listed(levels[1:], child)
    ]  # fmt: skip


@st.composite
def chains(draw: st.DrawFn, depth: int) -> tuple[list[np.ndarray], int]:
    """A random, unreduced chain; some nodes dead, some alike."""
    sizes = [draw(st.integers(1, 4)) for _ in range(depth)] + [1]
    levels = []
    for t in range(depth):
        entries = st.lists(st.integers(0, sizes[t + 1]), min_size=3, max_size=3)
        rows = [[0, 0, 0]] + [draw(entries) for _ in range(sizes[t])]
        levels.append(np.array(rows, np.int32))
    return levels, draw(st.integers(0, sizes[0]))


@given(chains(3), chains(3))
def test_reduction_and_set_operations(a: tuple[list[np.ndarray], int], b: tuple[list[np.ndarray], int]) -> None:
    one, two = listed(*a), listed(*b)
    reduced = reduce_chain(*a)
    assert listed(*reduced) == one
    assert sum(map(len, reduced[0])) <= sum(map(len, a[0]))
    assert listed(*merge_pairs(a, b, "&")) == [row for row in one if row in two]
    assert listed(*merge_pairs(a, b, "|")) == sorted({*one, *two})
    assert listed(*merge_pairs(a, b, "-")) == [row for row in one if row not in two]


@given(st.tuples(chains(3), chains(2), chains(0)))
def test_one_tree_for_chains_of_different_depth(parts: tuple[tuple[list[np.ndarray], int], ...]) -> None:
    joined = join(parts)
    for v, part in enumerate(parts):
        assert listed(*joined.chain(v)) == listed(*part)
        assert joined.count(v) == len(listed(*part))
    again = join([reduce_chain(*part) for part in parts])
    assert_equal(joined, again)


@given(chains(3), chains(3))
def test_equal_sets_have_equal_arrays(a: tuple[list[np.ndarray], int], b: tuple[list[np.ndarray], int]) -> None:
    """(a & b) | (a - b) is a, in the very same numbering."""
    both, only = merge_pairs(a, b, "&"), merge_pairs(a, b, "-")
    assert_equal(join([merge_pairs(both, only, "|")]), join([a]))


def assert_equal(one: Tree, two: Tree) -> None:
    assert one.roots == two.roots
    assert one.digest == two.digest
    assert all(np.array_equal(x, y) for x, y in zip(one.levels, two.levels, strict=True))
