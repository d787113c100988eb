"""`nascompile search --sampler monas --rule paper`: a cell space pruned operator by operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from nascompile.cli.counts import between_text
from nascompile.cli.output import err, out, quantity, table
from nascompile.cli.report import budget_text, print_profile
from nascompile.cli.search.untrained import Untrained
from nascompile.cli.shipped import dtype_shipped
from nascompile.cli.tables import print_table
from nascompile.cli.takes import TakesColumns
from nascompile.records.search_log import SearchLog
from samplers.monas.paper import MonasPaper, found_cell
from samplers.monas.rules import Round
from solvers.base import Progress
from spaces.program.candidate import parse_candidate
from spaces.program.shipping import Shipping
from spaces.units import FORMATS

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["PaperSearch"]


class PaperSearch(Untrained[MonasPaper]):
    """Rounds, on stderr as they come, and the cell that the last of them leaves."""

    def continues(self, log: SearchLog[Round]) -> str:
        """After which round."""
        return f"continuing after round {log.records[-1].number} of {log.path}"

    def interrupted(self, log: SearchLog[Round]) -> str:
        """After which round."""
        return f"interrupted after {len(log.records)} rounds; the same command continues from {log.path}"

    @contextmanager
    def recording(self, log: SearchLog[Round], progress: Progress) -> Iterator[Callable[[Round], None]]:
        """Prints each round."""
        yield _print_round

    def found(self, data: Data, log: SearchLog[Round], seconds: float) -> dict[str, Any]:
        """The cell and its costs, and all rounds."""
        member = found_cell(self.fs, log.records)
        return {
            "candidate": str(member),
            "index": member.number,
            "costs": member.costs,
            **self.searched(),
            "sampler": self.search.parameters,
            "data": data.source,
            "seconds": seconds,
            "rounds": [asdict(one) for one in log.records],
        }

    def show(self, found: dict[str, Any]) -> None:
        """The cell and its costs."""
        out.print(f"[bold]{escape(found['candidate'])}[/bold]", soft_wrap=True)
        index = "" if found["index"] is None else f"index {found['index']:,} of the benchmark; "
        target = f" on {found['target']}" if found["target"] else ""
        limits = budget_text(found["budgets"], found["ram_model"], found["runtime"])
        out.print(
            f"{index}one of {between_text(*self.fs.between)} feasible of {found['size']:,}{target}: {limits}",
            soft_wrap=True,
        )
        out.print()
        program, rows = self.fs.program, table("cost", ">value")
        takes = TakesColumns(
            Shipping.of(program, dtype_shipped(program)), [parse_candidate(program, found["candidate"])]
        )
        for title, cell in zip(takes.titles, takes.cells(0), strict=True):
            rows.add_row(title.lstrip(">"), cell)
        for name, value in found["costs"].items():
            # What it takes of the chip stands above, in whichever way the set counts it.
            if name not in ("ram", *FORMATS) and not (name in ("rom", "ram_liveness") and takes.shipping.counted):
                rows.add_row(name, quantity(name, value))
        print_table(rows)
        if found["latency_profile"]:
            print_profile(found["latency_profile"])
        out.print(f"measured on {found['data']}", soft_wrap=True)
        out.print("No network was trained: K and R predict accuracy, and say nothing about its value.")
        self.say_check(found["candidate"])


def _print_round(one: Round) -> None:
    """The state of each edge, on stderr."""
    rows = table(f"round {one.number}", "~left", "~pruned", "~")
    for edge, names in one.after.items():
        pruned, needed = (
            ", ".join(r.operator for r in one.rows if (r.edge, r.fate) == (edge, fate)) for fate in ("pruned", "needed")
        )
        why = f"not {needed}, which every feasible cell needs" if needed else ""
        rows.add_row(escape(edge), ", ".join(names), pruned, why)
    err.print(rows, width=err.width if err.is_terminal else 120)
