"""How data were read, in a few lines, before anything is learnt from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from nascompile.data.examples import sides

__all__ = ["data_lines"]

#: Classes that are named one by one, and things left out.
_NAMED = 12
_THINGS = {"image": "images", "audio": "clips of sound", "series": "series", "table": "rows of numbers"}


def data_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """The lines.

    Args:
        record: what a run's `data.json` holds.
    """
    total = sum(record["sizes"].values())
    features = record.get("features")
    how = f", as {features['kind']} features" if features else ""
    rate = f" at {record['rate']:,} Hz" if "rate" in record else ""
    things, shape, name = _THINGS[record["kind"]], sides(record["shape"]), PurePath(record["source"]).name
    yield f"data: {total:,} {things}{rate}{how}, {shape}, of {name}"
    parts = ", ".join(f"{name} {size:,}" for name, size in record["sizes"].items())
    yield f"  {parts}; {_split(record)}"
    yield f"  {_classes(record)}"
    if record.get("normal"):
        yield f"  normal is `{record['normal']}`; all others are not"
    yield from (f"  {line}" for line in _remarks(record))


def _split(record: Mapping[str, Any]) -> str:
    """Where the parts come from."""
    official = [name for name in record["sizes"] if name in record["official parts"] and name != "train"]
    drawn = [name for name in record["sizes"] if name not in official and name != "train"]
    if not drawn:
        return "as the data give them"
    if not official:
        return f"drawn by seed {record['seed']}"
    return f"{official[0]} as the data give it, {drawn[0]} drawn from the rest by seed {record['seed']}"


def _classes(record: Mapping[str, Any]) -> str:
    """Which classes there are, and how many examples of each are learnt from."""
    counts: Mapping[str, int] = record["class counts"]["train"]
    if record["task"] == "regression":
        return f"{len(counts)} number{'s' * (len(counts) > 1)} to predict for each"
    things = "boxes" if record["task"] == "detection" else "examples"
    if len(counts) <= _NAMED:
        listed = ", ".join(f"{name} ({count:,})" for name, count in counts.items())
        return f"{len(counts)} classes, with their training {things}: {listed}"
    least, most = (pick(counts, key=lambda name: counts[name]) for pick in (min, max))
    return (
        f"{len(counts)} classes, from {counts[least]:,} training {things} (`{least}`) to {counts[most]:,} (`{most}`): "
        f"{', '.join(list(counts)[:_NAMED])}, ..."
    )


def _remarks(record: Mapping[str, Any]) -> Iterator[str]:
    """What was changed or left out, and why."""
    if record.get("limit"):
        yield f"--limit {record['limit']} chose them, of each class and part in proportion"
    if found := record.get("left out"):
        listed = ", ".join(f"{name} ({count:,})" for name, count in list(found.items())[:_NAMED])
        yield f"left out, files in no folder of a class: {listed}"
    if found := record.get("not read"):
        kinds = (
            f"{one['files']:,} {ending} ({one['first']}{', ...' * (one['files'] > 1)})" for ending, one in found.items()
        )
        yield f"not read: {', '.join(list(kinds)[:_NAMED])}"
    if found := record.get("windows"):
        yield (
            f"windows of {found['window']:,} rows, every {found['step']:,}, of {found['rows']:,} rows; "
            f"{found['rows in none']:,} are in none"
        )
        if not record.get("group"):
            yield "windows of one recording may lie in several parts: --group COLUMN, or file, keeps them apart"
    if found := record.get("group"):
        counted = ", ".join(f"{name} {count:,}" for name, count in found["groups"].items())
        yield f"each `{found['by']}` lies in one part only: {counted}"
    if found := record.get("turned with their boxes"):
        yield f"{found:,} turned by their EXIF orientation, with their boxes"
    if found := record.get("boxes left out"):
        yield f"boxes left out: {', '.join(f'{count:,} {why}' for why, count in found.items())}"
    if found := record.get("categories without a box"):
        yield f"categories without a box are no classes: {', '.join(found[:_NAMED])}"
    if record.get("resized"):
        yield f"{record['resized']:,} resized ({record['resize']}; most were {record['from']})"
    yield from _of_sound(record)
    if record.get("padded"):
        yield f"padded {record['padded']}"


def _of_sound(record: Mapping[str, Any]) -> Iterator[str]:
    """What was done to clips."""
    if found := record.get("resampled"):
        yield f"resampled: {', '.join(f'{count:,} of {rate}' for rate, count in list(found.items())[:_NAMED])}"
    if found := record.get("noise"):
        yield (
            f"{found['clips']:,} of the training clips are copies with noise of {found['recordings']:,} "
            f"recording{'s' * (found['recordings'] > 1)}, volume up to {found['volume']:g}"
        )
    if record.get("padded with silence"):
        yield f"{record['padded with silence']:,} shorter than {record['clip samples']:,} samples: padded with silence"
    if record.get("cut"):
        yield f"{record['cut']:,} longer than {record['clip samples']:,} samples: cut"
