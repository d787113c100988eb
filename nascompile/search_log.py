"""The log of a search: a line of settings, then a line per round, so that an interrupted search goes on from there."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from samplers.monas_rules import Round, Row
from spaces.errors import Diagnostic, FileError, Span

__all__ = ["SearchLog"]


class SearchLog:
    """A file of JSON lines: first the settings of the search, then its rounds.

    Args:
        path: the file; made if it is not there.
        settings: what the search depends on, as plain data.
        force: start anew, whatever the file holds.

    Raises:
        FileError: it holds the search of other settings, cannot be read, or cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any], force: bool = False) -> None:
        self.path = path
        self.rounds: list[Round] = []
        lines = [] if force else self._lines()
        if lines:
            self._compare(json.loads(lines[0]), settings)
            self.rounds = [_round(json.loads(line)) for line in lines[1:]]
        # Written anew, so that a line cut off by a crash is gone.
        self._write("w", [settings, *map(asdict, self.rounds)])

    def append(self, found: Round) -> None:
        """Add a round."""
        self.rounds.append(found)
        self._write("a", [asdict(found)])

    def _lines(self) -> list[str]:
        """The whole lines of the file."""
        if not self.path.exists():
            return []
        try:
            return self.path.read_text(encoding="utf-8").split("\n")[:-1]
        except (OSError, UnicodeDecodeError) as cause:
            raise self._error(f"cannot read the log: {cause}", "name another file with --log") from None

    def _compare(self, earlier: dict[str, Any], settings: dict[str, Any]) -> None:
        plain = json.loads(json.dumps(settings))
        for key in (*plain, *earlier):
            if plain.get(key) != earlier.get(key):
                message = f"this is the log of another search: its `{key}` differs"
                raise self._error(message, "name another file with --log, or start anew with --force")

    def _write(self, mode: str, entries: list[dict[str, Any]]) -> None:
        try:
            with self.path.open(mode, encoding="utf-8") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in entries)
        except OSError as cause:
            message = f"cannot write the log: {cause.strerror}"
            raise self._error(message, "free some space, or name another file with --log") from None

    def _error(self, message: str, hint: str) -> FileError:
        return FileError(Diagnostic("bad-log", message, Span(str(self.path), 1, 1), hint))


def _round(data: dict[str, Any]) -> Round:
    before = {edge: tuple(names) for edge, names in data["before"].items()}
    return Round(data["number"], before, tuple(Row(**row) for row in data["rows"]))
