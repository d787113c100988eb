"""The file form of a latency profile: its reader and its writer.

name: my_board
dtype: int8                  # of the operators: int8, int16, float16 or float32
core: Cortex-M33             # optional, as are clock, source, unit, network, default, table, error
clock: 128 MHz
source: own measurements
unit: ns                     # or `cycles` of the clock, or `instructions`
network: 57_672_183          # per network, besides its operators
kinds:                       # per multiply-accumulate, per output element, per operator
  conv: {mac: 42.6}
  add: {output: 1852, op: 300}
default: {op: 500}           # of kinds not named; without it they are an error
table:                       # measured operators, looked up first; input-window-output
  conv: {1x49x10-10x4s2x2-84x25x5: 17_200_000}
error: {median: 0.5, p90: 1.4, spearman: 0.99, rows: 110, how: 10-fold cross-validation}

In place of `kinds`, `default` and `table` a profile of the C that `nascompile deploy` writes has

loops:                       # per iteration of each loop of each kernel; see `spaces.operators.kernel.CFunction`
  add: {call: 27, element: 71}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from spaces.costs.latency import UNITS, LatencyError, LatencyProfile, StatedError, Terms, Unit
from spaces.errors import Diagnostic, SpaceError, Span, UnitError, did_you_mean
from spaces.files import write_atomically
from spaces.language.source import Path_, Source, read_yaml
from spaces.operators import LOOPS
from spaces.tensors import DTYPES
from spaces.units import format_hz, parse_hz

__all__ = ["check_name", "profile_text", "read_profile", "write_profile"]

_REQUIRED = {"name": "name: my_board", "dtype": "dtype: int8"}
_KINDS = ("kinds", "default", "table")
_MODEL = (*_KINDS, "loops")
_KEYS = (*_REQUIRED, "core", "clock", "source", "unit", "network", *_MODEL, "error")
_TERMS = ("mac", "output", "op")
_ERROR = {"median": "in percent", "p90": "in percent", "spearman": "between -1 and 1", "rows": "a whole number"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+@-]{0,59}")
_NAME_HINT = "at most 60 letters, digits, spaces and `.`, `_`, `+`, `-`, the first a letter or digit"
#: Nanoseconds of a day; a larger number is a slip of the unit.
_LARGEST = 86_400 * 10**9


def read_profile(text: str, file: str) -> LatencyProfile:
    """Read the text of a profile file.

    Args:
        text: YAML.
        file: the name in error messages.

    Raises:
        LatencyError: every mistake found, each with its place.

    Example:
        >>> profile = read_profile("name: mine\\ndtype: int8\\nkinds: {conv: {mac: 42.5}}\\n", "mine.yaml")
        >>> profile.op_ns("conv", macs=2, outputs=1)
        85
    """
    try:
        source = read_yaml(text, file)
    except SpaceError as error:
        raise LatencyError(error.diagnostics) from None
    if not isinstance(source.data, dict):
        hint = f"for example `{_REQUIRED['name']}`"
        raise LatencyError(Diagnostic("wrong-type", "a latency profile is a mapping of keys", source.span(), hint))
    reader = _Reader(source)
    profile = reader.profile()
    if reader.mistakes:
        raise LatencyError(sorted(reader.mistakes, key=lambda d: (d.span.line, d.span.column) if d.span else (0, 0)))
    return profile


class _Reader:
    """Reads one profile, collecting every mistake; a method that found one returns an empty value."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.data: dict[str, Any] = source.data
        self.mistakes: list[Diagnostic] = []

    def fail(self, code: str, message: str, path: Path_, hint: str, key: bool = False) -> None:
        self.mistakes.append(Diagnostic(code, message, self.span(path, key), hint))

    def span(self, path: Path_, key: bool = False) -> Span:
        """The place of a value, or of its key; a value that is left empty has no place, so its key stands for it."""
        value: Any = self.data
        for part in path:
            value = value[part]
        return self.source.span(path, key=key or value is None)

    def profile(self) -> LatencyProfile:
        self.check_keys()
        return LatencyProfile(
            name=self.name(),
            dtype=self.word("dtype", tuple(DTYPES)),
            core=self.text("core"),
            clock_hz=self.clock(),
            source=self.text("source"),
            unit=self.unit(),
            network=self.number(("network",)) if "network" in self.data else Fraction(0),
            kinds={kind: self.terms(("kinds", kind)) for kind in self.mapping("kinds", "{conv: {mac: 42.6}}")},
            default=self.terms(("default",)) if "default" in self.data else None,
            table=self.table(),
            error=self.error() if "error" in self.data else None,
            loops=self.loops(),
        )

    def check_keys(self) -> None:
        self.known((), _KEYS)
        for key, example in _REQUIRED.items():
            if key not in self.data:
                self.fail("missing-key", f"the key `{key}` is missing", (), f"add for example `{example}`")
        if not any(self.data.get(key) for key in _MODEL) and "default" not in self.data:
            hint = "add for example `kinds: {conv: {mac: 42.6}}`"
            self.fail("missing-key", "the profile says nothing about operators", (), hint)

    def known(self, path: Path_, keys: tuple[str, ...]) -> None:
        for key in self.at(path):
            if key not in keys:
                self.fail("unknown-key", f"unknown key `{key}`", (*path, key), did_you_mean(key, keys), key=True)

    def at(self, path: Path_) -> Any:
        value: Any = self.data
        for part in path:
            value = value[part]
        return value

    def text(self, key: str) -> str:
        value = self.data.get(key, "")
        if isinstance(value, str) and (value.strip() or key not in self.data):
            return value.strip()
        hint = "put it in quotes" if isinstance(value, bool | int | float) else "write a word"
        self.fail("wrong-type", f"`{key}` must be text, not {_show(value)}", (key,), hint)
        return ""

    def name(self) -> str:
        name = self.text("name")
        if name and not _NAME.fullmatch(name):
            self.fail("wrong-name", f"{_show(name)} is not a name", ("name",), _NAME_HINT)
        return name

    def word(self, key: str, words: tuple[str, ...]) -> str:
        word = self.text(key)
        if word and word not in words:
            self.fail("wrong-value", f"`{key}` cannot be {_show(word)}", (key,), did_you_mean(word, words))
        return word

    def clock(self) -> int:
        value = self.data.get("clock")
        if "clock" not in self.data:
            return 0
        try:
            return parse_hz("" if value is None else value)
        except UnitError as error:
            self.mistakes += (replace(d, span=self.span(("clock",))) for d in error.diagnostics)
            return 1

    def unit(self) -> Unit:
        word = self.word("unit", UNITS) if "unit" in self.data else "ns"
        known: dict[str, Unit] = {unit: unit for unit in UNITS}
        unit = known.get(word, "ns")
        if unit == "cycles" and "clock" not in self.data:
            self.fail("missing-key", "cycles need a `clock`", ("unit",), "add for example `clock: 128 MHz`")
            return "ns"
        return unit

    def mapping(self, key: str, example: str) -> dict[str, Any]:
        value = self.data.get(key, {})
        if isinstance(value, dict):
            return value
        self.fail("wrong-type", f"`{key}` must be a mapping, not {_show(value)}", (key,), f"for example `{example}`")
        return {}

    def terms(self, path: Path_) -> Terms:
        value = self.at(path)
        if not isinstance(value, dict):
            message = f"`{path[-1]}` must give terms, not {_show(value)}"
            self.fail("wrong-type", message, path, "for example `{mac: 42.6, output: 10, op: 500}`")
            return Terms()
        self.known(path, _TERMS)
        return Terms(**{term: self.number((*path, term)) for term in _TERMS if term in value})

    def table(self) -> dict[str, dict[str, Fraction | int]]:
        out: dict[str, dict[str, Fraction | int]] = {}
        for kind, rows in self.mapping("table", "{conv: {1x49x10-10x4s2x2-84x25x5: 17_200_000}}").items():
            if not isinstance(rows, dict):
                hint = "for example `{1x49x10-10x4s2x2-84x25x5: 17_200_000}`"
                self.fail("wrong-type", f"`{kind}` must map shapes to times, not {_show(rows)}", ("table", kind), hint)
                continue
            out[kind] = {shape: self.number(("table", kind, shape)) for shape in rows}
        return out

    def loops(self) -> dict[str, dict[str, Fraction]]:
        out: dict[str, dict[str, Fraction]] = {}
        kernels = LOOPS.get(str(self.data.get("dtype")), {})
        found = self.mapping("loops", "{add: {call: 27, element: 71}}")
        others = [key for key in _KINDS if key in self.data]
        if found and others:
            hint = "a profile is of the kernels of `nascompile deploy`, or of operators"
            self.fail("mixed-model", f"`loops` beside `{others[0]}`", ("loops",), hint, key=True)
        for kernel, each in found.items():
            path = ("loops", kernel)
            if kernel not in kernels:
                self.fail("unknown-key", f"unknown kernel `{kernel}`", path, did_you_mean(kernel, kernels), key=True)
            elif not isinstance(each, dict):
                hint = "for example `{call: 27, element: 71}`"
                self.fail("wrong-type", f"`{kernel}` must map loops to amounts, not {_show(each)}", path, hint)
            else:
                self.known(path, kernels[kernel])
                out[kernel] = {loop: self.number((*path, loop)) for loop in each}
        return out

    def number(self, path: Path_) -> Fraction:
        """A time that is not negative: a YAML number, taken as the decimal digits that stand there."""
        value = self.at(path)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail("wrong-type", f"`{path[-1]}` must be a number, not {_show(value)}", path, "for example `42.6`")
            return Fraction(0)
        if value < 0 or value > _LARGEST:
            what = "is negative" if value < 0 else "is more than a day"
            self.fail("wrong-value", f"`{path[-1]}`: {value} {what}", path, "a time lies between 0 and a day")
            return Fraction(0)
        return Fraction(repr(value))

    def error(self) -> StatedError | None:
        value = self.data["error"]
        if not isinstance(value, dict):
            hint = "for example `{median: 0.5, p90: 1.4, spearman: 0.99, rows: 110}`"
            self.fail("wrong-type", f"`error` must be a mapping, not {_show(value)}", ("error",), hint)
            return None
        self.known(("error",), (*_ERROR, "how"))
        found = {key: self.figure(key, value, what) for key, what in _ERROR.items()}
        how = value.get("how", "")
        if not isinstance(how, str):
            self.fail("wrong-type", f"`how` must be text, not {_show(how)}", ("error", "how"), "put it in quotes")
        return StatedError(found["median"], found["p90"], found["spearman"], int(found["rows"]), str(how).strip())

    def figure(self, key: str, value: Mapping[str, Any], what: str) -> float:
        if key not in value:
            self.fail("missing-key", f"`error` lacks `{key}`", ("error",), f"add it: {key} is {what}", key=True)
            return 0.0
        figure = value[key]
        wanted = int if key == "rows" else (int, float)
        least = -1 if key == "spearman" else 0
        if isinstance(figure, bool) or not isinstance(figure, wanted) or figure < least or _too_large(key, figure):
            self.fail("wrong-value", f"`{key}` cannot be {_show(figure)}", ("error", key), f"{key} is {what}")
            return 0.0
        return figure


def _too_large(key: str, figure: float) -> bool:
    return key == "spearman" and figure > 1


def _show(value: Any) -> str:
    text = "nothing" if value is None or value == "" else f"`{value}`"
    return text if len(text) <= 40 else text[:36] + "...`"


def check_name(name: str) -> None:
    """Refuse a name that no file could hold, or that of a profile taken at another clock (`m7@216MHz`).

    Raises:
        LatencyError: with the letters that a name is made of.
    """
    if not _NAME.fullmatch(name) or "@" in name:
        raise LatencyError(Diagnostic("wrong-name", f"{_show(name)} is not a name", None, _NAME_HINT))


def write_profile(profile: LatencyProfile, path: Path) -> None:
    """Write a profile file, whole or not at all.

    Raises:
        FileError: it cannot be written; what stood there before still does.
    """
    write_atomically(path, profile_text(profile).encode())


def profile_text(profile: LatencyProfile) -> str:
    """The profile as YAML; `read_profile` gives the same profile back.

    Example:
        >>> print(profile_text(LatencyProfile("mine", "int8", default=Terms(mac=Fraction("4.25")))), end="")
        name: mine
        dtype: int8
        unit: ns
        network: 0
        default: {mac: 4.25}
    """
    lines = [f"name: {_quoted(profile.name)}", f"dtype: {profile.dtype}"]
    lines += [f"core: {_quoted(profile.core)}"] if profile.core else []
    lines += [f"clock: {format_hz(profile.clock_hz)}"] if profile.clock_hz else []
    lines += [f"source: {_quoted(profile.source)}"] if profile.source else []
    lines += [f"unit: {profile.unit}", f"network: {_decimal(profile.network)}"]
    if profile.kinds:
        lines += ["kinds:", *(f"  {_quoted(kind)}: {_terms_text(terms)}" for kind, terms in profile.kinds.items())]
    lines += [f"default: {_terms_text(profile.default)}"] if profile.default else []
    lines += _table_lines(profile)
    if profile.loops:
        lines += ["loops:", *(f"  {kernel}: {_loops_text(each)}" for kernel, each in profile.loops.items())]
    lines += _error_lines(profile.error)
    return "\n".join(lines) + "\n"


def _table_lines(profile: LatencyProfile) -> list[str]:
    lines = ["table:"] if profile.table else []
    for kind, rows in profile.table.items():
        lines += [f"  {_quoted(kind)}:" + ("" if rows else " {}")]
        lines += [f"    {_quoted(shape)}: {_decimal(Fraction(time))}" for shape, time in rows.items()]
    return lines


def _error_lines(error: StatedError | None) -> list[str]:
    if error is None:
        return []
    figures = {"median": error.median, "p90": error.p90, "spearman": error.spearman, "rows": error.rows}
    lines = ["error:", *(f"  {key}: {value}" for key, value in figures.items())]
    return [*lines, f"  how: {_quoted(error.how)}"] if error.how else lines


def _terms_text(terms: Terms) -> str:
    return "{" + ", ".join(f"{t}: {_decimal(getattr(terms, t))}" for t in _TERMS if getattr(terms, t)) + "}"


def _loops_text(each: Mapping[str, Fraction]) -> str:
    return "{" + ", ".join(f"{loop}: {_decimal(amount)}" for loop, amount in each.items()) + "}"


def _decimal(number: Fraction) -> str:
    """All digits of a number that was read from decimal digits; 20 decimals of one that has no last digit."""
    digits = next((d for d in range(20) if (number * 10**d).denominator == 1), 20)
    text = str(round(number * 10**digits)).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text


_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def _quoted(text: str) -> str:
    """Text as a YAML scalar: bare where that is a word beyond doubt, in double quotes else."""
    if _WORD.fullmatch(text) and text.lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n"):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'
