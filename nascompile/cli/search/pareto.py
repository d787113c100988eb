"""`nascompile search --sampler pareto`: trials whose proxies compete as objectives, in a log that continues."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascompile import __version__
from nascompile.cli.engines import check_engine, spreading
from nascompile.cli.examples import check_batch_norm, data_record, labelled_examples
from nascompile.cli.objectives import COSTS, read_objectives
from nascompile.cli.options import SetRequest, default_name
from nascompile.cli.output import Interrupted, emit_json, say, working
from nascompile.cli.pace import Pace
from nascompile.cli.search.options import SearchOptions
from nascompile.cli.search.report import Found, found_data, print_found
from nascompile.records.proxy_trials import ProxyTrials
from nascompile.records.trial_log import Trial, TrialLog
from samplers.optuna_studies.pareto import ParetoSampler
from samplers.proxies.base import Proxy
from samplers.scores.score_file import Append, ScoreFile
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import Diagnostic, NascompileError
from spaces.program.candidate import Candidate
from spaces.program.duplicates import numbered_cell
from spaces.program.graph import Program

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["ParetoSearch"]


@dataclass(frozen=True)
class ParetoSearch:
    """A search as the command line has it, which trains nothing."""

    options: SearchOptions

    def run(self, request: SetRequest) -> None:
        """Search, and print the front."""
        options, given = self.options, self.options.trials
        self._check_options()
        sampler = ParetoSampler(given.method, self.objectives, population=given.population, seed=options.seed)
        check_engine(options.resources.engine, options.resources.device)
        fs = request.feasible_set()
        _check_set(fs, sampler)
        examples = labelled_examples(fs, self.proxies, options.data, given.batch, options.seed)
        settings = self._settings(fs, sampler, examples)
        log = TrialLog(options.log or self._default_log(fs), settings, options.force)
        start = time.monotonic()
        with self._table(fs, sampler, settings) as append:
            trials, asking = self._search(fs, sampler, examples, log, append)
        found = Found(
            fs, sampler, log, trials, source=examples.source, batch_norm=given.batch_norm,
            seconds=time.monotonic() - start, asking=asking, output=options.output,
        )  # fmt: skip
        if options.as_json:
            emit_json(found_data(found))
        else:
            print_found(found)

    @cached_property
    def objectives(self) -> dict[str, str]:
        """Name -> `min` or `max`."""
        return read_objectives(self.options.trials.objectives)

    @cached_property
    def proxies(self) -> list[Proxy]:
        """What has to be computed beside the costs."""
        from samplers.scores.scoring import batched

        return batched([name for name in self.objectives if name not in COSTS], self.options.trials.batch)

    def _check_options(self) -> None:
        check_batch_norm(self.options.trials.batch_norm)
        output = self.options.output
        if output and output.suffix != ".csv":
            raise _error("bad-option", f"cannot write trials to `{output}`", "give a file that ends in .csv")

    def _default_log(self, fs: FeasibleSet) -> Path:
        return Path(f"{default_name(fs.program, 'pareto', self.options.seed)}.jsonl")

    def _settings(self, fs: FeasibleSet, sampler: ParetoSampler, data: Data) -> dict[str, Any]:
        """All that a trial depends on; neither the number of trials nor that of processes is among it."""
        latency = fs.program.latency
        return {
            "nascompile": __version__,
            "torch": version("torch"),
            "optuna": version("optuna"),
            "space": fs.program.space.name,
            "space_sha256": hashlib.sha256(fs.program.space.text.encode()).hexdigest(),
            "set_sha256": fs.digest,
            "latency_profile": latency.name if latency else None,
            "sampler": sampler.state()["parameters"],
            "proxies": {p.name: p.options for p in self.proxies},
            **data_record(data, self.options.data),
            "batch_norm": self.options.trials.batch_norm,
            "device": self.options.resources.device,
        }

    @contextmanager
    def _table(self, fs: FeasibleSet, sampler: ParetoSampler, settings: dict[str, Any]) -> Iterator[_Rows | None]:
        """The file --out, where there is one."""
        if self.options.output is None:
            yield None
            return
        table = ScoreFile(self.options.output, _columns(fs.program, list(sampler.objectives)), settings)
        with table.open(self.options.force) as append:
            yield _Rows(table, append, [row["candidate"] for row in table.rows()])

    def _search(
        self, fs: FeasibleSet, sampler: ParetoSampler, data: Data, log: TrialLog, table: _Rows | None
    ) -> tuple[int, float]:
        """Bring the log to its trials.

        Returns:
            How many there are, and seconds spent on asking.
        """
        options, resources = self.options, self.options.resources
        total = min(options.trials.trials, fs.size)
        there = min(len(log.trials), total)
        if there:
            say(f"{there:,} of {total:,} trials are in {log.path} already")
        try:
            with (
                spreading(resources.engine, resources.device, resources.jobs) as spread,
                working(f"searching {fs.program.space.name}") as progress,
            ):
                found = ProxyTrials(
                    fs, sampler, self.proxies, data, log, seed=options.seed, batch_norm=options.trials.batch_norm,
                    device=resources.device, jobs=resources.jobs, spread=spread,
                )  # fmt: skip
                pace = Pace(progress, there, total)

                def told(number: int, candidate: Candidate, trial: Trial) -> None:
                    if table:
                        table.add(candidate, trial)
                    if number >= there:
                        pace.step()

                found.run(total, told)
        except KeyboardInterrupt:
            say(f"interrupted: {len(log.trials):,} of {total:,} trials are in {log.path}; the same command goes on")
            raise Interrupted from None
        return total, found.asking


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

    def add(self, candidate: Candidate, trial: Trial) -> None:
        """Add a trial, unless it is there.

        Raises:
            NascompileError: another trial is in its place.
        """
        if self.at >= len(self.there):
            values = {**trial.values, "candidate": trial.candidate, "index": candidate.number}
            self.append([values[name] for name in self.table.columns])
        elif self.there[self.at] != trial.candidate:
            place = f"`{self.table.path}`, line {self.at + 2}"
            message = f"{place}: `{self.there[self.at]}` is not the trial that belongs there"
            raise _error("damaged-table", message, "write to another file, or begin this one anew with --force")
        self.at += 1


def _check_set(fs: FeasibleSet, sampler: ParetoSampler) -> None:
    if not fs:
        hint = "`nascompile explain` says what the budgets lack"
        raise _error("empty-set", f"no network of `{fs.program.space.name}` fits, so there is nothing to search", hint)
    if "latency" in sampler.objectives and fs.program.latency is None:
        hint = "give --latency-profile, or --latency-profile auto with --mcu"
        raise _error("no-latency", "the objective `latency` needs a latency profile", hint)
    sampler.check(fs)


def _columns(program: Program, objectives: Iterable[str]) -> tuple[str, ...]:
    """The columns of --out: as `nascompile score` writes them, the objectives in place of its proxies."""
    index = ["index"] if numbered_cell(program) else []
    costs = ["macs", "params", *(["latency"] if program.latency else [])]
    return tuple(dict.fromkeys(["candidate", *index, *objectives, *costs]))


def _error(code: str, message: str, hint: str) -> NascompileError:
    return NascompileError(Diagnostic(code, message, None, hint))
