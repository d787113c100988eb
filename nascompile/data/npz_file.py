"""Arrays of a NumPy .npz file, or of .npy files: images, series, sound or tables."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.digest import row_digests
from nascompile.data.examples import Decoded, Examples, Kind, Wanted, bad_data, input_hint, sides
from nascompile.data.file_tree import FileTree
from nascompile.data.npz_targets import read_targets
from nascompile.data.sound import scaled, sound_input
from nascompile.data.sound_file import resampled
from spaces.npz import UNREADABLE

__all__ = ["read_npy", "read_npz"]

_X = ("x", "X", "data", "images")
_Y = ("y", "Y", "label", "labels", "target", "targets")
_NAMES = ("label_names", "class_names", "target_names")
_PARTS = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test",)}
#: Numbers that are a second of sound, at the least.
_CLIP = 2000
_RATE = ("rate", "sample_rate", "sampling_rate", "fs", "sr")
_NPY = "name the files x.npy and y.npy, or x_train.npy, y_train.npy, x_test.npy, y_test.npy; write them by `numpy.save`"
_HINT = "write it with `numpy.savez(path, x=inputs, y=labels)`, or with `x_train`, `y_train`, `x_test`, `y_test`"

Arrays = dict[str, NDArray[Any]]


def read_npz(path: Path, wanted: Wanted) -> Examples:
    """The examples of `x` and `y`, or of `x_train`, `y_train`, `x_test`, `y_test` and perhaps `x_valid`, `y_valid`.

    Other names are taken, too: `label`, `labels`, `target` for `y`, `data`, `images` for `x`, and `train_images`,
    `train_labels`. A boolean `is_test` marks the official test part of `x`. `rate` says the samples per second of
    sound, `label_names` (or `class_names`, `target_names`) what the classes, labels or numbers to predict are called,
    in their order. Images may have their channels last, or none. What `y` says: `nascompile.data.npz_targets`.

    Raises:
        FileError: the file is broken, an array is missing, or does not fit the network's input.
    """
    return _read(path, _load(path), wanted)


def read_npy(tree: FileTree, wanted: Wanted) -> Examples:
    """The examples of `x.npy` and `y.npy`, or of any other names that `read_npz` takes, in one folder.

    Raises:
        FileError: as `read_npz`.
    """
    known = {*_X, *_Y, *_NAMES, *_RATE, "is_test"}
    known |= {name for words in _PARTS.values() for base in (_X, _Y) for name in _split_names(words, base)}
    arrays: Arrays = {}
    for name, content in tree.contents(n for n in tree.names if n.lower().endswith(".npy")):
        stem = PurePosixPath(name).stem
        if stem not in known:
            continue
        if stem in arrays:
            raise bad_data(f"`{tree.source}` has two files `{stem}.npy`", "keep each pair in a folder of its own")
        try:
            arrays[stem] = np.load(io.BytesIO(content), allow_pickle=False)
        except UNREADABLE as error:
            raise bad_data(f"`{tree.place(name)}` cannot be read: {error}", _NPY, "unreadable") from error
    return _read(tree.source, arrays, wanted, _NPY)


def _read(path: Path | str, arrays: Arrays, wanted: Wanted, hint: str = _HINT) -> Examples:
    """The examples of arrays by their names."""
    names = _first(arrays, _NAMES)
    x, y, parts, own = _gathered(path, arrays, hint)
    rate = wanted.rate or own
    if x.dtype.kind not in "iufb" or x.ndim < 2:
        message = f"the inputs of `{path}` are {sides(x.shape)} of type {x.dtype}"
        raise bad_data(message, "store numbers, [examples, ...]")
    learnt = read_targets(path, y, len(x), wanted.task).named(path, names)
    kind = _kind(path, x, wanted, rate)

    def read(chosen: NDArray[np.intp]) -> Decoded:
        digests = row_digests(x[chosen])
        if kind == "audio":
            clips = resampled(scaled(x[chosen]), own or rate or 0, rate or 0)
            return replace(sound_input(str(path), clips, wanted, rate or 0), digests=digests)
        inputs = _fitted(path, x, wanted.shape)[chosen]
        return Decoded(inputs if inputs.dtype == np.uint8 else _float32(inputs), digests=digests)

    return Examples(
        "npz", kind, learnt.labels, parts, lambda i: f"row {i} of `{path}`", read=read, values=learnt.values,
        task=learnt.task, order=learnt.order,
    )  # fmt: skip


def _load(path: Path) -> Arrays:
    """All arrays of numbers and words."""
    try:
        with path.open("rb") as file:  # numpy leaves open what it opens and cannot read
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                raise bad_data(f"`{path}` is a single array, not inputs and labels", _HINT)
            return {name: loaded[name] for name in loaded.files}
    except UNREADABLE as error:
        if "Object arrays" in str(error):
            message = f"an array of `{path}` has Python objects, which can be anything"
            hint = "store numbers or words: `numpy.savez(path, x=x, y=numpy.array(labels, str))`"
            raise bad_data(message, hint, "bad-data") from None
        raise bad_data(f"`{path}` cannot be read: {error}", _HINT, "unreadable") from error


def _gathered(path: Path | str, arrays: Arrays, hint: str) -> tuple[NDArray[Any], NDArray[Any], list[str], int | None]:
    """Inputs, labels, parts, and the sampling rate where it is said."""
    result = next((int(arrays[n]) for n in _RATE if n in arrays and arrays[n].size == 1), None)
    pairs = [
        (x, y, part)
        for part, words in _PARTS.items()
        for x, y in [(_first(arrays, _split_names(words, _X)), _first(arrays, _split_names(words, _Y)))]
        if x is not None and y is not None
    ]
    if pairs and pairs[0][2] == "train":
        if len({x.shape[1:] for x, _, _ in pairs}) > 1:
            raise bad_data(f"the parts of `{path}` have inputs of different shapes", "give all of them one shape")
        parts = [part for x, _, part in pairs for _ in range(len(x))]
        labels = np.concatenate([_column(y) for _, y, _ in pairs])
        return np.concatenate([x for x, _, _ in pairs]), labels, parts, result
    x, y = _first(arrays, _X), _first(arrays, _Y)
    if x is None or y is None:
        missing = "`x`" if x is None else "`y`"
        raise bad_data(f"`{path}` has no array {missing}, only {', '.join(arrays) or 'nothing'}", hint)
    return x, _column(y), _marked(path, arrays.get("is_test"), len(x)), result


def _split_names(words: tuple[str, ...], bases: tuple[str, ...]) -> list[str]:
    return [name for word in words for base in bases for name in (f"{base}_{word}", f"{word}_{base}")]


def _first(arrays: Arrays, names: list[str] | tuple[str, ...]) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _column(y: NDArray[Any]) -> NDArray[Any]:
    """[n] of [n, 1]."""
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _marked(path: Path | str, is_test: NDArray[Any] | None, n: int) -> list[str]:
    if is_test is None:
        return [""] * n
    if is_test.shape != (n,) or is_test.dtype.kind not in "biu" or not np.isin(is_test, (0, 1)).all():
        raise bad_data(f"`is_test` of `{path}` is no truth value for each of {n} inputs", "store booleans, [examples]")
    return ["test" if test else "train" for test in is_test.tolist()]


def _kind(path: Path | str, x: NDArray[Any], wanted: Wanted, rate: int | None) -> Kind:
    """What the arrays are: sound where there are clips and a rate, else by the network's input."""
    clips = x.ndim == 2 and x.dtype != np.uint8
    needs_features = len(wanted.shape) == 3 or wanted.features is not None
    if clips and needs_features and rate is None:
        message = f"`{path}` has rows of {x.shape[1]} numbers, and the network's input is {sides(wanted.shape)}"
        rate = x.shape[1] if x.shape[1] >= _CLIP else 8000
        hint = f"if they are sound, add the samples per second: --rate {rate}, if a clip lasts {x.shape[1] / rate:g} s"
        raise bad_data(message, hint, "no-rate")
    if clips and rate is not None and (needs_features or len(wanted.shape) == 2):
        return "audio"
    if wanted.features is not None:
        raise bad_data(f"--features is for sound, and `{path}` has none", "leave --features out", "bad-option")
    _fitted(path, x, wanted.shape)
    if len(wanted.shape) == 3:
        return "image"
    return "series" if len(wanted.shape) == 2 else "table"


def _fitted(path: Path | str, x: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """[n, channels, ...] of arrays that may lack the channels or have them last."""
    own = x.shape[1:]
    # What a vector takes in may be flat already, or an image or series of one channel that is normalised as one.
    if own == shape or (len(shape) == 1 and (own[:1] == (1,) and own[1:] == shape)):
        return x
    if (1, *own) == shape or (len(shape) == 1 and len(own) == 2 and own[0] * own[1] == shape[0]):
        return x[:, None]
    if len(own) > 1 and (own[-1], *own[:-1]) == shape:
        return np.moveaxis(x, -1, 1)
    message = f"the inputs of `{path}` are {sides(own)}, the network's input is {sides(shape)}"
    raise bad_data(message, input_hint(_channels_first(own, len(shape)), shape), "bad-shape")


def _channels_first(own: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The input that takes arrays of this shape, where there is one of so many dimensions."""
    if rank == 1:
        return (int(np.prod(own)),)
    if len(own) < rank:
        own = (1,) * (rank - len(own)) + own
    few, many = own[0], own[-1]
    return (many, *own[:-1]) if many < few and (len(own) == 2 or few not in (1, 3)) else own


def _float32(x: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return x.astype(np.float32)
