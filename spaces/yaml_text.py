"""Plain data as YAML that a person reads: a block a mapping, a line anything else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["yaml_lines", "yaml_value"]

#: Texts that need no quotes.
_PLAIN = re.compile(r"[A-Za-z_./][\w./+=*@-]*", re.ASCII)
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "nan", "inf"}
#: Kept back in the text of numbers, so that they are read as numbers again.
_FLOAT = re.compile(r"[-+]?\d+e", re.ASCII)


def yaml_value(value: Any) -> str:
    """A value in one line; what is no plain data is written as its text.

    Example:
        >>> yaml_value(["lr=0.01", "a, b"]), yaml_value(3), yaml_value("on"), yaml_value("1"), yaml_value(None)
        ('[lr=0.01, "a, b"]', '3', '"on"', '"1"', 'null')
        >>> yaml_value({"a": (0.5, True)}), yaml_value(1e-05)
        ('{a: [0.5, true]}', '1.0e-05')
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{yaml_value(str(name))}: {yaml_value(one)}' for name, one in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(yaml_value, value))}]"
    if isinstance(value, float):
        text = json.dumps(value)
        return text.replace("e", ".0e", 1) if _FLOAT.match(text) else text
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def yaml_lines(data: Mapping[str, Any], indent: int = 0) -> Iterator[str]:
    """The lines of a mapping.

    Example:
        >>> print("\\n".join(yaml_lines({"run": {"mcu": "stm32f412", "budgets": {}}, "k": [1, 2]})))
        run:
          mcu: stm32f412
          budgets: {}
        k: [1, 2]
    """
    for name, value in data.items():
        key = f"{' ' * indent}{yaml_value(str(name))}:"
        if isinstance(value, Mapping) and value:
            yield key
            yield from yaml_lines(value, indent + 2)
        else:
            yield f"{key} {yaml_value(value)}"
