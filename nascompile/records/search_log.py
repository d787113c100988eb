"""The log of a search that trains nothing: a journal with an entry per record, from which the search goes on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nascompile.records.journal import Journal
from samplers.training_free import Means, Record, RecordError, TrainingFreeSearch
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import FileError

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["SearchLog"]

R = TypeVar("R", bound=Record)


class SearchLog(Generic[R]):
    """The records of a search, on disk.

    Args:
        path: the file; made if it is not there.
        search: whose records they are.
        settings: what the search depends on, as plain data.
        force: start anew, whatever the file holds.

    Attributes:
        records: all of them, those that were in the file first.

    Raises:
        FileError: it holds the search of other settings, cannot be read, or cannot be written.
    """

    def __init__(
        self, path: Path, search: TrainingFreeSearch[R], settings: dict[str, Any], force: bool = False
    ) -> None:
        self.path, self.search, self.settings = path, search, settings
        self._journal = Journal(path, settings, force)
        self.records = [self._record(place, entry) for place, entry in enumerate(self._journal.entries)]

    def follow(self, fs: FeasibleSet, data: Data, means: Means) -> Generator[R, None, None]:
        """Bring the search to its end: the records that it lacks, each on disk once it is handed on.

        Raises:
            FileError: the log is of another search after all, or cannot be written.
        """
        try:
            with closing(self.search.measure(fs, data, tuple(self.records), means)) as found:
                for record in found:
                    self._journal.add(record.plain())
                    self.records.append(record)
                    yield record
        except RecordError as error:
            raise self._error(error.message, error.place) from None

    def _record(self, place: int, entry: dict[str, Any]) -> R:
        try:
            return self.search.record.read(entry, place)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._error(self.search.record.damaged, place) from None

    def _error(self, message: str, place: int) -> FileError:
        return self._journal.error(message, "name another file with --log, or start anew with --force", place + 2)
