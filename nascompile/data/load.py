"""Turn a user's data into a `Dataset` for a network's input: read, number, split, decode, normalise, check."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from nascompile.data.anchors import fit_anchors
from nascompile.data.assignment import Assignment, assign
from nascompile.data.audio_features import AudioFeatures
from nascompile.data.checks import check_classes, check_finite, check_parts, task_of
from nascompile.data.columns import Columns
from nascompile.data.dataset import Dataset, Part, Task
from nascompile.data.digest import part_digest
from nascompile.data.examples import Examples, Wanted, bad_data
from nascompile.data.noise import Noise
from nascompile.data.normalisation import Normalisation
from nascompile.data.reader import read_examples
from nascompile.data.sound import sound_features
from nascompile.data.split import PART_NAMES, Shares, check_shares
from nascompile.data.target_scale import TargetScale

__all__ = ["load_dataset"]

_ANOMALY = ("normal", "anomaly")


def load_dataset(
    path: str | os.PathLike[str],
    shape: tuple[int, ...],
    *,
    classes: int | None = None,
    task: Task | None = None,
    normal: str | None = None,
    seed: int = 0,
    split: Shares = (0.7, 0.1, 0.2),
    features: AudioFeatures | Literal["mfcc", "log-mel"] | None = None,
    rate: int | None = None,
    columns: Columns | None = None,
    keywords: Sequence[str] = (),
    limit: int | None = None,
    noise: int = 0,
    noise_volume: float = 0.1,
    anchors: int = 3,
    remedy: Callable[[int], str] = lambda count: "change the units of the network's last layer, or the data",
) -> Dataset:
    """The three parts of a data set, as inputs of a network.

    Args:
        path: a folder or archive (.zip, .tar, .tar.gz, ...) of images, sounds, tables, .npy arrays, .ts series or COCO
            annotations, or an .npz, .csv, .parquet, .ts or .json file. `ARCHIVE:NAME` chooses a set of series, or a
            folder, inside.
        shape: of the network's input: (channels, height, width), (channels, length) or (features,).
        classes: number of classes that the network tells apart, or of its outputs, to be checked; None for no check.
        task: `anomaly` to learn one class, `regression` to predict numbers, `multi-label` where each row of `y` says of
            every label whether it holds; else it follows from the data.
        normal: the class that is not anomalous, where it is not obvious; only for `anomaly`.
        seed: decides what is drawn into parts and by `limit`.
        split: shares of training, validation and test part. An official test part stays what it is, and so does an
            official validation part; the shares of the others, in proportion, say what is drawn from the rest.
        features: how sound becomes an input; by default MFCCs for an image, samples for a series.
        rate: samples per second of sound, to which files of others are resampled; of arrays that do not say it, theirs.
        columns: of tables, which is what.
        keywords: of sound: names of classes; all others become one, `unknown`, and pieces of the folder
            `_background_noise_` another, `silence`, each of as many examples as a keyword has.
        limit: at most so many examples in all, of each class and part in proportion, chosen before decoding.
        noise: of sound: copies of each training clip, with pieces of the folder `_background_noise_` mixed in.
        noise_volume: of `noise`: each copy's is drawn from 0 to this.
        anchors: how many sizes of boxes are measured on the training part; only for `detection`.
        remedy: what an error says to do where the data have this number of classes, and not `classes`.

    Raises:
        FileError: the data cannot be read, are not fit to learn from, or do not fit the network.

    Example:
        >>> import tempfile, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/a.npz", x=np.arange(60.0).reshape(20, 3), y=["on", "off"] * 10)
        ...     data = load_dataset(f"{folder}/a.npz", (3,), classes=2)
        >>> data.classes, len(data.train), len(data.valid), len(data.test), data.train.x.dtype
        (('off', 'on'), 14, 2, 4, dtype('float32'))
    """
    check_shares(split)
    if anchors < 1:
        raise bad_data(f"`anchors` is {anchors}", "a detector predicts 1 box or more at every place", "bad-option")
    source, wanted = (
        str(path),
        Wanted(tuple(shape), _features(features), rate, task, columns=columns or Columns(), keywords=tuple(keywords)),
    )
    found, background = read_examples(source, wanted), Noise(noise, noise_volume)
    background.check(source, found)
    task = task_of(source, found, task, normal)
    check_classes(source, task, found, classes, remedy=remedy)
    plan = assign(source, found, task, normal, seed, shares=split, limit=limit)
    check_parts(source, task, plan.counts(found), None if plan.normal is None else plan.names[plan.normal])
    decoded = found.read(plan.kept)
    if decoded.boxes is not None:
        found = found.with_boxes(plan.kept, decoded.boxes)
    plan, decoded = background.added(found, plan, decoded, seed)
    check_finite(found, decoded, plan.kept)
    normalisation = Normalisation.measured(decoded, plan.members[0])
    scale = plan.scale(source, found)
    parts = [
        Part(normalisation.apply(decoded, m).reshape(-1, *wanted.shape), plan.targets(found, p, scale), scale.units)
        for p, m in enumerate(plan.members)
    ]
    inputs, choices = _inputs(source, found, wanted), _choices(found, plan, seed, split, limit)
    sizes = fit_anchors(parts[0].y, anchors, seed) if isinstance(parts[0].y, tuple) else ()
    prepared: dict[str, Any] = {
        **inputs,
        **choices,
        "sizes": {name: len(part) for name, part in zip(PART_NAMES, parts, strict=True)},
        "class counts": plan.counts(found),
        "normalisation": normalisation.record(),
        **({"anchors": [list(size) for size in sizes]} if sizes else {}),
        **({"targets": scale.record()} if scale.units else {}),
        **found.notes,
        **decoded.notes,
        **_groups(found, plan, wanted),
    }
    how = {**{name: value for name, value in inputs.items() if name != "source"}, "classes": plan.names}
    digests = {
        name: part_digest([decoded.digests[i] for i in m], plan.targets(found, p, TargetScale()), how)
        for p, (name, m) in enumerate(zip(PART_NAMES, plan.members, strict=True))
    }
    train, valid, test = parts
    names = plan.names if plan.normal is None else _ANOMALY
    return Dataset(task, train, valid, test, names, prepared=prepared, anchors=sizes, digests=digests)


def _features(features: AudioFeatures | str | None) -> AudioFeatures | None:
    """The features that a word stands for.

    Raises:
        FileError: it stands for none.
    """
    match features:
        case "mfcc" | "log-mel":
            return AudioFeatures(features)
        case str():
            raise bad_data(
                f"there are no `features` called `{features}`",
                "give --features mfcc or --features log-mel",
                "bad-option",
            )
    return features


def _inputs(source: str, found: Examples, wanted: Wanted) -> dict[str, Any]:
    """What the record says of the inputs."""
    features = sound_features(wanted) if found.kind == "audio" else None
    return {
        "source": source,
        "format": found.format,
        "kind": found.kind,
        "shape": list(wanted.shape),
        "features": features and asdict(features),
    }


def _groups(found: Examples, plan: Assignment, wanted: Wanted) -> dict[str, Any]:
    """What the record says of persons or recordings: by which column, and how many are in each part."""
    if not found.groups:
        return {}
    of = {name: len({found.groups[i] for i in plan.kept[m]}) for name, m in zip(PART_NAMES, plan.members, strict=True)}
    return {"group": {"by": wanted.columns.group, "groups": of}}


def _choices(found: Examples, plan: Assignment, seed: int, split: Shares, limit: int | None) -> dict[str, Any]:
    """What the record says of classes and parts."""
    number = {name: i for i, name in enumerate(plan.names)}
    classes = found.boxes is None and found.values is None
    labels = {str(label): number[str(label)] for label in found.labels} if classes else {}
    mapped = any(word != str(i) for word, i in labels.items())
    return {
        "seed": seed,
        "split": list(split),
        "official parts": sorted({part for part in found.parts if part}),
        "limit": limit,
        "labels": dict(sorted(labels.items(), key=lambda item: item[1])) if mapped else "as in the data",
        **({} if plan.normal is None else {"normal": plan.names[plan.normal]}),
    }
