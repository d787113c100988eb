"""Options as the fields of dataclasses, each written once; and those that several commands share."""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from typer.models import OptionInfo

from nascompile.api import compile as compile_program
from nascompile.api import load_set
from nascompile.cli.counts import say_relaxed
from nascompile.cli.output import working
from solvers.base import SOLVERS, solve
from solvers.memory import at_most
from solvers.sets.relaxed_set import AnySet
from solvers.sets.restriction import parse_conditions
from spaces.errors import NascompileError
from spaces.program.graph import Program
from spaces.targets.catalogue import load_target
from spaces.targets.target import Target
from spaces.units import parse_bytes

if TYPE_CHECKING:
    from nascompile.data.dataset import Dataset

__all__ = [
    "Json", "Limits", "MaxMemory", "MembersRequest", "Request", "SetRequest", "Solver", "default_name", "file_name",
    "flag", "is_set_file",
    "parameters", "split_line", "takes_options",
]  # fmt: skip

#: A list of several values at the end of an override.
_LIST = re.compile(r"=\[([^][]*,[^][]*)\]$")
_UNSAFE = re.compile(r"[^A-Za-z0-9._=,+@-]+")
#: Characters of a name without its ending, at most: systems allow 255 bytes.
_LONGEST = 150

Solver = Annotated[
    str,
    typer.Option(
        "--solver",
        help=f"auto, {', '.join(list(SOLVERS)[:-1])} or {list(SOLVERS)[-1]}. All but relaxed are exact and give the "
        "same set; relaxed gives bounds, draws and membership, and auto takes it where no exact set can be held.",
        metavar="NAME",
    ),
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        help="Memory that solving may take: 4GiB. Default: 60 % of the machine's, the container's or `ulimit -v`, "
        "whichever is least.",
        metavar="BYTES",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@dataclass(frozen=True)
class Limits:
    """Limits for any MCU, and how costs are counted."""

    flops: Annotated[
        str | None, typer.Option("--flops", help="Limit on FLOPs (2 per multiply-accumulate): 10M.", metavar="COUNT")
    ] = None
    macs: Annotated[str | None, typer.Option("--macs", help="Limit on multiply-accumulates: 5M.", metavar="COUNT")] = (
        None
    )
    latency: Annotated[
        str | None, typer.Option("--latency", help="Limit on the latency, by a latency profile: 50ms.", metavar="TIME")
    ] = None
    energy: Annotated[
        str | None,
        typer.Option(
            "--energy",
            help="Limit on the energy, by a latency profile that has energies (nrf5340): 5mJ.",
            metavar="ENERGY",
        ),
    ] = None
    latency_profile: Annotated[
        str | None,
        typer.Option(
            "--latency-profile",
            help="Name or file of the latency profile (`nascompile latency list`); nascompile-c: our own C on the "
            "MCU's core, in estimated cycles without wait states (M7: instructions). Default where latency or energy "
            "is limited, and with `auto` always: the MCU's, or one of its core.",
            metavar="NAME",
        ),
    ] = None
    latency_runtime: Annotated[
        str | None,
        typer.Option(
            "--latency-runtime",
            help="Take a latency profile of this runtime: x-cube-ai, tflite-micro, plumerai, hale or nascompile-c.",
            metavar="NAME",
        ),
    ] = None
    ram_model: Annotated[
        str | None,
        typer.Option(
            "--ram-model",
            help="Which RAM the budget limits: pingpong (even/odd buffers) or liveness (live tensors). "
            "Default: the space's own.",
            metavar="MODEL",
        ),
    ] = None
    runtime: Annotated[
        str | None,
        typer.Option(
            "--runtime",
            help="What ROM counts: ebs (weights, EBS Eq. 3) or nascompile-c (the bytes of the C that `deploy` writes, "
            "measured; RAM is then liveness by default). Default: ebs; of `search` nascompile-c, if measured on the "
            "MCU's core.",
            metavar="NAME",
        ),
    ] = None


@dataclass(frozen=True)
class Request:
    """What a command line asks about: a space and the limits on it."""

    space: Annotated[
        str, typer.Argument(metavar="SPACE", help="A space file, or the name of a library space (`nascompile spaces`).")
    ]
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Override keys of the space: choices.M.step=56 network.2.repeat=[4]"
        ),
    ] = None
    mcu: Annotated[
        str | None,
        typer.Option(
            "--mcu", help="Chip, part number, board, or your own target file; sets --ram and --rom.", metavar="NAME"
        ),
    ] = None
    rom: Annotated[str | None, typer.Option("--rom", help="ROM budget: 1MiB, 1MB, 1000000.", metavar="BYTES")] = None
    ram: Annotated[str | None, typer.Option("--ram", help="RAM budget: 256KiB, 256kB, 262144.", metavar="BYTES")] = None
    limits: Limits = Limits()
    max_memory: MaxMemory = None

    #: Where it is not an option.
    solver = "auto"

    def program(self, ships: str | None = None, data: Dataset | None = None) -> Program:
        """The space, compiled.

        Args:
            ships: see `nascompile.compile`.
            data: see `nascompile.compile`.

        Raises:
            NascompileError: any mistake in the space or the limits.
        """
        model = self.limits.ram_model
        if model not in (None, "pingpong", "liveness"):
            hint = "it is `pingpong` or `liveness`"
            raise NascompileError.of("wrong-value", f"there is no RAM model `{model}`", hint)
        return compile_program(
            self.space, **self._limits(), ships=ships, data=data, overrides=self.overrides or (), tables=False
        )

    @property
    def target(self) -> Target | None:
        """The MCU, where one is named; one without flash has what --rom gives."""
        target = load_target(self.mcu) if self.mcu else None
        if target and target.asks_rom and self.rom:
            return target.with_rom(parse_bytes(self.rom))
        return target

    def words(self, *left_out: str) -> list[str]:
        """The space and the limits as they were typed, but for some overrides and options: `dtype`, `runtime`."""
        overrides = [one for one in self.overrides or () if one.partition("=")[0] not in left_out]
        given = {name: value for name, value in self._limits().items() if value is not None and name not in left_out}
        return [self.space, *overrides, *(word for n, v in given.items() for word in (f"--{n.replace('_', '-')}", v))]

    def set_file(self, program: Program) -> Path:
        """What the set is called unless someone says: SPACE-MCU, and whatever else was asked for."""
        unset = {"mcu": self.mcu, "rom": None, "ram": None, **vars(Limits())}
        given = [f"{name.replace('_', '-')}={value}" for name, value in self._limits().items() if value != unset[name]]
        return Path(file_name([program.space.name, program.target, *given, *(self.overrides or ())]) + ".nasset")

    def _limits(self) -> dict[str, Any]:
        return {"mcu": self.mcu, "rom": self.rom, "ram": self.ram, **vars(self.limits)}

    def feasible_set(self, ships: str | None = None, data: Dataset | None = None) -> AnySet:
        """The set in a file, or the feasible set of the space, relaxed where that is too large to hold.

        Args:
            ships: of a space; see `nascompile.compile`.
            data: of a space; see `nascompile.compile`.

        Raises:
            NascompileError: any mistake, or limits on a set that is already made.
        """
        if not is_set_file(self.space):
            with working(f"reducing {self.space}") as progress:
                progress("compiling", 0)
                fs = solve(self.program(ships, data), self.solver, progress)
            say_relaxed(fs, self.solver)
            return fs
        unset = {"mcu": None, "rom": None, "ram": None, **vars(Limits())}
        given = [f"--{n.replace('_', '-')}" for n, v in self._limits().items() if v != unset[n]]
        given += self.overrides or []
        if given:
            message = f"{given[0]} cannot change a set that is already made ({self.space})"
            raise NascompileError.of("bad-option", message, "give the space instead of the set file")
        return load_set(self.space)


@dataclass(frozen=True)
class SetRequest(Request):
    """A Request whose space may also be a set file."""

    space: Annotated[
        str,
        typer.Argument(
            metavar="SET|SPACE", help="A set file made by `reduce`, or a space, which is then reduced first."
        ),
    ]
    solver: Solver = "auto"


@dataclass(frozen=True)
class MembersRequest(SetRequest):
    """A SetRequest that may ask for part of the set."""

    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="Only members with these options: M=84 in every use, M[1]=84,112 in the first, cell[4]=skip_connect "
            "on a cell's fourth edge, variant=7. May be given several times; then all must hold.",
            metavar="NAME[USE]=VALUES",
        ),
    ] = None

    def feasible_set(self, ships: str | None = None, data: Dataset | None = None) -> AnySet:
        """The set, or the part of it that was asked for.

        Args:
            ships: see `Request.feasible_set`.
            data: see `Request.feasible_set`.

        Raises:
            NascompileError: see `Request.feasible_set`; a condition that the space cannot have.
        """
        conditions = parse_conditions(self.where or ())
        fs = super().feasible_set(ships, data)
        return fs.where(**conditions) if conditions else fs


def split_line(line: str | None, overrides: Sequence[str] | None) -> tuple[str | None, list[str]]:
    """The candidate and the overrides of a command where the former may be left out.

    Example:
        >>> split_line("84-112", ["dtype=int8"]), split_line("dtype=int8", None)
        (('84-112', ['dtype=int8']), (None, ['dtype=int8']))
    """
    given = list(overrides or ())
    return (None, [line, *given]) if line and "=" in line else (line, given)


def takes_options(function: Callable[..., None]) -> Callable[..., None]:
    """Make a command of a function: in place of a parameter that is a dataclass come its fields, and theirs.

    A field carries `Annotated[type, typer.Option(...)]`. Arguments and options without a default come first.
    """
    kinds = get_type_hints(function, include_extras=True)
    own: list[inspect.Parameter] = []
    for one in inspect.signature(function).parameters.values():
        kind = kinds[one.name]
        own += [leaf for leaf, _ in parameters(kind)] if is_dataclass(kind) else [_leaf(one.name, one.default, kind)]

    @wraps(function)
    def command(**given: object) -> None:
        most = given.get("max_memory")
        with at_most(parse_bytes(str(most)) if most else None):
            function(**{name: _value(name, kind, given) for name, kind in kinds.items() if name != "return"})

    signature = inspect.Signature(sorted(own, key=lambda leaf: leaf.default is not leaf.empty))
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {leaf.name: leaf.annotation for leaf in own}
    return command


def parameters(kind: Any) -> Iterator[tuple[inspect.Parameter, type]]:
    """The arguments and options of a dataclass, each with the class that it is a field of."""
    kinds = get_type_hints(kind, include_extras=True)
    for one in fields(kind):
        if is_dataclass(kinds[one.name]):
            yield from parameters(kinds[one.name])
        else:
            default = inspect.Parameter.empty if one.default is MISSING else one.default
            yield _leaf(one.name, default, kinds[one.name]), kind


def flag(option: inspect.Parameter) -> str:
    """What an option is called on the command line."""
    # The first name of an annotated option is where typer keeps a default otherwise.
    return next(str(mark.default) for mark in option.annotation.__metadata__ if isinstance(mark, OptionInfo))


def _leaf(name: str, default: object, kind: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _value(name: str, kind: Any, given: Mapping[str, object]) -> object:
    if not is_dataclass(kind):
        return given[name]
    kinds = get_type_hints(kind, include_extras=True)
    return kind(**{one.name: _value(one.name, kinds[one.name], given) for one in fields(kind)})  # type: ignore[operator]


def default_name(program: Program, sampler: str, seed: int) -> str:
    """What a search is called unless someone says: SPACE-MCU-SAMPLER-SEED."""
    return "-".join(filter(None, (program.space.name, program.target, sampler, str(seed))))


def file_name(parts: Iterable[str]) -> str:
    """A name for a file in any folder of any system, joined of parts; those that are empty are left out.

    Where a part cannot be written as it is, or all together are too long, six digits of a digest tell the name from
    others.

    Example:
        >>> file_name(["dscnn", "", "rom=64 KiB", "network.2.repeat=[4,5]"])
        'dscnn-rom=64KiB-network.2.repeat=4,5'
        >>> file_name(["dscnn", 'constraints=["depth <= 6"]'])
        'dscnn-constraints=_depth_=6_-6b68c9'
    """
    told = [_LIST.sub(r"=\1", part.replace(" ", "")) for part in parts if part]
    name = "-".join(_UNSAFE.sub("_", part) for part in told)
    if name == "-".join(told) and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:6]
    return f"{name[:_LONGEST]}-{digest}"


def is_set_file(name: str) -> bool:
    """Whether a name means a set file rather than a space."""
    return name.endswith(".nasset") or (Path(name).is_file() and Path(name).suffix not in (".yaml", ".yml"))
