"""Quantities inside an expression: `200 KiB`, `50 ms`, `5 mJ` and `10M`, which Python's parser does not know.

A quantity becomes a product of two numbers before the text is parsed. A number followed by a word that is no unit, or
by a unit with two readings, is an error that says what to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from spaces.errors import Diagnostic, UnitError
from spaces.units import (
    COUNT_UNITS,
    ENERGY_UNITS,
    TIME_UNITS,
    UNITS,
    parse_bytes,
    parse_count,
    parse_energy_nj,
    parse_time_ns,
)

__all__ = ["misread_quantity", "replace_quantities"]

_UNITS = {**UNITS, **TIME_UNITS, **ENERGY_UNITS}
_NUMBER = r"(?<![\w.\])])(?P<number>\d[\d_]*(?:\.\d+)?|\.\d+)"
_QUOTED = r"\"[^\"]*\"|'[^']*'"
# A count's suffix stands directly behind the digits, so that a choice named `M` or `k` is never taken for one.
_UNIT = rf"(?:[ ]*(?P<unit>{'|'.join(_UNITS)})|(?P<suffix>{'|'.join(COUNT_UNITS)}))\b"
_QUANTITY = re.compile(f"{_QUOTED}|{_NUMBER}{_UNIT}")
_NUMBER_AND_WORD = re.compile(rf"{_QUOTED}|{_NUMBER}(?P<space>[ ]*)(?P<word>[A-Za-z]\w*)")
_MEMORY = re.compile(r"\b(?:ram|rom)\b")
#: What may follow a number in an expression: words of the language, an exponent, other bases.
_NO_UNITS = re.compile(r"(?:and|or|in|is|if|else|not|for)$|[eE]\d*$|[xXoObB][0-9a-fA-F]")
_FACTORS = {**_UNITS, **COUNT_UNITS}


def replace_quantities(text: str) -> str:
    """The text with every quantity written as a product.

    Example:
        >>> replace_quantities("ram <= 200 KiB and macs <= 2.5M")
        'ram <= (200*1024) and macs <= (2.5*1000000)'
    """

    def product(match: re.Match[str]) -> str:
        number, unit = match["number"], match["unit"] or match["suffix"]
        return f"({number}*{_FACTORS[unit]})" if number else match[0]

    return _QUANTITY.sub(product, text)


def misread_quantity(text: str) -> Diagnostic | None:
    """What is wrong with the first number that carries an unknown or ambiguous unit; None where all are fine.

    Example:
        >>> print(misread_quantity("ram <= 200 KB").render())
        `200 KB` is ambiguous: `KB` is 1,024 bytes in some data sheets and 1,000 in others [unit-ambiguous]
          write `200 KiB` (204,800 B) or `200 kB` (200,000 B)
        >>> misread_quantity("macs <= 10M")
    """
    memory = _MEMORY.search(text) is not None
    for match in _NUMBER_AND_WORD.finditer(text):
        word = match["word"]
        if word is None or _NO_UNITS.match(word) or word in _UNITS:
            continue
        # `rom <= 1M` is refused too: with bytes, `M` stands for two units.
        if word in COUNT_UNITS and not memory and not match["space"]:
            continue
        return _complaint(match[0], word, memory)
    return None


def _complaint(quantity: str, word: str, memory: bool) -> Diagnostic:
    try:
        _reader(word, memory)(quantity)
    except UnitError as error:
        return error.diagnostics[0]
    hint = f"write `{quantity.replace(' ', '')}`; a product needs a `*`"
    return Diagnostic("unit-unknown", f"`{quantity}` is not a quantity", None, hint)


def _reader(word: str, memory: bool) -> Callable[[str], int]:
    if word.lower() in ("k", "m", "g") and not memory:
        return parse_count
    if word.lower() in ("nj", "uj", "mj", "j", "kj", "joule", "joules", "wh", "mwh"):
        return parse_energy_nj
    return parse_time_ns if word.lower() in ("msec", "usec", "sec", "ns", "min", "h") else parse_bytes
