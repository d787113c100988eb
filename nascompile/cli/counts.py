"""How many members a set has, in words and as data: exactly, or between two exact numbers."""

from __future__ import annotations

from typing import Any

from nascompile.cli.output import say
from solvers.sets.relaxed_set import AnySet, Estimate, RelaxedSet

__all__ = ["between_text", "count_data", "estimate_text", "say_relaxed"]


def between_text(low: int, high: int) -> str:
    """A number that lies between two, in words.

    Example:
        >>> between_text(10, 1_900), between_text(14, 14)
        ('between 10 and 1,900', '14')
    """
    return f"{low:,}" if low == high else f"between {low:,} and {high:,}"


def count_data(low: int, high: int, name: str = "count") -> dict[str, Any]:
    """A number that lies between two as data: null where they differ, and they are beside it.

    Example:
        >>> count_data(14, 14), count_data(13, 18, "feasible")
        ({'count': 14}, {'feasible': None, 'feasible_at_least': 13, 'feasible_at_most': 18})
    """
    return {name: low} if low == high else {name: None, f"{name}_at_least": low, f"{name}_at_most": high}


def estimate_text(found: Estimate) -> str:
    """An estimate in words."""
    interval = f"{found.low:,} to {found.high:,} with {100 * found.level:g} % confidence"
    return f"about {found.value:,} ({interval}, by {found.draws:,} draws with seed {found.seed})"


def say_relaxed(fs: AnySet, solver: str) -> None:
    """Say of a set that it is relaxed although nobody asked for it."""
    if isinstance(fs, RelaxedSet) and solver == "auto":
        say(f"too large to hold exactly, so the set is relaxed: {fs.rounding}")
