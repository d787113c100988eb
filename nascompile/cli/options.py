"""The options that several commands share, and what they mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from nascompile.api import compile as compile_program
from nascompile.cli.output import working
from solvers.base import SOLVERS, solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import Diagnostic, NascompileError
from spaces.program.graph import Program

__all__ = [
    "Flops",
    "Json",
    "Latency",
    "Macs",
    "Profile",
    "RamModel",
    "Request",
    "RuntimeName",
    "SetRequest",
    "Solver",
    "default_name",
    "is_set_file",
    "takes_request",
]

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
Latency = Annotated[
    str | None, typer.Option("--latency", help="Limit on the latency, by a latency profile: 50ms.", metavar="TIME")
]
Profile = Annotated[
    str | None,
    typer.Option(
        "--latency-profile",
        help="Name or file of the latency profile (`nascompile latency list`); nascompile-c: our own C on the MCU's "
        "core, one cycle an instruction. Default where latency is limited, and with `auto` always: the MCU's, or one "
        "of its core.",
        metavar="NAME",
    ),
]
RamModel = Annotated[
    str | None,
    typer.Option(
        "--ram-model",
        help="Which RAM the budget limits: pingpong (even/odd buffers) or liveness (live tensors). "
        "Default: the space's own.",
        metavar="MODEL",
    ),
]
RuntimeName = Annotated[
    str,
    typer.Option(
        "--runtime",
        help="What ROM counts: ebs (weights, EBS Eq. 3) or nascompile-c (the bytes of the C that `deploy` writes, "
        "measured; RAM is then liveness by default).",
        metavar="NAME",
    ),
]
Solver = Annotated[
    str,
    typer.Option(
        "--solver",
        help=f"auto, {', '.join(list(SOLVERS)[:-1])} or {list(SOLVERS)[-1]}. All are exact and give the same set.",
        metavar="NAME",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@dataclass(frozen=True)
class Request:
    """What a command line asks about: a space (or a set file) and the limits on it.

    Its fields are the arguments and options that most commands share; `takes_request` gives them to a command.
    """

    space: SpaceName
    overrides: Overrides = None
    mcu: Mcu = None
    rom: Rom = None
    ram: Ram = None
    flops: Flops = None
    macs: Macs = None
    latency: Latency = None
    latency_profile: Profile = None
    ram_model: RamModel = None
    runtime: RuntimeName = "ebs"

    def program(self) -> Program:
        """The space, compiled.

        Raises:
            NascompileError: any mistake in the space or the limits.
        """
        if self.ram_model not in (None, "pingpong", "liveness"):
            hint = "it is `pingpong` or `liveness`"
            raise NascompileError(Diagnostic("wrong-value", f"there is no RAM model `{self.ram_model}`", None, hint))
        return compile_program(self.space, **self._limits(), overrides=self.overrides or ())

    def feasible_set(self, solver: str = "auto") -> FeasibleSet:
        """The set in a file, or the feasible set of the space.

        Raises:
            NascompileError: any mistake, or limits on a set that is already made.
        """
        if not is_set_file(self.space):
            with working(f"reducing {self.space}") as progress:
                return solve(self.program(), solver, progress)
        given = [f"--{n.replace('_', '-')}" for n, v in self._limits().items() if v not in (None, "ebs")]
        given += self.overrides or []
        if given:
            message = f"{given[0]} cannot change a set that is already made ({self.space})"
            raise NascompileError(Diagnostic("bad-option", message, None, "give the space instead of the set file"))
        return FeasibleSet.load(self.space)

    def _limits(self) -> dict[str, Any]:
        names = ("mcu", "rom", "ram", "flops", "macs", "latency", "latency_profile", "ram_model", "runtime")
        return {name: getattr(self, name) for name in names}


class SetRequest(Request):
    """A Request whose space may also be a set file."""


def takes_request(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command whose first parameter is a Request: its fields become arguments and options of the command.

    A second parameter without a default stays an argument right behind the space.
    """
    hints = get_type_hints(function, include_extras=True)
    own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(function).parameters.values()][1:]
    kinds = get_type_hints(Request, include_extras=True)
    if hints[next(iter(hints))] is SetRequest:
        kinds["space"] = SetOrSpace
    shared = [
        inspect.Parameter(
            f.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=_default(f), annotation=kinds[f.name]
        )
        for f in fields(Request)
    ]
    required = [p for p in own if p.default is p.empty]

    @wraps(function)
    def command(**given: object) -> None:
        request = Request(**{f.name: given.pop(f.name) for f in fields(Request)})  # type: ignore[arg-type]
        function(request, **given)

    signature = inspect.Signature([shared[0], *required, *shared[1:], *(p for p in own if p not in required)])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
    return command


def _default(field: Field[object]) -> object:
    return inspect.Parameter.empty if field.default is MISSING else field.default


def default_name(program: Program, sampler: str, seed: int) -> str:
    """What a search is called unless someone says: SPACE-MCU-SAMPLER-SEED."""
    return "-".join(filter(None, (program.space.name, program.target, sampler, str(seed))))


def is_set_file(name: str) -> bool:
    """Whether a name means a set file rather than a space."""
    return name.endswith(".nasset") or (Path(name).is_file() and Path(name).suffix not in (".yaml", ".yml"))
