"""Values of target and latency files: what each kind of value must be, and what a person is told of one that is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from spaces.errors import UnitError, did_you_mean
from spaces.language.keys import KEY, Mistake
from spaces.language.source import is_mapping
from spaces.units import parse_hz

__all__ = ["NAME", "NAME_HINT", "Clock", "Name", "Text", "among", "mapping", "named", "quantity", "show", "text"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,59}")
NAME_HINT = "at most 60 letters, digits, spaces and `.`, `_`, `+`, `-`, the first a letter or digit"


def show(value: Any) -> str:
    """A value in a message.

    Example:
        >>> show(None), show(12)
        ('nothing', '`12`')
    """
    text = "nothing" if value is None or value == "" else f"`{value}`"
    return text if len(text) <= 40 else text[:36] + "...`"


def text(value: Any) -> str:
    """A text that is not blank, without the blanks around it."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    hint = "put it in quotes" if isinstance(value, bool | int | float) else "write a word"
    raise Mistake("wrong-type", f"`{KEY}` must be text, not {show(value)}", hint)


def named(pattern: re.Pattern[str]) -> BeforeValidator:
    """A name that a file can have."""

    def check(value: Any) -> str:
        name = text(value)
        if not pattern.fullmatch(name):
            raise Mistake("wrong-name", f"{show(name)} is not a name", NAME_HINT)
        return name

    return BeforeValidator(check)


def among(words: Collection[str]) -> BeforeValidator:
    """One of some words."""

    def check(value: Any) -> str:
        word = text(value)
        if word not in words:
            raise Mistake("wrong-value", f"`{KEY}` cannot be {show(word)}", did_you_mean(word, words))
        return word

    return BeforeValidator(check)


def mapping(what: str, example: str) -> BeforeValidator:
    """A mapping; `what` says what it must do."""

    def check(value: Any) -> dict[str, Any]:
        if not is_mapping(value):
            raise Mistake("wrong-type", f"`{KEY}` must {what}, not {show(value)}", f"for example `{example}`")
        return value

    return BeforeValidator(check)


def quantity(parse: Callable[[Any], int], value: Any) -> int:
    """A quantity with its unit, by a function of `spaces.units`."""
    try:
        return parse("" if value is None else value)
    except UnitError as error:
        (found,) = error.diagnostics
        raise Mistake(found.code, found.message, found.hint) from None


Text = Annotated[str, Field(min_length=1), BeforeValidator(text)]
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$"), named(NAME)]
Clock = Annotated[int, BeforeValidator(partial(quantity, parse_hz)), WithJsonSchema({"type": "string"})]
