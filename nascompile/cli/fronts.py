"""Several limits of one cost as the command line has them: `macs=30M,60M,120M`."""

from __future__ import annotations

from spaces.errors import NascompileError
from spaces.units import parse_bytes, parse_count, parse_time_ns

__all__ = ["read_front"]

_UNITS = {"latency": parse_time_ns, "rom": parse_bytes, "ram": parse_bytes}


def read_front(text: str) -> tuple[str, tuple[int, ...]]:
    """What `--front` says: the cost, and its limits; none where only the cost is named.

    Raises:
        NascompileError: a limit is no amount of that cost.

    Example:
        >>> read_front("macs=30M,60M"), read_front("latency=50ms"), read_front("rom")
        (('macs', (30000000, 60000000)), ('latency', (50000000,)), ('rom', ()))
    """
    metric, equals, amounts = (part.strip() for part in text.partition("="))
    words = [word.strip() for word in amounts.split(",") if word.strip()]
    if equals and not words:
        raise NascompileError.of("bad-option", f"--front {text} names no limit", "write macs=30M,60M, or macs alone")
    return metric, tuple(map(_UNITS.get(metric, parse_count), words))
