"""What the columns of a table say of its rows: what is learnt, in which part they belong, whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascompile.data.class_folders import PARTS
from nascompile.data.dataset import Task
from nascompile.data.examples import bad_data
from nascompile.data.npz_targets import Targets, read_targets
from nascompile.data.roles import Roles
from nascompile.data.tables import Table

__all__ = ["RowFacts", "row_facts", "table_targets"]


@dataclass(frozen=True, eq=False)
class RowFacts:
    """Of each row of a table.

    Args:
        labels: [rows, columns of labels], words as they stand there.
        parts: [rows], train, valid, test or empty.
        groups: [rows], empty without a column of them.
    """

    labels: NDArray[np.str_]
    parts: NDArray[np.str_]
    groups: NDArray[np.str_]


def row_facts(table: Table, roles: Roles) -> RowFacts:
    """What a table says of its rows.

    Raises:
        FileError: a row has no label or no group, or a part that is none.
    """
    labels = [_filled(table, name) for name in roles.labels]
    groups = _filled(table, roles.group) if roles.group else [""] * table.rows
    return RowFacts(
        np.array(labels, str).reshape(len(labels), table.rows).T, np.array(_parts(table, roles.part), str),
        np.array(groups, str),
    )  # fmt: skip


def table_targets(
    source: str, labels: NDArray[np.str_], names: Sequence[str], where: Sequence[str], task: Task | None
) -> Targets:
    """What is learnt, from the words in columns of labels.

    Args:
        source: of the tables, for messages.
        labels: [examples, columns].
        names: of the columns.
        where: names each example, for messages.
        task: asked for, or None.

    Raises:
        FileError: they are no labels, or no numbers where these are to be predicted.

    Example:
        >>> table_targets("a.csv", np.array([["7"], ["8"]]), ["y"], ["line 2", "line 3"], "regression").values.tolist()
        [[7.0], [8.0]]
    """
    several = labels.shape[1] > 1
    if task == "regression" or several or _all_numbers(labels):
        y = np.array([[_number(w, where[i]) for w in row] for i, row in enumerate(labels.tolist())], np.float64)
        if task is None and not several:
            _check_whole(source, y[:, 0], names[0], where)
        learnt = read_targets(source, y if several else y[:, 0], len(y), task)
        return learnt.named(source, np.array(names, str)) if several or learnt.values is not None else learnt
    return read_targets(source, labels[:, 0], len(labels), task)


def _check_whole(source: str, y: NDArray[np.float64], name: str, where: Sequence[str]) -> None:
    """Raises where numbers that are no classes are to be some."""
    if len(odd := np.flatnonzero(~np.isfinite(y) | (y != np.floor(y)))):
        message = f"{where[odd[0]]} has {y[odd[0]]:g} in column `{name}`, by which `{source}` is to be told apart"
        hint = "name the column of labels: --label COLUMN; numbers are predicted by --task regression"
        raise bad_data(message, hint)


def _all_numbers(labels: NDArray[np.str_]) -> bool:
    for word in np.unique(labels).tolist():
        try:
            float(word)
        except ValueError:
            return False
    return True


def _number(word: str, where: str) -> float:
    try:
        return float(word)
    except ValueError:
        try:
            return float(word.replace(",", "."))
        except ValueError:
            message = f"{where} has `{word[:40]}` where a number is to be learnt"
            raise bad_data(message, "give numbers, or classes in one column of labels", "bad-table") from None


def _filled(table: Table, name: str) -> list[str]:
    """A column without gaps."""
    words = table.words(name)
    if "" in words:
        message = f"{table.row(words.index(''))} has nothing in column `{name}`"
        raise bad_data(message, "fill it, or remove the row", "no-label")
    return words


def _parts(table: Table, name: str | None) -> list[str]:
    if name is None:
        return [""] * table.rows
    words = _filled(table, name)
    if strange := [i for i, word in enumerate(words) if word.lower() not in PARTS]:
        message = f"{table.row(strange[0])} has `{words[strange[0]]}` in column `{name}`, which names official parts"
        raise bad_data(message, "write train, valid or test, or call the column something else", "bad-table")
    return [PARTS[word.lower()] for word in words]
