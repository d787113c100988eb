"""`nascompile deploy`: a network as C for a microcontroller, and the proof that it is the same network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nascompile.cli.deploy_examples import Proof, checked_by_examples, examples_data
from nascompile.cli.options import Json, split_line, takes_options
from nascompile.cli.output import emit_json, out, say, say_next, working
from nascompile.cli.outputs import FOLDER
from nascompile.cli.own_weights import OwnWeights
from spaces.errors import Diagnostic, NascompileError
from spaces.targets.catalogue import load_target
from spaces.targets.target import Target
from spaces.units import parse_bytes

if TYPE_CHECKING:
    from nascompile.deploy.deploy import Verified
    from nascompile.deploy.deployable import Deployable
    from nascompile.deploy.deployed import Deployed
    from nascompile.deploy.exchange.files import Format
    from spaces.program.candidate import Candidate

__all__ = ["deploy"]


@dataclass(frozen=True)
class Chip:
    """For which chip."""

    mcu: Annotated[
        str | None,
        typer.Option("--mcu", help="Chip, part number, board or target file. Default: the run's.", metavar="NAME"),
    ] = None
    rom: Annotated[
        str | None,
        typer.Option(
            "--rom",
            help="Room for the program: 2MiB, 1000000. Default: the chip's flash; a chip without any needs it.",
            metavar="BYTES",
        ),
    ] = None

    def target(self, default: str = "", rom: int | None = None) -> Target:
        """The chip.

        Args:
            default: its name where none was given.
            rom: of one without flash, where no room was given.
        """
        target = load_target(self.mcu or default)
        own = parse_bytes(self.rom) if self.rom else rom if target.asks_rom else None
        return target.with_rom(own)

    @property
    def words(self) -> list[str]:
        """The same on a command line."""
        given = {"--mcu": self.mcu, "--rom": self.rom}
        return [word for option, value in given.items() if value for word in (option, value)]


@dataclass(frozen=True)
class Written:
    """How the library is called, and what is written beside it."""

    prefix: Annotated[
        str,
        typer.Option(
            "--prefix", help="Of the library's names in C, so that several fit in a firmware.", metavar="NAME"
        ),
    ] = "nc"
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="What is written: c, and beside it tflite (int8), onnx (int8 or float32).",
            metavar="LIST",
        ),
    ] = "c"


@takes_options
def deploy(
    *,
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
            metavar="[CANDIDATE]",
            help="Of a space: its line; a single network needs none. Its weights are those of --weights, else random.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Override keys of the space.")
    ] = None,
    chip: Chip,
    dtype: Annotated[str, typer.Option("--dtype", help="int8 or float32.", metavar="TYPE")] = "int8",
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The folder to write. Default: deploy-SPACE-K, deploy-PREFIX.", metavar="DIR"),
        FOLDER,
    ] = None,
    proof: Proof,
    names: Written,
    own: OwnWeights,
    as_json: Json = False,
) -> None:
    """Write a network as plain C99 without dependencies: static buffers, one call, a Makefile and a CMake file.

    RAM is exact by construction, ROM is predicted by measured code sizes. With --verify the C is compiled for this
    computer and compared with the integer reference bit for bit (float32: with PyTorch, to 1e-5), linked at the chip's
    real addresses for its real ROM and RAM, and run on an emulated core. Exit code 1 if anything differs, or
    does not fit the chip; the C is written all the same.

    --format c,tflite,onnx writes network.tflite and network.onnx too, with the integers of the C, for STM32Cube.AI,
    TensorFlow Lite Micro, Edge Impulse, Vela and others: docs/deploy.md.

    Of a run the C has both ends of the network, too: features and normalisation, and what the outputs say, from raw
    samples to a class (nc_classify), labels, numbers, boxes or an alarm. --verify then runs raw examples of the run's
    test part through it: inputs are within a step of those of training, and all else follows from them exactly.

    Examples:

      nascompile deploy keywords-run#7 --mcu stm32f412 --verify -o firmware/network

      nascompile deploy dscnn 84-112-84-84-84-196 --mcu stm32f412 --verify

      nascompile deploy mlperf_kws --mcu stm32f412 --weights mine.safetensors --calibrate keywords/
    """
    from nascompile.cli.deploy_report import deployment_data, print_deployment
    from nascompile.deploy import deploy as writing
    from nascompile.deploy.exchange.files import chosen_formats
    from nascompile.deploy.naming import PLAIN, Naming
    from nascompile.deploy.readme import over_text

    if dtype not in ("int8", "float32"):
        raise NascompileError.of("wrong-value", f"--dtype cannot be `{dtype}`", "it is int8 or float32")
    wanted = chosen_formats(names.formats, dtype)
    with working(f"deploying {what}") as progress:
        naming = Naming(names.prefix)
        subject, target, name = _subject(what, candidate, overrides or [], chip, dtype, own=own)
        made = writing.deploy(
            subject, target, output or Path(name if naming == PLAIN else f"deploy-{naming.prefix}"), naming
        )
        files, failed = _exchanged(made, wanted)
        if made.over:
            say(f"does not fit {made.target.title}: it takes {over_text(made)}")
        if proof.verify:
            progress("building and running it", 0)
        shown = writing.verify(made) if proof.verify else None
        heard = checked_by_examples(what, made, proof.examples) if proof.verify else None
    if as_json:
        emit_json({**deployment_data(made, shown), **examples_data(heard), "files": files})
    else:
        print_deployment(made, shown, heard)
        for name, size in files.items():
            out.print(f"written: {made.folder / name}, {size:,} B", soft_wrap=True, markup=False)
        if not failed:
            say_next(*_next(made, shown, what, chip))
    if failed:
        raise NascompileError(failed)
    if made.over or (shown and (shown.overflow or not shown.passed)) or (heard and not heard.passed):
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


def _next(made: Deployed, shown: Verified | None, what: str, chip: Chip) -> list[str]:
    """The next command: networks that fit, the proof, the firmware."""
    if made.over or (shown and shown.overflow):
        if "#" in what:
            return ["nascompile", "show", what.partition("#")[0]]
        words = chip.words if chip.mcu else ["--mcu", made.target.name, *chip.words]
        return ["nascompile", "reduce", what, *words, "--runtime", "nascompile-c"]
    if shown is None:
        return ["nascompile", *sys.argv[1:], "--verify"]
    return ["make", "-C", str(made.folder), "image" if shown.sizes else "host"]


def _subject(
    what: str, candidate: str | None, overrides: list[str], chip: Chip, dtype: str, *, own: OwnWeights
) -> tuple[Deployable, Target, str]:
    """The network, the chip, and what its folder is called unless someone says."""
    from nascompile.run.deployment import run_and_number

    result = run_and_number(what)
    if result is None:
        return _of_space(what, candidate, overrides, chip, lambda one: own.subject(one, dtype))
    if candidate is not None:
        message = f"`{candidate}` says nothing about a network of a run"
        raise NascompileError.of("bad-option", message, "give RUN#K alone, or SPACE CANDIDATE")
    if own != OwnWeights():
        message = "the weights of a network of a run are the run's"
        raise NascompileError.of("bad-option", message, "give --weights and --calibrate with SPACE CANDIDATE")
    return _of_run(*result, chip, dtype)


def _of_space(
    space: str, line: str | None, overrides: list[str], chip: Chip, subject: Callable[[Candidate], Deployable]
) -> tuple[Deployable, Target, str]:
    from nascompile.api import compile as compile_program
    from spaces.program.candidate import chosen_candidate

    if chip.mcu is None:
        raise NascompileError.of("no-mcu", "for which chip?", "name one with --mcu (`nascompile mcus` lists them)")
    target = chip.target()
    line, overrides = split_line(line, overrides)
    candidate = chosen_candidate(compile_program(space, mcu=target, overrides=overrides, tables=False), line)
    return subject(candidate), target, f"deploy-{candidate.space}"


def _of_run(path: Path, number: int | None, chip: Chip, dtype: str) -> tuple[Deployable, Target, str]:
    from nascompile.run.deployment import of_run
    from nascompile.run.folder import RunFolder
    from nascompile.run.outcome import Outcome

    folder = RunFolder.open(path)
    if number is None:
        outcome = Outcome.read(folder)
        kept = [f"{path}#{row['number']}" for row in outcome.chosen] if outcome else []
        hint = f"it kept {', '.join(kept)}" if kept else f"`nascompile show {path}` lists them"
        raise NascompileError.of("no-number", f"which network of `{path}`?", hint)
    program = folder.fs.program
    if not (chip.mcu or program.target):
        raise NascompileError.of("no-mcu", f"for which chip? `{path}` was searched without one", "name it with --mcu")
    subject = of_run(folder, number, dtype)
    target = chip.target(program.target, program.budgets.rom)
    return subject, target, f"deploy-{subject.candidate.space}-{number}"
