"""The log of a search by pruning: a journal with an entry per round."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nascompile.records.journal import Journal
from samplers.monas.rules import Round, Row

__all__ = ["SearchLog"]


class SearchLog:
    """The rounds of a search, on disk.

    Args:
        path: the file; made if it is not there.
        settings: what the search depends on, as plain data.
        force: start anew, whatever the file holds.

    Raises:
        FileError: it holds the search of other settings, cannot be read, or cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any], force: bool = False) -> None:
        self.path = path
        self._journal = Journal(path, settings, force)
        self.rounds = [self._round(n, entry) for n, entry in enumerate(self._journal.entries, start=2)]

    def append(self, found: Round) -> None:
        """Add a round."""
        self._journal.add(asdict(found))
        self.rounds.append(found)

    def _round(self, line: int, data: dict[str, Any]) -> Round:
        try:
            before = {edge: tuple(names) for edge, names in data["before"].items()}
            return Round(data["number"], before, tuple(Row(**row) for row in data["rows"]))
        except (AttributeError, KeyError, TypeError):
            hint = "name another file with --log, or start anew with --force"
            raise self._journal.error("this line is no round of a search", hint, line) from None
