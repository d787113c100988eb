"""The log of a search by trials: a journal with an entry per candidate, its costs and its scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nascompile.records.journal import Journal

__all__ = ["Trial", "TrialLog"]


@dataclass(frozen=True)
class Trial:
    """A candidate that was evaluated.

    Args:
        candidate: its line.
        costs: name -> value.
        scores: proxy -> score; infinities and NaN as the proxies give them.
    """

    candidate: str
    costs: Mapping[str, int | float]
    scores: Mapping[str, float]

    @property
    def values(self) -> dict[str, int | float]:
        """Costs and scores by name."""
        return {**self.scores, **self.costs}


class TrialLog:
    """The trials of a search in the order in which they were asked, on disk.

    A line is `{"trial": 0, "candidate": "mlp2: 16-16", "costs": {...}, "scores": {...}}`; scores that are no finite
    numbers are the texts `inf`, `-inf` and `nan`, which JSON has no numbers for.

    Args:
        path: the file; made if it is not there.
        settings: what the search depends on, as plain data.
        force: start anew, whatever the file holds.

    Raises:
        FileError: it holds the search of other settings, cannot be read, or cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "run.jsonl"
        ...     TrialLog(path, {"seed": 0}).append(Trial("mlp2: 16-16", {"macs": 288}, {"meco": float("-inf")}))
        ...     TrialLog(path, {"seed": 0}).trials[0].values
        {'meco': -inf, 'macs': 288}
    """

    def __init__(self, path: Path, settings: dict[str, Any], force: bool = False) -> None:
        self.path = path
        self._journal = Journal(path, settings, force)
        self.trials = [self._trial(n, entry) for n, entry in enumerate(self._journal.entries, start=2)]

    def append(self, trial: Trial) -> None:
        """Add a trial."""
        scores = {name: _plain(value) for name, value in trial.scores.items()}
        entry = {"trial": len(self.trials), "candidate": trial.candidate, "costs": dict(trial.costs), "scores": scores}
        self._journal.add(entry)
        self.trials.append(trial)

    def expect(self, number: int, candidate: str) -> Trial:
        """A trial that is there already, which must be of this candidate.

        Raises:
            FileError: it is of another one.
        """
        found = self.trials[number]
        if found.candidate != candidate:
            message = f"the search proposes `{candidate}` where the log has `{found.candidate}`"
            hint = "name another file with --log, or start anew with --force"
            raise self._journal.error(message, hint, number + 2)
        return found

    def _trial(self, line: int, entry: dict[str, Any]) -> Trial:
        try:
            scores = {name: float(value) for name, value in entry["scores"].items()}
            if entry["trial"] != line - 2:
                raise ValueError
            return Trial(str(entry["candidate"]), dict(entry["costs"]), scores)
        except (AttributeError, KeyError, TypeError, ValueError):
            hint = "name another file with --log, or start anew with --force"
            raise self._journal.error("this line is not the trial that belongs there", hint, line) from None


def _plain(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
