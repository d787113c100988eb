"""`nascompile search` where no network is trained: they are measured, in a log that continues."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rich.markup import escape

from nascompile.cli.counts import count_data
from nascompile.cli.engines import check_engine, spreading
from nascompile.cli.examples import data_record, labelled_examples
from nascompile.cli.options import SetRequest, default_name, is_set_file
from nascompile.cli.output import Interrupted, emit_json, out, say, say_next, working
from nascompile.cli.report import profile_data, runtime_name
from nascompile.cli.search.options import SearchOptions
from nascompile.cli.search.shipping import searched_set
from nascompile.records.search_log import SearchLog
from samplers.training_free import Means, Record, TrainingFreeSearch
from solvers.base import Progress
from solvers.sets.relaxed_set import AnySet
from spaces.errors import NascompileError

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["AnySearch", "Untrained", "with_latency"]

S = TypeVar("S", bound=TrainingFreeSearch[Any])


@dataclass
class Untrained(ABC, Generic[S]):
    """A search as the command line has it, which trains nothing; a subclass says how it looks.

    Args:
        options: as given.
        search: as they ask for it.

    Attributes:
        request: as given.
        fs: the set, once it is there.
        asking: seconds that proposing has taken.
    """

    options: SearchOptions
    search: S
    request: SetRequest = field(init=False)
    fs: AnySet = field(init=False)
    asking: float = field(default=0.0, init=False)

    def say_check(self, candidate: str) -> None:
        """What may come next: a look at a network that was found."""
        words = self.request.words("dtype", "runtime", "ram_model", "latency_profile")
        say_next("nascompile", "check", words[0], candidate, *words[1:])

    def run(self, request: SetRequest) -> None:
        """Search, and print what was found."""
        options, resources, self.request = self.options, self.options.resources, request
        self.search.check()
        check_engine(resources.engine, resources.device)
        given = options.data.settings(options.seed)
        if self.search.learns and given is None:
            message = f"--sampler {options.name} learns from your data, and there are none"
            raise NascompileError.of("no-data", message, "give --data: a folder, an archive or an .npz file")
        self.fs, dataset = searched_set(with_latency(self.search, request), given)
        self.search.check(self.fs)
        data = labelled_examples(self.fs, dataset, self.search.examples, options.seed, learns=self.search.learns)
        if len(data) < 2 * self.search.examples:
            self.search = self.search.limited(len(data) // 2)
        path = options.log or Path(f"{default_name(self.fs.program, options.name, options.seed)}.jsonl")
        start = time.monotonic()
        with SearchLog(path, self.search, self.settings(data), options.force) as log:
            self.follow(data, log)
        found = self.found(data, log, time.monotonic() - start)
        if options.as_json:
            emit_json(self.plain(found))
        else:
            self.show(found)

    def settings(self, data: Data) -> dict[str, Any]:
        """All that a record depends on."""
        program = self.fs.program
        latency = program.latency.name if program.latency else None
        about = {"space": program.space.text, "set": self.fs.digest, "sampler": self.search.parameters}
        return {**about, **data_record(data), "latency": latency}

    def follow(self, data: Data, log: SearchLog[Any]) -> None:
        """Bring the log to the end of the search."""
        resources = self.options.resources
        if log.records:
            say(self.continues(log))
        try:
            with (
                spreading(resources.engine, resources.device, resources.jobs) as parallel_map,
                working(self.title()) as progress,
                self.recording(log, progress) as recorded,
            ):
                means = Means(
                    self.options.trials.batch_norm, resources.device, resources.jobs, parallel_map,
                    keep=log.path.with_suffix(".super.pt"),
                    on_progress=lambda what, asking: self.on_progress(progress, what, asking),
                )  # fmt: skip
                for record in log.follow(self.fs, data, means):
                    recorded(record)
        except KeyboardInterrupt:
            say(self.interrupted(log))
            raise Interrupted from None

    def title(self) -> str:
        """What goes on, in a word."""
        return "searching"

    def continues(self, log: SearchLog[Any]) -> str:
        """That the log has records."""
        return f"continuing after {len(log.records):,} records of {log.path}"

    def interrupted(self, log: SearchLog[Any]) -> str:
        """What became of an interrupted search."""
        return f"interrupted after {len(log.records):,} records; the same command continues from {log.path}"

    def on_progress(self, progress: Progress, what: str, asking: float) -> None:
        """Of what is being measured."""
        self.asking = asking
        progress(what, 0)

    @contextmanager
    def recording(self, log: SearchLog[Any], progress: Progress) -> Iterator[Any]:
        """What to do with each new record."""
        yield lambda record: None

    def searched(self) -> dict[str, Any]:
        """The set in which it searched, and what that counts, as plain data."""
        program = self.fs.program
        return {
            **count_data(*self.fs.between, "feasible"),
            "size": program.size,
            "budgets": dict(program.budgets.items()),
            "ram_model": program.ram_model,
            "runtime": runtime_name(program),
            "target": program.target or None,
            "latency_profile": profile_data(program.latency) if program.latency else None,
        }

    @abstractmethod
    def found(self, data: Data, log: SearchLog[Any], seconds: float) -> Any:
        """The outcome."""

    def plain(self, found: Any) -> dict[str, Any]:
        """It as plain data."""
        return found

    @abstractmethod
    def show(self, found: Any) -> None:
        """Print it for a person."""


class AnySearch(Untrained[TrainingFreeSearch[Record]]):
    """A search of which nothing else is known, such as one that another package has registered."""

    def found(self, data: Data, log: SearchLog[Any], seconds: float) -> dict[str, Any]:
        """The records, and what is worth training."""
        chosen = self.search.choose(self.fs, self.options.training.select, lambda *_: log.records)
        return {
            "space": self.fs.program.space.name,
            **count_data(*self.fs.between, "feasible"),
            "sampler": self.search.parameters,
            "data": data.source,
            "records": [record.plain() for record in log.records],
            "chosen": [{"candidate": str(one), "index": one.number, "costs": one.costs} for one in chosen],
            "seconds": seconds,
            "log": str(log.path),
        }

    def show(self, found: dict[str, Any]) -> None:
        """The candidates."""
        for one in found["chosen"]:
            out.print(escape(one["candidate"]), soft_wrap=True)
        say(f"measured on {found['data']}; every record is in {found['log']}")


def with_latency(search: TrainingFreeSearch[Any], request: SetRequest) -> SetRequest:
    """The request with a latency profile where the search weighs latencies."""
    if search.weighs_latency and request.limits.latency_profile is None and not is_set_file(request.space):
        return replace(request, limits=replace(request.limits, latency_profile="auto"))
    return request
