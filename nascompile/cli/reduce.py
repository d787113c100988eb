"""`nascompile reduce` and `nascompile count`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nascompile.cli.counts import between_text, count_data, estimate_text, say_relaxed
from nascompile.cli.options import Json, Request, SetRequest, Solver, is_set_file, takes_options
from nascompile.cli.output import emit_json, out, say, say_next, working
from nascompile.cli.outputs import FILE
from nascompile.cli.report import print_report, report
from nascompile.cli.shipped import say_counted, shipped_data
from solvers.base import Progress, solve
from solvers.base import count as count_networks
from solvers.sets.relaxed_set import AnySet, Estimate, RelaxedSet
from spaces.errors import EngineError
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
        data = report(fs, target=request.target)
    say_relaxed(fs, solver)
    written = fs.save(path) if save and fs else None
    data["file"] = str(written) if written else None
    if as_json:
        emit_json(data)
    else:
        print_report(data)
    if written:
        size = f" ({path.stat().st_size:,} bytes)" if path.is_file() else ""
        say(f"written: {path}{size}")
    if fs and not as_json:
        # What counts as it ships is searched as it is; else the search reduces the space anew.
        what = request.words("dtype", "runtime", "ram_model") if data["ships"] or not written else [str(path)]
        out.print()
        say_next("nascompile", "search", *what, "--data", "DATA")
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
    as_json: Json = False,
) -> None:
    """Print the exact number of feasible networks, and nothing else.

    Of a relaxed set, the two exact numbers between which it lies, and an estimate by draws. What was counted is said on
    stderr, and where that is quick how many fit as int8, which is what `search` takes.

    Exit code 1 if it is 0, as with `reduce`.

    Example:

      nascompile count dscnn --mcu stm32f412
    """
    with working(f"counting {request.space}") as progress:
        progress("compiling", 0)
        program, counts, found = _counted(request, progress)
        ships = shipped_data(program, request.target)
    low, high = (sum(ends) for ends in zip(*counts.values(), strict=True))
    if as_json:
        estimate = {"count_estimate": asdict(found)} if found else {}
        variants = {label: least if least == most else [least, most] for label, (least, most) in counts.items()}
        about = {"dtype": program.space.settings.dtype, "runtime": program.runtime.name, "ships": ships}
        emit_json({**count_data(low, high), **estimate, "size": program.size, **about, "variants": variants})
    elif found:
        print(f"{between_text(low, high)}, {estimate_text(found)}")
    else:
        print(low)
    say_counted(program, ships)
    if not high:
        raise typer.Exit(1)


def _counted(request: SetRequest, progress: Progress) -> tuple[Program, dict[str, tuple[int, int]], Estimate | None]:
    """The program, per variant the least and the largest number of networks, and an estimate where these differ."""
    fs: AnySet
    if is_set_file(request.space):
        fs = request.feasible_set()
    else:
        program = request.program()
        try:
            if request.solver != "relaxed":
                counts = count_networks(program, request.solver, progress)
                return program, {label: (n, n) for label, n in zip(program.by_label, counts, strict=True)}, None
        except EngineError as error:
            if request.solver != "auto" or error.diagnostics[0].code != "too-large":
                raise
        fs = solve(program, "relaxed", progress)
        say_relaxed(fs, request.solver)
    if isinstance(fs, RelaxedSet):
        return fs.program, fs.counts_between, fs.estimate() if len(set(fs.between)) > 1 else None
    return fs.program, {label: (n, n) for label, n in fs.counts.items()}, None
