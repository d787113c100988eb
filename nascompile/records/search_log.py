"""The log of a search that trains nothing: JSON lines, first its settings, then its records, so that it can go on."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from samplers.training_free import Means, Record, RecordError, TrainingFreeSearch
from solvers.sets.relaxed_set import AnySet
from spaces.errors import FileError, Span
from spaces.record_file import RecordFile, differing

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["SearchLog"]

R = TypeVar("R", bound=Record)
_ANOTHER = "name another file with --log"


class SearchLog(RecordFile, Generic[R]):
    """The records of a search, on disk; no other process adds to them until the log is closed.

    Args:
        path: the file; made if it is not there.
        search: whose records they are.
        settings: what the search depends on, as plain data.
        force: start anew, whatever the file holds.

    Attributes:
        records: all of them, those that were in the file first.

    Raises:
        FileError: another process is writing it, it holds the search of other settings, cannot be read, or cannot be
            written.
    """

    def __init__(
        self, path: Path, search: TrainingFreeSearch[R], settings: dict[str, Any], force: bool = False
    ) -> None:
        self.path, self.search, self.settings = path, search, settings
        self.records: list[R] = []
        super().__init__(path, _line(settings), self._read, force=force, failed=_unwritable)

    def follow(self, fs: AnySet, data: Data, means: Means) -> Generator[R, None, None]:
        """Bring the search to its end: the records that it lacks, each on disk once it is handed on.

        Raises:
            FileError: the log is of another search after all, or cannot be written.
        """
        try:
            with closing(self.search.measure(fs, data, tuple(self.records), means)) as found:
                for record in found:
                    self.append(_line(record.plain()))
                    self.records.append(record)
                    yield record
        except RecordError as error:
            raise self._error(error.message, error.place + 2) from None

    def _read(self, lines: Sequence[bytes]) -> bool:
        """Read the records, behind the settings of this very search."""
        # Without a whole line it is a text that is no beginning of these settings.
        there, *rest = [self._object(number, line) for number, line in enumerate(lines or [b""], start=1)]
        if different := differing(there, self.settings):
            raise self._error(f"this is the log of another search: its `{different[0]}` differs")
        for place, data in enumerate(rest):
            try:
                self.records.append(self.search.record.read(data, place))
            except (AttributeError, KeyError, TypeError, ValueError):
                raise self._error(self.search.record.damaged, place + 2) from None
        return True

    def _object(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            result = json.loads(line.decode())
        except UnicodeDecodeError as cause:
            raise _bad_log(self.path, f"cannot read the log: {cause}", _ANOTHER, number) from None
        except ValueError:
            result = None
        if not isinstance(result, dict):
            raise self._error("this line is none of a search's log", number)
        return result

    def _error(self, message: str, line: int = 1) -> FileError:
        return _bad_log(self.path, message, f"{_ANOTHER}, or start anew with --force", line)


def _line(data: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(data)}\n".encode()


def _unwritable(path: Path, cause: OSError) -> FileError:
    return _bad_log(path, f"cannot write the log: {cause.strerror}", f"free some space, or {_ANOTHER}")


def _bad_log(path: Path, message: str, hint: str, line: int = 1) -> FileError:
    return FileError.of("bad-log", message, hint, Span(str(path), line, 1))
