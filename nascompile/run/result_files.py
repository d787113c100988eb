"""The tables of a run that has ended, `results.json` and `results.csv`, whatever evaluated its networks."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from nascompile.run.folder import RunFolder
from spaces.errors import FileError
from spaces.files import write_atomically
from spaces.notebook import frame, html_table

__all__ = ["ResultRows", "csv_text", "read_results", "write_results"]

T = TypeVar("T")


class ResultRows(ABC):
    """The table of a run that has ended, whatever evaluated its networks: which are kept, and how it shows itself.

    Attributes:
        rows: one per network; `chosen` is 1 where it is kept.
        costs: what is weighed against what was measured.
        verdict: how good the choice is.
    """

    rows: tuple[Mapping[str, Any], ...]
    costs: tuple[str, ...]
    verdict: str

    @property
    @abstractmethod
    def column(self) -> str:
        """The column by which networks are chosen."""

    @property
    def chosen(self) -> list[Mapping[str, Any]]:
        """The rows of the networks that are kept, the cheapest first."""
        return sorted((row for row in self.rows if row["chosen"]), key=lambda row: row[self.costs[0]])

    def to_frame(self) -> Any:
        """The rows as a pandas DataFrame.

        Raises:
            NascompileError: pandas is not installed.
        """
        return frame(self.rows)

    def _repr_html_(self) -> str:
        """As a notebook shows it: the networks that are kept."""
        names = ["number", "candidate", *dict.fromkeys((*self.costs, self.column))]
        rows = [[row.get(name, "") for name in names] for row in self.chosen]
        return html_table([f"<{name}" if name == "candidate" else name for name in names], rows, self.verdict)


def read_results(folder: RunFolder, make: Callable[[Mapping[str, Any]], T]) -> T | None:
    """What a run has written at its end; None of one that has not ended.

    Args:
        folder: of the run.
        make: from the plain data.

    Raises:
        FileError: the file is damaged.
    """
    path = folder.path / "results.json"
    if not path.exists():
        return None
    try:
        return make(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError):
        hint = f"delete it: `nascompile resume {folder.path}` writes it anew"
        raise FileError.of("damaged-file", "these are no results", hint, path) from None


def write_results(folder: RunFolder, table: str, data: Mapping[str, Any]) -> None:
    """Write both tables.

    Raises:
        FileError: the folder cannot be written.
    """
    write_atomically(folder.path / "results.csv", table.encode())
    write_atomically(folder.path / "results.json", (json.dumps(data, indent=2) + "\n").encode())


def csv_text(rows: Sequence[Mapping[str, Any]], left_out: Collection[str] = ()) -> str:
    r"""Rows as a table for `nascompile select` and others; those with an error are left out.

    Args:
        rows: which need not have the same columns.
        left_out: columns.

    Example:
        >>> csv_text([{"number": 0, "rom": 8}, {"number": 1, "error": "diverged"}])
        'number,rom\n0,8\n'
    """
    rows = [row for row in rows if "error" not in row]
    columns = list(dict.fromkeys(name for row in rows for name in row if name not in left_out))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
