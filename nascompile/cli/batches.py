"""Batches of proxies as the command line has them: `64,zen=16`."""

from __future__ import annotations

from typing import NamedTuple

from spaces.errors import NascompileError

__all__ = ["BATCH_HELP", "Batches", "read_batches"]

BATCH_HELP = "Examples per batch (ntk: at most 32), and of single proxies: 64 or zen=16,naswot=32 or both."


class Batches(NamedTuple):
    """How many examples proxies take.

    Args:
        batch: all that share passes; None for their defaults.
        own: name -> that proxy, whatever the others take.
    """

    batch: int | None
    own: dict[str, int]


def read_batches(text: str) -> Batches:
    """What `--batch` says.

    Raises:
        NascompileError: a part is neither a number from 1 up nor NAME=NUMBER, or comes twice.

    Example:
        >>> read_batches("64,zen=16")
        Batches(batch=64, own={'zen': 16})
    """
    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.rpartition("=")
        if not number.isdecimal() or int(number) < 1 or (not name and "=" in part):
            hint = "write 64, or zen=16,naswot=32, or both; from 1 up"
            raise NascompileError.of("bad-option", f"--batch {part} is no number of examples", hint)
        if name in found:
            what = f"`{name}`" if name else "the batch of all"
            raise NascompileError.of("bad-option", f"--batch gives {what} twice", "give it once")
        found[name] = int(number)
    return Batches(found.pop("", None), found)
