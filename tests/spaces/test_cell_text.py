"""Cells as text: printed and parsed back, by operators or by the benchmark's index."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.errors import CandidateError
from spaces.language.cell import Cell
from spaces.language.numbering import count_of, index_of, row_of
from spaces.language.reader import load_space, read_space
from spaces.program.candidate import candidate_of, parse_candidate
from spaces.program.cell_text import cell_word, read_cell_word
from spaces.program.compile import compile_space
from spaces.program.duplicates import chosen
from tests.strategies import possible_rows, small_spaces

CELL = load_space("nasbench201").cells["cell"]
SMALL = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity", "conv.3_3": ()})


@st.composite
def cells(draw: st.DrawFn) -> tuple[Cell, tuple[str, ...]]:
    """A graph without operators that run, and a name for each of its edges."""
    nodes = draw(st.integers(2, 6))
    pairs = [(i, j) for j in range(1, nodes) for i in range(j)]
    edges = {(draw(st.integers(0, j - 1)), j) for j in range(1, nodes)} | set(draw(st.lists(st.sampled_from(pairs))))
    words = draw(st.lists(st.text("ab_.1", min_size=1, max_size=4), min_size=1, max_size=4, unique=True))
    cell = Cell("cell", tuple(sorted(edges, key=lambda e: (e[1], e[0]))), dict.fromkeys(words, "identity"))
    return cell, tuple(draw(st.sampled_from(words)) for _ in cell.edges)


@given(cells())
def test_a_cell_reads_back(case: tuple[Cell, tuple[str, ...]]) -> None:
    cell, names = case
    word = cell_word(cell, names)
    assert read_cell_word(cell, word) == names
    assert word.count("+") == cell.last - 1
    assert "-" not in word


@given(small_spaces(max_size=300, constrained=False), st.integers(0, 10**6))
def test_candidates_read_back(text: str, pick: int) -> None:
    program = compile_space(read_space(text))
    for v, chain in enumerate(program.chains):
        rows = [] if chain.impossible else possible_rows(program, v)
        if len(rows):
            candidate = candidate_of(program, v, rows[pick % len(rows)])
            assert parse_candidate(program, str(candidate)) == candidate


def test_a_cell_among_other_decisions() -> None:
    text = (
        "space: two\ninput: {channels: 2, length: 9}\nchoices:\n  M: [2, 4]\n"
        "cells:\n  left: {nodes: 3, operators: {none: zero, skip: identity}}\n"
        "  right: {nodes: 2, operators: {skip: identity, norm: [norm]}}\n"
        "network:\n  - conv1d: {filters: M}\n  - cell: left\n  - conv1d: {filters: M}\n  - cell: right\n  - cell: left\n"
    )
    program = compile_space(read_space(text))
    assert program.size == 2 * 8 * 2 * 2
    candidate = parse_candidate(program, "two: 2-|skip~0|+|none~0|skip~1|-4-|norm~0|")
    assert str(candidate) == "two: 2-|skip~0|+|none~0|skip~1|-4-|norm~0|"
    assert (candidate["left"], candidate["right"], candidate["M"]) == (("skip", "none", "skip"), ("norm",), (2, 4))
    assert chosen(candidate, program.space.cells["left"]) == ("skip", "none", "skip")
    assert candidate.number is None
    with pytest.raises(CandidateError, match="has 2 options"):
        parse_candidate(program, "two: 2-|skip~0|+|none~0|skip~1|")


def test_the_numbering_and_its_inverse() -> None:
    names = tuple(CELL.operators)
    rows = np.array([row_of("nasbench201", k, 5, 6) for k in range(count_of("nasbench201"))])
    assert len(set(map(tuple, rows.tolist()))) == 5**6
    assert index_of("nasbench201", rows, 5).tolist() == list(range(15_625))
    assert read_cell_word(CELL, "13714") == tuple(names[x] for x in rows[13_714])


@pytest.mark.parametrize(
    ("cell", "word", "message", "hint"),
    [
        (SMALL, "|skip~0|+|none~0|", "`|skip~0|+|none~0|` is no cell of 3 edges", "write it as `|none~0|+|none~0|none~1|`"),
        (SMALL, "|skip~0|+|none~1|skip~0|", "`|skip~0|+|none~1|skip~0|` is no cell of 3 edges", "write it as `|none~0|+|none~0|none~1|`"),
        (SMALL, "skip~0+none~0|skip~1", "`skip~0+none~0|skip~1` is no cell of 3 edges", "write it as `|none~0|+|none~0|none~1|`"),
        (SMALL, "|skip~0|+|none~0|skp~1|", "`cell` has no operator `skp`", "did you mean `skip`?"),
        (SMALL, "|skip~0|+|none~0||", "`|skip~0|+|none~0||` is no cell of 3 edges", "write it as `|none~0|+|none~0|none~1|`"),
        (SMALL, "", "`cell` has no operator ``", "known: conv.3_3, none, skip"),
        (SMALL, "7", "`7` is no cell: the cells of `cell` have no numbers", "write its operators"),
        (CELL, "7" * 5000, "there is no cell of 5,000 digits (77777777777777777777...)", "nasbench201 numbers its cells from 0 to 15,624"),
        (SMALL, "7" * 5000, "`77777777777777777777...` is no cell: the cells of `cell` have no numbers", "write its operators"),
        (CELL, "15625", "there is no cell 15,625", "nasbench201 numbers its cells from 0 to 15,624"),
    ],
)  # fmt: skip
def test_what_is_no_cell(cell: Cell, word: str, message: str, hint: str) -> None:
    with pytest.raises(CandidateError) as caught:
        read_cell_word(cell, word)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.message, diagnostic.hint) == (message, hint)
