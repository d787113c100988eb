"""The end of a search by an evaluation of the user's own: all candidates, and which of them are kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from nascompile.run.folder import RunFolder
from nascompile.run.loggers import tell_loggers
from nascompile.run.networks import Results, measured
from nascompile.run.result_files import ResultRows, csv_text, read_results, write_results
from nascompile.run.schedule import schedule_of

__all__ = ["OwnOutcome", "finish_own"]


@dataclass(frozen=True)
class OwnOutcome(ResultRows):
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
        return read_results(folder, cls._of)

    @classmethod
    def _of(cls, data: Mapping[str, Any]) -> OwnOutcome:
        costs, rows = tuple(data["costs"]), tuple(data["networks"])
        return cls(data["metric"], data["sense"], costs, rows, data["verdict"])

    @property
    def column(self) -> str:
        """See `ResultRows.column`."""
        return self.metric

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
    write_results(folder, csv_text(outcome.rows), outcome.data)
    tell_loggers(folder, loggers, {row["number"]: row for row in rows})
    return outcome


#: What a result has beside the costs of its candidate.
_OF_STEP = ("valid", "metric", "gain", "error", "seconds")
