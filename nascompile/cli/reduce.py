"""`nascompile reduce` and `nascompile count`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascompile.cli.options import Json, Request, SetRequest, Solver, is_set_file, takes_options
from nascompile.cli.output import emit_json, out, say, working
from nascompile.cli.outputs import FILE
from nascompile.cli.report import print_report, report
from solvers.base import count as count_networks
from solvers.base import solve
from spaces.files import check_file
from spaces.program.graph import Program

__all__ = ["count", "reduce"]

#: Transitions of a stage up to which an explanation takes seconds.
_QUICK = 20_000


@takes_options
def reduce(
    request: Request,
    solver: Solver = "auto",
    output: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Where to write the set. Default: SPACE-MCU.nasset in this folder; other limits and overrides are in "
            "the name, too (dscnn-stm32f412-choices.M.step=56.nasset).",
            metavar="FILE",
        ),
        FILE,
    ] = None,
    save: Annotated[bool, typer.Option("--save/--no-save", help="Write the set file, or only report.")] = True,
    as_json: Json = False,
) -> None:
    """Reduce a space to its exact feasible set X^f, and write that set to a file.

    Reports |X| and |X^f|, per depth the reduced range of every layer, and which budget removes how much.
    Exit code 1 if no network fits; `explain` says what is missing.

    Examples:

      nascompile reduce spaces/dscnn.yaml --mcu stm32f412

      nascompile reduce dscnn --ram 128KiB --rom 512KiB --flops 20M choices.M.step=56
    """
    with working(f"reducing {request.space}") as progress:
        progress("compiling", 0)
        program = request.program()
        path = output or request.set_file(program)
        if save:
            check_file(path, [Path(request.space)])
        fs = solve(program, solver, progress)
        data = report(fs)
    written = fs.save(path) if save and fs else None
    data["file"] = str(written) if written else None
    if as_json:
        emit_json(data)
    else:
        print_report(data)
    if written:
        size = f" ({path.stat().st_size:,} bytes)" if path.is_file() else ""
        say(f"written: {path}{size}")
    if not fs:
        if not as_json:
            _explain(program)
        raise typer.Exit(1)


def _explain(program: Program) -> None:
    """Say why nothing fits, unless CP-SAT would need minutes for it."""
    from nascompile.cli.explain import print_explanation
    from solvers.explain import relations_apart

    program = relations_apart(program)
    if all(stage.next.size <= _QUICK for chain in program.chains for stage in chain.stages):
        out.print()
        print_explanation(program)
    else:
        say("`nascompile explain` says why; with this many options per layer that can take minutes")


@takes_options
def count(
    request: SetRequest,
    solver: Solver = "auto",
    as_json: Json = False,
) -> None:
    """Print the exact number of feasible networks, and nothing else.

    Exit code 1 if it is 0, as with `reduce`.

    Example:

      nascompile count dscnn --mcu stm32f412
    """
    if is_set_file(request.space):
        fs = request.feasible_set(solver)
        program, counts = fs.program, fs.counts
    else:
        with working(f"counting {request.space}") as progress:
            progress("compiling", 0)
            program = request.program()
            counts = dict(zip(program.by_label, count_networks(program, solver, progress), strict=True))
    total = sum(counts.values())
    if as_json:
        emit_json({"count": total, "size": program.size, "variants": counts})
    else:
        print(total)
    if not total:
        raise typer.Exit(1)
