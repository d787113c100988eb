"""`nascompile spaces`, `nascompile mcus`, `nascompile schema`: what there is to use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from nascompile.cli.options import Json
from nascompile.cli.output import emit_json, out, table
from nascompile.cli.tables import print_table
from spaces.blocks import BLOCKS
from spaces.costs.latency_file import ProfileKeys
from spaces.errors import NascompileError, did_you_mean
from spaces.language.keys import editor_schema
from spaces.language.library import library
from spaces.language.reader import load_space
from spaces.language.schema import json_schema
from spaces.program.variants import unroll
from spaces.targets.catalogue import catalogue
from spaces.targets.target_file import TargetKeys

__all__ = ["SCHEMAS", "mcus", "schema", "spaces"]


def spaces(
    blocks: Annotated[bool, typer.Option("--blocks", help="List the blocks of the language instead.")] = False,
    as_json: Json = False,
) -> None:
    """List the library's search spaces, or the blocks of the language."""
    if blocks:
        _blocks(as_json)
        return
    rows = []
    for name, path in library().items():
        space = load_space(path)
        variants = unroll(space)
        size = sum(v.size for v in variants)
        depths = [v.depth for v in variants]
        first = space.doc.strip().split("\n")[0]
        rows.append(
            {"space": name, "size": size, "depths": [min(depths), max(depths)], "doc": first, "file": str(path)}
        )
    if as_json:
        emit_json(rows)
        return
    made = table("space", ">|X|", "depth", "~what it is")
    for row in rows:
        low, high = row["depths"]
        made.add_row(row["space"], f"{row['size']:,}", f"{low}" if low == high else f"{low}..{high}", row["doc"])
    print_table(made)


#: What stands in a network in the place of a block, and holds some: its keys, required and not, and what it is.
_STRUCTURES: tuple[tuple[str, list[str], dict[str, Any], str], ...] = (
    ("group", ["blocks"], {"repeat": 1, "depth": None}, "Blocks repeated together, or of which the first few run."),
    ("switch", ["cases"], {}, "Several sub-networks, of which one is taken."),
    (
        "cell",
        ["nodes", "operators"],
        {"edges": "all", "dead_edges": "removed", "repeat": 1},
        "A small graph with an operator an edge; it is described under `cells`.",
    ),
)


def _blocks(as_json: bool) -> None:
    if as_json:
        emit_json(
            [{"block": name, "doc": doc, "required": needs, "optional": may} for name, needs, may, doc in _STRUCTURES]
            + [{"block": b.name, "doc": b.doc, "required": [p for p in b.params if p not in b.defaults],
              "optional": {p: b.defaults[p] for p in b.defaults}} for b in BLOCKS.values()]
        )  # fmt: skip
        return
    made = table("block", "~parameters", "~what it is")
    for name, needs, may, doc in _STRUCTURES:
        made.add_row(name, ", ".join([*(f"{key} (required)" for key in needs), *may]), doc)
    for block in BLOCKS.values():
        made.add_row(
            block.name, ", ".join(p if p in block.defaults else f"{p} (required)" for p in block.params), block.doc
        )
    print_table(made)


def mcus(
    search: Annotated[str | None, typer.Argument(help="Only names, cores or boards that contain this.")] = None,
    as_json: Json = False,
) -> None:
    """List the microcontrollers: memory usable for activations, flash, core, clock, boards."""
    wanted = (search or "").lower()
    found = [t for t in catalogue() if wanted in " ".join((t.name, t.title, t.core, *t.boards)).lower()]
    if as_json:
        emit_json(
            [{"name": t.name, "title": t.title, "core": t.core, "clock_hz": t.clock_hz, "ram": t.ram,
              "rom": None if t.asks_rom else t.rom,
              "parts": t.parts, "boards": t.boards, "source": t.source} for t in found]
        )  # fmt: skip
        return
    made = table("name", "core", ">MHz", ">RAM", ">ROM", "~boards")
    for t in found:
        clock = f"{t.clock_hz / 1e6:g}" if t.clock_hz else "-"
        made.add_row(t.name, t.core, clock, _size(t.ram), "--rom" if t.asks_rom else _size(t.rom), ", ".join(t.boards))
    print_table(made)
    if not found:
        out.print(f"no microcontroller contains `{search}`", markup=False)
        raise typer.Exit(1)


def _size(size: int) -> str:
    return f"{size // 1024:,} KiB" if size % 1024 == 0 else f"{size:,} B"


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "space": json_schema,
    "target": lambda: editor_schema(TargetKeys, "nascompile target"),
    "latency": lambda: editor_schema(ProfileKeys, "nascompile latency profile"),
}


def schema(
    of: Annotated[
        str, typer.Option("--of", help="space, target or latency: the kind of file.", metavar="KIND")
    ] = "space",
) -> None:
    """Print the JSON schema of the files that you write, for editors: spaces, targets, latency profiles.

    Examples:

      nascompile schema > space.schema.json

      nascompile schema --of target > target.schema.json
    """
    if of not in SCHEMAS:
        raise NascompileError.of("bad-option", f"there is no schema of `{of}`", did_you_mean(of, SCHEMAS))
    emit_json(SCHEMAS[of]())
