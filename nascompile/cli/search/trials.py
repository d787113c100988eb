"""`nascompile search` by proxies alone: trials in a log that continues, and in a table where one is wanted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from rich.markup import escape

from nascompile import __version__
from nascompile.cli.counts import between_text
from nascompile.cli.examples import check_batch_norm, data_record
from nascompile.cli.options import SetRequest
from nascompile.cli.output import out
from nascompile.cli.pace import Pace
from nascompile.cli.report import budget_text, runtime_name
from nascompile.cli.search.untrained import Untrained
from nascompile.records.search_log import SearchLog
from samplers.proxy_search import ProxySearch, Trial
from samplers.scores.score_file import Append, ScoreFile
from solvers.base import Progress
from spaces.errors import NascompileError
from spaces.program.candidate import parse_candidate
from spaces.program.duplicates import numbered_cell
from spaces.program.graph import Program

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["TrialsSearch"]

S = TypeVar("S", bound=ProxySearch)


class TrialsSearch(Untrained[S]):
    """Trials, in a table too where one is wanted; a subclass says what comes of them."""

    def run(self, request: SetRequest) -> None:
        """Search, and print what was found."""
        check_batch_norm(self.options.trials.batch_norm)
        output = self.options.output
        if output and output.suffix != ".csv":
            raise NascompileError.of(
                "bad-option", f"cannot write trials to `{output}`", "give a file that ends in .csv"
            )
        super().run(request)

    def settings(self, data: Data) -> dict[str, Any]:
        """All that a trial depends on; neither the number of trials nor that of processes is among it."""
        latency = self.fs.program.latency
        return {
            "nascompile": __version__,
            "torch": version("torch"),
            "optuna": version("optuna"),
            "space": self.fs.program.space.name,
            "space_sha256": hashlib.sha256(self.fs.program.space.text.encode()).hexdigest(),
            "set_sha256": self.fs.digest,
            "latency_profile": latency.name if latency else None,
            "sampler": self.search.parameters,
            "proxies": {p.name: p.options for p in self.search.proxies},
            **data_record(data),
            "batch_norm": self.options.trials.batch_norm,
            "device": self.options.resources.device,
        }

    def say_of(self, done: str) -> None:
        """The first line for a person: what was done with networks of which set."""
        program = self.fs.program
        target = f" on {program.target}" if program.target else ""
        limits = budget_text(dict(program.budgets.items()), program.ram_model, runtime_name(program))
        feasible = f"{between_text(*self.fs.between)} feasible of {program.size:,}"
        out.print(f"{escape(program.space.name)}{target}: {done}, of {feasible}: {limits}", soft_wrap=True)

    def title(self) -> str:
        """The space."""
        return f"searching {self.fs.program.space.name}"

    def continues(self, log: SearchLog[Trial]) -> str:
        """How many trials are there."""
        return f"{self._there(log):,} of {self.total:,} trials are in {log.path} already"

    def interrupted(self, log: SearchLog[Trial]) -> str:
        """How many trials are there now."""
        return f"interrupted: {len(log.records):,} of {self.total:,} trials are in {log.path}; the same command goes on"

    @property
    def total(self) -> int:
        """How many trials there will be."""
        return min(self.search.trials, self.fs.between[1])

    def on_progress(self, progress: Progress, what: str, asking: float) -> None:
        """Of trials the pace says more."""
        self.asking = asking
        if self.search.learns and not what.endswith(self.search.by):
            progress(what, 0)

    @contextmanager
    def recording(self, log: SearchLog[Trial], progress: Progress) -> Iterator[Callable[[Trial], None]]:
        """Adds to the table, and tells the pace."""
        pace = Pace(progress, self._there(log), self.total)
        with self._table(log.settings) as table:

            def recorded(_: Trial) -> None:
                if table:
                    table.catch_up(self.fs.program, log.records)
                pace.step()

            yield recorded
            if table:
                table.catch_up(self.fs.program, log.records[: self.total])

    @contextmanager
    def _table(self, settings: dict[str, Any]) -> Iterator[_Rows | None]:
        """The file --out, where there is one."""
        if self.options.output is None:
            yield None
            return
        table = ScoreFile(self.options.output, _columns(self.fs.program, self.search.objectives), settings)
        with table.open(self.options.force) as append:
            yield _Rows(table, append, [row["candidate"] for row in table.rows()])

    def _there(self, log: SearchLog[Trial]) -> int:
        return min(len(log.records), self.total)


@dataclass
class _Rows:
    """Adds trials to a table that may have the first of them already.

    Args:
        table: the table.
        append: adds a row to it.
        there: the candidates that it has.
        at: the number of the next trial.
    """

    table: ScoreFile
    append: Append
    there: Sequence[str]
    at: int = field(default=0)

    def catch_up(self, program: Program, trials: Sequence[Trial]) -> None:
        """Add the trials that are not there yet, of all that there are.

        Raises:
            NascompileError: another trial is in its place.
        """
        for trial in trials[self.at :]:
            if self.at >= len(self.there):
                index = parse_candidate(program, trial.candidate).number if "index" in self.table.columns else None
                values = {**trial.values, "candidate": trial.candidate, "index": index}
                self.append([values[name] for name in self.table.columns])
            elif self.there[self.at] != trial.candidate:
                place = f"`{self.table.path}`, line {self.at + 2}"
                message = f"{place}: `{self.there[self.at]}` is not the trial that belongs there"
                raise NascompileError.of(
                    "damaged-table", message, "write to another file, or begin this one anew with --force"
                )
            self.at += 1


def _columns(program: Program, objectives: Iterable[str]) -> tuple[str, ...]:
    """The columns of --out: as `nascompile score` writes them, the objectives in place of its proxies."""
    index = ["index"] if numbered_cell(program) else []
    # Those of the printed table, then those that `score` writes.
    costs = ["rom", "ram", "macs", "params", *program.priced]
    return tuple(dict.fromkeys(["candidate", *index, *objectives, *costs]))
