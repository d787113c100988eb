"""What is measured: a way to obtain the feasible set, with what must happen before the clock starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from problem import Problem

__all__ = ["Outcome", "Subject"]


@dataclass(frozen=True)
class Outcome:
    """What a solve found: the exact count, and figures worth a line of their own."""

    count: int
    details: Mapping[str, int] = field(default_factory=dict)


def _nothing(depth: int) -> None:
    """Prepare nothing."""


def _count(depth: int) -> int:
    """The exact count of the benchmark problem."""
    return Problem(depth).count()


@dataclass(frozen=True)
class Subject:
    """One contestant.

    Args:
        name: how the command line and the table call it.
        delivers: what the caller holds afterwards (`list`, `tree`, ...).
        solve: depth -> count or Outcome; the only part that is timed, and it builds its model itself.
        distribution: the package whose version the table shows.
        modules: imported before the clock starts.
        prepare: depth -> anything; run before the clock and reported as its own figure.
        expected: depth -> the count that `solve` must find.
        slow: takes seconds, so that `--slow-repeat` says how often it runs.
    """

    name: str
    delivers: str
    solve: Callable[[int], int | Outcome]
    distribution: str
    modules: tuple[str, ...]
    prepare: Callable[[int], object] = _nothing
    expected: Callable[[int], int] = _count
    slow: bool = False
