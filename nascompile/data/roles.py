"""What each column of a table is: an input, what is learnt, whose a row is, when it was, in which part it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nascompile.data.columns import FILE, Columns
from nascompile.data.examples import bad_data
from spaces.errors import did_you_mean

__all__ = ["Roles", "axes_of_a_sensor", "label_column"]

#: What columns are called that nobody names; the first that is there, in any case.
_LABELS = ("label", "labels", "class", "target", "activity", "category", "y")
_TIMES = ("time", "timestamp", "datetime")
_PARTS = ("split", "part", "subset")


@dataclass(frozen=True)
class Roles:
    """Which column of one table is what; empty or None where none is.

    Args:
        labels: in their order.
        group: not of the table where it is `FILE`.
        time: of a moment.
        part: train, valid or test.
        inputs: in the order of the table.
    """

    labels: tuple[str, ...]
    group: str | None
    time: str | None
    part: str | None
    inputs: tuple[str, ...]

    @classmethod
    def of(cls, place: str, names: Sequence[str], wanted: Columns, labelled: bool = True) -> Roles:
        """The roles of a table's columns.

        Args:
            place: of the table, for messages.
            names: of its columns.
            wanted: what the user says.
            labelled: whether a column has to say what is learnt.

        Raises:
            FileError: a column that is named, or has to be, is not there.

        Example:
            >>> Roles.of("a.csv", ["t", "ax", "ay", "Label", "split"], Columns(time="t")).inputs
            ('ax', 'ay')
        """
        group = wanted.group if wanted.group in names or wanted.group != FILE else None
        for option, name in [
            *(("--label", name) for name in wanted.label),
            ("--group", group),
            ("--time", wanted.time),
            *(("--columns", name) for name in wanted.inputs),
        ]:
            if name and name not in names:
                raise bad_data(f"`{place}` has no column `{name}` ({option})", did_you_mean(name, names), "no-column")
        labels = wanted.label or (tuple(filter(None, [label_column(names)])) if labelled else ())
        if labelled and not labels:
            message = f"none of the columns of `{place}` is called {', '.join(_LABELS[:3])}: {_listed(names)}"
            one = "columns are separated by , ; tab or |, and this is one column; or "
            hint = f"{one * (len(names) == 1)}say which one has the labels: --label COLUMN"
            raise bad_data(message, hint, "no-column")
        time, part = wanted.time or _called(names, _TIMES), _called(names, _PARTS)
        taken = {*labels, group, time, part}
        inputs = wanted.inputs or tuple(name for name in names if name not in taken)
        if labelled and (both := [name for name in inputs if name in taken]):
            raise bad_data(f"column `{both[0]}` is an input and something else", "name it once", "no-column")
        return cls(labels if labelled else (), group, time, part, inputs)


def label_column(names: Sequence[str]) -> str | None:
    """The column that is called so.

    Example:
        >>> label_column(["x", "Class"])
        'Class'
    """
    return _called(names, _LABELS)


def axes_of_a_sensor(names: Sequence[str]) -> bool:
    """Whether `y` is beside an `x`: where folders or --columns say the rest, it is an input.

    Example:
        >>> [axes_of_a_sensor(names) for names in (["time", "X", "Y", "Z"], ["x", "y", "label"], ["x0", "y"])]
        [True, False, False]
    """
    return (label_column(names) or "").lower() == "y" and _called(names, ("x",)) is not None


def _called(names: Sequence[str], words: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[word] for word in words if word in lower), None)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f", ... ({len(names)})" if len(names) > 12 else "")
