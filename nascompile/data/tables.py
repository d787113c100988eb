"""Tables in .csv and .parquet files: columns by their names, as numbers or as words."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import bad_data

__all__ = ["TABLES", "Table", "read_table"]

TABLES = (".csv", ".tsv", ".parquet")
_SEPARATORS = (",", ";", "\t", "|")
_MISSING = ("", "na", "n/a", "nan", "null", "none")
_BLOCK = 4096
_CUT = "the file may be cut off: fetch it again; or a value has the separator in it: put that in quotes"


@dataclass(frozen=True, eq=False)
class Table:
    """A table.

    Args:
        place: of the file, for messages.
        names: of the columns.
        rows: how many.
        row: names one in a message.
        words: a column as words, empty where there is none.
        numbers: a column as float64, [rows], or [rows] lists of them; NaN where there is none.
    """

    place: str
    names: tuple[str, ...]
    rows: int
    row: Callable[[int], str]
    words: Callable[[str], list[str]]
    numbers: Callable[[str], NDArray[Any]]


def read_table(name: str, place: str, content: bytes) -> Table:
    """A table of a file.

    The columns of a .csv file are separated by commas, semicolons, tabs or bars; those of a file whose first line is
    already numbers are called 0, 1, 2, ... A first column without a name, the index of pandas, is left out.

    Args:
        name: of the file.
        place: of the file, for messages.
        content: its bytes.

    Raises:
        FileError: it is damaged, has no rows, or rows of different lengths; pyarrow is missing.

    Example:
        >>> table = read_table("a.csv", "a.csv", b"x;label\\n0,5;on\\n2;off\\n")
        >>> table.names, table.numbers("x").tolist(), table.words("label"), table.row(1)
        (('x', 'label'), [0.5, 2.0], ['on', 'off'], 'line 3 of `a.csv`')
    """
    table = _read_parquet(place, content) if PurePosixPath(name).suffix.lower() == ".parquet" else _csv(place, content)
    if not table.rows:
        raise bad_data(f"`{place}` has no rows", "the file may be empty or cut off: fetch it again", "no-data")
    return table


# -- .csv --------------------------------------------------------------------------------------------------------------


def _csv(place: str, content: bytes) -> Table:
    text = _text(place, content)
    first = next((line for line in text.splitlines() if line.strip()), "")
    # Of several, the one that makes the most of the first line.
    separator = max(_SEPARATORS, key=lambda s: len(next(csv.reader([first], delimiter=s, skipinitialspace=True), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    blocks: list[NDArray[Any]] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    header: list[str] | None = None
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = [cell.strip() for cell in row]
                if _is_header(header):
                    continue
                header = [str(k) for k in range(len(row))]
            if len(row) != len(header):
                message = (
                    f"line {reader.line_num} of `{place}` has {len(row)} values, and there are {len(header)} columns"
                )
                raise bad_data(message, _CUT, "bad-table")
            rows.append(row)
            lines.append(reader.line_num)
            if len(rows) == _BLOCK:
                blocks.append(_cells(rows))
                rows = []
    except csv.Error as error:
        raise bad_data(f"line {reader.line_num} of `{place}` cannot be read: {error}", _CUT, "bad-table") from None
    header = header or []
    if rows or not blocks:
        blocks.append(_cells(rows).reshape(len(rows), len(header)))
    return _of_cells(place, header, np.concatenate(blocks), lines, separator=separator)


def _text(place: str, content: bytes) -> str:
    """UTF-8 or UTF-16, with or without the mark that says so."""
    try:
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = f"line {line} of `{place}` is no text in UTF-8"
        raise bad_data(message, "save it as CSV in UTF-8", "bad-table") from None


def _is_header(cells: list[str]) -> bool:
    """Whether a first line has names: not mostly numbers, unless they count columns."""
    numbers = [float(cell) for cell in cells if _is_number(cell)]
    counted = len(numbers) > 1 and numbers in ([float(k + s) for k in range(len(numbers))] for s in (0, 1))
    return counted or len(numbers) <= len(cells) / 2


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _cells(rows: list[list[str]]) -> NDArray[Any]:
    """[rows, columns] of strings, 16 bytes each where they are short."""
    return np.array(rows, np.dtypes.StringDType())


def _of_cells(place: str, header: list[str], cells: NDArray[Any], lines: Sequence[int], separator: str) -> Table:
    start = 1 if len(header) > 1 and not header[0] else 0
    names = tuple(header[start:])
    for k, name in enumerate(names):
        if not name or name in names[:k]:
            what = f"two columns called `{name}`" if name else f"no name for column {k + start + 1}"
            raise bad_data(f"`{place}` has {what}", "give each column a name of its own in the first line", "bad-table")
    position = {name: k + start for k, name in enumerate(names)}

    def row(i: int) -> str:
        return f"line {lines[i]} of `{place}`"

    def words(name: str) -> list[str]:
        return [cell.strip() for cell in cells[:, position[name]].tolist()]

    def numbers(name: str) -> NDArray[np.float64]:
        column = cells[:, position[name]]
        try:
            return column.astype(np.float64)
        except ValueError:
            return np.array([_number(cell, name, row(i), separator) for i, cell in enumerate(column.tolist())])

    return Table(place, names, len(cells), row, words=words, numbers=numbers)


def _number(cell: str, name: str, where: str, separator: str) -> float:
    text = cell.strip()
    if text.lower() in _MISSING:
        return np.nan
    try:
        # Where a comma cannot separate columns, it is what many countries write for the point.
        return float(text if separator == "," else text.replace(",", "."))
    except ValueError:
        message = f"{where}: `{text[:40]}` in column `{name}` is no number"
        raise bad_data(message, _no_number(name), "bad-table") from None


def _no_number(name: str) -> str:
    return (
        f"correct it; or leave the column out (--columns names the inputs), or say what it is: --group '{name}', "
        "--label, --time. Columns are separated by , ; tab or |"
    )


# -- .parquet ----------------------------------------------------------------------------------------------------------


def _read_parquet(place: str, content: bytes) -> Table:
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError:
        raise bad_data(f"`{place}` needs pyarrow", "pip install 'nascompile[parquet]'", "no-pyarrow") from None
    try:
        data = parquet.read_table(io.BytesIO(content))
    except (arrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        hint = "the file may be truncated or of another format: fetch or write it again"
        raise bad_data(f"`{place}` cannot be read: {reason}", hint, "unreadable") from None
    names = tuple(name for name in data.column_names if not name.startswith("__index_level_"))
    if len(set(names)) < len(names):
        raise bad_data(f"`{place}` has two columns of one name", "give each a name of its own", "bad-table")

    def row(i: int) -> str:
        return f"row {i} of `{place}`"

    def words(name: str) -> list[str]:
        return ["" if value is None else str(value) for value in data.column(name).to_pylist()]

    def numbers(name: str) -> NDArray[Any]:
        column = data.column(name)
        kind = column.type
        if arrow.types.is_list(kind) or arrow.types.is_large_list(kind) or arrow.types.is_fixed_size_list(kind):
            lists = column.to_pylist()
            result = np.empty(len(lists), object)
            for i, values in enumerate(lists):
                result[i] = _list(values, name, row(i))
            return result
        if not (arrow.types.is_integer(kind) or arrow.types.is_floating(kind) or arrow.types.is_boolean(kind)
                or arrow.types.is_decimal(kind)):  # fmt: skip
            raise bad_data(f"column `{name}` of `{place}` has no numbers: {kind}", _no_number(name), "bad-table")
        return column.cast(arrow.float64()).to_numpy()

    return Table(place, names, data.num_rows, row, words=words, numbers=numbers)


def _list(values: Any, name: str, where: str) -> NDArray[np.float64]:
    try:
        result = np.array(values, np.float64)
    except (TypeError, ValueError):
        result = np.zeros(())
    if result.ndim != 1 or not result.size:
        raise bad_data(f"{where}: column `{name}` has no list of numbers", "give one list in each row", "bad-table")
    return result
