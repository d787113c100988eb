"""What a reader of one format hands over: labels and parts of all examples, and the inputs of those asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nascompile.data.audio_features import AudioFeatures
from nascompile.data.columns import Columns
from nascompile.data.dataset import Task
from spaces.errors import FileError, Span

__all__ = ["Decoded", "Examples", "Kind", "Wanted", "bad_data", "input_hint", "sides"]

#: The keys of a space's `input`, and what it then is, by the number of dimensions.
_SIDES = {1: ("channels",), 2: ("channels", "length"), 3: ("channels", "height", "width")}
_RANKS = {1: "a vector", 2: "a series", 3: "an image"}
#: What one example is; it decides which augmentations make sense.
Kind = Literal["image", "audio", "series", "table"]


@dataclass(frozen=True)
class Wanted:
    """What the network takes.

    Args:
        shape: of one input: (channels, height, width), (channels, length) or (features,).
        features: how sound becomes an input; None leaves it to the shape.
        rate: samples per second of sound whose file does not say it.
        task: what is to be learnt; None where the data say it.
        columns: what those of tables are.
        keywords: of sound: the classes; all others become one.
        raw: sound stays as it is, as long as features need it, where the input is features.
    """

    shape: tuple[int, ...]
    features: AudioFeatures | None = None
    rate: int | None = None
    task: Task | None = None
    columns: Columns = field(default_factory=Columns)
    keywords: tuple[str, ...] = ()
    raw: bool = False


@dataclass(frozen=True, eq=False)
class Decoded:
    """Inputs before normalisation.

    Args:
        x: [n, *shape], uint8 (0 to 255) or float32.
        axis: of x, along which mean and deviation are kept apart.
        lengths: [n], how much of the last axis is no padding; None where all of it.
        notes: what decoding did, for the record.
        digests: of each example as it lies in its file (`nascompile.data.digest`).
        boxes: of each example, where its image was turned: as `Examples.boxes`; None where none was.
    """

    x: NDArray[Any]
    axis: int = 1
    lengths: NDArray[np.int64] | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    digests: Sequence[bytes] = ()
    boxes: tuple[NDArray[np.float32], ...] | None = None


@dataclass(frozen=True, eq=False)
class Examples:
    """All examples of a source, not yet decoded.

    Args:
        format: `images`, `npz`, `ts`, `wav` or `coco`.
        kind: what an example is.
        labels: a word or whole number per example; for boxes the rarest class of the image, empty without boxes; with
            `values` by what parts are drawn: the rarest label that holds, or empty.
        parts: `train`, `valid` or `test` per example, where the source says it, else empty.
        where: names one example in a message.
        read: decodes the examples of these positions, in this order.
        noisy: of sound beside recordings of noise: decodes as `read` does, with a piece of noise mixed into each, up to
            a volume, as a generator draws it, at so many samples per second; None of all others.
        order: names of the classes, of outputs or labels, where the source declares them.
        boxes: per example [boxes, 5] as in `Part.y`; None for other tasks than detection.
        values: [examples, outputs], numbers to predict or 0 and 1 of labels; None for other tasks.
        groups: per example a person or recording, which lies in one part only; empty where nothing is said.
        task: that the data are for; what is for `classification` may be learnt as `anomaly` too.
        notes: what was found or left out, for the record.
    """

    format: str
    kind: Kind
    labels: Sequence[str | int]
    parts: Sequence[str]
    where: Callable[[int], str]
    read: Callable[[NDArray[np.intp]], Decoded]
    noisy: Callable[[NDArray[np.intp], float, np.random.Generator, int], Decoded] | None = None
    order: tuple[str, ...] = ()
    boxes: tuple[NDArray[np.float32], ...] | None = None
    values: NDArray[np.float64] | None = None
    groups: Sequence[str] = ()
    task: Task = "classification"
    notes: dict[str, Any] = field(default_factory=dict)

    def with_boxes(self, chosen: NDArray[np.intp], boxes: Sequence[NDArray[np.float32]]) -> Examples:
        """With other boxes of some examples."""
        of = dict(zip(chosen.tolist(), boxes, strict=True))
        return replace(self, boxes=tuple(of.get(i, own) for i, own in enumerate(self.boxes or ())))


def sides(shape: Sequence[int]) -> str:
    """A shape as people write it.

    Example:
        >>> sides((3, 32, 32))
        '3x32x32'
    """
    return "x".join(map(str, shape)) or "single numbers"


def input_hint(shape: Sequence[int], wanted: Sequence[int]) -> str:
    """What to type so that a network takes inputs of a shape: overrides of its space, where these are all.

    Args:
        shape: of the data, channels first.
        wanted: of the network's input.

    Example:
        >>> input_hint((1, 24), (1, 64))
        'add to the command: input.length=24'
        >>> input_hint((1, 24), (3, 32, 32))
        'take a space whose input is a series, such as 1x24 (`nascompile spaces` lists some)'
    """
    if len(shape) != len(wanted):
        return (
            f"take a space whose input is {_RANKS[len(shape)]}, such as {sides(shape)} (`nascompile spaces` lists some)"
        )
    sizes = zip(_SIDES[len(shape)], shape, wanted, strict=True)
    return "add to the command: " + " ".join(f"input.{name}={size}" for name, size, own in sizes if size != own)


def bad_data(message: str, hint: str, code: str = "bad-data", span: Span | None = None) -> FileError:
    """The error of every reader and check of this package."""
    return FileError.of(code, message, hint, span)
