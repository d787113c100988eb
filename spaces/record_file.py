"""A file of lines that an interrupted command goes on with: its own, written by one process at a time, and whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import Any, Self

from spaces.errors import FileError
from spaces.files import busy, unwritable
from spaces.locks import lock

__all__ = ["RecordFile", "differing"]


class RecordFile:
    """A file of lines, locked as long as it is open: begun, or gone on with where it is known to be one's own.

    Each line is handed to the system before `append` returns, so a killed process leaves at most one line that is cut
    off in the middle. Whoever goes on removes it.

    Args:
        path: the file; made if it is not there.
        head: its first line. A file that has no more than that, or than the beginning of it, is begun anew.
        continues: told the whole lines that are there, whether to go on behind them; raises where they are another's.
            Until it has answered, the file stays as it is.
        force: begin anew, whatever is there.
        failed: the error for a file that cannot be written.

    Attributes:
        continued: whether what was there still is.

    Raises:
        FileError: another process is writing it, it is another's, or it cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "lines"
        ...     _ = path.write_text("head\\none\\ntw")
        ...     with RecordFile(path, b"head\\n", lambda lines: lines[0] == b"head") as file:
        ...         file.append(b"two\\n")
        ...     path.read_text()
        'head\\none\\ntwo\\n'
    """

    def __init__(
        self, path: Path, head: bytes, continues: Callable[[Sequence[bytes]], bool], *, force: bool = False,
        failed: Callable[[Path, OSError], FileError] = unwritable,
    ) -> None:  # fmt: skip
        self.path, self._failed = path, failed
        with ExitStack() as opened:
            try:
                # Without a buffer: what cannot be written is not tried again when the file is closed.
                self._file = opened.enter_context(FileIO(path, "a+"))
                if not lock(self._file):
                    raise busy(path)
                self._file.seek(0)
                data = self._file.readall()
            except OSError as cause:
                raise failed(path, cause) from None
            size = data.rfind(b"\n") + 1
            lines = data[:size].split(b"\n")[:-1]
            self.continued = not force and not head.startswith(data) and continues(lines)
            self.append(b"" if self.continued else head, size if self.continued else 0)
            opened.pop_all()

    def append(self, line: bytes, size: int | None = None) -> None:
        """Add a line, which ends with a line break, at the end, or in place of all behind so many bytes.

        Raises:
            FileError: it cannot be written.
        """
        try:
            if size is not None:
                self._file.truncate(size)
            while line:
                line = line[self._file.write(line) :]
        except OSError as cause:
            raise self._failed(self.path, cause) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


def differing(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The settings by which two runs differ.

    Args:
        there: of the run whose records a file holds, as JSON gave them.
        now: of the run that would go on with them.

    Example:
        >>> differing({"seed": 0, "size": [1, 2]}, {"seed": 1, "size": (1, 2), "jpeg": True})
        ['seed', 'jpeg']
    """
    now = json.loads(json.dumps(dict(now)))
    return [name for name in {**there, **now} if there.get(name) != now.get(name)]
