"""A table beside files: the path of each image or sound, what is learnt of it, its part and its group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from nascompile.data.columns import FILE
from nascompile.data.examples import Wanted, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.listing import Listing, unread
from nascompile.data.noise import BACKGROUND, recordings
from nascompile.data.roles import Roles
from nascompile.data.table_targets import row_facts, table_targets
from nascompile.data.tables import Table

__all__ = ["listed_files", "path_column"]


def path_column(table: Table, suffixes: Sequence[str]) -> str | None:
    """The first column whose values are paths of such files; None where there is none.

    Args:
        table: any.
        suffixes: of the files.
    """
    endings = tuple(suffixes)
    for name in table.names:
        try:
            first = next((word for word in table.words(name) if word), "")
        except (TypeError, ValueError):
            continue
        if first.lower().endswith(endings):
            return name
    return None


def listed_files(tree: FileTree, name: str, table: Table, column: str, wanted: Wanted) -> Listing:
    """The files that a table lists, and what it says of them.

    Args:
        tree: where table and files are.
        name: of the table's file in it.
        table: its contents.
        column: that has the paths: from the table's folder, or the end of a path in the tree.
        wanted: what the columns are.

    Raises:
        FileError: a file is listed twice or is not there; a row has no label, or a part that is none.
    """
    columns = wanted.columns
    if columns.window or columns.time or columns.inputs or columns.group == FILE:
        message = f"`{table.place}` lists files, which are not cut into windows"
        raise bad_data(message, "leave --window, --step, --time, --columns and --group file out", "bad-option")
    roles = Roles.of(table.place, table.names, columns)
    facts = row_facts(table, roles)
    where = [table.row(i) for i in range(table.rows)]
    find = _by_ending(tree)
    files: dict[str, int] = {}
    for i, path in enumerate(table.words(column)):
        file = _found(tree, name, path, where[i], find)
        if file in files:
            message = f"{where[i]} lists `{path}`, and so does {where[files[file]]}"
            raise bad_data(message, "list each file once", "twice")
        files[file] = i
    noises = recordings(tree)
    noise = {"left out": {BACKGROUND: len(noises)}} if noises else {}
    learnt = table_targets(table.place, facts.labels, roles.labels, where, wanted.task)
    return Listing(
        list(files),
        learnt.labels,
        facts.parts.tolist(),
        {"listed in": name, **noise, **unread(set(tree.names) - set(files) - set(noises) - {name})},
        groups=facts.groups.tolist() if roles.group else [],
        values=learnt.values,
        task=learnt.task,
        order=learnt.order,
    )


def _by_ending(tree: FileTree) -> Mapping[str, list[str]]:
    """The name of a file without its folders -> all files of this name."""
    found: dict[str, list[str]] = {}
    for file in tree.names:
        found.setdefault(file.rsplit("/", 1)[-1], []).append(file)
    return found


def _found(tree: FileTree, table: str, path: str, where: str, by_ending: Mapping[str, list[str]]) -> str:
    """The file that a path of the table means."""
    pure = PurePosixPath(path.replace("\\", "/"))
    if not path or ".." in pure.parts:
        raise bad_data(f"{where} has no path of a file: `{path}`", "paths begin in the table's folder", "no-file")
    ending = str(pure).lstrip("/")
    found = [file for file in by_ending.get(pure.name, ()) if file == ending or file.endswith(f"/{ending}")]
    beside = str(PurePosixPath(table).parent / ending)
    if beside in found:
        return beside
    if len(found) != 1:
        many = f"{len(found)} files" if found else "no file"
        message = f"{where} lists `{path}`, and `{tree.source}` has {many} of this path"
        raise bad_data(message, "correct the path, from the table's folder on, or remove the row", "no-file")
    return found[0]
