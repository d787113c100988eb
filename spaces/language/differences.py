"""In which keys two spaces differ: what is said where candidates or sets of one meet those of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from spaces.language.source import is_list, is_mapping
from spaces.language.space import Space

__all__ = ["differences", "overrides_to"]

#: Keys, and characters of a value, that a sentence has room for.
_KEYS, _CHARACTERS = 3, 30


def differences(one: Space, other: Space) -> str:
    """The end of a sentence that says that two spaces are not the same: the keys by which those of one name differ.

    Example:
        >>> from spaces.language.reader import load_space
        >>> a, b, c = load_space("dscnn"), load_space("dscnn", ["dtype=int8", "choices.M.step=56"]), load_space("mlp2")
        >>> differences(a, b), differences(a, c)
        (': they differ in `dtype` (float32, int8), `choices.M.step` (28, 56)', '')
    """
    if one.name != other.name:
        return ""
    a, b = ({k: v for k, v in s.document.header.model_dump().items() if k != "extends"} for s in (one, other))
    found = [f"`{key}` ({_short(x)}, {_short(y)})" for key, x, y in _differing(a, b, "")]
    more = f" and {len(found) - _KEYS} more" if len(found) > _KEYS else ""
    # Two texts may differ in nothing but the order of keys, which is that of the decisions.
    return f": they differ in {', '.join(found[:_KEYS]) or 'the order of their keys'}{more}"


def overrides_to(one: Space, other: Space) -> list[str]:
    """The overrides by which a space becomes another of the same name, as a command line has them.

    A key that only the first one has is not taken away: compare what comes out.

    Example:
        >>> from spaces.language.reader import load_space
        >>> overrides_to(load_space("dscnn"), load_space("dscnn", ["dtype=int8", "network.2.repeat=[4,5]"]))
        ['network.2.repeat=[4,5]', 'dtype=int8']
    """
    a, b = (json.loads(space.text) for space in (one, other))
    found = {key: value for key, _, value in _differing(a, b, "") if value is not None}
    texts = {key: v if isinstance(v, str) else json.dumps(v, separators=(",", ":")) for key, v in found.items()}
    return [f"{key}={text}" for key, text in texts.items()]


def _differing(one: Any, other: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    """(key, value, other value) of the innermost parts that differ; None for one that is not there."""
    if is_list(one) and is_list(other) and len(one) == len(other):
        one, other = (dict(zip(map(str, range(len(part))), part, strict=True)) for part in (one, other))
    if is_mapping(one) and is_mapping(other):
        for name in {**one, **other}:
            yield from _differing(one.get(name), other.get(name), f"{key}.{name}" if key else name)
    elif json.dumps(one) != json.dumps(other):
        yield key, one, other


def _short(value: Any) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 3]}..."
