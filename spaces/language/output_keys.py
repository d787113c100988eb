"""What to type so that the networks of a space have another number of outputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spaces.language.source import is_list, is_mapping
from spaces.language.space import Space

__all__ = ["outputs_overrides"]

#: The keys by which blocks say how many channels come out.
_OUTPUTS = ("units", "filters", "classes")


def outputs_overrides(space: Space, count: int) -> list[str]:
    """Overrides under which the last layers of all networks have so many outputs; none where that cannot be told.

    Args:
        space: as it is.
        count: outputs, or the classes of a detector.

    Example:
        >>> from spaces.language.reader import load_space
        >>> outputs_overrides(load_space("dscnn"), 10), outputs_overrides(load_space("prototype_image"), 2)
        (['network.4.linear.units=10'], ['choices.classes.options=[2]'])
    """
    result: dict[str, None] = {}
    for path, value in _last(space.document.source.data["network"], "network"):
        choices = space.document.source.data.get("choices", {})
        if not isinstance(value, str) or value not in choices:
            result[f"{path}={count}"] = None
        elif is_mapping(choices[value]) and "options" in choices[value]:
            result[f"choices.{value}.options=[{count}]"] = None
        else:
            result[f"choices.{value}=[{count}]"] = None
    return list(result)


def _last(items: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The keys that say how many channels come out of a list of items, and their values; of a switch one a case."""
    for k in reversed(range(len(items))):
        item, place = items[k], f"{path}.{k}"
        if not is_mapping(item):
            continue
        if is_mapping(cases := item.get("cases")):
            for name, case in cases.items():
                yield from _last(case, f"{place}.cases.{name}")
            return
        if is_list(blocks := item.get("blocks")):
            yield from _last(blocks, f"{place}.blocks")
            return
        for block, arguments in item.items():
            key = next((key for key in _OUTPUTS if is_mapping(arguments) and key in arguments), None)
            if key is not None:
                yield f"{place}.{block}.{key}", arguments[key]
                return
