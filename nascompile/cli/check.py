"""`nascompile check`: one network, every term of its ROM, RAM and FLOPs, and which limit it breaks."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.markup import escape

from nascompile.cli.options import Json, Request, takes_request
from nascompile.cli.output import emit_json, out, quantity, table
from spaces.breakdown import LayerTerms, breakdown, derived, totals
from spaces.candidate import Candidate, parse_candidate
from spaces.constraints import ground
from spaces.errors import CandidateError, Diagnostic
from spaces.expressions import evaluate
from spaces.tensors import Infeasible

__all__ = ["check", "verdict"]


@takes_request
def check(
    request: Request,
    candidate: Annotated[str, typer.Argument(metavar="CANDIDATE", help="Its line: `dscnn/6: 84-112-84-84-84-196`.")],
    as_json: Json = False,
) -> None:
    """Check one network: every term of its costs, both RAM models, and which limit it breaks by how much.

    Exit code 1 if it breaks a limit.

    Example:

      nascompile check dscnn 84-112-84-84-84-196 --mcu stm32f412
    """
    program = request.program()
    member = parse_candidate(program, candidate)
    try:
        layers = breakdown(member)
    except Infeasible as reason:
        raise CandidateError(Diagnostic("impossible-network", f"`{member}` cannot exist: {reason}")) from None
    data = verdict(member, layers)
    if as_json:
        emit_json(data)
    else:
        _print(member, layers, data)
    if not data["feasible"]:
        raise typer.Exit(1)


def verdict(member: Candidate, layers: tuple[LayerTerms, ...]) -> dict[str, Any]:
    """All terms of a network and every limit with its verdict, as plain data."""
    program = member.program
    rows = [
        {
            "number": t.number,
            "block": t.block,
            "input": list(t.x.shape),
            "output": list(t.out.shape),
            "dtype": t.out.dtype,
            **{name: getattr(t.cost, name) for name in ("rom", "params", "macs", "flops", "out_bytes", "peak")},
        }
        for t in layers
    ]
    costs = totals(member)
    limits = [
        {"limit": name, "budget": budget, "value": costs[name], "over": max(0, int(costs[name]) - budget)}
        for name, budget in program.budgets.items()
    ]
    broken = _broken_constraints(member, layers, costs)
    return {
        "candidate": str(member),
        "layers": rows,
        "input_bytes": program.space.input.nbytes,
        "costs": costs,
        "ram_model": program.ram_model,
        "limits": limits,
        "broken_constraints": broken,
        "feasible": not broken and not any(row["over"] for row in limits),
    }


def _broken_constraints(member: Candidate, layers: tuple[LayerTerms, ...], costs: dict[str, Any]) -> list[str]:
    names = {**member.values, **derived(layers), **costs}
    return [
        str(constraint)
        for constraint in member.program.space.constraints
        if not all(evaluate(tree, names) for tree in ground(constraint, member.variant))
    ]


def _print(member: Candidate, layers: tuple[LayerTerms, ...], data: dict[str, Any]) -> None:
    out.print(f"[bold]{member}[/bold]")
    out.print()
    rows = table("layer", "block", "output", ">ROM B", ">MACs", ">buffer B", ">live peak B")
    shape = member.program.space.input
    rows.add_row("0", "input", str(shape.shape), "", "", f"even {shape.nbytes:,}", "")
    for t in layers:
        side = "" if t.number is None else "even" if t.number % 2 == 0 else "odd"
        buffer = f"{side} {t.cost.out_bytes:,}" if t.number else "-"
        number = "-" if t.number is None else str(t.number)
        rows.add_row(
            number, t.block, str(t.out.shape), f"{t.cost.rom:,}", f"{t.cost.macs:,}", buffer, f"{t.cost.peak:,}"
        )
    out.print(rows)
    out.print()
    _print_totals(layers, data)
    for text in data["broken_constraints"]:
        out.print(f"[red]breaks the constraint[/red] {escape(text)}")
    out.print()
    verdict_text = "[green]fits[/green]" if data["feasible"] else "[red]does not fit[/red]"
    out.print(
        f"{verdict_text} {member.program.target or 'the budgets'}" if data["limits"] or not data["feasible"] else ""
    )


def _print_totals(layers: tuple[LayerTerms, ...], data: dict[str, Any]) -> None:
    costs, model = data["costs"], data["ram_model"]
    even = max([data["input_bytes"], *(t.cost.out_bytes for t in layers if t.number and t.number % 2 == 0)])
    odd = costs["ram_pingpong"] - even
    budgets = {row["limit"]: row for row in data["limits"]}
    names = {
        "rom": ("ROM", "sum of weights and code (EBS Eq. 3)"),
        "ram_pingpong": ("RAM pingpong", f"even {even:,} B + odd {odd:,} B (EBS Eq. 4)"),
        "ram_liveness": ("RAM liveness", "largest sum of live tensors at any step"),
        "macs": ("MACs", "multiply-accumulates"),
        "flops": ("FLOPs", "2 per multiply-accumulate (EBS Eq. 5)"),
        "entropy": ("entropy", "log2(u_L) * sum log2(w) (EBS Eq. 6)"),
    }
    rows = table("total", ">value", ">budget", "", "~made of")
    for name, (title, terms) in names.items():
        limit = budgets.get("ram" if name == f"ram_{model}" else name)
        budget = f"{limit['budget']:,}" if limit else ""
        mark = "" if limit is None else f"[red]{limit['over']:,} over[/red]" if limit["over"] else "[green]ok[/green]"
        rows.add_row(title, quantity(name, costs[name]), budget, mark, terms)
    out.print(rows)
