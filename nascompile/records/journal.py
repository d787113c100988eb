"""A journal: a file of JSON lines, first the settings of a run, then what it found, so that the run can go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spaces.errors import Diagnostic, FileError, Span

__all__ = ["Journal"]


class Journal:
    """A file of JSON lines: first the settings of a run, then its entries, each on disk once it is added.

    Args:
        path: the file; made if it is not there.
        settings: what the run depends on, as plain data.
        force: begin anew, whatever the file holds.

    Attributes:
        entries: all of them, those that were in the file first.

    Raises:
        FileError: it holds the run of other settings, cannot be read, or cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     Journal(Path(folder) / "run.jsonl", {"seed": 0}).add({"found": 1})
        ...     Journal(Path(folder) / "run.jsonl", {"seed": 0}).entries
        [{'found': 1}]
    """

    def __init__(self, path: Path, settings: dict[str, Any], force: bool = False) -> None:
        self.path = path
        lines, size = ([], 0) if force else self._read()
        if lines:
            self._compare(lines[0], json.loads(json.dumps(settings)))
            # Not before it is known to be this run's: a file of somebody else's stays as it is.
            self._write("a", [], size)
        else:
            self._write("w", [settings])
        self.entries: list[dict[str, Any]] = lines[1:]

    def add(self, entry: dict[str, Any]) -> None:
        """Add an entry."""
        self._write("a", [entry])
        self.entries.append(entry)

    def error(self, message: str, hint: str, line: int = 1) -> FileError:
        """A mistake in this file."""
        return FileError(Diagnostic("bad-log", message, Span(str(self.path), line, 1), hint))

    def _read(self) -> tuple[list[dict[str, Any]], int]:
        """The lines of the file but a last one that was cut off in the middle, and how many bytes they are."""
        if not self.path.exists():
            return [], 0
        try:
            data = self.path.read_bytes()
            size = data.rfind(b"\n") + 1
            texts = data[:size].decode().split("\n")[:-1]
        except (OSError, UnicodeDecodeError) as cause:
            raise self.error(f"cannot read the log: {cause}", "name another file with --log") from None
        if not texts and not _begun(data):
            raise self._stranger(1)
        return [self._entry(number, text) for number, text in enumerate(texts, start=1)], size

    def _entry(self, number: int, text: str) -> dict[str, Any]:
        try:
            entry = json.loads(text)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise self._stranger(number)
        return entry

    def _stranger(self, line: int) -> FileError:
        hint = "name another file with --log, or start anew with --force"
        return self.error("this line is none of a search's log", hint, line)

    def _compare(self, earlier: dict[str, Any], settings: dict[str, Any]) -> None:
        for key in (*settings, *earlier):
            if settings.get(key) != earlier.get(key):
                message = f"this is the log of another search: its `{key}` differs"
                raise self.error(message, "name another file with --log, or start anew with --force")

    def _write(self, mode: str, entries: list[dict[str, Any]], size: int | None = None) -> None:
        """Write entries, after so many bytes of the file or all of it."""
        try:
            with self.path.open(mode, encoding="utf-8") as file:
                if size is not None:
                    file.truncate(size)
                file.writelines(json.dumps(entry) + "\n" for entry in entries)
        except OSError as cause:
            message = f"cannot write the log: {cause.strerror}"
            raise self.error(message, "free some space, or name another file with --log") from None


def _begun(data: bytes) -> bool:
    """Whether this is a first line that was cut off, or nothing: nobody else's file."""
    try:
        json.loads(data)
    except ValueError:
        return b'{"'.startswith(data[:2])
    return False
