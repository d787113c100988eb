"""`nascompile diff`: two feasible sets of one space, MCU against MCU or budget against budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer
from rich.markup import escape

from nascompile.cli.options import Json, Limits, MaxMemory, Request, is_set_file, takes_options
from nascompile.cli.output import emit_json, out, say_next, share, table
from nascompile.cli.report import budget_text, print_profile, profile_data, runtime_name
from nascompile.cli.tables import print_table
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.relaxed_set import AnySet, exactly, load_set
from spaces.errors import NascompileError

__all__ = ["diff"]


@takes_options
def diff(
    first: Annotated[str, typer.Argument(metavar="SET|SPACE", help="A set file, or a space together with two --mcu.")],
    rest: Annotated[
        list[str] | None, typer.Argument(metavar="[SET] [KEY=VALUE]...", help="The other set file, or overrides.")
    ] = None,
    mcu: Annotated[
        list[str] | None, typer.Option("--mcu", help="Give it twice: the two MCUs to compare.", metavar="NAME")
    ] = None,
    *,
    limits: Limits,
    max_memory: MaxMemory = None,
    number: Annotated[int, typer.Option("-n", "--number", min=0, help="How many members of each side to show.")] = 3,
    as_json: Json = False,
) -> None:
    """Compare two feasible sets of one space: what fits both, and what fits only one.

    Exit code 1 if they differ.

    Examples:

      nascompile diff dscnn --mcu stm32f412 --mcu stm32h743

      nascompile diff a.nasset b.nasset
    """
    names, (a, b) = _pair(first, rest or [], mcu or [], limits, max_memory)
    parts = {"both": a & b, f"only {names[0]}": a - b, f"only {names[1]}": b - a}
    data = {
        "space": a.program.space.name,
        "size": a.program.size,
        "budgets": [dict(fs.program.budgets.items()) for fs in (a, b)],
        "latency_profiles": [profile_data(fs.program.latency) if fs.program.latency else None for fs in (a, b)],
        "counts": {names[0]: a.size, names[1]: b.size} | {name: part.size for name, part in parts.items()},
        "variants": {label: {name: part.counts[label] for name, part in parts.items()} for label in a.program.by_label},
        "members": {name: [str(c) for c in part.at(range(min(number, part.size)))] for name, part in parts.items()},
    }
    if as_json:
        emit_json(data)
    else:
        _print(data, names, (a, b), parts)
        _say_next(Request(first, [] if is_set_file(first) else rest, limits=limits), names, parts)
    if a != b:
        raise typer.Exit(1)


def _say_next(request: Request, names: tuple[str, str], parts: dict[str, FeasibleSet]) -> None:
    """To see why a network of one side is none of the other; of equal sides or set files to look at one."""
    out.print()
    larger = next((name for name in names if parts[f"only {name}"]), names[0])
    if is_set_file(request.space):
        say_next("nascompile", "show", larger)
    elif part := parts[f"only {larger}"]:
        first, *more = replace(request, mcu=names[larger == names[0]]).words()
        say_next("nascompile", "check", first, str(part[0]), *more)
    else:
        say_next("nascompile", "reduce", *replace(request, mcu=larger).words())


def _pair(
    first: str, rest: list[str], mcus: list[str], limits: Limits, max_memory: str | None
) -> tuple[tuple[str, str], tuple[FeasibleSet, FeasibleSet]]:
    """The two sets and their names."""
    if is_set_file(first):
        if len(rest) != 1 or mcus or limits != Limits():
            raise _usage(f"`{first}` is a set file, so the other side must be one too, and no budgets apply")
        return (first, rest[0]), (_exact(load_set(first)), _exact(load_set(rest[0])))
    if len(mcus) != 2:
        raise _usage(f"`{first}` is a space, so it needs --mcu twice")
    if mcus[0] == mcus[1]:
        raise _usage(f"both sides are `{mcus[0]}`")
    sets = [
        _exact(Request(first, rest, mcu=name, limits=limits, max_memory=max_memory).feasible_set()) for name in mcus
    ]
    return (mcus[0], mcus[1]), (sets[0], sets[1])


def _exact(fs: AnySet) -> FeasibleSet:
    return exactly(fs, "comparing two sets", "ask of single networks with `check`")


def _usage(message: str) -> NascompileError:
    hint = "`nascompile diff a.nasset b.nasset`, or `nascompile diff dscnn --mcu stm32f412 --mcu stm32h743`"
    return NascompileError.of("bad-option", message, hint)


def _print(
    data: dict[str, Any], names: tuple[str, str], sets: tuple[FeasibleSet, ...], parts: dict[str, FeasibleSet]
) -> None:
    out.print(f"[bold]{data['space']}[/bold]: |X| = {data['size']:,}")
    for name, fs, profile in zip(names, sets, data["latency_profiles"], strict=True):
        limits = fs.origin or budget_text(
            dict(fs.program.budgets.items()), fs.program.ram_model, runtime_name(fs.program)
        )
        out.print(f"{escape(name)}: {escape(limits)}")
        if profile:
            print_profile(profile, "  ")
    out.print()
    rows = table("variant", *(f">{name}" for name in parts))
    for label, counts in data["variants"].items():
        rows.add_row(label or "-", *(f"{counts[name]:,}" for name in parts))
    rows.add_row("all", *(f"{part.size:,}" for part in parts.values()), style="bold")
    rows.add_row("share of X", *(share(part.size, data["size"]) for part in parts.values()))
    print_table(rows)
    for name, members in data["members"].items():
        if members:
            out.print(f"\n{name}, first {len(members)}:")
            for member in members:
                out.print(f"  {member}")
