"""Constraints: however one is enforced, it keeps exactly the networks for which Python finds it true."""
# ruff: noqa: E501

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.errors import ExpressionError
from spaces.language.expressions import parse
from spaces.language.reader import read_space
from spaces.language.space import DERIVED
from spaces.program.breakdown import breakdown, totals
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.compile import compile_space
from spaces.program.constraints import Condition, EntropyLimit, Linear, RamLimit, Relation, classify, ground
from spaces.program.graph import Chain, Program
from spaces.program.terms import derived
from spaces.program.variants import unroll
from tests.exact_python import Many, instances
from tests.strategies import possible_rows, small_spaces

Row = tuple[int, ...]


def names_of(candidate: Candidate) -> dict[str, Any]:
    """What a constraint may speak of, for one network."""
    layers = breakdown(candidate)
    sides = derived(layers)
    variant = candidate.variant
    found: dict[str, Any] = {**totals(candidate), **variant.constants, "depth": variant.depth}
    for name, choice in candidate.program.space.choices.items():
        chosen = [candidate.values[d.label] for d in variant.decisions if d.choice == name]
        if choice.cell:
            # The edges of a cell are indexed like the uses of a choice.
            found[choice.cell] = Many([candidate.values[d.label] for d in variant.decisions if d.choice == choice.cell])
        elif choice.shared is not True:
            found[name] = Many(chosen)
        elif name not in found and chosen:
            found[name] = chosen[0]
    numbers = [t.number for t in layers if t.number]
    found |= {name: Many([sides[f"{name}[{k}]"] for k in numbers]) for name in DERIVED}
    return found


@dataclass
class Network:
    """A network of a program without constraints, and what a constraint may say of it."""

    key: tuple[int, Row]
    names: dict[str, Any]
    largest: int

    def speaks_of(self, constraint: str) -> bool:
        """Whether any of its instances applies here."""
        return bool(list(instances(constraint, self.names, self.largest)))

    def satisfies(self, constraints: list[str]) -> bool:
        """Whether Python finds them all true."""
        return all(all(instances(c, self.names, self.largest)) for c in constraints)


@lru_cache(maxsize=2)
def networks(text: str) -> list[Network]:
    """All networks of a space, whatever its constraints."""
    program = compile_space(read_space(text, overrides=["constraints=[]"]))
    return [
        Network((v, tuple(row.tolist())), names_of(candidate_of(program, v, row)), max(len(row), chain.variant.depth))
        for v, chain in enumerate(program.chains)
        for row in possible_rows(program, v)
    ]


def enforced(program: Program) -> set[tuple[int, Row]]:
    """The networks that a program's transitions, limits and residual relations leave."""
    kept = set()
    for v, chain in enumerate(program.chains):
        rows = possible_rows(program, v)
        rows = rows[within(program, v, chain, rows)] if len(rows) else rows
        for row in rows:
            candidate = candidate_of(program, v, row)
            names = {**candidate.values, **candidate.costs, **derived(breakdown(candidate))}
            if all(relation.holds(names) for relation in chain.residual):
                kept.add((v, tuple(row.tolist())))
    return kept


def within(program: Program, v: int, chain: Chain, rows: np.ndarray) -> np.ndarray:
    states = chain.states(rows)
    fits = np.ones(len(rows), np.bool_)
    for limit in chain.limits:
        terms = [c[states[:, t], rows[:, t]] for t, c in enumerate(limit.columns)]
        fits &= sum(terms, np.zeros(len(rows), np.int64)) <= limit.bound
    if chain.ram_limit is not None:
        fits &= program.costs(v, rows)["ram"] <= chain.ram_limit
    return fits


def plain_text(constraint: str) -> str:
    """As Python reads it: without units."""
    return constraint.replace("KiB", "* 1024").replace("0.1 kB", "100")


def check(text: str, free: str) -> None:
    space = read_space(text)
    constraints = [plain_text(c.text) for c in space.constraints]
    program, code = None, ""
    try:
        program = compile_space(space)
    except ExpressionError as error:
        code = error.diagnostics[0].code
    if program is None:
        assert code == "no-such-index"
        assert any(all(not n.speaks_of(c) for n in networks(free)) for c in constraints)
        return
    assert enforced(program) == {n.key for n in networks(free) if n.satisfies(constraints)}


@given(small_spaces(max_size=300))
def test_random_spaces(text: str) -> None:
    check(text, text)


SPACE = """\
space: s
input: {channels: 3, height: 7, width: 5}
dtype: int8
choices:
  M: [1, 2, 5]
  F: [0.25, 1.5]
  S: {options: [2, 3], shared: true}
  L: {options: [1, 2], shared: true}
network:
  - conv: {filters: M, stride: 2, kernel: 2}
  - conv: {filters: ceil(F * 4)}
  - conv: {filters: M * S, padding: valid, kernel: 2}
    repeat: L
constraints:
"""
FREE = f"{SPACE}  []\n"
NUMBERS = [
    "0", "1", "2", "3", "7", "0.5", "1.25", "M[1]", "M[2]", "M[-1]", "M[i]", "M[i+1]", "M[i-2]", "sum(M)", "F[1]", "S", "L", "i",
    "depth", "channels[1]", "channels[i]", "height[2]", "max(channels)", "min(M, S)", "sum(F, S)", "sum(height)",
    "rom", "params", "macs", "flops", "ram", "M[depth - 1]", "0.1 kB", "width[i+1]",
]  # fmt: skip


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*"]), inner),
        st.builds(
            "({} {} {})".format, inner, st.sampled_from(["*", "/", "//", "%"]), st.sampled_from(["2", "3", "0.5"])
        ),
        st.builds("(-{})".format, inner),
        st.builds("{}({}, {})".format, st.sampled_from(["sum", "min", "max"]), inner, inner),
        st.builds("abs({})".format, inner),
    )


VALUES = st.recursive(st.sampled_from(NUMBERS), _grow, max_leaves=4)
COMPARISONS = st.sampled_from(["<=", "<", ">=", ">", "==", "!="])
SIMPLE = st.builds("{} {} {}".format, VALUES, COMPARISONS, VALUES)
CONDITIONS = st.one_of(
    SIMPLE,
    SIMPLE,
    st.builds("{} <= {} < {}".format, VALUES, VALUES, VALUES),
    st.builds("{} {} {}".format, SIMPLE, st.sampled_from(["and", "or"]), SIMPLE),
    st.builds("not ({})".format, SIMPLE),
)


def free_position(condition: str) -> bool:
    """`i` outside of every index is refused."""
    return re.search(r"\bi\b", condition) is not None and "[i" not in condition


@given(st.lists(CONDITIONS.filter(lambda c: not free_position(c)), min_size=1, max_size=2))
def test_random_constraints(constraints: list[str]) -> None:
    check(SPACE + "".join(f"  - {c}\n" for c in constraints), FREE)


@pytest.mark.parametrize(
    "constraint",
    [
        "M[1] * 0.5 + F[1] / 3 <= 1",
        "-M[1] >= -2 * S",
        "rom / 3 < 41.5",
        "rom - macs == 0 or rom < 100",
        "2 * rom + 0.25 * params > sum(M) * 20",
        "rom == params",
        "sum(M) * (1 + 2) - M[1] <= 7",
        "ram <= 0.1 KiB",
        "90 >= ram",
        "ram == 105",
        "ram + rom <= 200",
        "M[1] <= 5 and 1 <= M[2] <= 2 and rom <= 100",
        "M[i] <= M[i+1] and channels[i] >= 2",
        "M[1] - M[1] <= 0",
        "0 * rom <= -1",
        "sum(M, F, S) <= 8.5",
        "sum(M[1:2]) <= 5",
        "sum(M[2:], channels[1]) <= 7",
        "max(M[i:i+1]) >= 2",
        "sum(M[:-2]) == 2",
        "min(M[-2:-1]) >= 2",
        "sum(M[1:depth - 1]) >= 4",
        "sum(M[i:depth - 1]) >= 4",
        "M[1] in [1, 5]",
        "M[i] not in [1] and F[1] in [0.25, 3]",
        "rom in [50, 60, 80] or M[1] in [2]",
        "M[2] < 0 and M[1] // (M[1] - 2) >= 0",
        "M[1] == 2 or M[1] // (M[1] - 2) >= 0",
        "M[1] != 2 and 1 / (M[1] - 2) >= 0 and rom // (M[1] - 2) >= 5",
        "entropy >= 40.5",
    ],
)
def test_constraint(constraint: str) -> None:
    check(f"{SPACE}  - {constraint}\n", FREE)


@given(st.data())
def test_the_entropy_is_compared_to_the_last_digit(data: st.DataObject) -> None:
    attained = sorted({n.names["entropy"] for n in networks(FREE)})
    value = data.draw(st.sampled_from(attained))
    text = data.draw(
        st.sampled_from(
            [
                "entropy >= {}",
                "entropy > {}",
                "{} >= entropy",
                "{} > entropy",
                "entropy == {}",
                "{} < entropy <= {} + 9",
                "{} <= entropy and rom >= 40",
                "entropy >= {} * depth / L",
            ]
        )
    )
    check(f"{SPACE}  - {text.replace('{}', repr(value))}\n", FREE)


# -- how each kind is enforced ---------------------------------------------------------------------------------------------


def kinds(constraint: str, count: int = 3) -> Iterator[Condition]:
    text = f"space: s\ninput: {{channels: 1}}\nchoices: {{M: {{start: 1, stop: 9}}, F: [0.25, 0.1]}}\nnetwork:\n  - linear: {{units: M}}\n    repeat: {count}\n  - linear: {{units: ceil(F)}}\n"
    (variant,) = unroll(read_space(text))
    expression = parse(constraint)
    for tree in ground(expression, variant):
        yield from classify(tree, expression, variant)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("sum(M) <= 12", [({"M[1]": 1, "M[2]": 1, "M[3]": 1}, 12)]),
        ("sum(M) < 12", [({"M[1]": 1, "M[2]": 1, "M[3]": 1}, 11)]),
        ("sum(M) >= 12", [({"M[1]": -1, "M[2]": -1, "M[3]": -1}, -12)]),
        ("sum(M) > 12", [({"M[1]": -1, "M[2]": -1, "M[3]": -1}, -13)]),
        ("sum(M) == 12", [({"M[1]": 1, "M[2]": 1, "M[3]": 1}, 12), ({"M[1]": -1, "M[2]": -1, "M[3]": -1}, -12)]),
        ("rom <= 0.5", [({"rom": 1}, 0)]),
        ("rom < 2", [({"rom": 1}, 1)]),
        ("10 * rom < 105", [({"rom": 1}, 10)]),
        ("rom <= 0.3 * 101", [({"rom": 1}, 30)]),
        ("-2 * rom <= -5", [({"rom": -1}, -3)]),
        ("2 * rom - 3 * M[1] <= 5", [({"rom": 2, "M[1]": -3}, 5)]),
        ("rom / 2 <= 2.5 + macs / 3", [({"rom": 3, "macs": -2}, 15)]),
        ("rom + F[1] <= 5", [({"rom": 20, "F[1]": 20}, 100)]),
        ("rom <= rom", [({}, 0)]),
        ("1 <= rom <= 5", [({"rom": -1}, -1), ({"rom": 1}, 5)]),
        ("M[1] == M[1]", None),
        ("M[1] + M[2] <= 9", [({"M[1]": 1, "M[2]": 1}, 9)]),
    ],
)
def test_linear_limits(constraint: str, expected: list[tuple[dict[str, int], int]] | None) -> None:
    found = list(kinds(constraint))
    if expected is None:
        assert [type(f) for f in found] == [Relation]
    else:
        assert [(dict(f.coefficients), f.bound) for f in found if isinstance(f, Linear)] == expected


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("ram <= 200", [RamLimit(200, "ram <= 200")]),
        ("ram < 200", [RamLimit(199, "ram < 200")]),
        ("ram <= 200.5", [RamLimit(200, "ram <= 200.5")]),
        ("ram < 200.5", [RamLimit(200, "ram < 200.5")]),
        ("1 KiB > ram", [RamLimit(1023, "1 KiB > ram")]),
        ("3 > 2", []),
        ("3 < 2", [Linear({}, -1, "3 < 2")]),
        ("depth == 4", []),
        ("entropy >= 9.5", [EntropyLimit(">=", 9.5, "entropy >= 9.5")]),
        ("4 * depth > entropy", [EntropyLimit("<", 16.0, "4 * depth > entropy")]),
        ("entropy == 1/3", [EntropyLimit("<=", 1 / 3, "entropy == 1/3"), EntropyLimit(">=", 1 / 3, "entropy == 1/3")]),
    ],
)
def test_ram_and_constants(constraint: str, expected: list[object]) -> None:
    assert list(kinds(constraint)) == expected


@pytest.mark.parametrize(
    ("constraint", "count", "residual"),
    [
        ("M[1] % 2 == 1", 3, False),
        ("M[1] * M[2] <= 9", 3, False),
        ("max(M) <= 5", 3, False),
        ("max(M) <= 5", 4, True),
        ("ram >= 10", 3, True),
        ("ram <= rom", 3, True),
        ("rom * rom <= 100", 3, True),
        ("rom != 3", 3, True),
        ("height[1] * width[1] <= 8", 3, False),
    ],
)
def test_relations(constraint: str, count: int, residual: bool) -> None:
    (found,) = kinds(constraint, count)
    assert isinstance(found, Relation)
    assert found.residual == residual


def test_an_instance_per_valid_position() -> None:
    assert [sorted(labels) for labels in _labels("M[i] >= M[i+1]")] == [["M[1]", "M[2]"], ["M[2]", "M[3]"]]
    assert [sorted(labels) for labels in _labels("M[i-2] < M[i]")] == [["M[1]", "M[3]"]]
    assert [sorted(labels) for labels in _labels("max(M[i:i+1]) < 4")] == [["M[1]", "M[2]"], ["M[2]", "M[3]"]]
    assert [sorted(labels) for labels in _labels("max(M[-2:]) < 4")] == [["M[2]", "M[3]"]]
    assert [sorted(labels) for labels in _labels("max(M[:9]) < 4")] == []
    assert [sorted(labels) for labels in _labels("M[2] > 3 and 9 // M[1] > 1")] == [["M[2]"], ["M[1]"]]
    assert [sorted(labels) for labels in _labels("M[2] > 3 and 9 // (M[1] - 3) > 1")] == [["M[2]"], ["M[1]", "M[2]"]]
    assert [sorted(labels) for labels in _labels("M[2] > 3 and 9 // height[1] > 1")] == [["M[2]"], ["height[1]"]]
    assert [sorted(labels) for labels in _labels("M[2] > 3 and 9 // rom > 1")] == [["M[2]"], ["M[2]", "rom"]]
    assert [sorted(labels) for labels in _labels("M[-2] == 3")] == [["M[2]"]]
    assert [sorted(labels) for labels in _labels("M[depth] == 3 or channels[depth] == 4")] == []
    assert [sorted(labels) for labels in _labels("channels[i] < height[i+3]")] == [["channels[1]", "height[4]"]]


def _labels(constraint: str) -> list[set[str]]:
    from spaces.program.constraints import labels

    return [
        labels(found.tree) if isinstance(found, Relation) else {*found.coefficients}
        for found in kinds(constraint)
        if not isinstance(found, RamLimit | EntropyLimit)
    ]


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ("M[0.5] >= 1", "the index of `M` is not a whole number"),
        ("M[i / 2] >= 1", "the index of `M` is not a whole number"),
        ("M[1 // 0] >= 1", "a division by zero"),
        ("M[F] >= 1", "`F` in the index of `M` differs from network to network"),
        ("1 % 0 == 1", "a division by zero"),
    ],
)
def test_bad_indices(constraint: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        list(kinds(constraint))


def test_fractions_stay_exact() -> None:
    (limit,) = kinds("sum(M) / 3 <= 0.1 * rom")
    assert isinstance(limit, Linear)
    assert limit.coefficients["M[1]"] * Fraction(-3, 10) == limit.coefficients["rom"]
