"""`nascompile search --sampler monas`: the network that proxies rank first, within each limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from nascompile.cli.output import out, quantity, table
from nascompile.cli.report import print_profile, profile_data
from nascompile.cli.search.trials import TrialsSearch
from nascompile.cli.shipped import dtype_shipped
from nascompile.cli.tables import print_table
from nascompile.cli.takes import TakesColumns
from nascompile.records.search_log import SearchLog
from samplers.monas.limits import Limit
from samplers.monas.search import MonasSearch
from samplers.proxy_search import Trial
from spaces.program.candidate import Candidate
from spaces.program.shipping import Shipping
from spaces.units import FORMATS

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["RankedSearch"]


@dataclass(frozen=True)
class Best:
    """The best network within a limit.

    Args:
        limit: None where the set is the limit.
        candidates: those measured that keep it, the best first.
    """

    limit: Limit | None
    candidates: list[Candidate]


@dataclass(frozen=True)
class Found:
    """A finished search.

    Args:
        best: per limit.
        log: with all trials.
        measured: how many networks that compute different things there were.
        source: where the examples come from.
        seconds: how long it took.
    """

    best: list[Best]
    measured: int
    log: SearchLog[Trial]
    source: str
    seconds: float


class RankedSearch(TrialsSearch[MonasSearch]):
    """The best network within each limit."""

    def found(self, data: Data, log: SearchLog[Trial], seconds: float) -> Found:
        """The networks by the sums of their ranks."""
        trials = log.records[: self.total]
        limits = self.search.at(self.fs) or (None,)
        best = [Best(limit, self.search.order(self.fs, trials, limit)) for limit in limits]
        return Found(best, len(trials), log=log, source=data.source, seconds=seconds)

    def plain(self, found: Found) -> dict[str, Any]:
        """The best of each limit, and how many were measured."""
        return {
            "space": self.fs.program.space.name,
            **self.searched(),
            "sampler": self.search.parameters,
            "data": found.source,
            "batch_norm": self.options.trials.batch_norm,
            "trials": found.measured,
            "best": [
                {
                    "limit": {one.limit.metric: one.limit.most} if one.limit else None,
                    "measured": len(one.candidates),
                    "candidate": str(one.candidates[0]),
                    "index": one.candidates[0].number,
                    "costs": one.candidates[0].costs,
                }
                for one in found.best
            ],
            "seconds": found.seconds,
            "log": str(found.log.path),
            "file": str(self.options.output) if self.options.output else None,
        }

    def show(self, found: Found) -> None:
        """The same for a person: one network with all that it costs, or a row for each limit."""
        program = self.fs.program
        self.say_of(f"{found.measured:,} networks measured")
        if self.search.mu or self.search.lam:
            out.print(self._weight(found.best[0].limit), soft_wrap=True)
        out.print()
        if len(found.best) == 1:
            self._one(found.best[0].candidates[0])
        else:
            self._several(found.best)
        if program.latency:
            print_profile(profile_data(program.latency))
        out.print(f"measured on {found.source}", soft_wrap=True)
        out.print(
            f"No network was trained: ranked first by {', '.join(self.search.objectives)}, which say nothing about the "
            "value of the accuracy.",
            soft_wrap=True,
        )
        self.say_check(str(found.best[-1].candidates[0]))

    def _weight(self, limit: Limit | None) -> str:
        """What a weight has become."""
        name, weight = ("mu", self.search.mu) if self.search.mu else ("lambda", self.search.lam)
        return (
            f"{name} = {weight:g} is a limit here, {limit}: {weight:.0%} of the way from the dearest feasible network "
            "to the cheapest; --rule paper weighs instead"
        )

    def _one(self, member: Candidate) -> None:
        index = "" if member.number is None else f", index {member.number:,} of the benchmark"
        out.print(f"[bold]{escape(str(member))}[/bold]{index}", soft_wrap=True)
        rows = table("cost", ">value")
        takes = TakesColumns(Shipping.of(self.fs.program, dtype_shipped(self.fs.program)), [member])
        for title, cell in zip(takes.titles, takes.cells(0), strict=True):
            rows.add_row(title.lstrip(">"), cell)
        for name, value in member.costs.items():
            # What it takes of the chip stands above, in whichever way the set counts it.
            if name not in ("ram", *FORMATS) and not (name in ("rom", "ram_liveness") and takes.shipping.counted):
                rows.add_row(name, quantity(name, value))
        print_table(rows)

    def _several(self, best: list[Best]) -> None:
        members = [one.candidates[0] for one in best]
        takes = TakesColumns(Shipping.of(self.fs.program, dtype_shipped(self.fs.program)), members)
        numbered = members[0].number is not None
        rows = table("limit", ">measured", "~best network", *([">index"] if numbered else []), ">macs", *takes.titles)
        for k, one in enumerate(best):
            index = [str(members[k].number)] if numbered else []
            macs = quantity("macs", members[k].costs["macs"])
            rows.add_row(
                str(one.limit), str(len(one.candidates)), escape(str(members[k])), *index, macs, *takes.cells(k)
            )
        print_table(rows)
