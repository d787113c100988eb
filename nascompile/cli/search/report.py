"""What a search by trials has found: the front, as a table and as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.markup import escape

from nascompile.cli.counts import between_text, count_data
from nascompile.cli.output import out, quantity, say_next, table
from nascompile.cli.report import budget_text, profile_data, runtime_name
from nascompile.cli.shipped import dtype_shipped
from nascompile.cli.tables import print_table
from nascompile.cli.takes import TakesColumns
from nascompile.records.search_log import SearchLog
from samplers.optuna_studies.pareto import Point
from samplers.optuna_studies.pareto_search import ParetoSearch
from samplers.proxy_search import Trial
from solvers.sets.relaxed_set import AnySet
from spaces.program.shipping import Shipping

__all__ = ["Found", "found_data", "print_found"]

_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Found:
    """A finished search.

    Args:
        fs: the set.
        search: that has evaluated them.
        log: with all trials, and perhaps with more.
        trials: how many there were.
        source: where the examples come from.
        batch_norm: `kept` or `folded`.
        seconds: how long it took, the evaluation of trials that were in the log already not included.
        asking: seconds of these that the sampler took.
        output: the file of trials, if any.
    """

    fs: AnySet
    search: ParetoSearch
    log: SearchLog[Trial]
    trials: int
    source: str
    batch_norm: str
    seconds: float
    asking: float
    output: Path | None

    @cached_property
    def front(self) -> list[tuple[int, Point]]:
        """The non-dominated trials with their numbers, the best by the first objective first."""
        return self.search.front(self.fs, self.log.records[: self.trials])

    @cached_property
    def unsound(self) -> dict[str, int]:
        """Per objective, how many trials have no finite value; those that all have are left out."""
        trials = self.log.records[: self.trials]
        counts = {
            name: sum(not math.isfinite(trial.values[name]) for trial in trials) for name in self.search.objectives
        }
        return {name: count for name, count in counts.items() if count}


def found_data(found: Found) -> dict[str, Any]:
    """All that was found, as plain data."""
    program = found.fs.program
    return {
        "space": program.space.name,
        **count_data(*found.fs.between, "feasible"),
        "size": program.size,
        "target": program.target or None,
        "budgets": dict(program.budgets.items()),
        "ram_model": program.ram_model,
        "latency_profile": profile_data(program.latency) if program.latency else None,
        "sampler": found.search.parameters,
        "data": found.source,
        "batch_norm": found.batch_norm,
        "trials": found.trials,
        "not_finite": found.unsound,
        "front": [
            {
                "trial": number,
                "candidate": str(point.candidate),
                "index": point.candidate.number,
                "values": dict(point.values),
                "costs": point.candidate.costs,
            }
            for number, point in found.front
        ],
        "seconds": found.seconds,
        "seconds_asking": found.asking,
        "log": str(found.log.path),
        "file": str(found.output) if found.output else None,
    }


def print_found(found: Found) -> None:
    """The same for a person."""
    program = found.fs.program
    target = f" on {program.target}" if program.target else ""
    limits = budget_text(dict(program.budgets.items()), program.ram_model, runtime_name(program))
    draws = "uniform draws" if found.search.method == "uniform" else f"trials by {found.search.method}"
    feasible = between_text(*found.fs.between)
    out.print(
        f"{escape(program.space.name)}{target}: {found.trials:,} {draws} from {feasible} feasible of "
        f"{program.size:,} ({limits})", soft_wrap=True,
    )  # fmt: skip
    out.print(f"data: {escape(found.source)}", soft_wrap=True)
    out.print(f"networks: untrained, weights drawn for each candidate, batch norms {found.batch_norm}")
    for name, count in found.unsound.items():
        out.print(f"{count:,} trials whose {name} is infinite or NaN count as the worst, and are not on the front")
    out.print()
    if found.front:
        _print_front(found)
    else:
        out.print("no trial has a finite value in every objective: leave out the objectives named above")
    out.print()
    out.print(f"every trial is in {found.log.path}", soft_wrap=True, markup=False)
    out.print("No network was trained: proxies rank networks, and say nothing about their accuracy.", soft_wrap=True)
    if found.output:
        wanted = ",".join(f"{name}:{sense}" for name, sense in found.search.objectives.items())
        say_next("nascompile", "select", str(found.output), "-k", "5", "--objectives", wanted)
    else:
        out.print("next: the same command with --samples 5 --data DATA trains the best; -o FILE.csv is for `select`")


def _print_front(found: Found) -> None:
    objectives = found.search.objectives
    first, count = next(iter(objectives)), len(found.front)
    order = f"; the first {_SHOWN} by {first}" if count > _SHOWN else f", by {first}"
    out.print(f"{count:,} of them on the front: no other is as good in all objectives{order}")
    numbered = found.front[0][1].candidate.number is not None
    program, shown = found.fs.program, found.front[:_SHOWN]
    takes = TakesColumns(Shipping.of(program, dtype_shipped(program)), [point.candidate for _, point in shown])
    rows = table(
        ">trial", "~candidate", *([">index"] if numbered else []),
        *(f">{name}, {sense}" for name, sense in objectives.items()), *takes.titles,
    )  # fmt: skip
    for row, (number, point) in enumerate(shown):
        costs = point.candidate.costs
        index = [str(point.candidate.number)] if numbered else []
        values = (quantity(n, costs[n]) if n in costs else f"{v:.6g}" for n, v in point.values.items())
        rows.add_row(str(number), escape(str(point.candidate)), *index, *values, *takes.cells(row))
    print_table(rows)
