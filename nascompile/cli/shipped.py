"""What a space counts, and how many of its networks fit as they ship: as int8, by the C that `deploy` writes."""

from __future__ import annotations

from math import prod
from typing import Any

from nascompile.cli.output import say, share
from solvers.base import count
from solvers.memory import in_use
from spaces.errors import NascompileError
from spaces.program.graph import Program
from spaces.program.shipping import ships
from spaces.targets.target import Target

__all__ = ["SHIPPED", "counted", "dtype_shipped", "say_counted", "shipped_data", "shipped_text"]

#: What ships unless someone says otherwise.
SHIPPED = "int8"
#: Situations of layers, and bytes for the diagram, up to which networks are counted in about a second.
_QUICK, _ROOM = 7_000, 32 << 20


def counted(program: Program) -> str:
    """What the costs of a program are of.

    Example:
        >>> import nascompile as nc
        >>> counted(nc.compile("dscnn", tables=False))
        'float32 networks by ebs'
    """
    return f"{program.space.settings.dtype} networks by {program.runtime.name}"


def dtype_shipped(program: Program) -> str:
    """The data type in which networks of a program ship: that of the C that it counts, else int8."""
    return program.runtime.own_dtype or SHIPPED


def shipped_data(program: Program, target: Target | None = None) -> dict[str, Any] | None:
    """How many networks keep the same limits as they ship, as plain data; None where the program counts just these.

    Args:
        program: the program.
        target: its chip; that which it names by default.

    Returns:
        `dtype`, `runtime`, and `count`, which is None where counting would take longer than a moment.

    Example:
        >>> import nascompile as nc
        >>> shipped_data(nc.compile("dscnn", mcu="stm32f412"))
        {'dtype': 'int8', 'runtime': 'nascompile-c', 'count': 19136512}
    """
    try:
        there = ships(program, SHIPPED, target)
    except NascompileError:
        return None  # its latency profile is of another type
    if there is program:
        return None
    return {"dtype": SHIPPED, "runtime": there.runtime.name, "count": _count(there) if _is_quick(there) else None}


def _is_quick(program: Program) -> bool:
    """Whether few layers in few situations have to be costed; each depends on its own decisions and those before it."""
    situations = 0
    for variant in program.variants:
        options, before = {d.label: len(d.options) for d in variant.decisions}, set[str]()
        for layer in variant.layers:
            situations += prod(options[label] for label in layer.labels | before)
            before = layer.labels or before
    return not program.space.cells and situations <= _QUICK


def _count(program: Program) -> int | None:
    try:
        return sum(count(program, "diagram", max_memory=in_use() + _ROOM))
    except NascompileError:
        return None  # too large, or a constraint that no diagram can hold


def shipped_text(data: dict[str, Any], size: int) -> str:
    """The same in words: `19,136,512 as int8 by nascompile-c (100 %)`."""
    return f"{data['count']:,} as {data['dtype']} by {data['runtime']} ({share(data['count'], size)})"


def say_counted(program: Program, data: dict[str, Any] | None) -> None:
    """Remark what was counted, and what else could be."""
    limited = data and data["count"] is not None and dict(program.budgets.items())
    other = f"; {shipped_text(data, program.size)}" if data and limited else ""
    say(f"counting {counted(program)}{other}")
