"""The journal of a run's trials: Optuna's, each record with a checksum, and mended where one was lost.

What a journal loses is no loss: whoever leads the run asks for the same candidates again, and their results and
checkpoints lie in their own folders.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from nascompile.run.errors import RunError

__all__ = ["Journal", "mend"]

_CHECKED = re.compile(rb'(.*),"crc":(\d+)\}\n', re.DOTALL)


class Journal(JournalFileBackend):
    """A journal in a file, which optuna-dashboard opens as any other.

    A writer that is killed, or finds the disk full, leaves part of a record behind. The next one writes in its place.

    Args:
        file_path: the file; made if it is not there.
    """

    def __init__(self, file_path: str) -> None:
        super().__init__(file_path)
        self._starts = {0: 0}

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add records at the end of those that are whole."""
        data = b"".join(map(_line, logs))
        with _locked(self._file_path), open(self._file_path, "r+b") as file:
            _to_end(file)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """The records from one on, but for one that is still being written.

        Raises:
            RunError: one is damaged.
        """
        number = log_number_from if log_number_from in self._starts else 0
        with open(self._file_path, "rb") as file:
            file.seek(self._starts[number])
            for line in file:
                if not line.endswith(b"\n"):
                    return
                record = _record(line)
                if record is None:
                    message = f"line {number + 1} of `{self._file_path}` is damaged"
                    hint = f"`nascompile resume {Path(self._file_path).parent}` mends it, and nothing trained is lost"
                    raise RunError.of("damaged-run", message, hint)
                number += 1
                self._starts[number] = self._starts[number - 1] + len(line)
                if number > log_number_from:
                    yield record


def mend(path: Path) -> int:
    """Cut a journal off before its first damaged record, which others may follow; how many are cut off.

    Only for the one process that leads the run, before it opens the journal.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "journal.log"
        ...     _ = path.write_bytes(_line({"op_code": 0}) + b'{"op_co')
        ...     mend(path), mend(path), path.read_bytes() == _line({"op_code": 0})
        (1, 0, True)
    """
    if not path.exists():
        return 0
    with _locked(str(path)), path.open("r+b") as file:
        whole = 0
        for line in file:
            if _record(line) is None:
                break
            whole += len(line)
        file.seek(whole)
        lost = file.read()
        file.truncate(whole)
    return lost.count(b"\n") + (not lost.endswith(b"\n")) if lost else 0


def _line(record: dict[str, Any]) -> bytes:
    """A record as it is written."""
    text = json.dumps(record, separators=(",", ":")).encode()
    return text[:-1] + b',"crc":%d}\n' % zlib.crc32(text)


def _record(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None where it is damaged. Journals from before there were checksums have none."""
    checked = _CHECKED.fullmatch(line)
    if checked and zlib.crc32(checked[1] + b"}") != int(checked[2]):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and isinstance(record.get("op_code"), int) and line.endswith(b"\n")
    return record if whole else None


def _to_end(file: BinaryIO) -> None:
    """Behind the last whole record; a part of one that follows is cut off."""
    size = end = file.seek(0, SEEK_END)
    while end:
        start = max(0, end - 4096)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        file.truncate(end)
    file.seek(end)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Nobody else writes the journal meanwhile."""
    held = JournalFileSymlinkLock(path)
    held.acquire()
    try:
        yield
    finally:
        held.release()
