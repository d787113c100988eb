"""Read measured latencies from a CSV file: a latency and the features of one network per row; energies, if there are.

The features are columns (`macs`, `outputs`, `ops` of the whole network, or `conv.macs`, `conv.outputs`, `conv.ops`, ...
per operator kind), or they are counted on the networks themselves, named in a column `candidate` or `arch`. A row may
also be one operator, as the firmware of `nascompile latency firmware` prints it: see `nascompile.latency.operators`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spaces.costs.latency import Unit
from spaces.costs.prices import NARROWER, LatencyError
from spaces.errors import CandidateError, Diagnostic, Span, did_you_mean
from spaces.program.candidate import Candidate, parse_candidate
from spaces.program.graph import Program
from spaces.runtimes.tflite_micro import executed
from spaces.tensors import Infeasible

__all__ = ["TERMS", "Feature", "Measurements", "Sheet", "features", "read_measurements"]

#: Columns that hold a latency, and nanoseconds per unit.
LATENCY = {"latency_s": 1e9, "latency_ms": 1e6, "latency_us": 1e3, "latency_ns": 1.0, "inference_ms": 1e6}
#: Columns that hold an energy, or the mean power, and nanojoules per unit, or per nanosecond of it.
ENERGY = {"energy_J": 1e9, "energy_mJ": 1e6, "energy_uJ": 1e3}
POWER = {"power_W": 1.0, "power_mW": 1e-3, "power_uW": 1e-6}
#: What the words of a feature column stand for.
TERMS = {"macs": "mac", "outputs": "output", "ops": "op", "n_ops": "op"}
NETWORK = ("candidate", "arch")
CLASS = "iso_rep_idx"
#: How the header begins that the firmware prints, and what it prints after the last row.
PRINTED, END = "kernel,dtype,", "end"
_MAX_BYTES = 50_000_000
_MOST_SHOWN = 20
_DAY = 86_400 * 1e9
_BATTERY = 86_400 * 1e9
_MOST = 2**52


class Feature(NamedTuple):
    """A quantity that latency grows with: the multiply-accumulates, outputs or number of operators of one kind.

    Args:
        kind: operator kind, or C kernel; empty for all operators together.
        term: `mac`, `output` or `op`, as in `spaces.costs.prices.Terms`; or a loop of a kernel.
    """

    kind: str
    term: str

    def __str__(self) -> str:
        word = next((w for w, term in TERMS.items() if term == self.term), self.term)
        return f"{self.kind}.{word}" if self.kind else word


@dataclass(frozen=True, eq=False)
class Measurements:
    """Measured networks, or single operators.

    Args:
        file: where they come from.
        lines: the line of each row in the file.
        labels: how each row is called in reports.
        latency: in the unit, [rows].
        features: what is known of each network, each [rows].
        groups: rows of one group are never split between fitting and checking, [rows].
        unit: of the latency.
        dtype: data type of the operators; empty where the file does not tell.
        operators: whether each row is one call of a C kernel, and the features are its loops.
        energy: nanojoules, [rows]; None where the file has none.
    """

    file: str
    lines: tuple[int, ...]
    labels: tuple[str, ...]
    latency: np.ndarray
    features: Mapping[Feature, np.ndarray]
    groups: np.ndarray
    unit: Unit = "ns"
    dtype: str = ""
    operators: bool = False
    energy: np.ndarray | None = None

    @property
    def macs(self) -> np.ndarray | None:
        """Multiply-accumulates of each network, [rows], or None where the file does not tell."""
        columns = [values for feature, values in self.features.items() if feature.term == "mac"]
        return np.sum(columns, axis=0) if columns else None


def features(candidate: Candidate) -> dict[str, tuple[int, int, int]]:
    """What a network's latency is made of: per operator kind its MACs, outputs and number of operators on a device.

    Raises:
        Infeasible: no such network can exist.

    Example:
        >>> import nascompile as nc
        >>> from spaces.program.candidate import parse_candidate
        >>> features(parse_candidate(nc.compile("mlp2"), "32-16"))
        {'linear': (1280, 60, 3)}
    """
    sums: dict[str, tuple[int, int, int]] = {}
    for step in candidate.steps:
        for op in executed(step.ops, step.x.shape):
            kind = NARROWER.get(op.kind, op.kind)
            macs, outputs, ops = sums.get(kind, (0, 0, 0))
            sums[kind] = macs + op.macs, outputs + op.outputs, ops + 1
    return sums


def read_measurements(path: Path, program: Program | None = None, group: str | None = None) -> Measurements:
    """Read a CSV file of measured networks.

    Args:
        path: the file.
        program: the space of the networks in column `candidate` or `arch`; without it the features are columns.
        group: column whose equal values mark rows to keep together in cross-validation; by default `iso_rep_idx` if
            there is such a column, else rows with equal features stay together.

    Raises:
        LatencyError: everything that is wrong with the file, each with its line and remedy.
    """
    sheet = Sheet(path)
    latency = sheet.latency()
    energy = sheet.energy(latency)
    result = sheet.counted(program) if program else sheet.feature_columns()
    groups = sheet.groups(group, result)
    sheet.stop_if_wrong()
    lines = tuple(line for line, _ in sheet.rows)
    return Measurements(str(path), lines, sheet.labels(), latency, result, groups=groups, energy=energy)


class Sheet:
    """A CSV file as texts, and the mistakes found in it so far."""

    def __init__(self, path: Path) -> None:
        self.file = str(path)
        self.mistakes: list[Diagnostic] = []
        lines = _read(path)
        self.header = [name.strip() for name in lines[0][1]] if lines else []
        self.rows = lines[1:]
        self.check_shape()

    def fail(self, code: str, message: str, hint: str, line: int = 1) -> None:
        """Remember a mistake."""
        self.mistakes.append(Diagnostic(code, message, Span(self.file, line, 1), hint))

    def stop_if_wrong(self) -> None:
        """Raise the mistakes found so far, if there are any."""
        if not self.mistakes:
            return
        shown = sorted(self.mistakes, key=lambda d: d.span.line if d.span else 0)
        if len(shown) > _MOST_SHOWN:
            more = Diagnostic("more-mistakes", f"{len(shown) - _MOST_SHOWN:,} more mistakes in {self.file}", None, "")
            shown = [*shown[:_MOST_SHOWN], more]
        raise LatencyError(shown)

    def check_shape(self) -> None:
        """Rows, all as long as the header, and every column once."""
        if len(self.rows) == 0:
            hint = "the first line names the columns, every further line is one network"
            self.fail("no-rows", "the file has no measurements", hint)
        for name in dict.fromkeys(name for name in self.header if self.header.count(name) > 1):
            self.fail("duplicate-column", f"the column `{name}` is given twice", "keep one of the two")
        if len(self.header) == 1 and ";" in self.header[0]:
            self.fail("wrong-separator", "the columns are separated by `;`", "save the file with `,` between columns")
        for line, fields in self.rows:
            if len(fields) != len(self.header):
                message = f"a row of {len(fields)} fields under {len(self.header)} columns"
                last = line == self.rows[-1][0]
                hint = "the file is cut off here; copy it again" if last else "quote fields that contain commas"
                self.fail("ragged-row", message, hint, line)
        self.stop_if_wrong()

    def column(self, name: str) -> list[tuple[int, str]]:
        """The texts of a column, with their lines."""
        position = self.header.index(name)
        return [(line, fields[position].strip()) for line, fields in self.rows]

    def numbers(self, name: str, check: Callable[[float], str]) -> np.ndarray:
        """A column of numbers; `check` says what is wrong with one, if anything."""
        values = np.zeros(len(self.rows))
        for k, (line, text) in enumerate(self.column(name)):
            try:
                values[k] = float(text)
            except ValueError:
                shown = f"`{text[:30]}`" if text else "empty"
                self.fail("not-a-number", f"`{name}` is {shown}, not a number", "write digits, with `.`", line)
                continue
            if wrong := check(values[k]):
                self.fail("wrong-value", f"`{name}` is {text[:30]}", wrong, line)
        return values

    def latency(self) -> np.ndarray:
        """Nanoseconds."""
        found = self.measured(LATENCY, "latencies", _wrong_latency)
        if found is None:
            message = "there is no column with a latency"
            self.fail("missing-column", message, f"name one of the columns {', '.join(LATENCY)}")
            return np.ones(len(self.rows))
        return found

    def energy(self, latency: np.ndarray) -> np.ndarray | None:
        """Nanojoules: measured, or a mean power times the latency; None where there is neither."""
        found = self.measured({**ENERGY, **POWER}, "energies", _wrong_energy)
        if found is None or any(name in ENERGY for name in self.header):
            return found
        return found * latency

    def measured(self, units: Mapping[str, float], what: str, check: Callable[[float], str]) -> np.ndarray | None:
        """The one column that is named after one of these units, times its factor; None where none is."""
        given = [name for name in self.header if name in units]
        if len(given) > 1:
            self.fail(f"several-{what}", f"several {what}: {', '.join(given)}", "keep one of these columns")
        if len(given) != 1:
            return np.ones(len(self.rows)) if given else None
        factor = units[given[0]]
        return self.numbers(given[0], lambda value: check(value * factor)) * factor

    def feature_columns(self) -> dict[Feature, np.ndarray]:
        """Features that columns hold."""
        result: dict[Feature, str] = {}
        for name in self.header:
            kind, _, word = name.rpartition(".")
            if word in TERMS and Feature(kind, TERMS[word]) in result:
                self.fail(
                    "duplicate-column", f"`{name}` and `{result[Feature(kind, TERMS[word])]}`", "keep one of both"
                )
            elif word in TERMS:
                result[Feature(kind, TERMS[word])] = name
        if any(f.kind for f in result) and any(not f.kind for f in result):
            both = ", ".join(result.values())
            hint = "keep the columns of the whole network (`macs`), or those of the kinds (`conv.macs`)"
            self.fail("mixed-features", f"features of the whole network and of kinds: {both}", hint)
        if not result:
            self.no_features()
        return {feature: self.numbers(name, _wrong_count) for feature, name in result.items()}

    def no_features(self) -> None:
        """Say what is missing."""
        named = next((name for name in NETWORK if name in self.header), None)
        if named:
            hint = "name their space, for example `--space nasbench201`"
            self.fail("missing-space", f"the networks of column `{named}` belong to no space", hint)
            return
        hint = "add `macs`, `outputs` or `ops`, or `conv.macs`, `conv.outputs`, `conv.ops`, ...; or `candidate` and "
        self.fail("missing-column", "there is no column that a latency could depend on", hint + "`--space`")

    def counted(self, program: Program) -> dict[Feature, np.ndarray]:
        """Features counted on the networks of a space."""
        name = next((name for name in NETWORK if name in self.header), None)
        if name is None:
            hint = "name it `candidate` or `arch`, or leave out --space: " + did_you_mean("candidate", self.header)
            self.fail("missing-column", f"there is no column with networks of `{program.space.name}`", hint)
            return {}
        rows = [self.counted_row(program, line, text) for line, text in self.column(name)]
        kinds = dict.fromkeys(kind for row in rows for kind in row)
        return {
            Feature(kind, term): np.array([float(row.get(kind, (0, 0, 0))[t]) for row in rows])
            for t, term in enumerate(("mac", "output", "op"))
            for kind in kinds
        }

    def counted_row(self, program: Program, line: int, text: str) -> dict[str, tuple[int, int, int]]:
        """Features of one network; none of a mistake."""
        try:
            return features(parse_candidate(program, text))
        except CandidateError as error:
            for d in error.diagnostics:
                self.fail(d.code, d.message, d.hint, line)
        except Infeasible as reason:
            self.fail("bad-candidate", f"`{text}` describes no network: {reason}", "drop the row", line)
        return {}

    def groups(self, name: str | None, found: Mapping[Feature, np.ndarray]) -> np.ndarray:
        """A number per row, the same for rows to keep together."""
        if name is not None and name not in self.header:
            message, hint = f"there is no column `{name}` to group by", did_you_mean(name, self.header)
            self.fail("missing-column", message, hint)
            name = None
        name = name or (CLASS if CLASS in self.header else None)
        keys = [text for _, text in self.column(name)] if name else list(zip(*found.values(), strict=True))
        return _numbered(keys)

    def labels(self) -> tuple[str, ...]:
        """What each row is called."""
        name = next((n for n in (*NETWORK, "model", "name") if n in self.header), None)
        return tuple(text for _, text in self.column(name)) if name else ("",) * len(self.rows)


def _wrong_latency(ns: float) -> str:
    return "" if 1 <= ns <= _DAY else "a latency lies between a nanosecond and a day; correct the row or drop it"


def _wrong_energy(amount: float) -> str:
    # A microwatt for a nanosecond is 1e-6 of these.
    return "" if 1e-9 <= amount <= _BATTERY else "it is above zero and below 86,400 J; correct the row or drop it"


def _wrong_count(value: float) -> str:
    if 0 <= value <= _MOST and value == int(value):
        return ""
    return f"a count is a whole number from 0 to {_MOST:,}, not in thousands or millions"


def _numbered(keys: Iterable[object]) -> np.ndarray:
    order: dict[object, int] = {}
    return np.array([order.setdefault(key, len(order)) for key in keys], np.int64)


def _read(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file with their lines, empty ones left out."""

    def fail(code: str, message: str, hint: str, line: int = 1) -> LatencyError:
        return LatencyError.of(code, message, hint, Span(str(path), line, 1))

    try:
        if path.stat().st_size > _MAX_BYTES:
            raise fail("file-too-large", f"the file has more than {_MAX_BYTES:,} bytes", "is this the right file?")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as cause:
        message = f"not a UTF-8 text file (byte {cause.start})"
        raise fail("not-utf8", message, "save the file as CSV in UTF-8") from None
    except OSError as cause:
        raise fail("unreadable-file", f"cannot read the file: {cause.strerror}", "check the path") from None
    lines = text.splitlines(keepends=True)
    begin = max((k for k, line in enumerate(lines) if line.startswith(PRINTED)), default=None)
    if begin is not None:
        # What a debugger says before and after becomes empty lines, so that lines keep their numbers.
        end = next((k for k in range(begin, len(lines)) if lines[k].strip() == END), None)
        if end is None:
            hint = "let the firmware print to its end, and copy everything again"
            raise fail("cut-off", f"the table does not end with a line `{END}`", hint, len(lines))
        lines = ["\n"] * begin + lines[begin:end]
    reader = csv.reader(lines, strict=True)
    try:
        return [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as cause:
        hint = "a quote is not closed, or the file is cut off; copy it again"
        raise fail("bad-csv", f"not a CSV file: {cause}", hint, reader.line_num) from None
