"""`nascompile check`: one network, every term of its ROM, RAM and FLOPs, and which limit it breaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.markup import escape

from nascompile.cli.cells import cell_data, print_cells
from nascompile.cli.options import Json, Request, split_line, takes_options
from nascompile.cli.output import emit_json, out, quantity, share, table
from nascompile.cli.report import energy_text, profile_data, profile_text, runtime_name
from nascompile.cli.shipped import SHIPPED, counted
from nascompile.cli.tables import print_table
from nascompile.cli.takes import takes_data
from spaces.errors import CandidateError, NascompileError
from spaces.language.expressions import evaluate
from spaces.program.breakdown import breakdown, totals
from spaces.program.candidate import Candidate, chosen_candidate
from spaces.program.constraints import ground
from spaces.program.graph import Program
from spaces.program.shipping import Shipping, ships
from spaces.program.terms import LayerTerms, derived, shared_code
from spaces.runtimes.library import RUNTIMES
from spaces.targets.target import Target
from spaces.tensors import Infeasible

__all__ = ["check", "ships_data", "verdict"]


@takes_options
def check(
    *,
    candidate: Annotated[
        str | None,
        typer.Argument(
            metavar="CANDIDATE", help="Its line: `dscnn/6: 84-112-84-84-84-196`. A single network needs none."
        ),
    ] = None,
    request: Request,
    as_json: Json = False,
) -> None:
    """Check one network: every term of its costs, both RAM models, and which limit it breaks by how much.

    For a cell also its index in the benchmark, the first cell that is the same function, and its dead edges.
    Exit code 1 if it breaks a limit.

    Examples:

      nascompile check dscnn 84-112-84-84-84-196 --mcu stm32f412

      nascompile check nasbench201 13714 --mcu stm32f746
    """
    line, overrides = split_line(candidate, request.overrides)
    program = replace(request, overrides=overrides).program()
    member = chosen_candidate(program, line)
    try:
        layers = breakdown(member)
    except Infeasible as reason:
        raise CandidateError.of("impossible-network", f"`{member}` cannot exist: {reason}") from None
    data = {**verdict(member, layers), "ships": ships_data(member, request.target)}
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
            **{name: getattr(t.cost, name) for name in (*program.metrics, "out_bytes", "peak")},
        }
        for t in layers
    ]
    costs = totals(member)
    limits = [
        {"limit": name, "budget": budget, "value": costs[name], "over": max(0, int(costs[name]) - budget)}
        for name, budget in program.budgets.items()
    ]
    broken = _broken_constraints(member, layers, costs)
    cells = cell_data(member)
    return {
        "candidate": str(member),
        **({"cells": cells} if cells else {}),
        "layers": rows,
        "input_bytes": program.space.input.nbytes,
        "costs": costs,
        "ram_model": program.ram_model,
        "runtime": runtime_name(program),
        "dtype": program.space.settings.dtype,
        "shared_code": shared_code(member.program, layers),
        **({"latency_profile": profile_data(program.latency)} if program.latency else {}),
        "limits": limits,
        "broken_constraints": broken,
        "feasible": not broken and not any(row["over"] for row in limits),
    }


def ships_data(member: Candidate, target: Target | None = None) -> dict[str, Any] | None:
    """What a network takes as int8, by the C that `deploy` writes; None where its program counts just that.

    Returns:
        `dtype`, `runtime`; `rom`, `ram`, `latency` and `instructions`, see `spaces.program.shipping.Takes`; `of_chip`,
        the shares of ROM and RAM; and `feasible`, None where the limits cannot be held against it.
    """
    program = member.program
    shipping = Shipping.of(program, SHIPPED, target)
    try:
        there: Program | None = ships(program, SHIPPED, target)
    except NascompileError:
        there = None  # its latency profile is of another type
    if there is program:
        return None
    takes = shipping.takes(member)
    fits = None
    if there is not None:
        moved = replace(member, program=there)
        fits = verdict(moved, breakdown(moved))["feasible"]
    about = {"dtype": SHIPPED, "runtime": shipping.runtime.name}
    return {**about, **takes_data(shipping, takes), "feasible": fits}


def _ships_text(data: dict[str, Any], target: str) -> str:
    """The same in words."""
    parts = [
        f"{name.upper()} {data[name]:,} B" + (f" ({share(of, 1)})" if (of := data["of_chip"].get(name)) else "")
        for name in ("rom", "ram")
    ]
    parts += [f"{data['instructions']:,} instructions"] if data["instructions"] else []
    fits = {True: f"; fits {target or 'the budgets'}", False: f"; does not fit {target or 'the budgets'}", None: ""}
    verdict_text = fits[data["feasible"]] if data["of_chip"] else ""
    return f"as {data['dtype']} by {data['runtime']}: {', '.join(parts)}{verdict_text}"


def _broken_constraints(member: Candidate, layers: tuple[LayerTerms, ...], costs: dict[str, Any]) -> list[str]:
    names = {**member.values, **derived(layers), **costs}
    return [
        str(constraint)
        for constraint in member.program.space.constraints
        if not all(evaluate(tree, names) for tree in ground(constraint, member.variant))
    ]


def _print(member: Candidate, layers: tuple[LayerTerms, ...], data: dict[str, Any]) -> None:
    out.print(f"[bold]{escape(str(member))}[/bold]", soft_wrap=True)
    out.print(f"counting {counted(member.program)}")
    out.print()
    print_cells(data.get("cells", []))
    priced = member.program.priced
    columns = [{"latency": ">latency us", "energy": ">energy uJ"}[name] for name in priced]
    rows = table("layer", "block", "output", ">ROM B", ">MACs", *columns, ">buffer B", ">live peak B")
    shape = member.program.space.input
    rows.add_row("0", "input", str(shape.shape), "", "", *[""] * len(priced), f"even {shape.nbytes:,}", "")
    for t in layers:
        side = "" if t.number is None else "even" if t.number % 2 == 0 else "odd"
        buffer = f"{side} {t.cost.out_bytes:,}" if t.number else "-"
        number = "-" if t.number is None else str(t.number)
        prices = [f"{getattr(t.cost, name) / 1000:,.1f}" for name in priced]
        cost = [f"{t.cost.rom:,}", f"{t.cost.macs:,}", *prices, buffer, f"{t.cost.peak:,}"]
        rows.add_row(number, t.block, str(t.out.shape), *cost)
    if data["shared_code"]:
        rows.add_row("", "code, once", "", f"{data['shared_code']:,}")
    print_table(rows)
    out.print()
    _print_totals(layers, data)
    for text in data["broken_constraints"]:
        out.print(f"[red]breaks the constraint[/red] {escape(text)}")
    out.print()
    if data["limits"] or not data["feasible"]:
        verdict_text = "[green]fits[/green]" if data["feasible"] else "[red]does not fit[/red]"
        out.print(f"{verdict_text} {member.program.target or 'the budgets'}")
    if data["ships"]:
        out.print(_ships_text(data["ships"], member.program.target), soft_wrap=True)


def _rom_terms(runtime: str) -> str:
    if RUNTIMES[runtime].shares_code:
        return f"constants of the layers, and code that is there once ({runtime})"
    return "sum of weights and code (EBS Eq. 3)"


def _print_totals(layers: tuple[LayerTerms, ...], data: dict[str, Any]) -> None:
    costs, model = data["costs"], data["ram_model"]
    even = max([data["input_bytes"], *(t.cost.out_bytes for t in layers if t.number and t.number % 2 == 0)])
    odd = costs["ram_pingpong"] - even
    budgets = {row["limit"]: row for row in data["limits"]}
    names = {
        "rom": ("ROM", _rom_terms(data["runtime"])),
        "ram_pingpong": ("RAM pingpong", f"even {even:,} B + odd {odd:,} B (EBS Eq. 4)"),
        "ram_liveness": ("RAM liveness", "largest sum of live tensors at any step"),
        "macs": ("MACs", "multiply-accumulates"),
        "flops": ("FLOPs", "2 per multiply-accumulate (EBS Eq. 5)"),
        "entropy": ("entropy", "log2(u_L) * sum log2(w) (EBS Eq. 6)"),
    }
    if "latency_profile" in data:
        names["latency"] = ("latency", profile_text(data["latency_profile"]))
    if "energy" in costs:
        names["energy"] = ("energy", energy_text(data["latency_profile"]))
    rows = table("total", ">value", ">budget", "", "~made of")
    for name, (title, terms) in names.items():
        limit = budgets.get("ram" if name == f"ram_{model}" else name)
        budget = quantity(name, limit["budget"]).removesuffix(" B") if limit else ""
        mark = (
            ""
            if limit is None
            else f"[red]{quantity(name, limit['over']).removesuffix(' B')} over[/red]"
            if limit["over"]
            else "[green]ok[/green]"
        )
        rows.add_row(title, quantity(name, costs[name]), budget, mark, terms)
    print_table(rows)
