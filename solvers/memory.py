"""How much memory solving may take, asked before it is taken.

Every step that makes large arrays says first what they will take, temporary ones included; where that and what the
process holds already exceed what is allowed, it stops with one message instead of being killed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from spaces.errors import EngineError

__all__ = ["MAX_NODES", "allowed", "at_most", "available", "in_use", "need", "reach", "stated"]

#: Nodes of one level, at most: they are numbered by 32 bits.
MAX_NODES = 2**31 - 2

#: The part of the memory there is that solving may take unless someone says otherwise, in percent.
_SHARE = 60

#: Steps below this are not worth asking the system what the process holds.
_SMALL = 1 << 20

_limit: ContextVar[int | None] = ContextVar("limit", default=None)


@contextmanager
def at_most(size: int | None) -> Generator[None]:
    """Allow solving so many bytes, counted over the whole process; None leaves it as it is.

    Example:
        >>> with at_most(4 << 30):
        ...     allowed()
        4294967296
    """
    token = _limit.set(_limit.get() if size is None else size)
    try:
        yield
    finally:
        _limit.reset(token)


def stated() -> int | None:
    """Bytes that someone said the process may hold; None where nobody did."""
    return _limit.get()


def allowed() -> int:
    """Bytes that the process may hold while it solves."""
    limit = stated()
    return available() * _SHARE // 100 if limit is None else limit


@cache
def available() -> int:
    """The memory there is: the least of the machine's, the container's (cgroups of version 1 or 2) and `ulimit -v`."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_containers(Path("/"))]
    if sys.platform != "win32":
        import resource

        found += [bound for bound in resource.getrlimit(resource.RLIMIT_AS) if bound != resource.RLIM_INFINITY]
    return min(found)


def _containers(root: Path) -> Iterator[int]:
    """The limits of the control groups that this process is in, and of those around them.

    Args:
        root: where `proc` and `sys` are.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            top, file = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in kinds.split(","):
            top, file = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        # Within a container its own group may be mounted at the top, whatever its path is outside.
        inner = top / path.lstrip("/")
        for folder in (inner, *inner.parents):
            try:
                yield int((folder / file).read_text())
            except (OSError, ValueError):
                continue  # no limit there: no such file, or the word `max`


def in_use() -> int:
    """Bytes that the process holds now; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def reach() -> int:
    """Bytes that the next step may still take."""
    return allowed() - in_use()


def need(size: int, nodes: int = 0) -> None:
    """Say what the next step takes, before it takes it.

    Args:
        size: bytes that it allocates at once, at most.
        nodes: nodes of the decision diagram that it makes, if it makes any.

    Raises:
        EngineError: more than is allowed.

    Example:
        >>> with at_most(1 << 30):
        ...     need(8 << 30, nodes=100_000_000)
        Traceback (most recent call last):
        spaces.errors.EngineError: with 100,000,000 nodes in a level of the decision diagram, solving would take ...
    """
    if nodes > MAX_NODES or (size > _SMALL and in_use() + size > allowed()):
        raise _too_large(in_use() + size, nodes)


def _too_large(size: int, nodes: int) -> EngineError:
    what = f"with {nodes:,} nodes in a level of the decision diagram, solving" if nodes else "solving"
    message = f"{what} would take {_shown(size)} of memory or more; {_shown(allowed())} are allowed"
    hint = "allow more with `--max-memory`, use larger steps or fewer budgets, or take `--solver relaxed`"
    return EngineError.of("too-large", message, hint)


def _shown(size: int) -> str:
    """Bytes, rounded for a person.

    Example:
        >>> _shown(2_576_980_377), _shown(50 << 20)
        ('2.4 GiB', '50 MiB')
    """
    return f"{size / 2**30:,.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:,.0f} MiB"
