"""`nascompile compile`: every stage of the compiler as readable text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from nascompile.cli.options import Request, takes_options
from nascompile.cli.output import say
from nascompile.cli.outputs import FILE
from spaces.errors import NascompileError, did_you_mean
from spaces.files import write_atomically
from spaces.program.dump import program_text
from spaces.program.graph import Program

__all__ = ["compile_space"]

STAGES = ("document", "program", "cpsat", "mzn", "dot")


@takes_options
def compile_space(
    request: Request,
    emit: Annotated[
        str, typer.Option("--emit", help="document, program, cpsat, mzn or dot.", metavar="STAGE")
    ] = "program",
    variant: Annotated[
        str | None, typer.Option("--variant", help="Which depth: cpsat, mzn and dot hold one at a time.", metavar="L")
    ] = None,
    output: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; stdout without it."), FILE] = None,
) -> None:
    """Compile a space and print a stage of the compiler.

    document: the validated YAML, extensions and overrides applied. program: the layered state graph with its costs.
    cpsat: the OR-Tools CP-SAT model as protobuf text. mzn: a MiniZinc model. dot: the state graph for Graphviz.

    Examples:

      nascompile compile mlp2 --rom 13600 --emit program

      nascompile compile dscnn --mcu stm32f412 --emit cpsat --variant 8 -o dscnn8.pbtxt
    """
    if emit not in STAGES:
        raise NascompileError.of("bad-option", f"there is no stage `{emit}`", did_you_mean(emit, STAGES))
    program = request.program()
    text = _text(program, emit, variant)
    if output is None:
        print(text.rstrip("\n"))
    else:
        write_atomically(output, text.encode())
        say(f"written: {output}")


def _text(program: Program, emit: str, variant: str | None) -> str:
    if emit == "document":
        return program.space.document.dump()
    if emit == "program":
        return program_text(program, None if variant is None else _position(program, variant))
    return _lowering(emit)(program, _position(program, variant))


def _lowering(emit: str) -> Callable[[Program, int], str]:
    if emit == "cpsat":
        from solvers.cpsat.engine import model_text

        return model_text
    if emit == "mzn":
        from solvers.text.minizinc import minizinc_text

        return minizinc_text
    from solvers.text.graphviz import dot_text

    return dot_text


def _position(program: Program, variant: str | None) -> int:
    if variant is None and len(program.chains) > 1:
        message = f"`{program.space.name}` has {len(program.chains)} variants, and a model holds one"
        raise NascompileError.of("bad-option", message, f"add --variant with one of {', '.join(program.by_label)}")
    if variant is not None and variant not in program.by_label:
        raise NascompileError.of("bad-option", f"there is no variant `{variant}`", program.variants_hint)
    return program.by_label[variant or next(iter(program.by_label))]
