"""`nascompile show` and `nascompile export`: look into a set."""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape

from nascompile.cli.cells import Distinct, distinct_members, number_columns, refuse_distinct
from nascompile.cli.options import Json, MembersRequest, takes_options
from nascompile.cli.output import emit_json, out, quantity, say, table, working
from nascompile.cli.outputs import FILE
from nascompile.cli.report import print_head, report
from nascompile.cli.search.network_report import show_network
from nascompile.cli.search.run_report import show_run
from nascompile.cli.shipped import dtype_shipped
from nascompile.cli.tables import print_table
from nascompile.cli.takes import TakesColumns, takes_data
from solvers.base import mismatch
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.relaxed_set import AnySet, RelaxedSet
from spaces.errors import NascompileError
from spaces.files import write_atomically
from spaces.program.candidate import Candidate
from spaces.program.graph import Program
from spaces.program.shipping import Shipping

__all__ = ["export", "show"]

_LIMIT = 2_000_000


@dataclass(frozen=True)
class ShowOptions:
    """Which members are listed, and how."""

    number: Annotated[int, typer.Option("-n", "--number", min=0, help="How many members to list.")] = 10
    top: Annotated[
        str | None,
        typer.Option(
            "--top",
            help="List the members with the largest METRIC (entropy, rom, macs, latency, M[1], ...).",
            metavar="METRIC",
        ),
    ] = None
    least: Annotated[
        str | None, typer.Option("--least", help="List the members with the least METRIC.", metavar="METRIC")
    ] = None
    seed: Annotated[int | None, typer.Option("--seed", help="List members drawn uniformly with this seed.")] = None
    distinct: Distinct = False
    verify: Annotated[bool, typer.Option("--verify", help="Solve anew and compare with the file.")] = False
    as_json: Json = False


@takes_options
def show(request: MembersRequest, options: ShowOptions) -> None:
    """Look into a set: its counts, and some members with their costs; or into the folder of a run.

    RUN#K is network K of a run: how good each of its forms is, and of one that is kept recall, precision and F1 of
    every class, and what was taken for what.

    Without --top, --least or --seed the first members in order are listed. All answers are exact. Of a relaxed set
    members are drawn: with --seed, or with seed 0.

    Examples:

      nascompile show dscnn-stm32f412.nasset --top entropy -n 5

      nascompile show dscnn --mcu stm32f412 --seed 0

      nascompile show nasbench201 --where "cell[4]=skip_connect" --where "cell[1]=nor_conv_1x1,nor_conv_3x3"

      nascompile show dscnn-stm32f412-entropy-0

      nascompile show dscnn-stm32f412-entropy-0#7
    """
    if "#" in request.space:
        from nascompile.run.deployment import run_and_number

        found = run_and_number(request.space)
        if found and found[1] is not None:
            show_network(found[0], found[1], options.as_json)
            return
    if Path(request.space).is_dir():
        if request.where:
            message = f"--where takes a part of a set, and `{request.space}` is the folder of a run"
            raise NascompileError.of("bad-option", message, "leave it out")
        show_run(Path(request.space), options.as_json)
        return
    if sum(option is not None for option in (options.top, options.least, options.seed)) > 1:
        raise NascompileError.of("bad-option", "--top, --least and --seed exclude each other", "give one")
    fs = request.feasible_set()
    with working("looking"):
        members = _members(fs, options)
        otherwise = mismatch(fs) if options.verify else None
    columns = TakesColumns(Shipping.of(fs.program, dtype_shipped(fs.program), request.target), members)
    data = {**report(fs, attribute=False, target=request.target), "members": _rows(fs, members, columns)}
    if otherwise is not None:
        data["verified"] = not otherwise
    if options.as_json:
        emit_json(data)
    else:
        print_head(data)
        if members:
            out.print()
            _print_members(fs.program, data["members"], columns)
        if otherwise is not None:
            say(f"NOT VERIFIED: {otherwise}" if otherwise else "verified: solving anew gives the same set")
    if otherwise:
        raise typer.Exit(1)


def _members(fs: AnySet, options: ShowOptions) -> list[Candidate]:
    number = options.number
    if options.distinct:
        # What comes first in the order asked for; how far down that reaches shows only on the way.
        exact = refuse_distinct(fs)
        listed = _listed(exact, min(number, 1) if number < 2 else exact.size, options)
        return list(islice(distinct_members(exact, listed), number))
    if isinstance(fs, RelaxedSet):
        if options.top or options.least:
            fs.best(options.top or options.least or "")
        ranks = fs.draws(number, random.Random(options.seed or 0)) if number else []
        return list(fs.outer.at(ranks))
    return _listed(fs, min(number, fs.size), options)


def _listed(fs: FeasibleSet, number: int, options: ShowOptions) -> list[Candidate]:
    top, least, seed = options.top, options.least, options.seed
    if (top or least) and number == 1:
        return [fs.best(top or least or "", "max" if top else "min")]
    if top is not None or least is not None:
        return fs.top(top or least or "", number, "max" if top else "min")
    return fs.sample(number, seed) if seed is not None else list(fs.at(range(number)))


def _rows(fs: AnySet, members: list[Candidate], takes: TakesColumns) -> list[dict[str, Any]]:
    numbers = {name: column.tolist() for name, column in number_columns(fs.program, members).items()}
    columns = _columns(fs.program)
    return [
        {"candidate": str(c), **{n: column[k] for n, column in numbers.items()}, **{n: c.costs[n] for n in columns},
         "ships": {"dtype": takes.shipping.dtype, **takes_data(takes.shipping, takes.takes[k])}}
        for k, c in enumerate(members)
    ]  # fmt: skip


def _print_members(program: Program, members: list[dict[str, Any]], takes: TakesColumns) -> None:
    """The members as they ship; where the set counts otherwise, with what it counts."""
    numbers = [name for name in ("index", "duplicate_of") if name in members[0]]
    titles = [">index", ">first alike"] if numbers else []
    costs = {"macs": "MACs", "entropy": "entropy"}
    if not takes.shipping.counted:
        how = program.runtime.name
        costs = {"rom": f"ROM ({how})", f"ram_{program.ram_model}": f"RAM ({program.ram_model})"} | costs
        what = takes.shipping
        out.print(f"as {what.dtype} by {what.runtime.name}, and as the set counts them ({how})", soft_wrap=True)
    rows = table("~candidate", *titles, *takes.titles, *(f">{title}" for title in costs.values()))
    for k, row in enumerate(members):
        counted = (quantity(name, row[name]) for name in costs)
        rows.add_row(escape(row["candidate"]), *(str(row[name]) for name in numbers), *takes.cells(k), *counted)
    print_table(rows)


@takes_options
def export(
    request: MembersRequest,
    form: Annotated[
        str | None, typer.Option("--format", "-f", help="csv, json or npz. Default: by the ending of --out, else csv.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File to write; without it, csv and json go to stdout.", metavar="FILE"),
        FILE,
    ] = None,
    number: Annotated[int | None, typer.Option("-n", "--number", min=0, help="Only so many members.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Draw the -n members uniformly with this seed.")] = None,
    distinct: Distinct = False,
) -> None:
    """Write the members of a set with all their costs.

    csv and json hold one candidate per row with its costs, the latency in nanoseconds and the energy in nanojoules
    where a profile gives them; npz
    holds `options` (option values, -1 beyond a shorter variant's end), `variant`, and one array per cost. Where a
    benchmark numbers the networks, each has its `index` there, and `duplicate_of`, the first index with the same
    function.

    Examples:

      nascompile export dscnn-stm32f412.nasset -o members.csv

      nascompile export dscnn --mcu stm32f412 -n 1000 --seed 0 -f npz -o sample.npz

      nascompile export dscnn-stm32f412.nasset --where variant=7 --where "M[1]=84,112" -o part.csv
    """
    form = form or (output.suffix.lstrip(".") if output else "") or "csv"
    if form not in ("csv", "json", "npz") or (form == "npz" and output is None):
        hint = "use csv, json or npz" if form != "npz" else "npz needs a file: --out members.npz"
        raise NascompileError.of("bad-option", f"cannot export as `{form}` here", hint)
    given = request.feasible_set()
    if isinstance(given, RelaxedSet) and not distinct and (number is None or seed is None):
        given.refuse("an export of the members", "draw some: --number 10000 --seed 0")
    ranks = _distinct_ranks(given, number, seed) if distinct else _ranks(given, number, seed)
    fs = given.outer
    with working("exporting") as progress:
        text = {"csv": _csv, "json": _json}
        if form == "npz":
            data = _npz(fs, ranks)
        else:
            lines = text[form](fs, ranks)
            if output is None:
                _print_lines(lines)
                return
            data = "".join(_counted(lines, progress)).encode()
    assert output is not None
    write_atomically(output, data)
    say(f"written: {output} ({len(ranks):,} members, {len(data):,} bytes)")


def _ranks(fs: AnySet, number: int | None, seed: int | None) -> range | list[int]:
    most = fs.between[1]
    count = most if number is None else min(number, most)
    if count > _LIMIT:
        message = f"{count:,} members are too many to list; at most {_LIMIT:,}"
        hint = "draw some: --number 10000 --seed 0; or take a part: --where M[1]=84"
        raise NascompileError.of("too-many", message, hint)
    return fs.draws(count, random.Random(seed)) if seed is not None else range(count)


def _distinct_ranks(fs: AnySet, number: int | None, seed: int | None) -> list[int]:
    exact = refuse_distinct(fs)
    members = exact.at(_ranks(exact, None, seed))
    return [exact.index(c) for c in islice(distinct_members(exact, members), number)]


def _columns(program: Program) -> tuple[str, ...]:
    """The costs that are listed: latency in nanoseconds and energy in nanojoules where a profile gives them."""
    return ("rom", "ram_pingpong", "ram_liveness", "params", "macs", "flops", *program.priced, "entropy")


def _names(fs: FeasibleSet) -> tuple[str, ...]:
    return (*number_columns(fs.program, ()), *_columns(fs.program))


def _blocks(fs: FeasibleSet, ranks: range | list[int]) -> Iterator[list[tuple[Any, ...]]]:
    """Rows (candidate's line, numbers, costs...) in blocks, costs computed a block at a time."""
    for start in range(0, len(ranks), 65536):
        candidates, columns = _costed(fs, ranks[start : start + 65536])
        yield list(zip(map(str, candidates), *(c.tolist() for c in columns), strict=True))


def _costed(fs: FeasibleSet, ranks: Any) -> tuple[list[Candidate], list[Any]]:
    """Candidates, and a column for each of `_names`."""
    candidates = list(fs.at(ranks))
    positions = np.array([c.position for c in candidates])
    names = _columns(fs.program)
    columns = [np.zeros(len(candidates), np.float64 if name == "entropy" else np.int64) for name in names]
    for v in np.unique(positions):
        here = np.flatnonzero(positions == v)
        costs = fs.program.costs(int(v), np.array([candidates[i].row for i in here]).reshape(len(here), -1))
        for column, name in zip(columns, names, strict=True):
            column[here] = costs[name]
    return candidates, [*number_columns(fs.program, candidates).values(), *columns]


def _csv(fs: FeasibleSet, ranks: range | list[int]) -> Iterator[str]:
    yield ",".join(("candidate", *_names(fs))) + "\n"
    for block in _blocks(fs, ranks):
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(block)
        yield buffer.getvalue()


def _json(fs: FeasibleSet, ranks: range | list[int]) -> Iterator[str]:
    names = ("candidate", *_names(fs))
    yield "["
    comma = "\n"
    for block in _blocks(fs, ranks):
        for row in block:
            yield comma + json.dumps(dict(zip(names, row, strict=True)))
            comma = ",\n"
    yield "\n]\n"


def _npz(fs: FeasibleSet, ranks: range | list[int]) -> bytes:
    names = _names(fs)
    parts: dict[str, list[Any]] = {name: [] for name in ("variant", *names)}
    for start in range(0, len(ranks), 65536):
        candidates, columns = _costed(fs, ranks[start : start + 65536])
        parts["variant"].append(np.array([c.variant.label for c in candidates]))
        for name, column in zip(names, columns, strict=True):
            parts[name].append(column)
    options = fs.to_numpy(ranks)
    if options.dtype == object:
        options = options.astype(str)
    buffer = io.BytesIO()
    arrays = {name: np.concatenate(p) if p else np.zeros(0) for name, p in parts.items()}
    np.savez_compressed(buffer, allow_pickle=False, options=options, **arrays)
    return buffer.getvalue()


def _counted(lines: Iterator[str], progress: Any) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number % 1000 == 0:
            progress("blocks written", number)
        yield line


def _print_lines(lines: Iterator[str]) -> None:
    while block := list(islice(lines, 1000)):
        sys.stdout.write("".join(block))
