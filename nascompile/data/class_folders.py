"""The layout `[train|valid|test/]CLASS/FILE`: a file's class and part from the folders it lies in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from nascompile.data.examples import bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.listing import Listing, unread

__all__ = ["PARTS", "class_folders", "part_of", "with_suffix"]

#: How the folders of an official split are called.
PARTS = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
_LISTS = {"testing_list.txt": "test", "validation_list.txt": "valid"}


def part_of(name: str) -> str:
    """The part that a file's name or its folder says: `train.csv`, `test/3.csv`; empty where neither does.

    Example:
        >>> part_of("annotations/instances_val2017.json"), part_of("testing/3.csv"), part_of("contest.csv")
        ('valid', 'test', '')
    """
    for text in (PurePosixPath(name).stem, PurePosixPath(name).parent.name):
        for word in re.findall(r"[a-z]+", text.lower()):
            if word in PARTS:
                return PARTS[word]
    return ""


def with_suffix(names: Iterable[str], suffixes: tuple[str, ...]) -> list[str]:
    """The names with one of these endings, in any case.

    Example:
        >>> with_suffix(["a/b.PNG", "a/c.txt"], (".png",))
        ['a/b.PNG']
    """
    return [name for name in names if name.lower().endswith(suffixes)]


def class_folders(tree: FileTree, suffixes: tuple[str, ...]) -> Listing:
    """The files of a tree that end so, by class and part.

    A folder around everything is stepped into. Folders that begin with `_` hold no class (`_background_noise_`). The
    lists `testing_list.txt` and `validation_list.txt` of Speech Commands make its official parts.

    Raises:
        FileError: a file lies in no folder of a class.
    """
    names = with_suffix(tree.names, suffixes)
    prefix = _around(names)
    split = any(name[len(prefix) :].split("/")[0].lower() in PARTS for name in names)
    listed = _listed_parts(tree, prefix)
    kept, labels, parts, left_out = [], [], [], Counter[str]()
    for name in names:
        inner = name[len(prefix) :]
        folders = inner.split("/")[:-1]
        part = PARTS.get(folders[0].lower(), "") if split and folders else ""
        if any(f.startswith("_") for f in folders) or (split and not part):
            left_out["/".join(folders) or inner] += 1
            continue
        label = folders[1:2] if split else folders[:1]
        if not label:
            message = f"`{tree.place(name)}` lies in no folder of a class"
            raise bad_data(message, "lay files out as `CLASS/FILE` or `train/CLASS/FILE` and `test/CLASS/FILE`")
        kept.append(name)
        labels.append(label[0])
        parts.append(part or listed.get(inner, "train" if listed else ""))
    notes: dict[str, object] = {"left out": dict(left_out)} if left_out else {}
    lists = {prefix + name for name in _LISTS}
    return Listing(kept, labels, parts, notes | unread(set(tree.names) - set(names) - lists))


def _around(names: list[str]) -> str:
    """The folders that all files share and that are neither a part nor a class."""
    prefix = ""
    while names:
        first = {name[len(prefix) :].split("/")[0] for name in names}
        depth = min(name[len(prefix) :].count("/") for name in names)
        if len(first) > 1 or depth < 2 or next(iter(first)).lower() in PARTS:
            break
        prefix += first.pop() + "/"
    return prefix


def _listed_parts(tree: FileTree, prefix: str) -> dict[str, str]:
    """File -> part, from the lists of Speech Commands, where they are."""
    result = {}
    for name, part in _LISTS.items():
        if prefix + name in tree.names:
            for line in tree.content(prefix + name).decode("utf-8", "replace").split():
                result[line] = part
    return result
