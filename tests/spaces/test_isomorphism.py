"""Which cells are the same function: both rules against the benchmark's own table and against running every cell."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from itertools import product, takewhile
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.language.cell import Cell
from spaces.language.numbering import row_of
from spaces.language.reader import load_space
from spaces.program.duplicates import first_alike, originals
from spaces.program.isomorphism import benchmark_form, canonical_cell, representatives

CELL = load_space("nasbench201").cells["cell"]
NAMES = tuple(CELL.operators)
ALL = [tuple(NAMES[x] for x in row_of("nasbench201", k, 5, 6)) for k in range(15_625)]
TABLE = Path(__file__).parents[3] / "shared" / "data" / "nb201" / "nb201_cifar10.csv.gz"


def numbers(cell: Cell, names: Sequence[str], seed: int = 0) -> tuple[float, ...]:
    """What a cell computes from a fixed vector, each operator a random function with f(0) = 0."""
    random = np.random.default_rng(seed)
    x = random.normal(size=3)
    weights = {name: random.normal(size=(3, 3)) for name in cell.operators}
    nodes = [x, *(np.zeros(3) for _ in range(cell.last))]
    for (i, j), name in zip(cell.edges, names, strict=True):
        if cell.operators[name] == "identity":
            nodes[j] = nodes[j] + nodes[i]
        elif cell.operators[name] != "zero":
            nodes[j] = nodes[j] + np.sin(weights[name] @ nodes[i]) + weights[name][0] * nodes[i]
    # Sums in another order differ by some 1e-16; -0.0 is 0.0.
    return tuple((np.round(nodes[-1], 9) + 0.0).tolist())


def test_the_finer_rule_is_equality_of_functions() -> None:
    """4,930 functions: two cells have one canonical form exactly when they compute the same numbers."""
    pairs = {(canonical_cell(CELL, names), numbers(CELL, names)) for names in ALL}
    assert len({form for form, _ in pairs}) == len({found for _, found in pairs}) == len(pairs) == 4_930


def test_the_benchmarks_rule_only_joins_equal_functions() -> None:
    forms = [benchmark_form(CELL, names) for names in ALL]
    assert len(set(forms)) == 6_466
    assert len({(form, canonical_cell(CELL, names)) for form, names in zip(forms, ALL, strict=True)}) == 6_466


@pytest.mark.skipif(not TABLE.is_file(), reason=f"{TABLE} is not here")
def test_the_benchmarks_table() -> None:
    with gzip.open(TABLE, "rt") as file:
        rows = list(csv.DictReader(file))
    assert [benchmark_form(CELL, names) for names in ALL] == [row["unique_str"] for row in rows]
    first = [int(row["iso_rep_idx"]) for row in rows]
    assert originals(CELL).tolist() == first
    codes = np.array([[NAMES.index(name) for name in names] for names in ALL])
    assert representatives(CELL, codes).tolist() == first


@st.composite
def chosen_cells(draw: st.DrawFn) -> tuple[Cell, tuple[str, ...]]:
    nodes = draw(st.integers(2, 5))
    pairs = [(i, j) for j in range(1, nodes) for i in range(j)]
    edges = {(draw(st.integers(0, j - 1)), j) for j in range(1, nodes)} | set(draw(st.lists(st.sampled_from(pairs))))
    operators = {"none": "zero", "skip": "identity", "a": (), "b": ()}
    cell = Cell("cell", tuple(sorted(edges, key=lambda e: (e[1], e[0]))), operators)
    return cell, tuple(draw(st.sampled_from(list(operators))) for _ in cell.edges)


@given(chosen_cells(), st.randoms(use_true_random=False))
def test_equal_forms_are_equal_functions(case: tuple[Cell, tuple[str, ...]], random: Random) -> None:
    cell, names = case
    others = [tuple(random.choice(list(cell.operators)) for _ in names) for _ in range(30)]
    for other in others:
        same = numbers(cell, names) == numbers(cell, other)
        assert (canonical_cell(cell, names) == canonical_cell(cell, other)) == same
        assert same or benchmark_form(cell, names) != benchmark_form(cell, other)


def test_the_first_alike() -> None:
    index = {names: k for k, names in enumerate(ALL)}
    for k in (0, 11, 284, 1_651, 13_714, 15_624):
        first = first_alike(CELL, ALL[k])
        assert first is not None
        assert index[first] == originals(CELL)[k]
    huge = Cell("cell", tuple((0, 1) for _ in range(17)), {"none": "zero", "skip": "identity"})
    assert first_alike(huge, ("skip",) * 17) is None


@given(chosen_cells())
def test_the_first_alike_without_a_numbering(case: tuple[Cell, tuple[str, ...]]) -> None:
    """In the order of the operators nothing that comes before has the same form."""
    cell, names = case
    if len(cell.edges) > 6:
        return
    first = first_alike(cell, names)
    assert first is not None
    assert benchmark_form(cell, first) == benchmark_form(cell, names)
    earlier = takewhile(lambda some: some != first, product(cell.operators, repeat=len(cell.edges)))
    assert all(benchmark_form(cell, some) != benchmark_form(cell, names) for some in earlier)
