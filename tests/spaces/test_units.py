"""Quantities: exact values, exact messages, and round trips through the formatters."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces.errors import UnitError
from spaces.units import (
    COUNT_UNITS,
    HZ_UNITS,
    TIME_UNITS,
    UNITS,
    format_bytes,
    format_count,
    format_hz,
    format_time_ns,
    parse_bytes,
    parse_count,
    parse_hz,
    parse_time_ns,
)

PARSERS: list[Callable[..., int]] = [parse_bytes, parse_count, parse_time_ns, parse_hz]
EVERY_UNIT = [
    (parse, unit, factor)
    for parse, units in zip(PARSERS, (UNITS, COUNT_UNITS, TIME_UNITS, HZ_UNITS), strict=True)
    for unit, factor in units.items()
]


def complaint(parse: Callable[..., int], value: object) -> tuple[str, str, str]:
    with pytest.raises(UnitError) as caught:
        parse(value)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hint


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("262144", 262_144),
        (262_144, 262_144),
        (1e6, 1_000_000),
        ("1e6", 1_000_000),
        ("262144 B", 262_144),
        ("256KiB", 262_144),
        ("256 KiB", 262_144),
        (" 256  KiB ", 262_144),
        ("256kB", 256_000),
        ("1 MB", 1_000_000),
        ("1MiB", 1_048_576),
        ("1.5 MiB", 1_572_864),
        (".5 KiB", 512),
        ("+1 B", 1),
        ("262_144", 262_144),
        ("262,144 B", 262_144),
        ("0.001 kB", 1),
    ],
)
def test_bytes(text: str | int | float, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    ("text", "count"),
    [("10M", 10**7), ("10 M", 10**7), ("2.5k", 2500), ("1G", 10**9), ("10_000_000", 10**7), ("1e6", 10**6), (7, 7)],
)
def test_counts(text: str | int, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "time_ns"), [("50 ms", 50_000_000), ("0.1 s", 100_000_000), ("250us", 250_000), ("0.001 us", 1)]
)
def test_times(text: str, time_ns: int) -> None:
    assert parse_time_ns(text) == time_ns


def test_floats_are_read_by_their_digits_not_by_their_binary_value() -> None:
    assert parse_bytes("0.1 MB") == 100_000
    assert parse_time_ns("0.3 us") == 300
    assert parse_count("4.35k") == 4350


@pytest.mark.parametrize(("parse", "unit", "factor"), EVERY_UNIT)
def test_every_unit_with_and_without_a_space(parse: Callable[..., int], unit: str, factor: int) -> None:
    assert parse(f"3{unit}") == parse(f"3 {unit}") == 3 * factor


@pytest.mark.parametrize("unit", ["KB", "K", "Kb", "kb", "k", "Kbyte", "kbytes"])
def test_ambiguous_kilobytes_name_the_two_choices(unit: str) -> None:
    assert complaint(parse_bytes, f"256 {unit}") == (
        "unit-ambiguous",
        f"`256 {unit}` is ambiguous: `{unit}` is 1,024 bytes in some data sheets and 1,000 in others",
        "write `256 KiB` (262,144 B) or `256 kB` (256,000 B)",
    )


@pytest.mark.parametrize("unit", ["M", "m", "Mb", "mb", "mB", "Mbyte"])
def test_ambiguous_megabytes_name_the_two_choices(unit: str) -> None:
    assert complaint(parse_bytes, f"1.5{unit}") == (
        "unit-ambiguous",
        f"`1.5{unit}` is ambiguous: `{unit}` is 1,048,576 bytes in some data sheets and 1,000,000 in others",
        "write `1.5 MiB` (1,572,864 B) or `1.5 MB` (1,500,000 B)",
    )


def test_an_ambiguous_size_proposes_only_whole_bytes() -> None:
    assert complaint(parse_bytes, "0.3 KB")[2] == "write `0.3 kB` (300 B)"
    assert complaint(parse_bytes, "0.0001 KB")[2] == "write for example `256 KiB`, `1 MB` or `262144`"


@pytest.mark.parametrize(
    ("parse", "text", "code", "message", "hint"),
    [
        (parse_bytes, "0.3 B", "unit-whole", "`0.3 B` is not a whole number of bytes", "the smallest is 1"),
        (parse_bytes, "1.5", "unit-whole", "`1.5` is not a whole number of bytes", "the nearest are 1 and 2"),
        (
            parse_bytes,
            "1 TB",
            "unit-unknown",
            "`1 TB` has an unknown unit `TB`",
            "the units are B, kB, KiB, MB, MiB, GB, GiB",
        ),
        (parse_bytes, "1 kib", "unit-unknown", "`1 kib` has an unknown unit `kib`", "write `KiB`"),
        (parse_bytes, "1,5 MB", "unit-number", "`1,5 MB` is not a number of bytes", None),
        (
            parse_bytes,
            "1,500 kB",
            "unit-comma",
            "`1,500 kB` has a comma",
            "write `1500 kB`, and `.` before decimals",
        ),
        (parse_count, "10K", "unit-unknown", "`10K` has an unknown unit `K`", "write `k`"),
        (parse_count, "10 MB", "unit-unknown", "`10 MB` has an unknown unit `MB`", "the units are k, M, G"),
        (parse_count, "0.5", "unit-whole", "`0.5` is not a whole number", "the smallest is 1"),
        (parse_time_ns, "50", "unit-missing", "`50` has no unit", "write for example `50 ms`, `0.1 s` or `250 us`"),
        (parse_time_ns, "5 µs", "unit-unknown", "`5 µs` has an unknown unit `µs`", "write `us`"),
        (parse_hz, "80 mhz", "unit-unknown", "`80 mhz` has an unknown unit `mhz`", "write `MHz`"),
    ],
)
def test_exact_messages(parse: Callable[..., int], text: str, code: str, message: str, hint: str | None) -> None:
    expected = hint or "write for example `256 KiB`, `1 MB` or `262144`"
    assert complaint(parse, text) == (code, message, expected)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "unit-empty"),
        ("   ", "unit-empty"),
        ("0", "unit-positive"),
        ("0.0", "unit-positive"),
        ("-5", "unit-positive"),
        (-5, "unit-positive"),
        ("nan", "unit-number"),
        (float("nan"), "unit-number"),
        ("inf", "unit-number"),
        (float("-inf"), "unit-number"),
        (10**30, "unit-range"),
        ("1e999999999", "unit-range"),
        ("1e-999999999", "unit-whole"),
        ("٢٥٦", "unit-number"),
        ("２５６", "unit-number"),
        ("1__0", "unit-number"),
        ("1_", "unit-number"),
        ("1.2.3", "unit-number"),
        (".", "unit-number"),
        ("5 5", "unit-number"),
        ("five", "unit-number"),
        ("9" * 5000, "unit-number"),
        (True, "unit-number"),
        (None, "unit-number"),
        (["1"], "unit-number"),
    ],
)
def test_nonsense_has_a_stable_code_and_a_remedy(parse: Callable[..., int], value: object, code: str) -> None:
    found, message, hint = complaint(parse, value)
    assert (found, bool(hint)) == (code, True)
    assert len(message) < 120


def test_numbers_too_large_for_64_bits_are_refused_whatever_the_unit() -> None:
    assert parse_bytes(str(2**63 - 1)) == 2**63 - 1
    assert complaint(parse_bytes, str(2**63))[0] == "unit-range"
    assert complaint(parse_bytes, "9223372036854775807 MiB")[0] == "unit-range"
    assert complaint(parse_bytes, 10**30)[1] == "a number of 100 bits is too large for a number of bytes"


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (1000, "1,000 B (1 kB)"),
        (1024, "1,024 B (1 KiB)"),
        (262_144, "262,144 B (256 KiB)"),
        (1_000_000, "1,000,000 B (1 MB)"),
        (1_048_576, "1,048,576 B (1 MiB)"),
        (241_920, "241,920 B"),
        (256_000, "256,000 B (256 kB)"),
        (-2048, "-2,048 B (-2 KiB)"),
    ],
)
def test_format_bytes(size: int, text: str) -> None:
    assert format_bytes(size) == text


def test_format_others() -> None:
    assert [format_count(n) for n in (10_000_000, 19_136_512, 2_500, 0)] == [
        "10,000,000 (10M)",
        "19,136,512",
        "2,500",
        "0",
    ]
    assert [format_time_ns(n) for n in (1, 1_500, 50_000_000, 2_000_000_000)] == ["0.001 us", "1.5 us", "50 ms", "2 s"]
    assert [format_hz(n) for n in (1, 32_768, 100_000_000)] == ["1 Hz", "32.768 kHz", "100 MHz"]


sizes = st.integers(1, 2**63 - 1)


@given(sizes | st.integers(1, 2**33).map(lambda n: n * 1024) | st.integers(1, 2**33).map(lambda n: n * 1000))
def test_bytes_round_trip_in_both_spellings(size: int) -> None:
    exact, _, whole = format_bytes(size).partition(" (")
    assert parse_bytes(exact) == size
    assert not whole or parse_bytes(whole.rstrip(")").replace(",", "")) == size


@given(sizes | st.integers(1, 2**30).map(lambda n: n * 10**6))
def test_counts_round_trip_in_both_spellings(count: int) -> None:
    exact, _, whole = format_count(count).partition(" (")
    assert parse_count(exact) == count
    assert not whole or parse_count(whole.rstrip(")").replace(",", "")) == count


@given(sizes)
def test_times_and_rates_round_trip(number: int) -> None:
    assert parse_time_ns(format_time_ns(number)) == number
    assert parse_hz(format_hz(number)) == number


@given(st.integers(0, 10**9), st.integers(0, 9), st.sampled_from(EVERY_UNIT))
def test_parsing_is_exact_or_refused(number: int, digits: int, unit: tuple[Callable[..., int], str, int]) -> None:
    parse, name, factor = unit
    text = (
        f"{number // 10**digits}.{str(number % 10**digits).rjust(digits, '0')} {name}" if digits else f"{number} {name}"
    )
    exact = Fraction(number, 10**digits) * factor
    if exact > 0 and exact.denominator == 1:
        assert parse(text) == exact
    else:
        assert complaint(parse, text)[0] == ("unit-whole" if exact else "unit-positive")


@given(st.text(max_size=80), st.sampled_from(PARSERS))
def test_any_text_is_a_positive_number_or_a_unit_error(text: str, parse: Callable[..., int]) -> None:
    number, codes = 0, []
    try:
        number = parse(text)
    except UnitError as error:
        codes = [d.code for d in error.diagnostics if d.hint]
    assert number > 0 or (len(codes) == 1 and codes[0].startswith("unit-"))
