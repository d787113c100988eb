"""Variants, decisions, and the text of candidates."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.errors import CandidateError, SpaceError
from spaces.language.layer import option_label
from spaces.language.reader import load_space, read_space
from spaces.program.candidate import Candidate, candidate_of, parse_candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Program
from spaces.program.variants import unroll
from tests.strategies import rows_of, small_spaces


def space_of(choices: str, network: str) -> str:
    return f"space: s\ninput: {{channels: 4, height: 8, width: 8}}\nchoices: {{{choices}}}\nnetwork:\n{network}"


def labels(text: str) -> list[tuple[str, list[str], int]]:
    return [(v.label, [d.label for d in v.decisions], v.depth) for v in unroll(read_space(text))]


def test_each_use_is_a_decision() -> None:
    text = space_of(
        "M: [1, 2], S: {options: [1, 2], shared: true}", "  - conv: {filters: M + S, kernel: M}\n    repeat: 2\n"
    )
    # Within one layer a choice is decided once: `first(K)` and `last(K)` must speak of the same option.
    assert labels(text) == [("", ["M[1]", "S", "M[2]"], 2)]


def test_decisions_of_a_layer_come_in_the_order_of_the_file() -> None:
    text = space_of("B: [1, 2], A: [3, 4]", "  - conv: {filters: A, kernel: B}\n  - conv: {filters: A}\n")
    assert labels(text) == [("", ["B[1]", "A[1]", "A[2]"], 2)]


def test_shared_by_a_group() -> None:
    group = "  - group: g\n    blocks:\n      - conv: {filters: G, kernel: M}\n        repeat: 2\n      - conv: {filters: G}\n    repeat: 2\n"
    nested = "  - group: g\n    blocks:\n      - conv: {filters: G}\n      - group: h\n        blocks: [conv: {filters: G}]\n"
    choices = "G: {options: [1, 2], shared: group}, M: [1, 3]"
    assert labels(space_of(choices, group + group)) == [
        ("", ["G[1]", "M[1]", "M[2]", "M[3]", "M[4]", "G[2]", "M[5]", "M[6]", "M[7]", "M[8]"], 12)
    ]
    assert labels(space_of("G: {options: [1, 2], shared: group}", nested)) == [("", ["G[1]", "G[2]"], 2)]


def test_repeats_make_variants() -> None:
    network = (
        "  - conv: {filters: M}\n    repeat: [1, 2]\n  - pointwise: {filters: M}\n    repeat: {start: 1, stop: 3}\n"
    )
    found = labels(space_of("M: [1, 2]", network))
    # Depths 2, 3, 4, 3, 4, 5 do not tell the variants apart, so the repeats do.
    assert [(label, depth) for label, _, depth in found] == [
        ("1.1", 2), ("1.2", 3), ("1.3", 4), ("2.1", 3), ("2.2", 4), ("2.3", 5),
    ]  # fmt: skip


def test_a_shared_choice_ties_repeats_together() -> None:
    network = "  - conv: {filters: M}\n    repeat: L\n  - pointwise: {filters: L}\n    repeat: 4 - L\n  - conv: {filters: M}\n    repeat: L\n"
    text = space_of("M: [1, 2], L: {start: 1, stop: 3, shared: true}", network)
    assert labels(text) == [
        ("5", ["M[1]", "M[2]"], 5),
        ("6", ["M[1]", "M[2]", "M[3]", "M[4]"], 6),
        ("7", ["M[1]", "M[2]", "M[3]", "M[4]", "M[5]", "M[6]"], 7),
    ]
    assert [v.constants for v in unroll(read_space(text))] == [{"L": 1}, {"L": 2}, {"L": 3}]


@pytest.mark.parametrize(
    ("network", "numbers"),
    [
        ("  - conv: {filters: 2}\n  - max_pool\n  - flatten\n  - linear: {units: 3}\n", [1, 2, None, 3]),
        (
            "  - conv: {filters: 2}\n  - global_avg_pool\n  - linear: {units: 3}\n  - linear: {units: 3}\n",
            [1, None, None, None],
        ),
        ("  - global_max_pool\n  - linear: {units: 3}\n    numbered: true\n  - flatten\n    \n", [None, 1, None]),
        (
            "  - conv: {filters: 2}\n    numbered: false\n  - conv: {filters: 2}\n  - flatten:\n    numbered: true\n",
            [None, 1, 2],
        ),
    ],
)
def test_numbered_layers(network: str, numbers: list[int | None]) -> None:
    (variant,) = unroll(read_space(space_of("", network)))
    assert [layer.number for layer in variant.layers] == numbers


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("  - conv: {filters: M}\n    repeat: {start: 1, stop: 200}\n  - conv: {filters: 1}\n    repeat: {start: 1, stop: 200}\n",
         "too-many-variants: the repeats make 40,000 variants; at most 10,000 are allowed; share a repeat by a shared choice"),
        ("  - conv: {filters: M}\n    repeat: 1000\n  - conv: {filters: 1}\n",
         "too-many-layers: a network of more than 1,000 layers; lower the repeats"),
        ("  - conv: {filters: M}\n    repeat: L - 2\n",
         "bad-repeat: `L - 2` gives a repeat of 0 for L = 2; a repeat is a whole number from 1 to 1000"),
        ("  - conv: {filters: M}\n    repeat: L / 4\n",
         "bad-repeat: `L / 4` gives a repeat of 0.5 for L = 2; a repeat is a whole number from 1 to 1000"),
    ],
)  # fmt: skip
def test_too_many(network: str, expected: str) -> None:
    choices = "M: [1, 2], L: {start: 2, stop: 4, shared: true}" if "L" in network else "M: [1, 2]"
    with pytest.raises(SpaceError) as caught:
        unroll(read_space(space_of(choices, network)))
    (d,) = caught.value.diagnostics
    assert f"{d.code}: {d.message}; {d.hint}" == expected


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (84, "84"), (Fraction(1, 4), "0.25"), (Fraction(1, 10**7), "0.0000001"), ((3, 2), "3x2"), ("relu", "relu"),
        (False, "false"), ((Fraction(1, 2), "a", True), "0.5xaxtrue"),
    ],
)  # fmt: skip
def test_labels_of_options(value: Any, label: str) -> None:
    assert option_label(value) == label


@cache
def dscnn() -> Program:
    return compile_space(load_space("dscnn"))


@pytest.mark.parametrize(
    "text",
    [
        "dscnn/6: 84-112-84-84-84-196",
        " dscnn / 6 : 84 - 112-84-84-84-196 ",
        "84-112-84-84-84-196",
        "/6: 84-112-84-84-84-196",
    ],
)
def test_a_candidate_is_read_leniently(text: str) -> None:
    candidate = parse_candidate(dscnn(), text)
    assert str(candidate) == "dscnn/6: 84-112-84-84-84-196"
    assert candidate["M"] == (84, 112, 84, 84, 84, 196)
    assert candidate.values["M[6]"] == 196
    with pytest.raises(KeyError):
        candidate["N"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "mlp2: 16-16",
            "`mlp2: 16-16` is a candidate of `mlp2`, not of `dscnn` [bad-candidate]\n  give it that space's file",
        ),
        ("dscnn/9: 84", "`dscnn` has no variant `9` [bad-candidate]\n  its variants are 6, 7, 8"),
        ("dscnn/6: 84-84", "`dscnn/6: 84-84` has 2 options [bad-candidate]\n  a network of this space has 6 of them"),
        ("84-84", "`84-84` has 2 options [bad-candidate]\n  a network of this space has 6 or 7 or 8 of them"),
        ("", "`` has 0 options [bad-candidate]\n  a network of this space has 6 or 7 or 8 of them"),
        (
            "dscnn/6: 84-112-84-84-84-197",
            "M[6] cannot be 197 [bad-candidate]\n  its options are 84, 112, 140, 168, 196, 224, 252, 280",
        ),
        (
            "dscnn/6: 84-112-84-84-84-",
            "M[6] cannot be empty [bad-candidate]\n  its options are 84, 112, 140, 168, 196, 224, 252, 280",
        ),
    ],
)
def test_what_is_no_candidate(text: str, message: str) -> None:
    with pytest.raises(CandidateError) as caught:
        parse_candidate(dscnn(), text)
    assert str(caught.value) == message


def test_which_variant() -> None:
    network = "  - conv: {filters: M}\n    repeat: [1, 2]\n  - pointwise: {filters: M}\n    repeat: [1, 2]\n"
    program = compile_space(read_space(space_of("M: [1, 2]", network)))
    with pytest.raises(
        CandidateError, match=r"`1-2-1` fits 2 variants .*\n  write `s/VARIANT: ...` with one of 1.2, 2.1"
    ):
        parse_candidate(program, "1-2-1")
    assert parse_candidate(program, "s/2.1: 1-2-1").position == 2
    assert parse_candidate(program, "1-2").position == 0


def test_a_network_that_cannot_be() -> None:
    text = space_of("K: [3, 9]", "  - conv: {filters: 2, kernel: K, padding: valid}\n")
    candidate = parse_candidate(compile_space(read_space(text)), "9")
    with pytest.raises(CandidateError, match="`s: 9` describes no network"):
        _ = candidate.costs


def test_candidates_are_values() -> None:
    a, b, c = (parse_candidate(dscnn(), f"84-84-84-84-84-{m}") for m in (84, 112, 84))
    assert (a == c, hash(a) == hash(c), a < b, len({a, b, c})) == (True, True, True, 2)


@given(small_spaces(constrained=False), st.data())
def test_the_text_of_a_candidate_reads_back(text: str, data: st.DataObject) -> None:
    program = compile_space(read_space(text))
    position = data.draw(st.integers(0, len(program.variants) - 1))
    candidate = candidate_of(program, position, data.draw(st.sampled_from(rows_of(program, position).tolist())))
    again: Candidate = parse_candidate(program, str(candidate))
    assert again == candidate
    assert again.values == candidate.values


@given(small_spaces(constrained=False))
def test_all_texts_differ(text: str) -> None:
    program = compile_space(read_space(text))
    lines = {str(candidate_of(program, v, row)) for v in range(len(program.variants)) for row in rows_of(program, v)}
    assert len(lines) == program.size == sum(chain.variant.size for chain in program.chains)
