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
from nascompile.cli.examples import data_record, labelled_examples
from nascompile.cli.objectives import COSTS, read_objectives
from nascompile.cli.options import SetRequest, default_name
from nascompile.cli.output import Interrupted, emit_json, say, working
from nascompile.cli.pace import Pace
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
    """A search as the command line has it; see the options of `nascompile search`."""

    method: str
    objectives: str
    trials: int
    population: int
    batch: int
    batch_norm: str
    jobs: int | None
    device: str
    engine: str
    seed: int
    data: Path | None
    log: Path | None
    output: Path | None
    force: bool
    as_json: bool

    def run(self, request: SetRequest) -> None:
        """Search, and print the front."""
        self._check_options()
        sampler = ParetoSampler(
            self.method, read_objectives(self.objectives), population=self.population, seed=self.seed
        )
        check_engine(self.engine, self.device)
        fs = request.feasible_set()
        _check_set(fs, sampler)
        examples = labelled_examples(fs, self.proxies, self.data, self.batch, self.seed)
        settings = self._settings(fs, sampler, examples)
        log = TrialLog(self.log or self._default_log(fs), settings, self.force)
        start = time.monotonic()
        with self._table(fs, sampler, settings) as append:
            trials, asking = self._search(fs, sampler, examples, log, append)
        seconds = time.monotonic() - start
        source, kept = examples.source, self.batch_norm
        found = Found(fs, sampler, log, trials, source, kept, seconds, asking, self.output)
        if self.as_json:
            emit_json(found_data(found))
        else:
            print_found(found)

    @cached_property
    def proxies(self) -> list[Proxy]:
        """What has to be computed beside the costs."""
        from samplers.scores.scoring import batched

        return batched([name for name in read_objectives(self.objectives) if name not in COSTS], self.batch)

    def _check_options(self) -> None:
        if self.batch_norm not in ("kept", "folded"):
            message = f"--batch-norm cannot be `{self.batch_norm}`"
            raise _error("wrong-value", message, "it is kept or folded")
        if self.output and self.output.suffix != ".csv":
            raise _error("bad-option", f"cannot write trials to `{self.output}`", "give a file that ends in .csv")

    def _default_log(self, fs: FeasibleSet) -> Path:
        return Path(f"{default_name(fs.program, 'pareto', self.seed)}.jsonl")

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
            **data_record(data, self.data),
            "batch_norm": self.batch_norm,
            "device": self.device,
        }

    @contextmanager
    def _table(self, fs: FeasibleSet, sampler: ParetoSampler, settings: dict[str, Any]) -> Iterator[_Rows | None]:
        """The file --out, where there is one."""
        if self.output is None:
            yield None
            return
        table = ScoreFile(self.output, _columns(fs.program, list(sampler.objectives)), settings)
        with table.open(self.force) as append:
            yield _Rows(table, append, [row["candidate"] for row in table.rows()])

    def _search(
        self, fs: FeasibleSet, sampler: ParetoSampler, data: Data, log: TrialLog, table: _Rows | None
    ) -> tuple[int, float]:
        """Bring the log to its trials.

        Returns:
            How many there are, and seconds spent on asking.
        """
        total = min(self.trials, fs.size)
        there = min(len(log.trials), total)
        if there:
            say(f"{there:,} of {total:,} trials are in {log.path} already")
        try:
            with (
                spreading(self.engine, self.device, self.jobs) as spread,
                working(f"searching {fs.program.space.name}") as progress,
            ):
                found = ProxyTrials(
                    fs, sampler, self.proxies, data, log, self.seed, self.batch_norm, self.device, self.jobs, spread
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
