"""`nascompile deploy`: a network as C for a microcontroller, and the proof that it is the same network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from nascompile.cli.options import Json, split_line
from nascompile.cli.output import emit_json, out, table, working
from nascompile.cli.outputs import FOLDER
from nascompile.cli.tables import print_table
from spaces.errors import Diagnostic, NascompileError
from spaces.targets.catalogue import load_target
from spaces.targets.target import Target

if TYPE_CHECKING:
    from nascompile.deploy.deploy import Verified
    from nascompile.deploy.deployable import Deployable
    from nascompile.deploy.deployed import Deployed
    from nascompile.deploy.exchange.files import Format

__all__ = ["deploy", "deployment_data"]


def deploy(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN#K|SPACE",
            help="A network of a run by its number in the run's table; or a space, then CANDIDATE.",
        ),
    ],
    candidate: Annotated[
        str | None,
        typer.Argument(
            metavar="[CANDIDATE]", help="Of a space: its line; a single network needs none. Its weights will be random."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Override keys of the space.")
    ] = None,
    mcu: Annotated[
        str | None,
        typer.Option("--mcu", help="Chip, part number, board or target file. Default: the run's.", metavar="NAME"),
    ] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="int8 or float32.", metavar="TYPE")] = "int8",
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder to write. Default: deploy-SPACE-K, deploy-PREFIX.", metavar="DIR"),
        FOLDER,
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Build it here and for the chip, run both (the chip's core emulated), compare."),
    ] = False,
    prefix: Annotated[
        str,
        typer.Option(
            "--prefix", help="Of the library's names in C, so that several fit in a firmware.", metavar="NAME"
        ),
    ] = "nc",
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="What is written: c, and beside it tflite (int8), onnx (int8 or float32).",
            metavar="LIST",
        ),
    ] = "c",
    as_json: Json = False,
) -> None:
    """Write a network as plain C99 without dependencies: static buffers, one call, a Makefile and a CMake file.

    RAM is exact by construction, ROM is predicted by measured code sizes. With --verify the C is compiled for this
    computer and compared with the integer reference bit for bit (float32: with PyTorch, to 1e-5), linked at the chip's
    real addresses for its real ROM and RAM, and run on an emulated core. Exit code 1 if anything differs.

    --format c,tflite,onnx writes network.tflite and network.onnx too, with the integers of the C, for STM32Cube.AI,
    TensorFlow Lite Micro, Edge Impulse, Vela and others: docs/deploy.md.

    Examples:

      nascompile deploy keywords-run#7 --mcu stm32f412 --verify -o firmware/network

      nascompile deploy dscnn 84-112-84-84-84-196 --mcu stm32f412 --verify
    """
    from nascompile.deploy import deploy as writing
    from nascompile.deploy.exchange.files import chosen_formats
    from nascompile.deploy.naming import PREFIX, Naming

    if dtype not in ("int8", "float32"):
        raise NascompileError.of("wrong-value", f"--dtype cannot be `{dtype}`", "it is int8 or float32")
    wanted = chosen_formats(formats, dtype)
    with working(f"deploying {what}") as progress:
        naming = Naming(prefix)
        subject, target, name = _subject(what, candidate, overrides or [], mcu, dtype)
        made = writing.deploy(subject, target, output or Path(name if prefix == PREFIX else f"deploy-{prefix}"), naming)
        files, failed = _exchanged(made, wanted)
        if verify:
            progress("building and running it", 0)
        shown = writing.verify(made) if verify else None
    if as_json:
        emit_json({**deployment_data(made, shown), "files": files})
    else:
        _print(made, shown)
        for name, size in files.items():
            out.print(f"written: {made.folder / name}, {size:,} B", soft_wrap=True, markup=False)
    if failed:
        raise NascompileError(failed)
    if shown and not shown.passed:
        raise typer.Exit(1)


def _exchanged(made: Deployed, formats: list[Format]) -> tuple[dict[str, int], list[Diagnostic]]:
    """The files beside the C and their bytes; and what hindered others, which is told at the end."""
    from nascompile.deploy.exchange.files import write_format

    files: dict[str, int] = {}
    failed: list[Diagnostic] = []
    for one in formats:
        try:
            file, size = write_format(made, one)
            files[file] = size
        except NascompileError as error:
            failed += error.diagnostics
    return files, failed


def deployment_data(made: Deployed, shown: Verified | None) -> dict[str, Any]:
    """A deployment as plain data: what was predicted, and what was measured."""
    data: dict[str, Any] = {
        "candidate": str(made.subject.candidate), "trained": made.subject.trained, "dtype": made.plan.dtype,
        "target": made.target.name, "folder": str(made.folder), "prefix": made.naming.prefix,
        "kept": {"edited": made.kept.edited, "foreign": made.kept.foreign}, "predicted": made.predicted,
        "ram_plan": made.ram, "ram_plan_proven": made.plan.memory.proven,
        "ram_region": made.target.ram_region.name,
    }  # fmt: skip
    if shown is None:
        return data
    result: dict[str, Any] = {"passed": shown.passed, "difference_host": shown.host}
    if shown.core and shown.sizes:
        result |= {
            "difference_core": shown.core.difference, "rom": shown.sizes.rom, "ram": shown.sizes.ram,
            "instructions": shown.core.instructions, "stack": shown.core.stack,
        }  # fmt: skip
    return {**data, "measured": result}


def _subject(
    what: str, candidate: str | None, overrides: list[str], mcu: str | None, dtype: str
) -> tuple[Deployable, Target, str]:
    """The network, the chip, and what its folder is called unless someone says."""
    from nascompile.run.deployment import run_and_number

    result = run_and_number(what)
    if result is None:
        return _of_space(what, candidate, overrides, mcu, dtype)
    if candidate is not None:
        message = f"`{candidate}` says nothing about a network of a run"
        raise NascompileError.of("bad-option", message, "give RUN#K alone, or SPACE CANDIDATE")
    return _of_run(*result, mcu, dtype)


def _of_space(
    space: str, line: str | None, overrides: list[str], mcu: str | None, dtype: str
) -> tuple[Deployable, Target, str]:
    from nascompile.api import compile as compile_program
    from nascompile.deploy.deployable import untrained
    from spaces.program.candidate import chosen_candidate

    if mcu is None:
        raise NascompileError.of("no-mcu", "for which chip?", "name one with --mcu (`nascompile mcus` lists them)")
    target = load_target(mcu)
    line, overrides = split_line(line, overrides)
    candidate = chosen_candidate(compile_program(space, mcu=target, overrides=overrides, tables=False), line)
    return untrained(candidate, dtype), target, f"deploy-{candidate.space}"


def _of_run(path: Path, number: int | None, mcu: str | None, dtype: str) -> tuple[Deployable, Target, str]:
    from nascompile.run.deployment import of_run
    from nascompile.run.folder import RunFolder
    from nascompile.run.outcome import Outcome

    folder = RunFolder.open(path)
    if number is None:
        outcome = Outcome.read(folder)
        kept = [f"{path}#{row['number']}" for row in outcome.chosen] if outcome else []
        hint = f"it kept {', '.join(kept)}" if kept else f"`nascompile show {path}` lists them"
        raise NascompileError.of("no-number", f"which network of `{path}`?", hint)
    name = mcu or folder.fs.program.target
    if not name:
        raise NascompileError.of("no-mcu", f"for which chip? `{path}` was searched without one", "name it with --mcu")
    subject = of_run(folder, number, dtype)
    return subject, load_target(name), f"deploy-{subject.candidate.space}-{number}"


def _print(made: Deployed, shown: Verified | None) -> None:
    weights = "trained" if made.subject.trained else "random weights: sizes and speed are real, answers are not"
    head = f"{made.subject.candidate} in {made.plan.dtype} for {made.target.title} ({weights})"
    out.print(escape(head), soft_wrap=True)
    core = shown.core if shown else None
    sizes = shown.sizes if shown else None
    rows = table("", ">predicted", *((">measured",) if sizes else ()), ">of the chip")
    chip = {"RAM": made.target.ram, "ROM": made.target.rom}
    predicted = {"RAM": made.predicted["ram"], "ROM": made.predicted.get("rom")}
    for word, measured in (("RAM", sizes.ram if sizes else None), ("ROM", sizes.rom if sizes else None)):
        cells = [_bytes(predicted[word]), *([_bytes(measured)] if sizes else []), _bytes(chip[word])]
        rows.add_row(word, *cells)
    print_table(rows)
    if sum(region.kind == "ram" for region in made.target.regions) > 1:
        out.print(f"RAM is that of {made.target.ram_region.name}, the largest region for feature maps", markup=False)
    out.print(f"RAM by even and odd buffers (EBS Eq. 4): {made.predicted['ram_pingpong']:,} B")
    if shown:
        _print_proof(made, shown)
    if core:
        each = core.instructions / max(1, made.predicted["macs"])
        out.print(f"instructions of one inference: {core.instructions:,} ({each:.2f} per multiply-accumulate), stack "
                  f"{core.stack:,} B", soft_wrap=True)  # fmt: skip
    if "instructions" in made.predicted:
        out.print(f"instructions predicted: {made.predicted['instructions']:,}; instructions are not cycles")
    out.print(f"written: {made.folder}", soft_wrap=True, markup=False)
    _print_kept(made)


def _print_kept(made: Deployed) -> None:
    """What stands in the folder that this deployment did not write."""
    if made.kept.edited:
        out.print(f"edited since, so left as they are: {', '.join(made.kept.edited)}; delete them and deploy again for "
                  f"those of this network", soft_wrap=True, markup=False)  # fmt: skip
    if made.kept.foreign:
        out.print(f"yours, left alone: {', '.join(made.kept.foreign)}", soft_wrap=True, markup=False)


def _print_proof(made: Deployed, shown: Verified) -> None:
    against = "the integer reference" if made.plan.dtype == "int8" else "PyTorch"
    for where, difference in (
        ("this computer", shown.host),
        ("an emulated core", shown.core.difference if shown.core else None),
    ):
        if difference is None:
            out.print(f"not run on an emulated core: there is none of a {made.target.core}")
            continue
        verdict = (
            "equal to"
            if difference == 0
            else f"within {difference:.2g} of"
            if difference <= shown.allowed
            else "NOT equal to"
        )
        tail = "" if difference <= shown.allowed else f" (apart by {difference:.3g})"
        out.print(f"on {where}: {verdict} {against}, {len(made.vectors.inputs)} inputs{tail}")


def _bytes(value: int | None) -> str:
    return "not measured" if value is None else f"{value:,} B"
