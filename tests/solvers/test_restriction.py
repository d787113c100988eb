"""Parts of a set by the options of its members, in Python and as words of the command line."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nascompile as nc
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.restriction import parse_conditions
from spaces.errors import CandidateError
from spaces.language.layer import option_label
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space

CELLS = """\
space: cells
input: {channels: 4, height: 4, width: 4}
choices: {M: [4, 8], W: {options: [0.5, 1], shared: true}, A: [relu, none]}
cells:
  left: {nodes: 3, operators: {none: zero, skip: identity, conv: [{conv: {filters: channels}}]}}
  right: {nodes: 2, operators: {skip: identity, pool: [{max_pool: {kernel: 3, stride: 1, padding: same}}]}}
network:
  - conv: {filters: M, activation: A}
  - cell: left
  - switch: kind
    cases: {one: [conv: {filters: 4 * W}], two: [cell: right, conv: {filters: 4 * W}]}
  - cell: left
    repeat: 2
"""


@pytest.fixture(scope="module")
def cells() -> FeasibleSet:
    return solve(compile_space(read_space(CELLS)))


def holds(candidate: Candidate, name: str, wanted: Any) -> bool:
    """Whether a network has these options, from its values by label."""
    values = {n: [v for label, v in candidate.values.items() if label.partition("[")[0] == n] for n in NAMES}
    allowed = wanted if isinstance(wanted, dict) else dict.fromkeys(range(1, len(values[name]) + 1), wanted)
    return all(
        use <= len(values[name]) and values[name][use - 1] in (some if isinstance(some, list) else [some])
        for use, some in allowed.items()
    )


NAMES = ("M", "W", "A", "left", "right", "kind")


@pytest.mark.parametrize(
    ("word", "condition"),
    [
        ("left[3]=skip", {"left": {3: "skip"}}),
        ("left[1]=none,conv", {"left": {1: ["none", "conv"]}}),
        ("left=skip", {"left": "skip"}),
        ("right[1]=pool", {"right": {1: "pool"}}),
        ("right = 'skip'", {"right": ["skip"]}),
        ("M=8", {"M": 8}),
        ("M[1]=4.0", {"M": {1: 4}}),
        ("W=.5", None),
        ("W=0.50", {"W": Fraction(1, 2)}),
        ("kind=two", {"kind": "two"}),
        ('A[ 1 ] = "none"', {"A": {1: "none"}}),
    ],
)
def test_a_condition_as_a_word_and_in_python(cells: FeasibleSet, word: str, condition: dict[str, Any] | None) -> None:
    if condition is None:
        with pytest.raises(CandidateError, match=r"W cannot be \.5"):
            cells.where(**parse_conditions([word]))
        return
    ((name, wanted),) = condition.items()
    expected = [str(c) for c in cells if holds(c, name, wanted)]
    assert 0 < len(expected) < len(cells)
    assert [str(c) for c in cells.where(**condition)] == expected
    assert [str(c) for c in cells.where(**parse_conditions([word]))] == expected


@given(st.data())
def test_words_of_conditions_all_hold(cells: FeasibleSet, data: st.DataObject) -> None:
    options = {"M[1]": ["4", "8"], "W": ["0.5", "1"], "A[1]": ["relu", "none"], "kind": ["one", "two"]}
    options |= {f"left[{k}]": ["none", "skip", "conv"] for k in (1, 2, 3)} | {"right[1]": ["skip", "pool"]}
    chosen = data.draw(st.lists(st.sampled_from(list(options)), unique=True, max_size=4))
    wanted = {n: data.draw(st.lists(st.sampled_from(options[n]), min_size=1, unique=True)) for n in chosen}
    part = cells.where(**parse_conditions(f"{name}={','.join(values)}" for name, values in wanted.items()))
    expected = [
        str(c) for c in cells if all(option_label(c.values.get(name, "")) in values for name, values in wanted.items())
    ]
    assert [str(c) for c in part] == expected


def test_variants_as_a_list() -> None:
    dscnn = nc.reduce("dscnn", mcu="ebs-small")
    part = dscnn.where(**parse_conditions(["variant=6, 8", "M[7]=84"]))
    assert list(part.counts.values()) == [0, 0, dscnn.where(8, M={7: 84}).size]
    assert part.description.endswith("where variant 6 or 8, M = {7: 84}")
    assert dscnn.where() == dscnn
    assert dscnn.where().description == dscnn.description


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["left[4]=skip"], "there is no left[4]", "left has edges 1 to 3"),
        (["left[0]=skip"], "there is no left[0]", "left has edges 1 to 3"),
        (["left[1]=skp"], "left[1] cannot be skp", "its options are none, skip, conv"),
        (["left[1]=skip,8"], "left[1] cannot be 8", "its options are none, skip, conv"),
        (["M[2]=8"], "there is no M[2]", "M has uses 1 to 1"),
        (["kind=three"], "kind cannot be three", "its options are one, two"),
        (["kind[1]=one"], "there is no kind[1]", "kind is decided once; write `kind` without an index"),
        (["lefft[1]=skip"], "there is no choice `lefft`", "did you mean `left`?"),
        (["variant=three"], "there is no variant `three`", "its variants are one, two"),
        (["variant[1]=one"], "there is no variant[1]", "uses of a choice, and edges of a cell, are counted from 1: M[1], cell[4]"),
        (["M[-1]=8"], "there is no M[-1]", "uses of a choice, and edges of a cell, are counted from 1: M[1], cell[4]"),
        ([f"M[{'9' * 5000}]=8"], f"there is no M[{'9' * 20}]", "uses of a choice, and edges of a cell, are counted from 1: M[1], cell[4]"),
        ([f"M={'9' * 5000}"], f"M cannot be {'9' * 40}", "its options are 4, 8"),
        (["M"], "`M` is no condition on members", "for example `M[1]=84,112`, `cell[4]=skip_connect` or `variant=7`"),
        (["M="], "`M=` is no condition on members", "for example `M[1]=84,112`, `cell[4]=skip_connect` or `variant=7`"),
        (["M==8"], "`M==8` is no condition on members", "for example `M[1]=84,112`, `cell[4]=skip_connect` or `variant=7`"),
        (["M[i]>=8"], "`M[i]>=8` is no condition on members", "for example `M[1]=84,112`, `cell[4]=skip_connect` or `variant=7`"),
        (["M=4,"], "`M=4,` is no condition on members", "for example `M[1]=84,112`, `cell[4]=skip_connect` or `variant=7`"),
        (["M[1]=4", "M[1]=8"], "`M[1]=8` restricts `M` a second time", "write the values in one, with commas: M[1]=84,112"),
        (["M=4", "M[1]=8"], "`M[1]=8` restricts `M` a second time", "write the values in one, with commas: M[1]=84,112"),
        (["M[1]=4", "M=8"], "`M=8` restricts `M` a second time", "write the values in one, with commas: M[1]=84,112"),
    ],
)  # fmt: skip
def test_conditions_that_the_space_cannot_have(cells: FeasibleSet, words: list[str], message: str, hint: str) -> None:
    with pytest.raises(CandidateError) as caught:
        cells.where(**parse_conditions(words))
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.message, diagnostic.hint) == (message, hint)
