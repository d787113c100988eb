"""Which searches an option of `nascompile search` is for, and the refusal where it is given to another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import typer

from nascompile.cli.options import flag, parameters
from samplers.registry import SAMPLERS, TRAINING_FREE, registered
from spaces.errors import Diagnostic, NascompileError

__all__ = ["Owner", "applies", "is_given", "kinds", "refuse_foreign"]

#: Which kinds of samplers.
Kinds = Callable[[type], bool]


def kinds(of: type) -> Kinds:
    """The subclasses of a class."""
    return lambda kind: issubclass(kind, of)


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
        return [entry.asked or name for name, entry in {**SAMPLERS, **TRAINING_FREE}.items() if self.takes(entry.type)]


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


def applies(options: type, sampler: str, trains: bool) -> Callable[[str], bool]:
    """Whether an option, by the name of its parameter, does something in a search.

    Args:
        options: the class of options.
        sampler: which search.
        trains: whether it trains networks.
    """
    kind = registered(sampler).type
    idle = {
        option.name
        for option, owner in _owned(options)
        if not (owner.takes(kind) and (owner.trained if trains else owner.untrained(kind)))
    }
    return lambda name: name not in idle


def _given(options: type, context: typer.Context) -> Iterator[tuple[str, Owner]]:
    for option, owner in _owned(options):
        source = context.get_parameter_source(option.name)
        # A run file has them all; one with the value of its default asks for nothing.
        listed = source is not None and source.name == "DEFAULT_MAP" and context.params[option.name] == option.default
        if is_given(context, option.name) and not listed:
            yield flag(option), owner


def _owned(options: type) -> Iterator[tuple[inspect.Parameter, Owner]]:
    """The options that are not for all searches."""
    for option, kind in parameters(options):
        marks = (*option.annotation.__metadata__, getattr(kind, "OWNER", None))
        owner = next((mark for mark in marks if isinstance(mark, Owner)), None)
        if owner:
            yield option, owner


def _bad(message: str, hint: str) -> Diagnostic:
    return Diagnostic("bad-option", message, None, hint)
