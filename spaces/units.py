"""Quantities as people write them: bytes, counts, times, energies and clock rates, read exactly.

`KiB`, `MiB` and `GiB` are powers of 1024, `kB`, `MB` and `GB` powers of 1000. `KB`, `K` and their kin are refused,
since data sheets use them for both, and the difference decides whether a network fits. Numbers go through `Fraction`,
so nothing is ever rounded: a quantity is a whole number of its smallest unit, or an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from spaces.errors import UnitError

__all__ = [
    "COUNT_UNITS",
    "ENERGY_UNITS",
    "FORMATS",
    "HZ_UNITS",
    "TIME_UNITS",
    "UNITS",
    "format_bytes",
    "format_count",
    "format_energy_nj",
    "format_hz",
    "format_time_ns",
    "parse_bytes",
    "parse_count",
    "parse_energy_nj",
    "parse_hz",
    "parse_time_ns",
]

UNITS: dict[str, int] = {"B": 1, "kB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2, "GB": 1000**3, "GiB": 1024**3}
"""Byte units, in bytes."""

TIME_UNITS: dict[str, int] = {"us": 1000, "ms": 1000**2, "s": 1000**3}
"""Time units, in nanoseconds."""

ENERGY_UNITS: dict[str, int] = {"uJ": 1000, "mJ": 1000**2, "J": 1000**3}
"""Energy units, in nanojoules."""

COUNT_UNITS: dict[str, int] = {"k": 1000, "M": 1000**2, "G": 1000**3}
"""Suffixes of counts (MACs, FLOPs, parameters)."""

HZ_UNITS: dict[str, int] = {"Hz": 1, "kHz": 1000, "MHz": 1000**2, "GHz": 1000**3}
"""Clock units, in hertz."""

_LARGEST = 2**63 - 1
_MAX_CHARS = 60
#: The sign of micro, and the Greek letter.
_MICRO = ("\u00b5", "\u03bc")
_SHAPE = re.compile(r"(?P<number>[+-]?[0-9._,]*(?:[eE][+-]?[0-9]+)?)[ ]*(?P<unit>[^\s0-9]\S*)?")
# Digits in groups of three (`262,144`) are what our own reports print, so they must read back.
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# What data sheets write for either 1024 or 1000, lower case, and the two readings.
_AMBIGUOUS = {
    **dict.fromkeys(("k", "kb", "kbyte", "kbytes"), ("KiB", "kB")),
    **dict.fromkeys(("m", "mb", "mbyte", "mbytes"), ("MiB", "MB")),
    **dict.fromkeys(("g", "gb", "gbyte", "gbytes"), ("GiB", "GB")),
}


@dataclass(frozen=True)
class _Kind:
    """What is being read: its noun, its units, the unit of a bare number (None: a unit is needed), an example."""

    noun: str
    units: Mapping[str, int]
    bare: int | None
    of_what: str
    example: str

    def fail(self, code: str, message: str, hint: str = "") -> UnitError:
        return UnitError.of(f"unit-{code}", message, hint or f"write for example {self.example}")


_BYTES = _Kind("a number of bytes", UNITS, 1, " of bytes", "`256 KiB`, `1 MB` or `262144`")
_COUNT = _Kind("a count", COUNT_UNITS, 1, "", "`10M`, `2.5k` or `10_000_000`")
_TIME = _Kind("a time", TIME_UNITS, None, " of nanoseconds", "`50 ms`, `0.1 s` or `250 us`")
_ENERGY = _Kind("an energy", ENERGY_UNITS, None, " of nanojoules", "`5 mJ`, `0.1 J` or `250 uJ`")
_HZ = _Kind("a clock rate", HZ_UNITS, None, " of hertz", "`100 MHz`")


def parse_bytes(text: str | int | float) -> int:
    """Read a memory size.

    Args:
        text: a number and a unit of `UNITS` (`256 KiB`, `1MB`), or a bare number of bytes.

    Returns:
        Bytes, at least 1.

    Raises:
        UnitError: not a number, an ambiguous or unknown unit, not positive, or not a whole number of bytes.

    Example:
        >>> parse_bytes("256 KiB"), parse_bytes("1MB"), parse_bytes("0.5 KiB"), parse_bytes(4096)
        (262144, 1000000, 512, 4096)
        >>> parse_bytes("256KB")
        Traceback (most recent call last):
        spaces.errors.UnitError: `256KB` is ambiguous: `KB` is 1,024 bytes in some data sheets and 1,000 in others ...
          write `256 KiB` (262,144 B) or `256 kB` (256,000 B)
    """
    return _parse(text, _BYTES)


def parse_count(text: str | int | float) -> int:
    """Read a number of MACs, FLOPs or parameters; `k`, `M` and `G` are powers of 1000.

    Raises:
        UnitError: not a number, an unknown suffix, not positive, or not whole.

    Example:
        >>> parse_count("10M"), parse_count("2.5k"), parse_count("10_000_000"), parse_count("1e6"), parse_count(7)
        (10000000, 2500, 10000000, 1000000, 7)
    """
    return _parse(text, _COUNT)


def parse_time_ns(text: str | int | float) -> int:
    """Read a time with a unit of `TIME_UNITS`.

    Returns:
        Nanoseconds, at least 1.

    Raises:
        UnitError: not a number, no unit or an unknown one, not positive, or not a whole number of nanoseconds.

    Example:
        >>> parse_time_ns("50 ms"), parse_time_ns("0.1s"), parse_time_ns("2.5 us")
        (50000000, 100000000, 2500)
    """
    return _parse(text, _TIME)


def parse_energy_nj(text: str | int | float) -> int:
    """Read an energy with a unit of `ENERGY_UNITS`.

    Returns:
        Nanojoules, at least 1.

    Raises:
        UnitError: not a number, no unit or an unknown one, not positive, or not a whole number of nanojoules.

    Example:
        >>> parse_energy_nj("5 mJ"), parse_energy_nj("0.1J"), parse_energy_nj("2.5 uJ")
        (5000000, 100000000, 2500)
    """
    return _parse(text, _ENERGY)


def parse_hz(text: str | int | float) -> int:
    """Read a clock rate with a unit of `HZ_UNITS`, in hertz.

    Raises:
        UnitError: not a number, no unit or an unknown one, not positive, or not a whole number of hertz.

    Example:
        >>> parse_hz("100 MHz")
        100000000
    """
    return _parse(text, _HZ)


def format_bytes(size: int) -> str:
    """A size in bytes, with the unit that divides it without a remainder.

    Example:
        >>> format_bytes(262_144), format_bytes(1_000_000), format_bytes(241_920)
        ('262,144 B (256 KiB)', '1,000,000 B (1 MB)', '241,920 B')
    """
    return f"{size:,} B" + _in_whole(size, ("MiB", "MB", "kB", "KiB"), UNITS, " ")


def format_count(count: int) -> str:
    """A count, with the suffix that divides it without a remainder.

    Example:
        >>> format_count(10_000_000), format_count(19_136_512)
        ('10,000,000 (10M)', '19,136,512')
    """
    return f"{count:,}" + _in_whole(count, ("G", "M", "k"), COUNT_UNITS, "")


def format_time_ns(time_ns: int) -> str:
    """A time in the largest unit that is not larger than it, exactly.

    Example:
        >>> format_time_ns(50_000_000), format_time_ns(1_500), format_time_ns(2_000_000_000)
        ('50 ms', '1.5 us', '2 s')
    """
    return _in_largest(time_ns, TIME_UNITS)


def format_energy_nj(energy_nj: int) -> str:
    """An energy in the largest unit that is not larger than it, exactly.

    Example:
        >>> format_energy_nj(5_000_000), format_energy_nj(1_500)
        ('5 mJ', '1.5 uJ')
    """
    return _in_largest(energy_nj, ENERGY_UNITS)


#: How costs are written that are measured in a unit, each read back by its parser.
FORMATS: Mapping[str, Callable[[int], str]] = {"latency": format_time_ns, "energy": format_energy_nj}


def format_hz(rate: int) -> str:
    """A clock rate in the largest unit that is not larger than it, exactly.

    Example:
        >>> format_hz(100_000_000), format_hz(32_768)
        ('100 MHz', '32.768 kHz')
    """
    return _in_largest(rate, HZ_UNITS)


def _parse(value: str | int | float, kind: _Kind) -> int:
    text = _text(value, kind)
    match = _SHAPE.fullmatch(text)
    if match is None or not _NUMBER.fullmatch(match["number"]):
        raise kind.fail("number", f"`{text}` is not {kind.noun}")
    unit = match["unit"] or ""
    number = _number(match["number"], text, kind)
    if number <= 0:
        raise kind.fail("positive", f"`{text}` is not above zero")
    factor = _factor(number, unit, text, kind)
    if "," in match["number"] and unit not in ("", "B"):
        # `1,500 kB` is 1.5 kB to half of Europe; with whole bytes there is no such doubt.
        raise kind.fail("comma", f"`{text}` has a comma", f"write `{_plain(number)} {unit}`, and `.` before decimals")
    return _whole(number * factor, text, kind)


def _text(value: str | int | float, kind: _Kind) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise kind.fail("number", f"`{str(value)[:30]}` is not {kind.noun}")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise kind.fail("range", f"a number of {value.bit_length()} bits is too large for {kind.noun}")
    text = str(value).strip()
    if not text:
        raise kind.fail("empty", f"the text is empty where {kind.noun} belongs")
    if len(text) > _MAX_CHARS:
        raise kind.fail("number", f"a text of {len(text):,} characters (`{text[:20]}...`) is not {kind.noun}")
    if not text.isascii() and text[-2:-1] not in _MICRO:
        raise kind.fail("number", f"`{text}` has a character that is not ASCII")
    return text


def _number(number_text: str, text: str, kind: _Kind) -> Fraction:
    number = Decimal(number_text.replace(",", "").replace("_", ""))
    # A huge exponent must not become a huge integer.
    if number and number.adjusted() > 30:
        raise kind.fail("range", f"`{text}` is too large for {kind.noun}")
    if number and number.adjusted() < -30:
        raise kind.fail("whole", f"`{text}` is not a whole number{kind.of_what}")
    return Fraction(number)


def _factor(number: Fraction, unit: str, text: str, kind: _Kind) -> int:
    if unit in kind.units:
        return kind.units[unit]
    if not unit:
        if kind.bare is not None:
            return kind.bare
        raise kind.fail("missing", f"`{text}` has no unit")
    if kind is _BYTES and unit.lower() in _AMBIGUOUS:
        raise _ambiguous(number, unit, text)
    raise kind.fail("unknown", f"`{text}` has an unknown unit `{unit}`", _right_unit(unit, kind))


def _ambiguous(number: Fraction, unit: str, text: str) -> UnitError:
    readings = []
    for reading in _AMBIGUOUS[unit.lower()]:
        size = number * UNITS[reading]
        # Only a whole number of bytes is worth proposing: `0.3 K` cannot be 307.2 bytes.
        if size.denominator == 1:
            readings.append(f"`{_plain(number)} {reading}` ({int(size):,} B)")
    binary, decimal = (UNITS[reading] for reading in _AMBIGUOUS[unit.lower()])
    message = f"`{text}` is ambiguous: `{unit}` is {binary:,} bytes in some data sheets and {decimal:,} in others"
    return _BYTES.fail("ambiguous", message, "write " + " or ".join(readings) if readings else "")


def _right_unit(unit: str, kind: _Kind) -> str:
    if unit[:1] in _MICRO:
        unit = "u" + unit[1:]
    by_lower = {known.lower(): known for known in kind.units}
    right = by_lower.get(unit.lower())
    return f"write `{right}`" if right else f"the units are {', '.join(kind.units)}"


def _whole(number: Fraction, text: str, kind: _Kind) -> int:
    below = int(number)
    if number != below:
        hint = f"the nearest are {below:,} and {below + 1:,}" if below else "the smallest is 1"
        raise kind.fail("whole", f"`{text}` is not a whole number{kind.of_what}", hint)
    if below > _LARGEST:
        raise kind.fail("range", f"`{text}` is too large for {kind.noun}")
    return below


def _in_whole(number: int, order: tuple[str, ...], units: Mapping[str, int], space: str) -> str:
    for unit in order:
        if number and number % units[unit] == 0:
            return f" ({number // units[unit]:,}{space}{unit})"
    return ""


def _in_largest(number: int, units: Mapping[str, int]) -> str:
    fitting = [unit for unit, factor in units.items() if abs(number) >= factor] or list(units)[:1]
    return f"{_plain(Fraction(number, units[fitting[-1]]))} {fitting[-1]}"


def _plain(number: Fraction) -> str:
    """All digits of a number whose decimal expansion ends, without an exponent."""
    sign, number, digits = "-" if number < 0 else "", abs(number), 0
    while (number * 10**digits).denominator != 1:
        digits += 1
    text = str(int(number * 10**digits)).rjust(digits + 1, "0")
    return sign + (f"{text[:-digits]}.{text[-digits:]}" if digits else text)
