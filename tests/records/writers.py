"""A writer of each kind of record file; also as a process: `python -m tests.records.writers FILE ROWS`.

The process says `open` once the file is its own, brings it to so many rows, says `full`, and keeps it until its input
ends.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from spaces.errors import NascompileError

#: Names of files, each of a kind of its own.
FILES = ("trials.jsonl", "rounds.jsonl", "scores.csv")
COLUMNS = ("candidate", "zico", "macs")


@contextmanager
def opened(
    path: Path, seed: int = 0, text: str = 'c, "x"', force: bool = False
) -> Iterator[tuple[int, Callable[[int], None]]]:
    """How many rows there are, and what adds the next one, which has this number and that text."""
    # Imported when used: these processes are many, and their start is most of what they do.
    settings = {"seed": seed, "note": "ü"}
    if path.name == "trials.jsonl":
        from nascompile.records.trial_log import Trial, TrialLog

        with TrialLog(path, settings, force) as log:
            yield len(log.trials), lambda n: log.append(Trial(f"{text} {n}", {"macs": 10 * n}, {"zico": _score(n)}))
    elif path.name == "rounds.jsonl":
        from nascompile.records.search_log import SearchLog
        from samplers.monas.rules import Round, Row

        def found(number: int) -> Round:
            row = Row("e", f"{text} {number}", _score(number), 1.0, None, None, 0.0)
            return Round(number, {"e": ("a", "b")}, (row,))

        with SearchLog(path, settings, force) as log:
            yield len(log.rounds), lambda n: log.append(found(n))
    else:
        from samplers.scores.score_file import ScoreFile

        table = ScoreFile(path, COLUMNS, settings)
        with table.open(force) as append:
            yield len(table.rows()), lambda n: append([f"{text} {n}", _score(n), 10 * n])


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
