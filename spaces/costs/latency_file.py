"""The file form of a latency profile: its reader and its writer.

name: my_board
dtype: int8                  # of the operators: int8, int16, float16 or float32
runtime: tflite-micro        # what ran them, and its version; optional, as are core, clock, source, unit, network,
version: "2.4"               # default, table, error, energy, boards (how many were measured) and guessed
core: Cortex-M33
clock: 128 MHz
source: own measurements
unit: ns                     # or `cycles` of the clock, or `estimated cycles`, or `instructions`
network: 57_672_183          # per network, besides its operators
kinds:                       # per multiply-accumulate, per output element, per operator
  conv: {mac: 42.6}
  add: {output: 1852, op: 300}
default: {op: 500}           # of kinds not named; without it they are an error
guessed: [default]           # kinds whose terms no measurement carries
table:                       # measured operators, looked up first; input-window-output
  conv: {1x49x10-10x4s2x2-84x25x5: 17_200_000}
error: {median: 0.5, p90: 1.4, spearman: 0.99, rows: 110, how: 10-fold cross-validation}
energy:                      # the same in nanojoules, where the power was measured, too
  network: 629_000
  kinds: {conv: {mac: 0.51}}
  error: {median: 0.6, p90: 2.6, spearman: 0.99, rows: 110}

In place of `kinds`, `default` and `table` a profile of the C that `nascompile deploy` writes has

loops:                       # per iteration of each loop of each kernel; see `spaces.operators.kernel.CFunction`
  add: {call: 27, element: 71}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema

from spaces.costs.energy import Energy
from spaces.costs.latency import UNITS, LatencyProfile, Unit
from spaces.costs.prices import LatencyError, OperatorPrices, StatedError, Terms
from spaces.files import write_atomically
from spaces.language.keys import KEY, DType, Keys, Mistake, placed, unknown_key, validate_keys
from spaces.language.source import read_yaml
from spaces.language.values import NAME, NAME_HINT, Clock, Text, among, mapping, named, show, text
from spaces.operators import C_FUNCTIONS, LOOPS
from spaces.operators.kernel import instruction_set
from spaces.tensors import DTYPES
from spaces.units import format_hz

__all__ = ["ProfileKeys", "check_name", "profile_text", "read_profile", "write_profile"]

_KINDS = ("kinds", "default", "table")
#: A name, or that of a profile taken at another clock (`m7@216MHz`).
_NAME = re.compile(NAME.pattern.replace("+", "+@"))
#: Nanoseconds of a day, or nanojoules of a full battery; a larger number is a slip of the unit.
_LARGEST = 86_400 * 10**9


def _number(value: Any) -> Fraction:
    """A time or an energy that is not negative: a YAML number, taken as the decimal digits that stand there."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mistake("wrong-type", f"`{KEY}` must be a number, not {show(value)}", "for example `42.6`")
    if value < 0 or value > _LARGEST:
        what = "is negative" if value < 0 else "is more than a day, or 86,400 J"
        hint = "a time lies between 0 and a day, an energy between 0 and 86,400 J"
        raise Mistake("wrong-value", f"`{KEY}`: {value} {what}", hint)
    return Fraction(repr(value))


def _figure(value: Any, info: ValidationInfo) -> float:
    key = str(info.field_name)
    wanted = int if key == "rows" else int | float
    least, most = (-1, 1) if key == "spearman" else (0, inf)
    if isinstance(value, bool) or not isinstance(value, wanted) or not least <= value <= most:
        hint = f"{key} is {ErrorKeys.model_fields[key].description}"
        raise Mistake("wrong-value", f"`{key}` cannot be {show(value)}", hint)
    return value


def _boards(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Mistake("wrong-value", f"`boards` cannot be {show(value)}", "boards is a whole number from 1")
    return value


def _guessed(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        hint = "for example `[avg_pool, default]`"
        raise Mistake("wrong-type", f"`guessed` must list kinds, not {show(value)}", hint)
    return value


_WORDS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_Number = Annotated[Fraction, PlainValidator(_number), WithJsonSchema({"type": "number", "minimum": 0})]
_Figure = Annotated[float, PlainValidator(_figure), WithJsonSchema({"type": "number"})]
_Rows = Annotated[dict[str, _Number], mapping("map shapes to times", "{1x49x10-10x4s2x2-84x25x5: 17_200_000}")]
_Loops = Annotated[dict[str, _Number], mapping("map loops to amounts", "{call: 27, element: 71}")]


class TermsKeys(Keys):
    """What an operator takes."""

    mac: _Number = Field(default_factory=Fraction, description="per multiply-accumulate")
    output: _Number = Field(default_factory=Fraction, description="per output element")
    op: _Number = Field(default_factory=Fraction, description="per operator")


_TERMS = tuple(TermsKeys.model_fields)
_GIVES = mapping("give terms", "{mac: 42.6, output: 10, op: 500}")


class ErrorKeys(Keys):
    """How wrong the profile is on what was held out of its fit."""

    median: _Figure = Field(description="in percent")
    p90: _Figure = Field(description="in percent")
    spearman: _Figure = Field(description="between -1 and 1")
    rows: Annotated[int, PlainValidator(_figure), WithJsonSchema({"type": "integer"})] = Field(
        description="a whole number"
    )
    how: Annotated[str, BeforeValidator(lambda value: value.strip() if isinstance(value, str) else text(value))] = (
        Field(default="", description="how it was found")
    )

    @classmethod
    def missing(cls, key: str, name: str) -> tuple[str, str]:
        """With what the figure would be."""
        return f"`error` lacks `{key}`", f"add it: {key} is {cls.model_fields[key].description}"


class PricesKeys(Keys):
    """What the operators of a network take, and what it takes besides."""

    network: _Number = Field(default_factory=Fraction, description="per network, besides its operators")
    kinds: Annotated[dict[str, Annotated[TermsKeys, _GIVES]], mapping("be a mapping", "{conv: {mac: 42.6}}")] = Field(
        default={}, description="per operator kind"
    )
    default: Annotated[TermsKeys | None, _GIVES] = Field(
        default=None, description="of kinds not named; without it they are an error"
    )
    table: Annotated[dict[str, _Rows], mapping("be a mapping", "{conv: {1x49x10-10x4s2x2-84x25x5: 17_200_000}}")] = (
        Field(default={}, description="measured operators, looked up first; input-window-output")
    )
    error: Annotated[
        ErrorKeys | None, mapping("be a mapping", "{median: 0.5, p90: 1.4, spearman: 0.99, rows: 110}")
    ] = Field(default=None)

    def prices(self) -> dict[str, Any]:
        """What the keys say, as `OperatorPrices` has it."""
        return {
            "network": self.network,
            "kinds": {kind: Terms(**dict(terms)) for kind, terms in self.kinds.items()},
            "default": self.default and Terms(**dict(self.default)),
            "table": self.table,
            "error": self.error and StatedError(**dict(self.error)),
        }


class EnergyKeys(PricesKeys):
    """What the operators take in energy, in nanojoules."""

    @classmethod
    def across(cls, data: dict[str, Any]) -> Iterator[Mistake]:
        """Energies of nothing."""
        if not any(data.get(key) for key in _KINDS) and "default" not in data:
            hint = "add for example `kinds: {conv: {mac: 0.51}}`"
            yield Mistake("missing-key", "`energy` says nothing about operators", hint)


class ProfileKeys(PricesKeys):
    """What the operators of a device take, for one data type."""

    what = "a latency profile"
    begins = "name: my_board"

    name: Annotated[str, Field(pattern=f"^{_NAME.pattern}$"), named(_NAME)] = Field(
        examples=["my_board"], description="of the target that it belongs to"
    )
    dtype: Annotated[DType, among(DTYPES)] = Field(examples=["int8"], description="of the operators")
    runtime: Text = Field(default_factory=str, description="what ran the networks: x-cube-ai, tflite-micro, ...")
    version: Text = Field(default_factory=str, description="of the runtime")
    core: Text = Field(default_factory=str, description="of the processor")
    clock: Clock = Field(default_factory=int, description="during the measurements")
    source: Text = Field(default_factory=str, description="where the measurements come from")
    boards: Annotated[int, PlainValidator(_boards), WithJsonSchema({"type": "integer", "minimum": 1})] = Field(
        default=0, description="how many were measured"
    )
    unit: Annotated[Unit, among(UNITS)] = Field(default="ns", description="of the numbers")
    guessed: Annotated[list[str], PlainValidator(_guessed), WithJsonSchema(_WORDS)] = Field(
        default=[], description="kinds, and `default`, whose terms no measurement carries"
    )
    loops: Annotated[dict[str, _Loops], mapping("be a mapping", "{add: {call: 27, element: 71}}")] = Field(
        default={}, description="per iteration of each loop of each kernel of `nascompile deploy`"
    )
    energy: Annotated[EnergyKeys | None, mapping("be a mapping", "{network: 629_000, kinds: {conv: {mac: 0.51}}}")] = (
        Field(default=None, description="the same in nanojoules, where the power was measured")
    )

    @classmethod
    def across(cls, data: dict[str, Any]) -> Iterator[Mistake]:
        """A profile of nothing, cycles of no clock, two models at once, loops that the C does not have."""
        if not any(data.get(key) for key in (*_KINDS, "loops")) and "default" not in data:
            hint = "add for example `kinds: {conv: {mac: 42.6}}`"
            yield Mistake("missing-key", "the profile says nothing about operators", hint)
        found, others = data.get("loops"), [key for key in _KINDS if key in data]
        if isinstance(found, dict):
            others += ["energy"] if data.get("energy") else []
            if found and others:
                hint = "a profile is of the kernels of `nascompile deploy`, or of operators"
                yield Mistake("mixed-model", f"`loops` beside `{others[0]}`", hint, ("loops",), key=True)
            dtype, unit = str(data.get("dtype")), instruction_set(str(data.get("core")))
            names = {name: C_FUNCTIONS[name].loop_names(dtype, unit) for name in LOOPS.get(dtype, {})}
            yield from _unknown_loops(found, names)

    def profile(self) -> LatencyProfile:
        """What the keys say."""
        values = {**dict(self), **self.prices(), "guessed": tuple(self.guessed)}
        values["energy"] = self.energy and Energy(**self.energy.prices())
        return LatencyProfile(clock_hz=values.pop("clock"), **values)


def _unknown_loops(found: dict[str, Any], kernels: Mapping[str, tuple[str, ...]]) -> Iterator[Mistake]:
    for kernel, each in found.items():
        if kernel not in kernels:
            yield unknown_key(("loops", kernel), kernels, "kernel")
        elif isinstance(each, dict):
            strange = [loop for loop in each if loop not in kernels[kernel]]
            yield from (unknown_key(("loops", kernel, loop), kernels[kernel]) for loop in strange)


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
    with placed(LatencyError):
        return validate_keys(ProfileKeys, read_yaml(text, file)).profile()


def check_name(name: str) -> None:
    """Refuse a name that no file could hold, or that of a profile taken at another clock (`m7@216MHz`).

    Raises:
        LatencyError: with the letters that a name is made of.
    """
    if not NAME.fullmatch(name):
        raise LatencyError.of("wrong-name", f"{show(name)} is not a name", NAME_HINT)


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
    lines += [f"runtime: {_quoted(profile.runtime)}"] if profile.runtime else []
    lines += [f"version: {_quoted(profile.version)}"] if profile.version else []
    lines += [f"core: {_quoted(profile.core)}"] if profile.core else []
    lines += [f"clock: {format_hz(profile.clock_hz)}"] if profile.clock_hz else []
    lines += [f"source: {_quoted(profile.source)}"] if profile.source else []
    lines += [f"boards: {profile.boards}"] if profile.boards else []
    lines += [f"unit: {profile.unit}", *_price_lines(profile)]
    lines += [f"guessed: [{', '.join(map(_quoted, profile.guessed))}]"] if profile.guessed else []
    if profile.loops:
        lines += ["loops:", *(f"  {kernel}: {_loops_text(each)}" for kernel, each in profile.loops.items())]
    lines += _error_lines(profile.error)
    if profile.energy:
        own = (*_price_lines(profile.energy), *_error_lines(profile.energy.error))
        lines += ["energy:", *(f"  {line}" for line in own)]
    return "\n".join(lines) + "\n"


def _price_lines(prices: OperatorPrices) -> list[str]:
    lines = [f"network: {_decimal(prices.network)}"]
    if prices.kinds:
        lines += ["kinds:", *(f"  {_quoted(kind)}: {_terms_text(terms)}" for kind, terms in prices.kinds.items())]
    lines += [f"default: {_terms_text(prices.default)}"] if prices.default else []
    lines += ["table:"] if prices.table else []
    for kind, rows in prices.table.items():
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
