"""`nascompile explain`: why nothing fits, which limits bind, and what would admit a network."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from nascompile.cli.options import Json, Request, takes_options
from nascompile.cli.output import emit_json, out, quantity, table, working
from spaces.program.graph import Program

if TYPE_CHECKING:
    from solvers.explain import CostedNetwork, Explanation, VariantReport

__all__ = ["explain", "print_explanation"]


@takes_options
def explain(
    request: Request,
    as_json: Json = False,
) -> None:
    """Explain what the limits leave: per depth the least value each can have, and where nothing fits, why.

    For every limit: the least value of any network, and the least value among networks that keep all other limits.
    Where nothing fits: the smallest set of conflicting limits, the smallest network, and the budget that admits one.
    Exit code 1 if nothing fits.

    Example:

      nascompile explain dscnn --ram 64KiB --rom 1MiB
    """
    from solvers.explain import explain as ask

    program = request.program()
    with working("asking CP-SAT"):
        why = ask(program)
    if as_json:
        emit_json(asdict(why))
    else:
        _print(program, why)
    if not why.feasible:
        raise typer.Exit(1)


def print_explanation(program: Program) -> None:
    """Explain an empty set, as `reduce` does when nothing fits."""
    from solvers.explain import explain as ask

    with working("asking CP-SAT why"):
        why = ask(program)
    _print(program, why)


def _print(program: Program, why: Explanation) -> None:
    out.print(f"[bold]{program.space.name}[/bold]: {'some networks fit' if why.feasible else 'no network fits'}")
    out.print()
    rows = table("variant", "~limit", ">budget", ">least of any", ">least that keeps the others", "verdict")
    for report in why.variants:
        _rows(rows, report)
    out.print(rows)
    if why.feasible:
        return
    out.print()
    for report in why.variants:
        _print_conflict(report)
    out.print()
    _print_relaxations(program, why)


def _rows(rows: Table, report: VariantReport) -> None:
    label = report.label or "-"
    if report.impossible:
        rows.add_row(label, "", "", "", "", f"cannot exist: {escape(report.impossible)}")
    elif not report.limits:
        rows.add_row(label, "none", "", "", "", "fits")
    for limit in report.limits:
        show = [
            quantity(limit.metric, v) if v is not None else "-"
            for v in (limit.budget, limit.least, limit.least_with_others)
        ]
        if not limit.alone:
            verdict = "[red]too tight by itself[/red]"
        elif report.feasible:
            verdict = "[green]can be kept[/green]"
        else:
            verdict = "[red]conflicts[/red]" if limit.name in report.conflict else "can be kept alone"
        rows.add_row(label, escape(limit.name), *show, verdict)
        label = ""


def _print_conflict(report: VariantReport) -> None:
    if not report.conflict or report.smallest is None:
        return
    which = escape(" and ".join(report.conflict))
    what = "cannot be met" if len(report.conflict) == 1 else "cannot be met together"
    name = f"variant {report.label}: " if report.label else ""
    out.print(f"{name}{which} {what}; the smallest network is {_network(report.smallest)}")


def _network(network: CostedNetwork) -> str:
    shown = {"rom": "ROM", "ram": "RAM", "macs": "MACs", "latency": "latency"}
    costs = ", ".join(f"{t} {quantity(n, network.costs[n])}" for n, t in shown.items() if n in network.costs)
    return f"{network.text} ({costs})"


def _print_relaxations(program: Program, why: Explanation) -> None:
    for offer in why.relaxations:
        if offer.needed is None:
            out.print(f"dropping `{escape(offer.name)}` admits {_network(offer.network)}")
        else:
            old, new = (quantity(offer.metric, v) for v in (offer.budget or 0, offer.needed))
            out.print(f"raising {escape(offer.name)} from {old} to {new} admits {_network(offer.network)}")
    if not why.relaxations:
        _print_joint(program, why)


def _print_joint(program: Program, why: Explanation) -> None:
    """Where no single budget is enough: all that the smallest network breaks, raised together."""
    budgets = dict(program.budgets.items())
    for report in why.variants:
        over = {
            n: report.smallest.costs[n] for n in budgets if report.smallest and report.smallest.costs[n] > budgets[n]
        }
        if over and report.smallest:
            raised = " and ".join(f"{name} to {quantity(name, value)}" for name, value in over.items())
            out.print(f"no single limit is to blame; raising {raised} admits {_network(report.smallest)}")
            return
    if all(report.impossible for report in why.variants):
        out.print("no budget is to blame: the constraints of the space itself leave nothing; relax them")
    else:
        out.print("no single limit is to blame; relax several constraints at once")
