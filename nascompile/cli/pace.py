"""How fast a long run is, how long it will take, and how many processes it is worth."""

from __future__ import annotations

import os
import time

from solvers.base import Progress

__all__ = ["Pace", "default_jobs"]

#: Starting a process takes as long as scoring some small networks.
_WORTH_A_PROCESS = 16


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

    def step(self) -> None:
        """One more is done."""
        self.at += 1
        rate = (self.at - self._there) / max(time.monotonic() - self._start, 1e-9)
        left = _duration((self._total - self.at) / rate)
        self._progress(f"{self.at:,} of {self._total:,}, {rate:.3g} a second, {left} left", 0)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def default_jobs(tasks: int, device: str) -> int:
    """Processes for so many tasks that are handed out at once: one per core, as far as that is worth it.

    Example:
        >>> default_jobs(5, "cpu"), default_jobs(1000, "cuda")
        (1, 1)
    """
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, tasks // _WORTH_A_PROCESS))
