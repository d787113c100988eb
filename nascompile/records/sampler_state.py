"""The state of a sampler in a file, so that the next process goes on where this one stood."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from samplers.base import Sampler
from solvers.sets.relaxed_set import AnySet
from spaces.errors import FileError, NascompileError, Span
from spaces.files import write_atomically

__all__ = ["resume", "save_state"]

_ELSE = "name another file, or delete this one to begin anew"


def resume(sampler: Sampler, fs: AnySet, path: Path) -> int:
    """Let a new sampler go on from the state in a file, if there is one.

    Args:
        sampler: not asked yet.
        fs: the set that it is asked about.
        path: the file.

    Returns:
        How many candidates have been asked before.

    Raises:
        FileError: the file cannot be read, holds no state, or that of another sampler, other parameters or another set.
    """
    if not path.exists():
        return 0
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise FileError.of(
            "unreadable-file", f"cannot read the file: {cause.strerror}", "check the path", path
        ) from None
    except ValueError:
        raise FileError.of("bad-state", "this is no state of a sampler", _ELSE, path) from None
    if not _well_formed(state, fs.outer.size):
        message = "this is no state of a sampler, or a damaged one, or that of another set"
        raise FileError.of("bad-state", message, _ELSE, path)
    try:
        sampler.restore(fs, state)
    except NascompileError as error:
        raise FileError(replace(d, span=Span(str(path), 1, 1), hint=_ELSE) for d in error.diagnostics) from None
    return len(sampler.run_.asked) if sampler.run_ else 0


def save_state(sampler: Sampler, path: Path) -> None:
    """Write a sampler's state, whole or not at all.

    Raises:
        FileError: it cannot be written; what stood there before still does.
    """
    try:
        write_atomically(path, (json.dumps(sampler.state()) + "\n").encode())
    except FileError as error:
        hint = "check that the folder exists, is writable and has room, or name another file"
        raise FileError(replace(d, hint=hint) for d in error.diagnostics) from None


def _well_formed(state: Any, size: int) -> bool:
    """Whether this has the form of a state, and its events can have happened, in their order, on a set of this size."""
    if not isinstance(state, dict) or not {"sampler", "parameters", "set", "events"} <= set(state):
        return False
    if not isinstance(state["events"], list):
        return False
    asked: set[int] = set()
    gone: set[int] = set()
    for event in state["events"]:
        match event:
            case ["ask" | "skip" as kind, int(rank)] if 0 <= rank < size and rank not in gone:
                gone.add(rank)
                if kind == "ask":
                    asked.add(rank)
            case ["tell", int(rank), dict()] if rank in asked:
                pass
            case _:
                return False
    return True
