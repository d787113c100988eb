"""Mistakes in a cell: each is reported at its place, says what is wrong and what would be right."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

import pytest

from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from tests.spaces.test_mistakes import complaints

BASE = """\
space: s
input: {channels: 4, height: 8, width: 8}
choices:
  M: [2, 4]
cells:
  cell:
    nodes: 3
    edges: [[0, 1], [0, 2], [1, 2]]
    operators:
      none: zero
      skip: identity
      conv: [relu, {conv: {filters: channels}}]
    dead_edges: removed
network:
  - conv: {filters: M}
  - cell: cell
    repeat: 2
"""

CELLS = [
    ("  cell:\n    nodes", "  ce-ll:\n    nodes", ["6:3 bad-name: `ce-ll` cannot name a cell; use letters, digits and `_`, and no name of a choice or a cost", "16:11 unknown-cell: there is no cell `cell`; did you mean `ce-ll`?"]),
    ("  cell:\n    nodes", "  M:\n    nodes", ["6:3 bad-name: `M` cannot name a cell; use letters, digits and `_`, and no name of a choice or a cost", "16:11 unknown-cell: there is no cell `cell`; known: M"]),
    ("  cell:\n    nodes", "  rom:\n    nodes", ["6:3 bad-name: `rom` cannot name a cell; use letters, digits and `_`, and no name of a choice or a cost", "16:11 unknown-cell: there is no cell `cell`; known: rom"]),
    ("    dead_edges: removed", "    dead_edge: removed", ["13:5 unknown-key: unknown key `dead_edge` in a cell; did you mean `dead_edges`?"]),
    ("    dead_edges: removed", "    dead_edges: gone", ["13:17 wrong-value: `dead_edges` must be `removed` or `counted`"]),
    ("    dead_edges: removed", "    dead_edges: [removed]", ["13:17 wrong-value: `dead_edges` must be `removed` or `counted`"]),
    ("    dead_edges: removed", "    numbering: nasbench101", ["13:16 wrong-value: there is no numbering `nasbench101`; did you mean `nasbench201`?"]),
    ("    dead_edges: removed", "    numbering: nasbench201", ["13:16 wrong-value: `nasbench201` numbers 15,625 cells, not 3^3; leave it out, or override it by `numbering: \"\"`"]),
    ("    dead_edges: removed", "    numbering: [1]", ["13:16 wrong-value: there is no numbering `[1]`; known: nasbench201"]),
    ("    nodes: 3\n", "    nodes: 1\n", ["7:12 wrong-value: `nodes` must be a whole number from 2 to 12; node 0 is the input, the last one the output"]),
    ("    nodes: 3\n", "", ["6:3 wrong-value: `nodes` must be a whole number from 2 to 12; node 0 is the input, the last one the output"]),
    ("    nodes: 3\n", "    nodes: true\n", ["7:12 wrong-value: `nodes` must be a whole number from 2 to 12; node 0 is the input, the last one the output"]),
    ("    nodes: 3\n", "    nodes: 13\n", ["7:12 wrong-value: `nodes` must be a whole number from 2 to 12; node 0 is the input, the last one the output"]),
    ("[[0, 1], [0, 2], [1, 2]]", "[[0, 1], [0, 2, 1], [1, 2]]", ["8:21 wrong-type: an edge is two nodes; for example `[0, 1]`"]),
    ("[[0, 1], [0, 2], [1, 2]]", "[[0, 1], [2, 0], [1, 2]]", ["8:21 bad-edge: an edge from node 2 to 0; nodes go up from 0 to 2"]),
    ("[[0, 1], [0, 2], [1, 2]]", "[[0, 1], [1, 3], [1, 2]]", ["8:21 bad-edge: an edge from node 1 to 3; nodes go up from 0 to 2"]),
    ("[[0, 1], [0, 2], [1, 2]]", "[[0, 1], [0, 1], [1, 2]]", ["8:21 bad-edge: the edge 0 to 1 is given twice"]),
    ("[[0, 1], [0, 2], [1, 2]]", "[[0, 2], [1, 2]]", ["8:12 bad-edge: no edge leads to node 1; add `[0, 1]`"]),
    ("[[0, 1], [0, 2], [1, 2]]", "all", ["8:12 wrong-type: an edge is two nodes; for example `[0, 1]`"]),
    ("[[0, 1], [0, 2], [1, 2]]", "[]", ["8:12 bad-edge: no edge leads to node 1; add `[0, 1]`", "8:12 bad-edge: no edge leads to node 2; add `[0, 2]`"]),
    ("[[0, 1], [0, 2], [1, 2]]", "[[0, 1], [0, 1.5], [1, 2]]", ["8:21 wrong-type: an edge is two nodes; for example `[0, 1]`"]),
    ("      none: zero\n      skip: identity\n      conv: [relu, {conv: {filters: channels}}]\n", "      none\n", ["10:7 missing-key: a cell needs `operators`; for example `operators: {none: zero, skip: identity, conv: [conv: {filters: channels}]}`"]),
    ("    operators:\n      none: zero\n      skip: identity\n      conv: [relu, {conv: {filters: channels}}]\n", "", ["6:3 missing-key: a cell needs `operators`; for example `operators: {none: zero, skip: identity, conv: [conv: {filters: channels}]}`"]),
    ("none: zero", "no-ne: zero", ["10:7 bad-option: the operator `no-ne` is not a word; use letters, digits, `_` and `.`"]),
    ("skip: identity", "skip: identical", ["11:13 wrong-type: an operator is a word or a list of blocks; `zero` (no connection), `identity`, or for example `[relu, {conv: {filters: channels}}]`"]),
    ("skip: identity", "skip: []", ["11:13 wrong-type: an operator is a word or a list of blocks; `zero` (no connection), `identity`, or for example `[relu, {conv: {filters: channels}}]`"]),
    ("skip: identity", "skip: {relu: }", ["11:13 wrong-type: an operator is a word or a list of blocks; `zero` (no connection), `identity`, or for example `[relu, {conv: {filters: channels}}]`"]),
    ("filters: channels", "filters: M", ["12:37 unknown-name: unknown name `M` in `M`; known: channels"]),
    ("filters: channels", "filters: channel", ["12:37 unknown-name: unknown name `channel` in `channel`; did you mean `channels`?"]),
    ("filters: channels", "filtres: channels", ["12:28 unknown-key: `conv` has no parameter `filtres`; did you mean `filters`?"]),
    ("{conv: {filters: channels}}", "{conv: {filters: channels}, repeat: 2}", ["12:20 bad-operator: an operator is a plain list of blocks; write the block once for each time it runs, with the data type of the space"]),
    ("{conv: {filters: channels}}", "{conv: {filters: channels}, dtype: int8}", ["12:20 bad-operator: an operator is a plain list of blocks; write the block once for each time it runs, with the data type of the space"]),
    ("{conv: {filters: channels}}", "{blocks: [relu]}", ["12:20 bad-operator: an operator is a plain list of blocks; write the block once for each time it runs, with the data type of the space"]),
    ("{conv: {filters: channels}}", "{cell: cell}", ["12:20 bad-operator: a cell within a cell; write the blocks"]),
    ("{conv: {filters: channels}}", "cnv", ["12:20 unknown-block: unknown block `cnv`; did you mean `conv` or `conv1d` or `ds_conv`?"]),
    ("  - cell: cell\n    repeat: 2\n", "  - cell: cel\n", ["16:11 unknown-cell: there is no cell `cel`; did you mean `cell`?"]),
    ("  - cell: cell\n    repeat: 2\n", "  - cell: [cell]\n", ["16:11 unknown-cell: there is no cell `['cell']`; did you mean `cell`?"]),
    ("    repeat: 2", "    repeats: 2", ["17:5 unknown-key: unknown key `repeats` beside `cell`; did you mean `repeat`?"]),
    ("    repeat: 2", "    numbered: 2", ["17:15 wrong-type: `numbered` must be `true` or `false`"]),
    ("    repeat: 2", "    dtype: int8", ["17:5 unknown-key: unknown key `dtype` beside `cell`; known: cell, numbered, repeat"]),
    ("    repeat: 2", "    bias: true", ["17:5 unknown-key: unknown key `bias` beside `cell`; known: cell, numbered, repeat"]),
    ("  - cell: cell\n    repeat: 2\n", "", ["6:3 unused-cell: the cell `cell` is never used; use it in the network, or remove it"]),
    ("  - cell: cell\n    repeat: 2\n", "  - linear: {units: 3}\n  - cell: cell\n", ["17:11 wrong-rank: `cell` takes an image, but its input is a vector (3x1x1); vectors go into `linear`"]),
    ("cells:\n  cell:", "cells:\n  other: 3\n  cell:", ["6:10 wrong-type: a cell is a mapping of keys; for example `nodes: 4` and `operators: {none: zero, skip: identity}`"]),
    ("cells:\n  cell:", "cells:\n  other: {nodes: 2, operators: {a: zero}}\n  cell:", ["6:3 unused-cell: the cell `other` is never used; use it in the network, or remove it"]),
    ("{conv: {filters: channels}}", "{linear: {units: 3}}", ["12:13 bad-operator: `linear` gives a vector; an operator turns an image into an image, or a series into a series"]),
]  # fmt: skip

CONSTRAINTS = [
    ('cell == "conv"', ["19:5 no-index: `cell` in `cell == \"conv\"` stands for many decisions; write cell[1], cell[i] or sum(cell)"]),
    ('cell[1] == conv', ["19:5 unknown-name: unknown name `conv` in `cell[1] == conv`; write an option that is a word in quotes: `\"conv\"`"]),
    ('cell[4] == "conv"', ["19:5 no-such-index: `cell[4] == \"conv\"` applies to no network of the space; its indices are outside every variant"]),
    ('cel[1] == "conv"', ["19:5 unknown-name: unknown name `cel` in `cel[1] == \"conv\"`; did you mean `cell`?"]),
    ('cell[1] >= 2', ['19:5 wrong-type: `cell` is a choice of words, and `2` is a number; write `cell[1] == "none"`']),
    ('sum(cell) <= 3', ["19:5 wrong-type: cannot compute `sum(cell) <= 3` from values of these types; a tuple has `first(x)` and `last(x)`; text only compares"]),
]  # fmt: skip


def test_the_base_is_right() -> None:
    assert compile_space(read_space(BASE)).size == 2 * 3**3


@pytest.mark.parametrize(("old", "new", "expected"), CELLS)
def test_mistake(old: str, new: str, expected: list[str]) -> None:
    assert BASE.count(old) == 1
    assert complaints(BASE.replace(old, new)) == expected


@pytest.mark.parametrize(("constraint", "expected"), CONSTRAINTS)
def test_constraint(constraint: str, expected: list[str]) -> None:
    assert complaints(f"{BASE}constraints:\n  - '{constraint}'\n") == expected


@pytest.mark.parametrize(
    ("constraint", "size"),
    [
        ('cell[1] == "conv"', 2 * 9),
        ('"none" != cell[2]', 2 * 18),
        ("cell[i] != cell[i+1]", 2 * 12),
        ("cell[1] == cell[-1]", 2 * 9),
        ('channels[2] == 4 or cell[1] == "none"', 27 + 9),
    ],
)
def test_constraints_on_edges(constraint: str, size: int) -> None:
    from solvers.base import solve

    program = compile_space(read_space(f"{BASE}constraints:\n  - '{constraint}'\n"))
    assert solve(program).size == size


def test_blocks_for_different_inputs() -> None:
    """The cell takes what all its blocks take: here images alone, so that no cell may mix in a block for series."""
    operator = "[relu, {conv: {filters: channels}}]"
    assert complaints(BASE.replace(operator, "[{conv: {filters: channels}}, {conv1d: {filters: channels}}]")) == [
        "12:13 bad-operator: these blocks take different inputs; an operator turns an image into an image, or a series into a series"
    ]
    assert complaints(BASE.replace(operator, "[{conv1d: {filters: channels}}]")) == [
        "16:11 wrong-rank: `cell` takes a series, but its input is an image (2x8x8); put a `flatten` or a global pooling before it"
    ]


def test_a_numbering_goes_with_its_cells() -> None:
    text = BASE.replace("dead_edges: removed", 'numbering: ""')
    assert compile_space(read_space(text)).size == 2 * 3**3
