"""The end of a search by an evaluation of the user's own: all candidates, and which of them are kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from nascompile.run.folder import RunFolder
from nascompile.run.loggers import tell_loggers
from nascompile.run.networks import Results, measured
from nascompile.run.schedule import schedule_of
from spaces.errors import FileError
from spaces.files import write_atomically

__all__ = ["OwnOutcome", "finish_own"]


@dataclass(frozen=True)
class OwnOutcome:
    """The results of such a run.

    Args:
        metric: the one that counts.
        sense: `max` or `min`, whichever of it is wanted.
        costs: what it is weighed against.
        rows: one per candidate in the order in which the sampler asked: `number`, `candidate`, its line, `chosen` (1
            where it is kept), all its metrics and costs; or `error` in their place.
        verdict: how good the choice is.
    """

    metric: str
    sense: str
    costs: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    verdict: str

    @classmethod
    def read(cls, folder: RunFolder) -> OwnOutcome | None:
        """The outcome of a run that has ended; None of one that has not.

        Raises:
            FileError: its file is damaged.
        """
        path = folder.path / "results.json"
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            costs, rows = tuple(data["costs"]), tuple(data["networks"])
            return cls(data["metric"], data["sense"], costs, rows, data["verdict"])
        except (ValueError, KeyError, TypeError):
            hint = f"delete it: `nascompile resume {folder.path}` writes it anew"
            raise FileError.of("damaged-file", "these are no results", hint, path) from None

    @property
    def chosen(self) -> list[Mapping[str, Any]]:
        """The rows of those that are kept, the cheapest first."""
        return sorted((row for row in self.rows if row["chosen"]), key=lambda row: row[self.costs[0]])

    @property
    def best(self) -> Mapping[str, Any]:
        """The row of the best one, which is always among those that are kept.

        Raises:
            ValueError: none could be evaluated.
        """
        return (max if self.sense == "max" else min)(self.chosen, key=lambda row: row[self.metric])

    @property
    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "metric": self.metric, "sense": self.sense, "costs": list(self.costs), "verdict": self.verdict,
            "networks": [dict(row) for row in self.rows],
        }  # fmt: skip

    def csv(self) -> str:
        """The rows as a table, for `nascompile select` and others; those with an error are left out."""
        rows = [row for row in self.rows if "error" not in row]
        text = io.StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()


def finish_own(folder: RunFolder, results: Results, loggers: Collection[str] = ()) -> OwnOutcome:
    """Choose candidates, write the tables, and tell loggers.

    Args:
        folder: of the run.
        results: of all candidates.
        loggers: `tensorboard` or `mlflow`.

    Raises:
        FileError: the folder cannot be written.
    """
    settings = folder.settings
    own = settings.own
    assert own is not None
    choice = schedule_of(settings).kept(measured(results, settings.costs))
    rows: list[dict[str, Any]] = []
    for task, found in sorted(results.items()):
        costs = {name: value for name, value in found.items() if name not in _OF_STEP}
        kept = {"number": task.number, "candidate": found["candidate"], "chosen": int(task.number in choice.numbers)}
        made = {"error": found["error"]} if "error" in found else found["valid"]
        rows.append({**kept, **made, **{name: value for name, value in costs.items() if name != "candidate"}})
    outcome = OwnOutcome(own.metric, own.sense, settings.costs, tuple(rows), choice.verdict)
    write_atomically(folder.path / "results.csv", outcome.csv().encode())
    write_atomically(folder.path / "results.json", (json.dumps(outcome.data, indent=2) + "\n").encode())
    tell_loggers(folder, loggers, {row["number"]: row for row in rows})
    return outcome


#: What a result has beside the costs of its candidate.
_OF_STEP = ("valid", "metric", "gain", "error", "seconds")
