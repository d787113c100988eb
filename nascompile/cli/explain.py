"""`nascompile explain`: why nothing fits, which limits bind, and what would admit a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.markup import escape
from rich.table import Table

from nascompile.cli.options import Json, Request, takes_options
from nascompile.cli.output import emit_json, out, quantity, say_next, table, typed_limit, working
from nascompile.cli.tables import print_table
from spaces.language.space import METRICS
from spaces.program.graph import Program

if TYPE_CHECKING:
    from solvers.explain import CostedNetwork, Explanation, LimitReport, Relaxation, VariantReport

__all__ = ["explain", "print_explanation"]


@takes_options
def explain(
    request: Request,
    as_json: Json = False,
) -> None:
    """Explain what the limits leave: per depth the least value each can have, and where nothing fits, why.

    For every limit: the least value of any network, of those that keep the relations (the constraints that name no
    cost), and of those that keep all other limits. Where nothing fits: which limits conflict, the smallest network,
    and what to raise or drop to admit one. Exit code 1 if nothing fits.

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
        _say_next(request, why)
    if not why.feasible:
        raise typer.Exit(1)


def _say_next(request: Request, why: Explanation) -> None:
    """To reduce the space, with limits raised where nothing fits and that helps."""
    raised = [r for r in why.relaxations if r.needed is not None and r.name == r.metric][:1] or why.joint
    if not why.feasible and not (raised and all(r.needed is not None and r.name == r.metric for r in raised)):
        return
    words = request.words(*(r.metric for r in raised)) if not why.feasible else request.words()
    for offer in () if why.feasible else raised:
        assert offer.needed is not None  # so it was chosen
        words += [f"--{offer.metric}", typed_limit(offer.metric, offer.needed)]
    out.print()
    say_next("nascompile", "reduce", *words)


def print_explanation(program: Program) -> None:
    """Explain an empty set, as `reduce` does when nothing fits."""
    from solvers.explain import explain as ask

    with working("asking CP-SAT why"):
        why = ask(program)
    _print(program, why)


def _print(program: Program, why: Explanation) -> None:
    out.print(f"[bold]{program.space.name}[/bold]: {'some networks fit' if why.feasible else 'no network fits'}")
    out.print()
    print_table(_limit_table(why.variants))
    if why.feasible:
        return
    out.print()
    for report in why.variants:
        _print_conflicts(report)
    out.print()
    _print_relaxations(why)


def _limit_table(reports: Sequence[VariantReport]) -> Table:
    # Where relations change no least value, the column that says so would only repeat the one before.
    related = any(limit.least_with_relations != limit.least for report in reports for limit in report.limits)
    rows = table(
        "variant",
        "~limit",
        ">budget",
        ">least of any",
        *([">relations kept"] if related else []),
        ">others kept",
        "verdict",
    )
    for report in reports:
        _rows(rows, report, related)
    return rows


def _rows(rows: Table, report: VariantReport, related: bool) -> None:
    label = report.label or "-"
    nothing = [""] * (4 if related else 3)
    if report.impossible:
        rows.add_row(label, "", *nothing, f"cannot exist: {escape(report.impossible)}")
    elif not report.limits:
        rows.add_row(label, "none", *nothing, "fits")
    for limit in report.limits:
        with_relations = [limit.least_with_relations] if related else []
        values = [limit.budget, limit.least, *with_relations, limit.least_with_others]
        shown = ["-" if value is None else quantity(limit.metric, value) for value in values]
        rows.add_row(label, escape(limit.name), *shown, _verdict(limit, report))
        label = ""


def _verdict(limit: LimitReport, report: VariantReport) -> str:
    if not limit.alone:
        return f"[red]{'too tight by itself' if limit.metric else 'never holds'}[/red]"
    if report.feasible:
        return "[green]can be kept[/green]"
    return "[red]conflicts[/red]" if any(limit.name in c for c in report.conflicts) else "can be kept alone"


def _print_conflicts(report: VariantReport) -> None:
    if report.smallest is None:
        return
    reasons = [f"{_limits(c)} cannot be met{' together' if len(c) > 1 else ''}" for c in report.conflicts]
    name = f"variant {report.label}: " if report.label else ""
    keeping = f" that keeps {_limits(report.kept)}" if report.kept else ""
    out.print(f"{name}{'; '.join(reasons)}; the smallest network{keeping} is {_network(report.smallest)}")


def _limits(names: Iterable[str]) -> str:
    """Limits by name: budgets as they are, constraints between backticks."""
    return " and ".join(name if name in METRICS else f"`{escape(name)}`" for name in names)


def _network(network: CostedNetwork) -> str:
    shown = {"rom": "ROM", "ram": "RAM", "macs": "MACs", "latency": "latency", "energy": "energy"}
    costs = ", ".join(f"{t} {quantity(n, network.costs[n])}" for n, t in shown.items() if n in network.costs)
    return f"{network.text} ({costs})"


def _print_relaxations(why: Explanation) -> None:
    for offer in why.relaxations:
        old = f" from {quantity(offer.metric, offer.budget)}" if offer.budget is not None else ""
        out.print(f"{_changes([offer], old)} admits {_network(offer.network)}")
    if why.joint:
        out.print(f"no single limit is to blame; {_changes(why.joint)} admits {_network(why.joint[0].network)}")
    elif not why.relaxations:
        out.print("no limit is to blame: no network of the space can exist")


def _changes(offers: Sequence[Relaxation], old: str = "") -> str:
    """What to do about some limits, budgets first."""
    raised = [f"{_limits([r.name])}{old} to {quantity(r.metric, r.needed)}" for r in offers if r.needed is not None]
    dropped = [_limits([r.name]) for r in offers if r.needed is None]
    done = [("raising", raised), ("dropping", dropped)]
    return " and ".join(f"{what} {' and '.join(names)}" for what, names in done if names)
