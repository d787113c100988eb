"""Expressions: what parses, what it means, and everything that must be refused."""
# ruff: noqa: E501 - messages are easier to compare whole

from __future__ import annotations

from fractions import Fraction
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.errors import ExpressionError, Span
from spaces.language.expressions import Binary, FunctionCall, Index, Literal, Name, Slice, Unary, parse
from tests.exact_python import value_of


def complaint(text: str, **names: Any) -> str:
    with pytest.raises(ExpressionError) as caught:
        parse(text).evaluate(names)
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.code}: {diagnostic.message}; {diagnostic.hint}"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("M", Name("M")),
        ("M[i+1]", Index("M", Binary("+", Name("i"), Literal(1)))),
        ("M[-1]", Index("M", Literal(-1))),
        ("-M", Unary("-", Name("M"))),
        ("-3", Literal(-3)),
        ("not M", Unary("not", Name("M"))),
        ("0.1", Literal(Fraction(1, 10))),
        ("1e3", Literal(1000)),
        ("0.1000000000000000000001", Literal(Fraction("0.1000000000000000000001"))),
        ("0x10", Literal(16)),
        ("10_000", Literal(10_000)),
        ("true", Literal(1)),
        ("False", Literal(0)),
        ('"relu"', Literal("relu")),
        ("'200 KB'", Literal("200 KB")),
        ("2 * 3 * M", Binary("*", Literal(6), Name("M"))),
        ("1 <= M < 5", Binary("and", Binary("<=", Literal(1), Name("M")), Binary("<", Name("M"), Literal(5)))),
        ("M[1:3]", Slice("M", Literal(1), Literal(3))),
        ("M[i:]", Slice("M", Name("i"), None)),
        ("M[:-2]", Slice("M", None, Literal(-2))),
        ("M in [8]", Binary("==", Name("M"), Literal(8))),
        ("M in [8, 'a']", Binary("or", Binary("==", Name("M"), Literal(8)), Binary("==", Name("M"), Literal("a")))),
        ("M not in [1 KiB]", Unary("not", Binary("==", Name("M"), Literal(1024)))),
        ("1 < M in [2]", Binary("and", Binary("<", Literal(1), Name("M")), Binary("==", Name("M"), Literal(2)))),
        ("sum(M, 2)", FunctionCall("sum", (Name("M"), Literal(2)))),
        ("  M  ", Name("M")),
    ],
)
def test_trees(text: str, tree: object) -> None:
    assert parse(text).tree == tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ram <= 200 KiB", 204_800),
        ("ram <= 200KiB", 204_800),
        ("ram <= 1.5 MiB", 1_572_864),
        ("ram <= .5 kB", 500),
        ("rom <= 1 MB", 1_000_000),
        ("rom <= 1_000 B", 1000),
        ("macs <= 10M", 10_000_000),
        ("macs <= 2.5k", 2500),
        ("flops <= 1G", 10**9),
        ("x <= 50 ms", 50_000_000),
        ("x <= 250 us", 250_000),
        ("x <= 0.1 s", 100_000_000),
    ],
)
def test_units(text: str, value: int) -> None:
    tree = parse(text).tree
    assert isinstance(tree, Binary)
    assert tree.right == Literal(value)


def test_a_suffix_is_never_a_choice() -> None:
    assert parse("M <= 10M").tree == Binary("<=", Name("M"), Literal(10_000_000))
    assert parse("10*M").tree == Binary("*", Literal(10), Name("M"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ram <= 200 KB", "unit-ambiguous: `200 KB` is ambiguous: `KB` is 1,024 bytes in some data sheets and 1,000 in others; write `200 KiB` (204,800 B) or `200 kB` (200,000 B)"),
        ("rom <= 1M", "unit-ambiguous: `1M` is ambiguous: `M` is 1,048,576 bytes in some data sheets and 1,000,000 in others; write `1 MiB` (1,048,576 B) or `1 MB` (1,000,000 B)"),
        ("ram <= 256k", "unit-ambiguous: `256k` is ambiguous: `k` is 1,024 bytes in some data sheets and 1,000 in others; write `256 KiB` (262,144 B) or `256 kB` (256,000 B)"),
        ("macs <= 10 M", "unit-unknown: `10 M` is not a quantity; write `10M`; a product needs a `*`"),
        ("macs <= 10K", "unit-unknown: `10K` has an unknown unit `K`; write `k`"),
        ("ram <= 10 kib", "unit-unknown: `10 kib` has an unknown unit `kib`; write `KiB`"),
        ("ram <= 10 apples", "unit-unknown: `10 apples` has an unknown unit `apples`; the units are B, kB, KiB, MB, MiB, GB, GiB"),
        ("x <= 5 msec", "unit-unknown: `5 msec` has an unknown unit `msec`; the units are us, ms, s"),
        ("rom <= 1,000", "not-allowed: a comma is not allowed here; write large numbers as 10_000_000"),
    ],
)  # fmt: skip
def test_doubtful_units(text: str, expected: str) -> None:
    assert complaint(text) == expected


ALLOWED = "allowed: + - * / // %, comparisons, in [...], and, or, not, M[i], sum, min, max, abs, floor, ceil, round_to, first, last"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("M.__class__", "not-allowed: the attribute `.__class__` is not allowed; expressions have numbers, names and M[i]"),
        ("().__class__.__bases__", "not-allowed: the attribute `.__bases__` is not allowed; expressions have numbers, names and M[i]"),
        ("9**9**9", "not-allowed: the power operator `**` is not allowed; write the product out"),
        ("__import__('os')", "unknown-function: `__import__` is not a function of the language; known: abs, ceil, first, floor, last, max, min, round_to, sum"),
        ("roundto(M, 8)", "unknown-function: `roundto` is not a function of the language; did you mean `round_to`?"),
        ("M[1](2)", f"not-allowed: `M[1](2)` is not allowed in an expression; {ALLOWED}"),
        ("sum(*M)", f"not-allowed: `*M` is not allowed in an expression; {ALLOWED}"),
        ("min(M, key=3)", f"not-allowed: `min(M, key=3)` is not allowed in an expression; {ALLOWED}"),
        ("lambda: 1", f"not-allowed: `lambda: 1` is not allowed in an expression; {ALLOWED}"),
        ("[x for x in M]", f"not-allowed: `[x for x in M]` is not allowed in an expression; {ALLOWED}"),
        ("sum(x for x in M)", f"not-allowed: `(x for x in M)` is not allowed in an expression; {ALLOWED}"),
        ("f'{M}'", f"not-allowed: `f'{{M}}'` is not allowed in an expression; {ALLOWED}"),
        ("1 if M else 2", f"not-allowed: `1 if M else 2` is not allowed in an expression; {ALLOWED}"),
        ("(x := 3)", f"not-allowed: `x := 3` is not allowed in an expression; {ALLOWED}"),
        ("M in N", "no-list: `N` is no list of values; write for example `M in [8, 16]`"),
        ("M not in (8, 16)", "no-list: `(8, 16)` is no list of values; write for example `M in [8, 16]`"),
        ("M[1] in []", "no-list: `[]` is no list of values; write for example `M[1] in [8, 16]`"),
        ("1 < M in [8, 16] < 9", f"not-allowed: `[8, 16]` is not allowed in an expression; {ALLOWED}"),
        ("M in [8, *N]", f"not-allowed: `*N` is not allowed in an expression; {ALLOWED}"),
        ("M is N", f"not-allowed: `M is N` is not allowed in an expression; {ALLOWED}"),
        ("M & N", f"not-allowed: `M & N` is not allowed in an expression; {ALLOWED}"),
        ("1 << 99999999999", f"not-allowed: `1 << 99999999999` is not allowed in an expression; {ALLOWED}"),
        ("~M", f"not-allowed: `~M` is not allowed in an expression; {ALLOWED}"),
        ("{1: 2}", f"not-allowed: `{{1: 2}}` is not allowed in an expression; {ALLOWED}"),
        ("M[1:9:2]", f"not-allowed: `1:9:2` is not allowed in an expression; {ALLOWED}"),
        ("M[1:2, 3]", "not-allowed: a comma is not allowed here; write large numbers as 10_000_000"),
        ("M[1:2]", "wrong-type: cannot compute `M[1:2]` from values of these types; a tuple has `first(x)` and `last(x)`; text only compares"),
        ("M[1][2]", f"not-allowed: `M[1][2]` is not allowed in an expression; {ALLOWED}"),
        ("b'x'", f"not-allowed: `b'x'` is not allowed in an expression; {ALLOWED}"),
        ("1e999", f"not-allowed: `1e999` is not allowed in an expression; {ALLOWED}"),
        ("...", f"not-allowed: `...` is not allowed in an expression; {ALLOWED}"),
        ("None", f"not-allowed: `None` is not allowed in an expression; {ALLOWED}"),
        ("abs(1, 2)", "wrong-arguments: `abs` takes 1 argument, not 2; "),
        ("round_to(1)", "wrong-arguments: `round_to` takes 2 arguments, not 1; "),
        ("sum()", "wrong-arguments: `sum` takes at least 1 argument, not 0; "),
        ("M \u2264 3", "not-ascii: `M \u2264 3` has a character that is not ASCII; write <= >= != * -"),
        ("1" * 10_000, "expression-too-long: an expression of 10000 characters; at most 500 are allowed; split it into several constraints"),
        ("-" * 400 + "1 if " + "-" * 40 + "1 else 2", f"not-allowed: `{'-' * 60}` is not allowed in an expression; {ALLOWED}"),
        ("-" * 400 + "M", "expression-too-deep: an expression nested too deeply; simplify it"),
        ("1" + " + 1" * 100, "expression-too-deep: an expression nested too deeply; simplify it"),
    ],
)  # fmt: skip
def test_refused(text: str, expected: str) -> None:
    start = perf_counter()
    assert complaint(text) == expected
    assert perf_counter() - start < 1


@pytest.mark.parametrize(
    "text", ["", "M +", "M = 3", "import os", "M[", "1 2", "M; N", "(" * 240 + "1" + ")" * 240, "'", "\0", "M\nN"]
)
def test_syntax(text: str) -> None:
    assert complaint(text) == (
        f"expression-syntax: cannot read the expression `{text}`; "
        "for example `M[i] >= M[i+1]`, `sum(M) <= 1024`, `ram <= 200 KiB`"
    )


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1 // 0", "division-by-zero"),
        ("M % (3 - 3)", "division-by-zero"),
        ("1 / 0", "division-by-zero"),
        ("round_to(M, 0)", "division-by-zero"),
        ("'a' * 999999999999", "wrong-type"),
        ("'%999999999d' % 1", "wrong-type"),
        ("K * 999999999999", "wrong-type"),
        ("K + K", "wrong-type"),
        ("K + 1", "wrong-type"),
        ("-'a'", "wrong-type"),
        ("M < 'a'", "wrong-type"),
        ("first(M)", "wrong-type"),
        ("last('relu')", "wrong-type"),
        ("abs(K)", "wrong-type"),
        ("floor('a')", "wrong-type"),
    ],
)
def test_operands(text: str, code: str) -> None:
    start = perf_counter()
    assert complaint(text, M=4, K=(3, 2)).startswith(code)
    assert perf_counter() - start < 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("first(K) * last(K)", 6),
        ("A == 'relu'", True),
        ("A == K", False),
        ("F * 4", 1),
        ("M / 3", Fraction(4, 3)),
        ("-M // 3", -2),
        ("round_to(100 * F, 8)", 24),
        ("round_to(12, 8)", 16),
        ("round_to(1, 8)", 8),
        ("ceil(M * F + F)", 2),
        ("floor(-F)", -1),
        ("true == B", True),
        ("not B or M > 3", True),
        ("M == 4 and 'text'", True),
        ("M in [3, 4]", True),
        ("A in ['none', 'relu6']", False),
        ("A not in ['none', 'relu6']", True),
        ("M in [" + ", ".join(map(str, range(5, 100))) + "]", False),
        ("M < 0 and 1 // (M - 4) > 0", False),
        ("M > 0 or 1 // (M - 4) > 0", True),
    ],
)
def test_values(text: str, value: object) -> None:
    got = parse(text).evaluate({"K": (3, 2), "A": "relu", "F": Fraction(1, 4), "M": 4, "B": True})
    assert (got, type(got)) == (value, type(value))


def test_mistakes_point_into_the_line() -> None:
    line = "  - 'sum(M) <= N.bit'"
    with pytest.raises(ExpressionError) as caught:
        parse("sum(M) <= N.bit", Span("x.yaml", 7, 5, 17, line))
    assert str(caught.value) == (
        "x.yaml:7:16: the attribute `.bit` is not allowed [not-allowed]\n"
        "  7 |   - 'sum(M) <= N.bit'\n"
        "    |                ^^^^^\n"
        "  expressions have numbers, names and M[i]"
    )


NUMBERS = st.sampled_from(["0", "1", "2", "7", "0.5", "2.25", "10k", "A", "B", "C"])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["+", "-", "*", "/", "//", "%", "==", "!=", "<=", "<", ">=", ">", "and", "or"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operator, inner),
        st.builds("({} < {} <= {})".format, inner, inner, inner),
        st.builds("({} {} [{}, {}])".format, inner, st.sampled_from(["in", "not in"]), inner, inner),
        st.builds("(-{})".format, inner),
        st.builds("(not {})".format, inner),
        st.builds("{}({})".format, st.sampled_from(["abs", "floor", "ceil", "sum", "min"]), inner),
        st.builds("{}({}, {})".format, st.sampled_from(["sum", "min", "max"]), inner, inner),
        st.builds("round_to({}, {})".format, inner, st.sampled_from(["1", "2", "8", "0.5"])),
    )


@given(st.recursive(NUMBERS, _grow, max_leaves=12), st.tuples(*[st.fractions(0, 20, max_denominator=8)] * 3))
def test_means_what_python_means_by_it_on_fractions(text: str, values: tuple[Fraction, ...]) -> None:
    names = dict(zip("ABC", (int(v) if v.denominator == 1 else v for v in values), strict=True))
    plain_text = text.replace("10k", "10000")
    try:
        expected = value_of(plain_text, names)
    except ZeroDivisionError:
        assert complaint(text, **names).startswith("division-by-zero")
        return
    got = parse(text).evaluate(names)
    assert got == expected
    assert not isinstance(got, float)
    assert not (isinstance(got, Fraction) and got.denominator == 1)


@given(
    st.text(st.characters(max_codepoint=130), max_size=40)
    | st.text("M[i]+-*/%<>=!() .,'\"0123456789kMKiB\\", max_size=40)
)
def test_any_text_parses_or_is_refused(text: str) -> None:
    mistakes = 0
    try:
        parse(text)
    except ExpressionError as error:
        mistakes = len(error.diagnostics)
    assert mistakes in (0, 1)
