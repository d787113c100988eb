"""Work for worker processes; this module is quick to import there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from samplers.proxies.base import ProxyError


def sleeper(step: float) -> Callable[[int], int]:
    """The later a task comes, the sooner it is done."""

    def task(n: int) -> int:
        time.sleep(max(0.0, step * (3 - n)))
        return n * n

    return task


def quitter(code: int) -> Callable[[int], int]:
    """Ends its process at task 1."""
    return lambda n: os._exit(code) if n == 1 else n


def complainer(message: str) -> Callable[[int], int]:
    """A user's mistake."""

    def task(n: int) -> int:
        raise ProxyError.of("bad-network", message, "a hint")

    return task


def divider(by: int) -> Callable[[int], float]:
    """A programmer's mistake at 0."""
    return lambda n: n / by
