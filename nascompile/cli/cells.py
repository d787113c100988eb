"""What commands say about cell spaces: an index in a benchmark, twins, dead edges, and both ways to count these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.markup import escape

from nascompile.cli.output import out, quantity, table
from nascompile.cli.tables import print_table
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.relaxed_set import AnySet, exactly
from spaces.errors import NascompileError
from spaces.language.cell import Cell, live_edges
from spaces.language.numbering import index_of
from spaces.program.breakdown import totals
from spaces.program.candidate import Candidate
from spaces.program.cell_text import cell_word
from spaces.program.duplicates import MOST_CELLS, chosen, first_alike, numbered_cell, originals
from spaces.program.graph import Program
from spaces.program.isomorphism import benchmark_form, canonical_cell
from spaces.program.network_keys import Key, NetworkKeys, distinct
from spaces.program.with_overrides import with_overrides

__all__ = [
    "Distinct", "cell_data", "distinct_members", "function_counts", "number_columns", "print_cells",
    "print_function_counts", "refuse_distinct",
]  # fmt: skip

Distinct = Annotated[bool, typer.Option("--distinct", help="Of members that are the same network, only the first.")]
_SHOWN = ("rom", "ram", "params", "macs")


def cell_data(member: Candidate) -> list[dict[str, Any]]:
    """Per cell that a network uses: its index, the first cell alike, its dead edges, both ways to count them."""
    decided = {d.choice for d in member.variant.decisions}
    return [_cell(member, cell) for name, cell in member.program.space.cells.items() if name in decided]


def _cell(member: Candidate, cell: Cell) -> dict[str, Any]:
    names = chosen(member, cell)
    live = live_edges(cell, [(name,) for name in names])
    first = first_alike(cell, names)
    key = f"cells.{cell.name}.dead_edges"
    costs = {way: totals(with_overrides(member, [f"{key}={way}"])) for way in ("removed", "counted")}
    return {
        "cell": cell.name,
        "operators": cell_word(cell, names),
        "index": _index(cell, names),
        "first_alike": cell_word(cell, first) if first else None,
        "first_alike_index": _index(cell, first),
        "dead_edges": [
            {"label": cell.label(k), "from": edge[0], "to": edge[1], "operator": names[k]}
            for k, edge in enumerate(cell.edges)
            if not live[k]
        ],
        "dead_edges_are": cell.dead_edges,
        "costs": {way: {name: result[name] for name in _SHOWN} for way, result in costs.items()},
    }


def _index(cell: Cell, names: tuple[str, ...] | None) -> int | None:
    if not cell.numbering or names is None:
        return None
    operators = tuple(cell.operators)
    return int(index_of(cell.numbering, np.array([[operators.index(n) for n in names]]), len(operators))[0])


def print_cells(cells: list[dict[str, Any]]) -> None:
    """The same for a person."""
    for data in cells:
        index = "" if data["index"] is None else f", index {data['index']:,}"
        out.print(escape(f"{data['cell']}: {data['operators']}{index}{_twin(data)}"), soft_wrap=True)
        out.print(f"dead edges: {escape(_dead(data)) or 'none'}", soft_wrap=True)
        if data["dead_edges"]:
            rows = table("dead edges", *(f">{name.upper()}" for name in _SHOWN), "")
            for way, costs in data["costs"].items():
                mark = "<- this space" if way == data["dead_edges_are"] else ""
                rows.add_row(way, *(quantity(name, costs[name]) for name in _SHOWN), mark)
            print_table(rows)
        out.print()


def _twin(data: dict[str, Any]) -> str:
    first, index = data["first_alike"], data["first_alike_index"]
    if first in (None, data["operators"]):
        return ""
    return f": same function as {first if index is None else index}"


def _dead(data: dict[str, Any]) -> str:
    return ", ".join(f"{e['label']} {e['from']}->{e['to']} {e['operator']}" for e in data["dead_edges"])


# -- sets --------------------------------------------------------------------------------------------------------------


def function_counts(fs: FeasibleSet) -> dict[str, int] | None:
    """How many functions a set's members are, by each of the two rules; None without cells, or for too many members."""
    if not fs.program.space.cells or fs.size > MOST_CELLS:
        return None
    counts: dict[str, int] = {}
    for name, form in (("benchmark_form", benchmark_form), ("canonical_cell", canonical_cell)):
        keys, seen = NetworkKeys(fs.program, form), set[Key]()
        for positions, rows in fs.rows(range(fs.size)):
            for v in np.unique(positions).tolist():
                own = rows[positions == v, : len(fs.program.variants[v].decisions)]
                seen.update(keys(v, own.tolist()))
        counts[name] = len(seen)
    return counts


def print_function_counts(counts: dict[str, int]) -> None:
    """The same for a person."""
    out.print(
        f"distinct functions: {counts['benchmark_form']:,} by the benchmark's rule (equal texts), "
        f"{counts['canonical_cell']:,} with sums flattened and zeros carried through"
    )


def number_columns(program: Program, candidates: Sequence[Candidate]) -> dict[str, NDArray[np.int64]]:
    """`index` in the benchmark, and `duplicate_of`, the first index with the same form; empty where none has one."""
    cell = numbered_cell(program)
    if cell is None:
        return {}
    rows = np.array([c.row for c in candidates], np.int64).reshape(-1, len(cell.edges))
    indices = index_of(cell.numbering, rows, len(cell.operators))
    return {"index": indices, "duplicate_of": originals(cell)[indices]}


def refuse_distinct(fs: AnySet) -> FeasibleSet:
    """The set, but where `--distinct` takes too long.

    Raises:
        NascompileError: a set of too many members, or a relaxed one.
    """
    fs = exactly(fs, "--distinct", "leave it out")
    if fs.size > MOST_CELLS:
        message = f"--distinct compares all members, and {fs.size:,} are too many; at most {MOST_CELLS:,}"
        raise NascompileError.of("too-many", message, "tighten the budgets, or draw some: `nascompile sample`")
    return fs


def distinct_members(fs: FeasibleSet, members: Iterable[Candidate]) -> Iterator[Candidate]:
    """Members of a set without those whose network came before; cells are compared by the benchmark's rule."""
    return distinct(members, NetworkKeys(fs.program, benchmark_form))
