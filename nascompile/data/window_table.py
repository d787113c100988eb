"""Windows of sensors from tables: a row each, or cut from the rows of recordings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascompile.data.class_folders import PARTS, class_folders, part_of
from nascompile.data.columns import FILE
from nascompile.data.digest import row_digests
from nascompile.data.examples import Decoded, Examples, Wanted, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.roles import Roles, axes_of_a_sensor, label_column
from nascompile.data.series import series_input
from nascompile.data.table_targets import RowFacts, row_facts, table_targets
from nascompile.data.tables import TABLES, Table, read_table

__all__ = ["read_windows"]

#: A step in time of more than so many usual ones is a gap.
_GAP = 3
_CHANNEL = re.compile(r"(.*\D)(\d+)\D?$")


@dataclass(frozen=True, eq=False)
class _Windows:
    """Windows of one table.

    Args:
        series: of each window [channels, length].
        rows: of each the first and the last row.
        facts: of all rows.
        lost: rows in none.
        flat: a window is a row of numbers, which may be a vector's features.
    """

    table: Table
    series: Sequence[NDArray[np.float32]]
    rows: NDArray[np.intp]
    facts: RowFacts
    lost: int = 0
    flat: bool = False

    def where(self, k: int) -> str:
        first, last = self.rows[k].tolist()
        if first == last:
            return self.table.row(first)
        return f"the window from {self.table.row(first).split(' of ')[0]} to {self.table.row(last)}"


def read_windows(tree: FileTree, names: Sequence[str], wanted: Wanted) -> Examples:
    """The windows of tables.

    A row is a window, whose columns are samples, or lists of samples, one a channel; columns `ax_0 ... ax_9, ay_0 ...
    ay_9` are two channels. With `wanted.columns.window` a row is one moment, its columns are channels, and windows are
    cut where group, label and part stay the same and time has no gap. Files `CLASS/FILE` without a column of labels are
    a recording each: with a window it is cut, without it is one.

    A column `split`, or the names of files or folders, say official parts (train, valid, test).

    Args:
        tree: where the files are.
        names: of the tables.
        wanted: the network's input, and what the columns are.

    Raises:
        FileError: a file is broken, the columns are others, or do not fit the network's input; nothing is left of a
            class; a row has no label.
    """
    columns = wanted.columns
    tables = {name: read_table(name, tree.place(name), content) for name, content in tree.contents(sorted(names))}
    own = any(label_column(t.names) and not (_in_classes(n) and axes_of_a_sensor(t.names)) for n, t in tables.items())
    labelled = bool(columns.label) or own
    labels, parts = ({}, _file_parts(tables)) if labelled else _folders(tree, tables)
    roles = {name: Roles.of(t.place, t.names, columns, labelled) for name, t in tables.items()}
    inputs = next(iter(roles.values())).inputs
    made: list[_Windows] = []
    for name, table in tables.items():
        _check_inputs(table, next(iter(tables.values())), inputs)
        facts = _facts(table, roles[name], labels.get(name), parts[name], name if columns.group == FILE else "")
        made.append(_cut(table, inputs, roles[name], facts, wanted) if columns.window else
                    _rows(table, inputs, facts, whole=not labelled))  # fmt: skip
    _check_classes(made, wanted)
    return _examples(tree, made, next(iter(roles.values())).labels or (FILE,), wanted)


def _examples(tree: FileTree, made: Sequence[_Windows], names: tuple[str, ...], wanted: Wanted) -> Examples:
    """All windows as examples."""
    last = [(w, row) for w in made for row in w.rows[:, 1].tolist()]
    source, series = tree.source if len(made) > 1 else made[0].table.place, [s for w in made for s in w.series]
    places = [(w, k) for w in made for k in range(len(w.rows))]
    where = [w.where(k) for w, k in places]
    learnt = table_targets(source, np.array([w.facts.labels[row] for w, row in last]), names, where, wanted.task)
    groups = [str(w.facts.groups[row]) for w, row in last] if wanted.columns.group else []
    lost = sum(w.lost for w in made)
    notes = {
        "windows": {"rows": sum(w.table.rows for w in made), "window": wanted.columns.window,
                    "step": wanted.columns.step or wanted.columns.window, "rows in none": lost}
    } if wanted.columns.window else {}  # fmt: skip
    return Examples(
        "table",
        "table" if len(wanted.shape) == 1 else "series",
        learnt.labels,
        [str(w.facts.parts[row]) for w, row in last],
        where.__getitem__,
        read=_reader(source, series, wanted, flat=made[0].flat),
        order=learnt.order,
        values=learnt.values,
        task=learnt.task,
        groups=groups,
        notes=notes,
    )


def _reader(
    source: str, series: Sequence[NDArray[np.float32]], wanted: Wanted, flat: bool
) -> Callable[[NDArray[np.intp]], Decoded]:
    shape, window = wanted.shape, wanted.columns.window
    if window and len(shape) > 1 and window != shape[1]:
        side = "length" if len(shape) == 2 else "height"
        hint = f"give --window {shape[1]}, or add to the command: input.{side}={window}"
        raise bad_data(f"--window is {window}, and the network's input has {shape[1]} moments", hint, "bad-shape")
    moments = "" if window else "if a row or file is not a window but moments: --window ROWS cuts some"
    if not (flat and len(shape) == 1 and series[0].size == shape[0]):
        return series_input(source, series, shape, moments)
    x = np.stack([one.reshape(-1) for one in series])

    def read(chosen: NDArray[np.intp]) -> Decoded:
        # Features of a vector have units of their own: each is normalised by itself.
        return Decoded(x[chosen], digests=row_digests(x[chosen]))

    return read


# -- which tables ------------------------------------------------------------------------------------------------------


def _in_classes(name: str) -> bool:
    """Whether a file lies in a folder that is more than that of a part."""
    return any(folder.lower() not in PARTS for folder in name.split("/")[:-1])


def _folders(tree: FileTree, tables: Mapping[str, Table]) -> tuple[dict[str, str], dict[str, str]]:
    """Label and part of each file from the folders that it lies in."""
    if len(tables) == 1 or all("/" not in name for name in tables):
        table, *_ = tables.values()
        Roles.of(table.place, table.names, Wanted(()).columns)  # says which columns there are
    found = class_folders(tree, TABLES)
    return dict(zip(found.names, map(str, found.labels), strict=True)), dict(zip(found.names, found.parts, strict=True))


def _file_parts(tables: Mapping[str, Table]) -> dict[str, str]:
    """Part of each file from its name, or its folder's: `train.csv`, `test/3.csv`; where one says train."""
    found = {name: part_of(name) for name in tables}
    return found if "train" in found.values() else dict.fromkeys(tables, "")


def _check_inputs(table: Table, first: Table, inputs: Sequence[str]) -> None:
    if not inputs:
        message = f"`{table.place}` has no columns of inputs: {', '.join(table.names)}"
        raise bad_data(message, "give some; columns are separated by , ; tab or |", "no-column")
    if missing := [name for name in inputs if name not in table.names]:
        message = f"`{table.place}` has no column `{missing[0]}`, and `{first.place}` has one"
        raise bad_data(message, "give all tables the same columns, or name them by --columns", "no-column")


def _facts(table: Table, roles: Roles, label: str | None, part: str, group: str) -> RowFacts:
    """What a table says of its rows, and else its name."""
    facts = row_facts(table, roles)
    labels = facts.labels if label is None else np.full((table.rows, 1), label)
    parts = np.full(table.rows, part) if part and roles.part is None else facts.parts
    return RowFacts(labels, parts, np.full(table.rows, group) if group and roles.group is None else facts.groups)


# -- windows -----------------------------------------------------------------------------------------------------------


def _rows(table: Table, inputs: Sequence[str], facts: RowFacts, whole: bool) -> _Windows:
    """A row a window; or, where a file has a class by its folder, all of its rows one."""
    found = [table.numbers(name) for name in inputs]
    numbers = np.arange(table.rows)
    if any(column.dtype == object for column in found):
        return _Windows(table, _of_lists(table, inputs, found), np.stack([numbers, numbers], 1), facts)
    x = np.stack(found).astype(np.float32)
    if whole:
        return _Windows(table, [x], np.array([[0, table.rows - 1]]), facts)
    order, channels = _channels(inputs)
    series = x[order].T.reshape(table.rows, channels, -1)
    return _Windows(table, list(series), np.stack([numbers, numbers], 1), facts, flat=True)


def _of_lists(table: Table, inputs: Sequence[str], found: Sequence[NDArray]) -> list[NDArray[np.float32]]:
    """A series of each row, whose columns are lists."""
    if plain := [name for name, column in zip(inputs, found, strict=True) if column.dtype != object]:
        message = f"`{table.place}` has lists in some columns and single numbers in `{plain[0]}`"
        raise bad_data(message, "leave it out (--columns), or give it its role", "bad-table")
    result = []
    for i in range(table.rows):
        if len({len(column[i]) for column in found}) > 1:
            raise bad_data(f"the lists of {table.row(i)} differ in length", "give its channels one length", "bad-table")
        result.append(np.stack([column[i] for column in found]).astype(np.float32))
    return result


def _channels(names: Sequence[str]) -> tuple[list[int], int]:
    """The columns by channel, and in it by number, where their names say both; and how many channels.

    Example:
        >>> _channels(["x_0", "y_0", "x_1", "y_1"])
        ([0, 2, 1, 3], 2)
        >>> _channels(["mean", "peak_2"])
        ([0, 1], 1)
    """
    found = [_CHANNEL.match(name) for name in names]
    prefixes: dict[str, list[tuple[int, int]]] = {}
    for k, match in enumerate(found):
        if match is None:
            return list(range(len(names))), 1
        prefixes.setdefault(match[1], []).append((int(match[2]), k))
    numbers = {tuple(sorted(number for number, _ in columns)) for columns in prefixes.values()}
    if len(numbers) > 1:
        return list(range(len(names))), 1
    return [k for columns in prefixes.values() for _, k in sorted(columns)], len(prefixes)


def _cut(table: Table, inputs: Sequence[str], roles: Roles, facts: RowFacts, wanted: Wanted) -> _Windows:
    """Windows from the rows of recordings."""
    window, step = wanted.columns.window or 1, wanted.columns.step or wanted.columns.window or 1
    times = _times(table, roles.time) if roles.time else None
    # With time, moments of several groups may alternate; without, a group's moments follow each other.
    order = np.argsort(facts.groups, kind="stable") if times is not None else np.arange(table.rows)
    # Numbers to predict change from moment to moment: a window is learnt with its last.
    keys = [facts.groups, facts.parts, *(() if wanted.task == "regression" else facts.labels.T)]
    changes = np.zeros(table.rows, bool)
    changes[:1] = True
    for key in keys:
        changes[1:] |= key[order][1:] != key[order][:-1]
    if times is not None:
        steps = np.diff(times[order])
        usual = np.median(steps[(steps > 0) & ~changes[1:]]) if ((steps > 0) & ~changes[1:]).any() else np.inf
        changes[1:] |= (steps <= 0) | (steps > _GAP * usual)
    x = np.stack([table.numbers(name) for name in inputs]).astype(np.float32)[:, order]
    begins = np.flatnonzero(changes)
    ends = np.append(begins[1:], table.rows)
    starts = np.concatenate([np.arange(b, e - window + 1, step) for b, e in zip(begins, ends, strict=True)])
    series = [x[:, start : start + window] for start in starts.tolist()]
    inside = np.zeros(table.rows + 1, np.int64)
    np.add.at(inside, starts, 1)
    np.add.at(inside, starts + window, -1)
    lost = int((np.cumsum(inside)[:-1] == 0).sum())
    rows = np.stack([order[starts], order[starts + window - 1]], 1)
    return _Windows(table, series, rows, facts, lost)


def _times(table: Table, name: str) -> NDArray[np.float64]:
    """Of each row; numbers as they are, dates in seconds."""
    words = table.words(name)
    try:
        return np.array(words, np.dtypes.StringDType()).astype(np.float64)
    except ValueError:
        pass
    try:
        dates = np.array([word.removesuffix("Z") for word in words], "datetime64[us]")
    except ValueError as error:
        message = f"column `{name}` of `{table.place}` is no time: {str(error)[:80]}"
        raise bad_data(message, "write numbers, or dates as 2026-11-30T12:00:00.5", "bad-table") from None
    return dates.astype(np.int64) / 1e6


def _check_classes(made: Sequence[_Windows], wanted: Wanted) -> None:
    """Raises unless each label that there is has a window."""
    window = wanted.columns.window
    if window is None or (wanted.task == "regression" and any(len(w.series) for w in made)):
        return
    rows = Counter(word for w in made for word in map(tuple, w.facts.labels.tolist()))
    left = {tuple(w.facts.labels[row].tolist()) for w in made for row in w.rows[:, 1]}
    if none := [label for label in rows if label not in left]:
        name = ", ".join(none[0])
        message = (
            f"`{name}` has {rows[none[0]]} rows and no window: nowhere {window} in a row, of one label, without a gap"
        )
        hint = "take a smaller --window, check --time, --group and --label, or remove the class"
        raise bad_data(message, hint, "few-examples")
