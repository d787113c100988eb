"""What is known of examples before they are decoded: their files or rows, what is learnt of each, part and group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.dataset import Task

__all__ = ["Listing", "Piece", "unread"]


@dataclass(frozen=True)
class Piece:
    """Of a recording.

    Args:
        start: in seconds.
        gain: by which it is multiplied.
    """

    start: float
    gain: float


@dataclass(frozen=True, eq=False)
class Listing:
    """Files with what is known of them.

    Args:
        names: of the files.
        labels: as `Examples.labels`.
        parts: as `Examples.parts`.
        notes: what was found or left out, for the record.
        groups: as `Examples.groups`.
        values: as `Examples.values`.
        task: as `Examples.task`.
        order: as `Examples.order`.
        pieces: of sound: position -> the piece of its file that is meant, where not all of it.
    """

    names: Sequence[str]
    labels: Sequence[str | int]
    parts: Sequence[str]
    notes: dict[str, Any] = field(default_factory=dict)
    groups: Sequence[str] = ()
    values: NDArray[np.float64] | None = None
    task: Task = "classification"
    order: tuple[str, ...] = ()
    pieces: Mapping[int, Piece] = field(default_factory=dict)

    def learnt(self) -> dict[str, Any]:
        """The fields that `Examples` has, too."""
        return {
            "labels": self.labels, "parts": self.parts, "groups": self.groups, "values": self.values,
            "task": self.task, "order": self.order,
        }  # fmt: skip


def unread(names: Iterable[str]) -> dict[str, dict[str, object]]:
    """A note of files that are not read: ending -> how many, and the first.

    Example:
        >>> unread(["a/NOTES.md", "b.txt", "c.txt"])
        {'not read': {'.md': {'files': 1, 'first': 'a/NOTES.md'}, '.txt': {'files': 2, 'first': 'b.txt'}}}
        >>> unread([])
        {}
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(PurePosixPath(name).suffix.lower() or name, []).append(name)
    counted: dict[str, object] = {ending: {"files": len(own), "first": own[0]} for ending, own in found.items()}
    return {"not read": counted} if counted else {}
