"""How fast a long run is, and how long it will take."""

from __future__ import annotations

import time

from solvers.base import Progress

__all__ = ["Pace", "duration"]


class Pace:
    """Tells how far a run is, how fast it is, and how long it will take.

    Args:
        progress: to tell it to.
        there: how much was done before.
        total: how much there is to do.
    """

    def __init__(self, progress: Progress, there: int, total: int) -> None:
        self.at = there
        self._progress, self._there, self._total = progress, there, total
        self._start = time.monotonic()
        #: What was told last.
        self.text = ""

    def step(self) -> None:
        """One more is done."""
        self.at += 1
        rate = (self.at - self._there) / max(time.monotonic() - self._start, 1e-9)
        left = duration((self._total - self.at) / rate)
        # Of what takes seconds, one wants to know how many.
        speed = f"{rate:.3g} a second" if rate > 0.2 else f"{1 / rate:.0f} s each"
        self.text = f"{self.at:,} of {self._total:,}, {speed}, {left} left"
        self._progress(self.text, 0)


def duration(seconds: float) -> str:
    """A time to two or three digits.

    Example:
        >>> duration(95.4), duration(600), duration(90_000)
        ('95 s', '10 min', '25.0 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
