"""The set that a search takes: networks counted as they ship, unless someone asks for the paper's formulas."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nascompile.cli.counts import between_text
from nascompile.cli.examples import data_first
from nascompile.cli.options import SetRequest, is_set_file
from nascompile.cli.output import say, share
from nascompile.cli.search.reduce_line import reduce_line
from nascompile.cli.shipped import counted
from solvers.sets.relaxed_set import AnySet
from spaces.errors import NascompileError
from spaces.program.graph import Program
from spaces.program.shipping import deployed_by, target_of
from spaces.runtimes.around import NOTHING, Around
from spaces.runtimes.ebs import Ebs

if TYPE_CHECKING:
    from nascompile.data.dataset import Dataset
    from nascompile.run.settings import DataSettings

__all__ = ["check_type", "searched_set", "unmeasured"]

_TYPE = "dtype="


def searched_set(
    request: SetRequest, given: DataSettings | None, keeps: str | None = None
) -> tuple[AnySet, Dataset | None]:
    """The networks that fit as they ship, and the data that they learn.

    Args:
        request: for a space, or a set file.
        given: what data; None for none.
        keeps: the data type of the networks that the search keeps, `int8` or `float32`; None where it keeps none, and
            `dtype=` may say which they will be.

    Raises:
        NascompileError: see `data_first` and `SetRequest.feasible_set`; a set file that counts otherwise.
    """
    fs, data = data_first(request, given, partial(_shipped_set, keeps=keeps))
    if data and is_set_file(request.space):
        _say_around(request.space, fs.program, data)
    return fs, data


def _say_around(path: str, program: Program, data: Dataset) -> None:
    """Remark that a set was made without regard to what makes the input of its networks, where that takes flash."""
    from nascompile.deploy.ends_costs import surrounded

    own = program.runtime.around
    around = surrounded(program.runtime, data, program.space.input.shape.size).around
    if around != own:
        say(f"`{path}` counts {around_text(own) or 'networks alone'}; with these data there is {around_text(around)}: "
            "a search of the space itself counts that")  # fmt: skip


def around_text(around: Around) -> str:
    """What the C has around networks, in words; empty where that is nothing.

    Example:
        >>> around_text(Around(rom=3600, instructions=1_700_000))
        '3,600 B of flash and 1,700,000 instructions from raw samples to an answer, beside the networks'
    """
    if around == NOTHING:
        return ""
    counted = "" if around.instructions is None else f" and {around.instructions:,} instructions"
    return f"{around.rom:,} B of flash{counted} from raw samples to an answer, beside the networks"


def _shipped_set(request: SetRequest, data: Dataset | None, keeps: str | None = None) -> AnySet:
    """The networks that fit as they ship.

    Args:
        request: for a space, or a set file.
        data: what the networks of a space learn: what makes their input of raw samples has to fit, too.
        keeps: see `searched_set`.
    """
    typed = _typed(request)
    ships = keeps or typed or "int8"
    paper = request.limits.runtime == Ebs.name
    if is_set_file(request.space):
        return _checked(request, ships, typed or ships)
    fs = request.feasible_set(None if paper and typed else ships, data)
    _say(fs, ships, request.limits.runtime is not None)
    return fs


def check_type(request: SetRequest, keeps: str) -> None:
    """Whether what the command line counts are networks of the type that the search keeps, or the paper's.

    Raises:
        NascompileError: they are not.
    """
    typed = _typed(request)
    if typed not in (None, keeps) and request.limits.runtime != Ebs.name:
        kept = "--quantise none keeps float32" if keeps == "int8" else "--quantise qat or ptq keeps int8"
        message = f"`dtype={typed}` counts {typed} networks, and those that this search keeps are {keeps}"
        hint = f"leave it out; {kept}; --runtime ebs dtype={typed} counts by the paper's formulas all the same"
        raise NascompileError.of("bad-option", message, hint)


def _typed(request: SetRequest) -> str | None:
    """The data type that the command line gives."""
    given = [one.removeprefix(_TYPE).strip(" \"'") for one in request.overrides or () if one.startswith(_TYPE)]
    return given[-1] if given else None


def _checked(request: SetRequest, ships: str, typed: str) -> AnySet:
    """The set in a file that counts what ships, or is said to be wanted as it is."""
    runtime = request.limits.runtime
    others = [one for one in request.overrides or () if not one.startswith(_TYPE)]
    bare = replace(request, overrides=others, limits=replace(request.limits, runtime=None))
    fs = bare.feasible_set()
    program = fs.program
    counts = (program.space.settings.dtype, program.runtime.name)
    as_is = runtime == Ebs.name and counts == (typed, runtime)
    wanted = (ships, runtime or deployed_by(program, ships).name)
    if not as_is and (counts != wanted or runtime == Ebs.name):
        _refuse_set(request.space, fs, wanted, ships)
    return fs


def _refuse_set(name: str, fs: AnySet, wanted: tuple[str, str], ships: str) -> None:
    program = fs.program
    dtype, runtime = program.space.settings.dtype, program.runtime.name
    searched = f"this search is for {wanted[0]} networks by {wanted[1]}"
    message = f"`{name}` counts {dtype} networks by {runtime}, and {searched}"
    hint = f"make that set: `{reduce_line(program, ships, deployed_by(program, ships).name)}`"
    if fs.origin:
        hint += f", and take its part anew ({fs.origin})"
    if runtime == Ebs.name:
        hint += f"; or search it as it is, with --runtime {runtime}{'' if dtype == ships else f' dtype={dtype}'}"
    raise NascompileError.of("other-counting", message, hint)


def _say(fs: AnySet, ships: str, asked: bool) -> None:
    """What is counted, and how many that leaves."""
    program = fs.program
    why = "" if asked or program.runtime.name != Ebs.name else f", the paper's formulas: {unmeasured(program, ships)}"
    low, high = fs.between
    part = f" ({share(low, program.size)})" if low == high else ""
    more = f", {text}" if (text := around_text(program.runtime.around)) else ""
    say(f"counting {counted(program)}{why}{more}; {between_text(low, high)} of {program.size:,} fit{part}")


def unmeasured(program: Program, dtype: str) -> str:
    """Why what `deploy` writes is not known to the byte."""
    target = target_of(program)
    if target:
        return f"the C of `deploy` was not measured on a {target.core} in {dtype}"
    return "no MCU is named" if not program.target else f"the core of `{program.target}` was not measured"
