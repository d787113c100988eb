"""A file of candidates with numbers, as `nascompile score` writes it (CSV) or as JSON lines, read with its places.

Every mistake in it is reported with file, line and column; and the lines that someone chooses can be written again as
they stand.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from spaces.errors import Diagnostic, FileError, Span, did_you_mean

__all__ = ["ResultRow", "ResultsFile", "read_results"]

#: Mistakes reported at once.
_SHOWN = 10
#: What other programs write in place of commas.
_SEPARATORS = (";", "\t", "|")
_CUT_OFF = "the file seems to be cut off: let its run go on (the same command does), or delete this line"


@dataclass(frozen=True)
class ResultRow:
    """One candidate.

    Args:
        line: where it ends in the file, 1-based.
        text: as it stands in the file, without line break.
        values: column -> text for CSV; name -> value for JSON, names of nested objects joined by dots.
    """

    line: int
    text: str
    values: dict[str, Any]


@dataclass(frozen=True)
class ResultsFile:
    """The rows of a file.

    Args:
        path: the file.
        kind: `csv` or `jsonl`.
        columns: all names, in order of appearance.
        rows: the candidates.
        header: the first line of a CSV file.
        whole: whether the last line ends with a line break, as a file does that was written to its end.
    """

    path: Path
    kind: Literal["csv", "jsonl"]
    columns: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    header: str
    whole: bool

    def column(self, name: str) -> str:
        """The full name of a column: `flops` is also `costs.flops`, where no other column ends so.

        Raises:
            FileError: there is none, or several could be meant.
        """
        if name in self.columns:
            return name
        result = [column for column in self.columns if column.endswith(f".{name}")]
        if len(result) == 1:
            return result[0]
        if result:
            message = f"`{name}` could be {' or '.join(f'`{column}`' for column in result)}"
            raise self.error("missing-column", message, "give the whole name")
        numeric = [column for column in self.columns if self._numeric(column)]
        hint = did_you_mean(name, numeric) if numeric else "no column has numbers"
        raise self.error("missing-column", f"there is no column `{name}`", hint)

    def numbers(self, names: Sequence[str]) -> list[list[float]]:
        """The numbers of some columns, row by row; infinities and NaN as the proxies give them are kept.

        Args:
            names: columns by their full names.

        Raises:
            FileError: a row lacks a value, or a value is no number; all such places at once, up to ten.
        """
        result: list[list[float]] = []
        mistakes: list[Diagnostic] = []
        for row in self.rows:
            numbers = []
            for name in names:
                try:
                    numbers.append(_number(row.values[name]))
                except (KeyError, ValueError):
                    mistakes.append(self._mistake(row, name))
            result.append(numbers)
        if mistakes:
            more = len(mistakes) - _SHOWN
            rest = [Diagnostic("bad-number", f"and {more:,} more such cells", None, "")] if more > 0 else []
            raise FileError(mistakes[:_SHOWN] + rest)
        return result

    @cached_property
    def label(self) -> str | None:
        """The column that names candidates: `candidate`, else the first one with texts."""
        if "candidate" in self.columns:
            return "candidate"
        texts = (c for c in self.columns if self.rows and isinstance(self.rows[0].values.get(c), str))
        return next((column for column in texts if not self._numeric(column)), None)

    def lines(self, rows: Sequence[int]) -> bytes:
        """A file of the same kind that holds some of the rows."""
        texts = [self.rows[i].text for i in rows]
        return "".join(f"{line}\n" for line in ([self.header] if self.kind == "csv" else []) + texts).encode()

    def error(self, code: str, message: str, hint: str, line: int = 1) -> FileError:
        """A mistake in this file."""
        return FileError.of(code, message, hint, Span(str(self.path), line, 1))

    def _numeric(self, column: str) -> bool:
        """Whether the first row has a number there."""
        try:
            return bool(self.rows) and _number(self.rows[0].values.get(column)) is not None
        except ValueError:
            return False

    def _mistake(self, row: ResultRow, name: str) -> Diagnostic:
        hint = "correct the cell, or delete the line"
        if row is self.rows[-1] and not self.whole:
            hint = _CUT_OFF
        if name not in row.values:
            return Diagnostic("bad-number", f"this line has no `{name}`", Span(str(self.path), row.line, 1), hint)
        value = row.values[name]
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        message = f"`{shown[:40]}` is no number (column `{name}`)" if shown else f"the cell of `{name}` is empty"
        return Diagnostic("bad-number", message, self._span(row, name, shown), hint)

    def _span(self, row: ResultRow, name: str, shown: str) -> Span:
        """The place of a cell; quoted cells and nested values are not looked for, but the line is right."""
        before = row.text.split(",")[: self.columns.index(name)]
        if self.kind == "csv" and '"' not in row.text:
            start = sum(len(cell) + 1 for cell in before)
            return Span(str(self.path), row.line, start + 1, max(1, len(shown)), row.text + " ")
        return Span(str(self.path), row.line, 1)


def read_results(path: Path) -> ResultsFile:
    """Read a file of results; JSON lines if its first character is a brace, else CSV with a header.

    Raises:
        FileError: it cannot be read, has no rows, or a line is none.
    """

    def fail(code: str, message: str, hint: str, line: int = 1) -> FileError:
        return FileError.of(code, message, hint, Span(str(path), line, 1))

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as cause:
        raise fail("not-utf8", f"not a UTF-8 text file (byte {cause.start})", "give a CSV or JSON-lines file") from None
    except OSError as cause:
        raise fail("unreadable-file", f"cannot read the file: {cause.strerror}", "check the path") from None
    whole = text.endswith("\n")
    read = _json_lines if text.lstrip().startswith("{") else _csv
    kind, columns, rows, header = read(text.splitlines(), whole, fail)
    if not rows:
        raise fail("no-rows", "the file has no candidates", "give a file such as `nascompile score -o` writes")
    return ResultsFile(path, kind, columns, tuple(rows), header, whole=whole)


def _csv(lines: list[str], whole: bool, fail: Any) -> tuple[Literal["csv"], tuple[str, ...], list[ResultRow], str]:
    reader = csv.reader(f"{line}\n" for line in lines)
    columns = tuple(next(reader, []))
    if twice := [name for name in columns if columns.count(name) > 1]:
        raise fail("bad-header", f"two columns are called `{twice[0]}`", "rename one of them")
    if len(columns) == 1 and (other := next((s for s in _SEPARATORS if s in columns[0]), None)):
        named = "tabs" if other == "\t" else f"`{other}`"
        raise fail(
            "bad-header", f"the columns are separated by {named}", "save the table with commas between its columns"
        )
    rows, start = [], reader.line_num
    for cells in reader:
        text, start = "\n".join(lines[start : reader.line_num]), reader.line_num
        if not cells:
            continue
        if len(cells) != len(columns):
            last = reader.line_num == len(lines) and not whole
            message = f"this line has {len(cells)} values instead of {len(columns)}"
            hint = _CUT_OFF if last else "correct the line, or delete it"
            raise fail("truncated-file" if last else "damaged-file", message, hint, reader.line_num)
        rows.append(ResultRow(reader.line_num, text, dict(zip(columns, cells, strict=True))))
    return "csv", columns, rows, lines[0] if lines else ""


def _json_lines(
    lines: list[str], whole: bool, fail: Any
) -> tuple[Literal["jsonl"], tuple[str, ...], list[ResultRow], str]:
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as cause:
            if number == len(lines) and not whole:
                raise fail("truncated-file", "this line is no whole JSON object", _CUT_OFF, number) from None
            hint = "write one JSON object per line"
            raise fail("damaged-file", f"this line is no JSON: {cause}", hint, number) from None
        if not isinstance(value, dict):
            raise fail("damaged-file", "this line is no JSON object", "write one JSON object per line", number)
        rows.append(ResultRow(number, line, dict(_flat(value))))
    return "jsonl", tuple(dict.fromkeys(name for row in rows for name in row.values)), rows, ""


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Name and value of every leaf."""
    result: list[tuple[str, Any]] = []
    for name, inner in value.items():
        result += _flat(inner, f"{prefix}{name}.") if isinstance(inner, dict) else [(f"{prefix}{name}", inner)]
    return result


def _number(value: Any) -> float:
    """A number of JSON, or one written out; NumPy's `inf`, `-inf` and `nan` too.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and "_" in value):
        raise ValueError
    try:
        return float(value)
    except OverflowError:  # a whole number of JSON may have any length
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]
