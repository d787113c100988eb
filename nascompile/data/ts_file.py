"""Series in the .ts format of the UCR, UEA and TSER archives: a header, then `channel:channel:label` per line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import Examples, Wanted, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.series import series_input
from spaces.errors import Span, did_you_mean

__all__ = ["read_ts"]

Series = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _File:
    """The series of one file, [channels, length], with their labels and the classes that the header declares.

    None declared: the labels are numbers to predict.
    """

    series: list[Series]
    labels: list[str]
    classes: tuple[str, ...] | None


def read_ts(tree: FileTree, wanted: Wanted, choice: str | None) -> Examples:
    """The series of `NAME_TRAIN.ts` and `NAME_TEST.ts`, or of one `NAME.ts`; see `series_input`.

    Args:
        tree: where the files are.
        wanted: the network's input.
        choice: which set, where there are several.

    Raises:
        FileError: several sets and no choice; a broken file; series that do not fit the input.
    """
    files = _chosen(tree, choice)
    read = {part: _parsed(tree, name) for part, name in files.items()}
    series = [s for file in read.values() for s in file.series]
    labels = [label for file in read.values() for label in file.labels]
    parts = [part for part, file in read.items() for _ in file.series]
    order, *others = (file.classes for file in read.values())
    if any((other is None) != (order is None) for other in others):
        raise bad_data(f"of the parts of `{tree.source}` one has classes and one numbers", "give both the same")
    values = np.array([[float(label)] for label in labels]) if order is None else None
    decode = series_input(tree.source, series, wanted.shape)
    first = {part: parts.index(part) for part in files}

    def where(i: int) -> str:
        return f"series {i - first[parts[i]] + 1} of `{tree.place(files[parts[i]])}`"

    if values is not None:
        none = [""] * len(labels)
        return Examples("ts", "series", none, parts, where, read=decode, values=values, task="regression")
    return Examples("ts", "series", labels, parts, where, read=decode, order=order or ())


def _chosen(tree: FileTree, choice: str | None) -> dict[str, str]:
    """Part -> file of the set that is meant."""
    sets: dict[str, dict[str, str]] = {}
    for name in tree.names:
        if name.lower().endswith(".ts"):
            stem = PurePosixPath(name).stem
            part = {"_train": "train", "_test": "test"}.get(stem.lower()[stem.rfind("_") :] if "_" in stem else "", "")
            sets.setdefault(stem[: stem.rfind("_")] if part else stem, {})[part] = name
    if choice is None and len(sets) > 1:
        hint = f"choose one, as in `{tree.source}:{min(sets)}`: {', '.join(sorted(sets))}"
        raise bad_data(f"`{tree.source}` has {len(sets)} sets of series", hint, "which-set")
    if choice is not None and choice not in sets:
        raise bad_data(f"`{tree.source}` has no set `{choice}`", did_you_mean(choice, sets), "which-set")
    ((result),) = [sets[choice]] if choice is not None else sets.values()
    if "test" in result and "train" not in result:
        message = f"`{tree.place(result['test'])}` has no part to learn from beside it"
        raise bad_data(message, "put its `_TRAIN.ts` beside it")
    return {part: result[part] for part in ("train", "test", "") if part in result}


def _parsed(tree: FileTree, name: str) -> _File:
    place = tree.place(name)
    lines = tree.content(name).decode("utf-8", "replace").splitlines()
    declared = False
    classes: tuple[str, ...] | None = None
    series: list[Series] = []
    labels: list[str] = []
    in_data = False
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        span = Span(place, number, 1, 1, line)
        if not in_data:
            in_data, told = _header(line, span)
            if told is not None and declared:
                message = "the header says twice what a line ends in"
                raise bad_data(
                    message, "keep `@classLabel` for classes, `@targetLabel` for numbers", "bad-series", span
                )
            declared, classes = (True, told or None) if told is not None else (declared, classes)
            continue
        *channels, label = line.split(":")
        if not channels or not _is_label(label, classes, declared):
            kind = f"none of the classes {', '.join(classes or ())}" if classes or not declared else "no number"
            raise bad_data(f"`{label[:40]}` is {kind}", "a line is `values:values:class`", "bad-series", span)
        series.append(_values(channels, span))
        labels.append(label)
    if not declared or not series:
        missing = "series after `@data`" if declared else "line `@classLabel true CLASS CLASS ...`"
        raise bad_data(f"`{place}` has no {missing}", "the file may be truncated: fetch it again", "bad-series")
    return _File(series, labels, classes)


def _is_label(label: str, classes: tuple[str, ...] | None, declared: bool) -> bool:
    """Whether it is one of the classes, or, of a file that declares numbers to predict, a number."""
    if classes or not declared:
        return label in (classes or ())
    try:
        return bool(np.isfinite(float(label)))
    except ValueError:
        return False


def _header(line: str, span: Span) -> tuple[bool, tuple[str, ...] | None]:
    """Whether the data begin after a line of the header; the classes that it declares, none for numbers to predict."""
    key, *words = line.split()
    match key.lower(), [word.lower() for word in words[:1]]:
        case "@data", _:
            return True, None
        case "@classlabel", ["true"]:
            return False, tuple(words[1:])
        case "@targetlabel", ["true"]:
            return False, ()
        case "@timestamps", ["true"]:
            hint = "give series of equal steps, with classes"
            raise bad_data(f"series with `{key} true` are not read", hint, "bad-series", span)
        case _ if not key.startswith("@"):
            hint = "lines before `@data` begin with `@` or `#`"
            raise bad_data("this is no line of a header", hint, "bad-series", span)
    return False, None


def _values(channels: list[str], span: Span) -> Series:
    try:
        result = [[float(v) if v != "?" else np.nan for v in c.split(",")] for c in channels]
    except ValueError as error:
        raise bad_data(f"a value is no number: {error}", "values are separated by commas", "bad-series", span) from None
    if len({len(channel) for channel in result}) > 1:
        raise bad_data("the channels of this series differ in length", "give them one length", "bad-series", span)
    return np.array(result, np.float32)
