"""Numbers as literals of C."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["constants", "float_literal", "in_lines"]

#: Characters of a line of constants.
_WIDTH = 116


def constants(values: NDArray[Any]) -> list[str]:
    """Numbers with commas, in lines of a fair length."""
    return in_lines(map(_number, values))


def in_lines(words: Iterable[str]) -> list[str]:
    """Words with commas, in lines of a fair length."""
    lines: list[str] = []
    line: list[str] = []
    length = 0
    for word in words:
        if length + len(word) + 1 > _WIDTH:
            lines.append("".join(line))
            line, length = [], 0
        line.append(word + ",")
        length += len(word) + 1
    return [*lines, "".join(line)]


def _number(value: Any) -> str:
    if isinstance(value, np.floating):
        return float_literal(float(value))
    # The least int32 is no literal of C's.
    return "INT32_MIN" if value == -(2**31) else str(int(value))


def float_literal(value: float) -> str:
    """The shortest decimal that reads back as the same float32."""
    text = np.format_float_scientific(np.float32(value), unique=True, trim="0")
    return f"{text}f"
