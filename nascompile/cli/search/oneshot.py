"""`nascompile search --sampler oneshot`: the networks that reach most with the weights of a super-network."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from nascompile.cli.output import out, quantity, table
from nascompile.cli.report import print_profile, profile_data
from nascompile.cli.search.trials import TrialsSearch
from nascompile.cli.shipped import dtype_shipped
from nascompile.cli.tables import print_table
from nascompile.cli.takes import TakesColumns
from nascompile.records.search_log import SearchLog
from samplers.oneshot.search import SHARED, OneShotSearch
from samplers.proxy_search import Trial
from spaces.program.candidate import Candidate
from spaces.program.shipping import Shipping

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["SharedSearch"]

#: Networks that are printed.
_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """A finished search.

    Args:
        best: the first networks and their accuracies with shared weights.
        judged: how many there were.
        log: with all trials.
        source: where the examples come from.
        seconds: how long it took.
    """

    best: list[tuple[Candidate, float]]
    judged: int
    log: SearchLog[Trial]
    source: str
    seconds: float


class SharedSearch(TrialsSearch[OneShotSearch]):
    """The first networks by shared weights."""

    def interrupted(self, log: SearchLog[Trial]) -> str:
        """Where the super-network is, too."""
        there = f"the last whole epoch of the super-network is in {log.path.with_suffix('.super.pt')}"
        return f"{super().interrupted(log)}; {there}" if not log.records else super().interrupted(log)

    def found(self, data: Data, log: SearchLog[Trial], seconds: float) -> Found:
        """The best, in their order."""
        trials = log.records[: self.total]
        best = list(islice(self.search.order(self.fs, trials), _SHOWN))
        return Found(best, len(trials), log=log, source=data.source, seconds=seconds)

    def plain(self, found: Found) -> dict[str, Any]:
        """The best, and how many were judged."""
        return {
            "space": self.fs.program.space.name,
            **self.searched(),
            "sampler": self.search.parameters,
            "data": found.source,
            "trials": found.judged,
            "best": [
                {"candidate": str(one), "index": one.number, SHARED: accuracy, "costs": one.costs}
                for one, accuracy in found.best
            ],
            "seconds": found.seconds,
            "log": str(found.log.path),
            "file": str(self.options.output) if self.options.output else None,
        }

    def show(self, found: Found) -> None:
        """The same for a person: a row for each of the best."""
        program, members = self.fs.program, [one for one, _ in found.best]
        self.say_of(f"{found.judged:,} networks judged")
        out.print()
        takes = TakesColumns(Shipping.of(program, dtype_shipped(program)), members)
        rows = table("~network", ">shared", ">macs", *takes.titles)
        for k, (one, accuracy) in enumerate(found.best):
            macs = quantity("macs", one.costs["macs"])
            rows.add_row(escape(str(one)), f"{100 * accuracy:.2f} %", macs, *takes.cells(k))
        print_table(rows)
        if program.latency:
            print_profile(profile_data(program.latency))
        out.print(f"a super-network learnt from {found.source}", soft_wrap=True)
        out.print(
            "shared is the accuracy with its weights: networks trained by themselves reach more, and are not always in "
            "this order. Add --samples 5 to train the first five.",
            soft_wrap=True,
        )
        self.say_check(str(members[0]))
