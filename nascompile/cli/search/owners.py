"""Which searches an option of `nascompile search` is for, and the refusal where it is given to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer

from nascompile.cli.options import flag, parameters
from samplers.registry import SAMPLERS, TRAINING_FREE, registered
from spaces.errors import Diagnostic, NascompileError

__all__ = ["Owner", "is_given", "refuse_foreign"]

#: Which kinds of samplers.
Kinds = Callable[[type], bool]


@dataclass(frozen=True)
class Owner:
    """The searches that an option is for: a mark of its annotation, or `OWNER` of the class of options that it is in.

    Args:
        takes: whether a kind of sampler takes it.
        untrained: whether it does something for such a one where nothing is trained.
        trained: whether it does something where networks are trained.
    """

    takes: Kinds
    untrained: Kinds = lambda kind: False
    trained: bool = True

    @property
    def samplers(self) -> list[str]:
        """The names of those that take it."""
        return [name for name, entry in {**SAMPLERS, **TRAINING_FREE}.items() if self.takes(entry.type)]


def refuse_foreign(options: type, sampler: str, trains: bool, context: typer.Context) -> None:
    """Raises, all at once, where options are given that are not for this search; those without an owner are for all.

    Args:
        options: the class of options.
        sampler: which search.
        trains: whether it trains networks.
        context: knows what is given.
    """
    given, kind = list(_given(options, context)), registered(sampler).type
    foreign = [
        _bad(
            f"{name} is no option of the sampler `{sampler}`",
            f"it is one of {' and '.join(owner.samplers)}: leave it out",
        )
        for name, owner in given
        if not owner.takes(kind)
    ]
    where = "where networks are trained" if trains else f"without --samples: then {sampler} trains nothing"
    idle = [
        _bad(f"{name} does nothing {where}", "leave it out, or see --samples")
        for name, owner in given
        if not (owner.trained if trains else owner.untrained(kind))
    ]
    if foreign or idle:
        raise NascompileError(foreign or idle)


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the command line gives an option, be it with the value of its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _given(options: type, context: typer.Context) -> Iterator[tuple[str, Owner]]:
    for option, kind in parameters(options):
        marks = (*option.annotation.__metadata__, getattr(kind, "OWNER", None))
        owner = next((mark for mark in marks if isinstance(mark, Owner)), None)
        if owner and is_given(context, option.name):
            yield flag(option), owner


def _bad(message: str, hint: str) -> Diagnostic:
    return Diagnostic("bad-option", message, None, hint)
