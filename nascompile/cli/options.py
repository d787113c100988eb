"""The options that several commands share, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascompile.api import compile as compile_program
from solvers.base import solve
from solvers.feasible_set import FeasibleSet
from spaces.errors import Diagnostic, NascompileError
from spaces.program import Program

__all__ = [
    "Flops", "Json", "Macs", "Mcu", "Overrides", "Ram", "RamModel", "Rom", "SetOrSpace", "Solver", "SpaceName",
    "is_set_file", "open_or_solve", "program_of",
]  # fmt: skip

SpaceName = Annotated[
    str, typer.Argument(metavar="SPACE", help="A space file, or the name of a library space (`nascompile spaces`).")
]
SetOrSpace = Annotated[
    str,
    typer.Argument(metavar="SET|SPACE", help="A set file made by `reduce`, or a space, which is then reduced first."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Override keys of the space: choices.M.step=56 network.2.repeat=[4]"),
]
Mcu = Annotated[
    str | None,
    typer.Option(
        "--mcu", help="Chip, part number, board, or your own target file; sets --ram and --rom.", metavar="NAME"
    ),
]
Rom = Annotated[str | None, typer.Option("--rom", help="ROM budget: 1MiB, 1MB, 1000000.", metavar="BYTES")]
Ram = Annotated[str | None, typer.Option("--ram", help="RAM budget: 256KiB, 256kB, 262144.", metavar="BYTES")]
Flops = Annotated[
    str | None, typer.Option("--flops", help="Limit on FLOPs (2 per multiply-accumulate): 10M.", metavar="COUNT")
]
Macs = Annotated[str | None, typer.Option("--macs", help="Limit on multiply-accumulates: 5M.", metavar="COUNT")]
RamModel = Annotated[
    str | None,
    typer.Option(
        "--ram-model",
        help="Which RAM the budget limits: pingpong (even/odd buffers) or liveness (live tensors). "
        "Default: the space's own.",
        metavar="MODEL",
    ),
]
Solver = Annotated[
    str,
    typer.Option(
        "--solver", help="auto, diagram, cp-sat or exhaustive. All are exact and give the same set.", metavar="NAME"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def program_of(
    space: str,
    overrides: list[str] | None,
    mcu: str | None = None,
    rom: str | None = None,
    ram: str | None = None,
    flops: str | None = None,
    macs: str | None = None,
    ram_model: str | None = None,
) -> Program:
    """The program that a command line describes."""
    if ram_model not in (None, "pingpong", "liveness"):
        hint = "it is `pingpong` or `liveness`"
        raise NascompileError(Diagnostic("wrong-value", f"there is no RAM model `{ram_model}`", None, hint))
    return compile_program(
        space, mcu=mcu, rom=rom, ram=ram, flops=flops, macs=macs, ram_model=ram_model, overrides=overrides or ()
    )


def is_set_file(name: str) -> bool:
    """Whether a name means a set file rather than a space."""
    return name.endswith(".nasset") or (Path(name).is_file() and Path(name).suffix not in (".yaml", ".yml"))


def open_or_solve(name: str, overrides: list[str] | None, solver: str = "auto", **budgets: str | None) -> FeasibleSet:
    """The set in a file, or the feasible set of a space.

    Raises:
        NascompileError: budgets or overrides are given for a set that is already made.
    """
    if not is_set_file(name):
        from nascompile.cli.output import working

        with working(f"reducing {name}") as progress:
            return solve(program_of(name, overrides, **budgets), solver, progress)
    given = [f"--{key.replace('_', '-')}" for key, value in budgets.items() if value is not None] + (overrides or [])
    if given:
        message = f"{given[0]} cannot change a set that is already made ({name})"
        raise NascompileError(Diagnostic("bad-option", message, None, "give the space instead of the set file"))
    return FeasibleSet.load(name)
