"""A writer of each kind of record file; also as a process: `python -m tests.records.writers FILE ROWS`.

The process says `open` once the file is its own, brings it to so many rows, says `full`, and keeps it until its input
ends.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from spaces.errors import NascompileError

#: Names of files, each of a kind of its own.
FILES = ("trials.jsonl", "rounds.jsonl", "scores.csv")
COLUMNS = ("candidate", "zico", "macs")


@contextmanager
def opened(
    path: Path, seed: int = 0, text: str = 'c, "x"', force: bool = False
) -> Iterator[tuple[int, Callable[[int], object]]]:
    """How many rows there are, and what adds the next one, which has this number and that text."""
    # Imported when used: these processes are many, and their start is most of what they do.
    settings: dict[str, Any] = {"seed": seed, "note": "ü"}
    if path.suffix == ".csv":
        from samplers.scores.score_file import ScoreFile

        table = ScoreFile(path, COLUMNS, settings)
        with table.open(force) as append:
            yield len(table.rows()), lambda n: append([f"{text} {n}", _score(n), 10 * n])
    else:
        from nascompile.records.search_log import SearchLog

        search: Any = _Search(text, path.stem)
        nothing: Any = None
        with SearchLog(path, search, settings, force) as log, closing(log.follow(nothing, nothing, nothing)) as found:
            yield len(log.records), lambda _: next(found)


class _Search:
    """What a log asks of a search; it measures nothing, and never ends."""

    def __init__(self, text: str, kind: str) -> None:
        from samplers.monas.rules import Round
        from samplers.proxy_search import Trial

        self.text, self.record = text, Trial if kind == "trials" else Round

    def measure(self, fs: object, data: object, done: tuple[Any, ...], means: object) -> Iterator[Any]:
        from samplers.monas.rules import Round, ScoreRow
        from samplers.proxy_search import Trial

        for n in count(len(done)):
            if self.record is Trial:
                yield Trial(n, f"{self.text} {n}", {"macs": 10 * n}, {"zico": _score(n)})
            else:
                row = ScoreRow("e", f"{self.text} {n}", _score(n), 1.0, None, None, 0.0)
                yield Round(n, {"e": ("a", "b")}, (row,))


def write(path: Path, rows: int, seed: int = 0, text: str = 'c, "x"', force: bool = False) -> bytes:
    """Bring a file to so many rows; what it is then."""
    with opened(path, seed, text, force) as (there, add):
        for number in range(there, rows):
            add(number)
    return path.read_bytes()


def _score(number: int) -> float:
    return number / 2 if number else -math.inf


if __name__ == "__main__":
    try:
        with opened(Path(sys.argv[1])) as (there, add):
            print("open", flush=True)
            for number in range(there, int(sys.argv[2])):
                add(number)
            print("full", flush=True)
            sys.stdin.read()
    except NascompileError as error:
        sys.exit(str(error))
