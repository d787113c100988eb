"""NAME=VALUE words of the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from spaces.errors import NascompileError

__all__ = ["parsed"]


def parsed(option: str, words: Sequence[str], example: str = "", own: Sequence[str] = ()) -> dict[str, Any]:
    """What the words of an option say; a value is JSON, or else a text.

    Args:
        option: its name.
        words: NAME=VALUE each.
        example: for whoever gives no value.
        own: names that have options of their own.

    Raises:
        NascompileError: a word without a value, a name twice, or one that has an option of its own.

    Example:
        >>> parsed("--train", ["lr=0.01", "schedule=cosine"])
        {'lr': 0.01, 'schedule': 'cosine'}
    """
    result: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise NascompileError.of(
                "bad-option", f"{option} {word} gives no value", f"write NAME=VALUE{example and f', such as {example}'}"
            )
        if name in result:
            raise NascompileError.of("bad-option", f"{option} gives `{name}` twice", "give it once")
        if name in own:
            raise NascompileError.of(
                "bad-option", f"{option} {word}: `{name}` has an option of its own", f"write --{name} {value}"
            )
        try:
            result[name] = json.loads(value)
        except ValueError:
            result[name] = value
    return result
