"""What a user says of the columns of tables."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FILE", "Columns"]

#: The group of a row is the file that it lies in.
FILE = "file"


@dataclass(frozen=True)
class Columns:
    """What the user says of the columns of tables; all of it may be left to their names.

    Args:
        label: what is learnt: one column, or one for each of several labels or numbers to predict.
        group: a person, a recording: whatever lies in one part only; `file` for the file that a row is in.
        time: of a row; windows are not cut across a gap.
        inputs: by default all other columns.
        window: rows of a window, where a row is one moment; None: a row is a window.
        step: rows from one window to the next; None: as many as a window has.
    """

    label: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    inputs: tuple[str, ...] = ()
    window: int | None = None
    step: int | None = None

    def __post_init__(self) -> None:
        for name in ("label", "inputs"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def option(self) -> str | None:
        """The first option that says any of this."""
        names = {"label": "--label", "group": "--group", "time": "--time", "inputs": "--columns",
                 "window": "--window", "step": "--step"}  # fmt: skip
        return next((option for name, option in names.items() if getattr(self, name)), None)
