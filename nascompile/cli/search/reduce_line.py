"""The command line that reduces the space of a program anew, for another data type and runtime."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nascompile.api import budgets_of
from nascompile.cli.output import typed_limit
from spaces.errors import NascompileError
from spaces.language.differences import overrides_to
from spaces.language.library import library
from spaces.language.reader import load_space
from spaces.language.space import Space
from spaces.program.graph import Program
from spaces.program.shipping import in_dtype, target_of
from spaces.runtimes.library import DEFAULT, RUNTIMES

__all__ = ["reduce_line"]


def reduce_line(program: Program, dtype: str, runtime: str) -> str:
    """What to type for the set of a program's space and limits under another data type and runtime.

    The space is named as the library or a file in this folder has it, with the overrides that make it the program's;
    where neither does, as a file of its name.

    Example:
        >>> from nascompile.api import compile
        >>> reduce_line(compile("dscnn", mcu="stm32f412", flops="10M", tables=False), "int8", "nascompile-c")
        'nascompile reduce dscnn dtype=int8 --mcu stm32f412 --flops 10000000 --runtime nascompile-c'
    """
    name, overrides = _named(program.space)
    native = load_space(name, overrides).settings.dtype if _is_there(name) else "float32"
    typed = [] if native == dtype else [f"dtype={dtype}"]
    words = ["nascompile", "reduce", name, *overrides, *typed]
    words += ["--mcu", program.target] if program.target else []
    words += [word for option, value in _limits(program, runtime) for word in (f"--{option}", value)]
    return shlex.join(words)


def _limits(program: Program, runtime: str) -> Iterator[tuple[str, str]]:
    """The options that differ from what the target and the runtime give."""
    target = target_of(program)
    own = dict(budgets_of(target, program.runtime.stack).items()) if target else {}
    for name, value in program.budgets.items():
        if own.get(name) != value or (name == "rom" and target and target.asks_rom):
            yield name, typed_limit(name, value)
    if program.latency:
        yield "latency-profile", "nascompile-c" if program.latency.loops else program.latency.name.partition("@")[0]
    if runtime != DEFAULT:
        yield "runtime", runtime
    if program.ram_model != (program.runtime.ram_model or program.space.ram_model) and not RUNTIMES[runtime].ram_model:
        yield "ram-model", program.ram_model


def _named(space: Space) -> tuple[str, list[str]]:
    """A name of the space, and the overrides that make it this one; its data type is not among them."""
    for name in (space.name, f"{space.name}.yaml", f"spaces/{space.name}.yaml"):
        if not _is_there(name):
            continue
        try:
            plain = load_space(name)
            overrides = [one for one in overrides_to(plain, space) if not one.startswith("dtype=")]
            if _same(load_space(name, overrides), space):
                return name, overrides
        except NascompileError:
            continue  # another space of that name
    return f"{space.name}.yaml", []


def _is_there(name: str) -> bool:
    return name in library() or Path(name).is_file()


def _same(one: Space, other: Space) -> bool:
    """Whether they are one space but for the data type; in whichever order keys were set."""
    a, b = (_plain(in_dtype(space, "float32")) for space in (one, other))
    return a == b


def _plain(space: Space) -> dict[str, Any]:
    return {key: value for key, value in space.document.header.model_dump().items() if key != "extends"}
