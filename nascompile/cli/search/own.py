"""`resume` and `show` of a run that evaluates by a function of the user's own."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from nascompile.cli.output import emit_json, out, quantity, say, table
from nascompile.cli.pace import Pace
from nascompile.cli.search.leading import leading
from nascompile.cli.tables import print_table

if TYPE_CHECKING:
    from nascompile.cli.search.options import Resources
    from nascompile.run.folder import RunFolder
    from nascompile.run.own_outcome import OwnOutcome
    from nascompile.run.schedule import Stage

__all__ = ["finish_own_run", "print_own", "show_own"]


def finish_own_run(folder: RunFolder, resources: Resources, as_json: bool, loggers: Collection[str] = ()) -> None:
    """Bring such a run to its end, and print what came out."""
    from nascompile.run.data import no_data
    from nascompile.run.lead import lead
    from nascompile.run.own import function_of
    from nascompile.run.own_outcome import finish_own

    own = folder.settings.own
    assert own is not None
    function_of(own.function, own.place)

    def so_far() -> str:
        return f"{len(folder.trials().results()):,} of {folder.total:,} networks are evaluated"

    with leading(folder, "evaluating", so_far) as progress:
        pace: list[Pace] = []

        def report(stage: Stage) -> None:
            if not pace:
                pace.append(Pace(progress, stage.done, stage.total))
            for _ in range(stage.done - pace[0].at):
                pace[0].step()

        outcome = finish_own(folder, lead(folder, no_data(), report=report, **vars(resources)), loggers)
    print_own(folder, outcome, as_json)


def show_own(folder: RunFolder, as_json: bool) -> None:
    """Such a run as it is."""
    from nascompile.run.own_outcome import OwnOutcome

    if outcome := OwnOutcome.read(folder):
        print_own(folder, outcome, as_json)
        return
    found, total = folder.trials().results(), folder.total
    if as_json:
        networks = [{"number": task.number, **one} for task, one in sorted(found.items())]
        emit_json({"run": str(folder.path), "evaluated": len(found), "samples": total, "networks": networks})
        return
    say(f"{len(found):,} of {total:,} networks are evaluated; `nascompile resume {folder.path}` goes on")


def print_own(folder: RunFolder, outcome: OwnOutcome, as_json: bool) -> None:
    """The table of the kept, and what to type next."""
    if as_json:
        emit_json({"run": str(folder.path), **outcome.data})
        return
    settings, failed = folder.settings, [row for row in outcome.rows if "error" in row]
    own = settings.own
    assert own is not None
    out.print(
        f"[bold]{folder.fs.program.space.name}[/bold]: {len(outcome.rows)} networks by {settings.sampler}, "
        f"evaluated by {escape(own.function)}",
        soft_wrap=True,
    )
    for row in failed[:_SHOWN]:
        out.print(escape(f"#{row['number']} {row['candidate']}: {row['error']}"), soft_wrap=True)
    if len(failed) > _SHOWN:
        out.print(f"and {len(failed) - _SHOWN:,} more with an error: results.json")
    if not outcome.chosen:
        out.print("no network could be evaluated")
        return
    first = outcome.chosen[0]
    metrics = [name for name in first if name not in (*folder.fs.outer[0].costs, "number", "candidate", "chosen")]
    costs = list(dict.fromkeys((*outcome.costs, "rom", "ram")))
    rows = table(">#", "~candidate", *(f">{name}" for name in (*costs, *metrics)))
    for row in outcome.chosen:
        values: list[Any] = [quantity(name, row[name]) for name in costs]
        rows.add_row(str(row["number"]), escape(row["candidate"]), *values, *(f"{row[name]:.6g}" for name in metrics))
    out.print(f"kept {len(outcome.chosen)} of {len(outcome.rows)}, by {outcome.metric} ({outcome.sense}) against "
              f"{' and '.join(outcome.costs)} ({outcome.verdict})", soft_wrap=True)  # fmt: skip
    print_table(rows)
    out.print(f"written: {folder.path}/results.csv, results.json", soft_wrap=True, markup=False)


#: Errors that are printed one by one.
_SHOWN = 3
