"""A table of scores on disk that grows row by row: an interrupted run goes on, and never mixes with another.

The table is plain CSV. Beside it, in a file of the same name with `.json` appended, stands the run that makes it: every
setting that a score depends on. A run continues a table only if the two agree.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import FileError
from spaces.files import write_atomically
from spaces.record_file import RecordFile, differing

__all__ = ["Append", "ScoreFile", "cell_text"]

#: Adds a row to the table; it is on disk when the call returns.
Append = Callable[[Sequence[Any]], None]

_ELSE = "write to another file, or begin this one anew with --force"


@dataclass(frozen=True)
class ScoreFile:
    """A CSV file of scores and the record of its run.

    Args:
        path: the CSV file.
        columns: its columns; the first tells rows apart, the others hold numbers.
        run: what the scores depend on: setting -> value, as JSON has them.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     table = ScoreFile(Path(folder) / "scores.csv", ("candidate", "zico"), {"seed": 0})
        ...     with table.open() as append:
        ...         append(["mlp2: 16-16", 1.5])
        ...     table.rows()
        [{'candidate': 'mlp2: 16-16', 'zico': '1.5'}]
    """

    path: Path
    columns: tuple[str, ...]
    run: Mapping[str, Any]

    @property
    def record(self) -> Path:
        """The file with the run."""
        return self.path.with_name(f"{self.path.name}.json")

    @contextmanager
    def open(self, force: bool = False) -> Iterator[Append]:
        """Continue the table, or begin it.

        A last line that was cut off in the middle is removed.

        Args:
            force: begin it anew, whatever is there.

        Yields:
            A function that adds a row.

        Raises:
            FileError: the file is there and belongs to another run, or to none; another process is writing it; or it
                cannot be written.
        """
        with RecordFile(self.path, _line(self.columns), self._continues, force=force) as file:
            if not file.continued:
                # The empty table first: whenever this is cut short, no old row stands beside a new record.
                record = json.dumps(dict(self.run), indent=2, ensure_ascii=False) + "\n"
                write_atomically(self.record, record.encode())
            yield lambda row: file.append(_line([cell_text(value) for value in row]))

    def rows(self) -> list[dict[str, str]]:
        """The rows on disk.

        Raises:
            FileError: a line is no row of this table.
        """
        with self.path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            next(reader)
            result = []
            for line in reader:
                if len(line) != len(self.columns):
                    message = f"line {reader.line_num} has {len(line)} values instead of {len(self.columns)}"
                    raise self._error("damaged-table", message, _ELSE)
                result.append(dict(zip(self.columns, line, strict=True)))
        return result

    def numbers(self) -> dict[str, NDArray[Any]]:
        """The columns on disk as arrays: texts in the first, int64 where all are whole numbers, else float64.

        Raises:
            FileError: a value is no number.
        """
        rows = self.rows()
        key, *others = self.columns
        result: dict[str, NDArray[Any]] = {key: np.array([row[key] for row in rows], str)}
        for name in others:
            result[name] = self._numbers(name, [row[name] for row in rows])
        return result

    def _numbers(self, name: str, texts: Sequence[str]) -> NDArray[Any]:
        try:
            if all(text.lstrip("-").isdigit() for text in texts):
                return np.array([int(text) for text in texts], np.int64)
            return np.array([float(text) for text in texts], np.float64)
        except ValueError as cause:
            raise self._error("damaged-table", f"column `{name}`: {cause}", _ELSE) from None

    def _continues(self, lines: Sequence[bytes]) -> bool:
        """Whether the file, which holds more than its columns, has rows of this very run."""
        try:
            there = dict(json.loads(self.record.read_text(encoding="utf-8")))
        except FileNotFoundError:
            message = f"the file is there, and no `{self.record.name}` tells which run made it"
            raise self._error("other-run", message, _ELSE) from None
        except (OSError, TypeError, ValueError) as cause:
            raise self._error("other-run", f"`{self.record.name}` cannot be read: {cause}", _ELSE) from None
        if len(lines) <= 1:
            return False  # another run's, without a row
        if different := differing(there, self.run):
            each = "; ".join(
                f"{name}: {_short(there.get(name))} there, {_short(self.run.get(name))} now" for name in different
            )
            raise self._error("other-run", f"the file holds scores of another run ({each})", _ELSE)
        if lines[0] + b"\n" != _line(self.columns):
            raise self._error("damaged-table", "the columns of the file are not those of its run", _ELSE)
        return True

    def _error(self, code: str, message: str, hint: str) -> FileError:
        return FileError.of(code, message, hint, self.path)


def cell_text(value: Any) -> str:
    """A value as text from which the same value is read back: `inf`, `-inf` and `nan` as NumPy spells them.

    Example:
        >>> [cell_text(value) for value in (0.1, 7, float("-inf"), None, "mlp2: 16-16")]
        ['0.1', '7', '-inf', '', 'mlp2: 16-16']
    """
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def _line(values: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue().encode()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
