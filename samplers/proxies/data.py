"""The labelled examples that a proxy sees: a mini-batch of the user's data, or Gaussian noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spaces.errors import FileError
from spaces.npz import UNREADABLE

__all__ = ["Data"]


@dataclass(frozen=True, eq=False)
class Data:
    """Labelled examples.

    Args:
        images: float32 [n, ...input shape], channels first.
        labels: int64 [n], from 0.
        source: where they come from, for reports.

    Example:
        >>> data = Data.gaussian((3, 8, 8), classes=10, n=4, seed=0)
        >>> data.images.shape, len(data), data.source
        (torch.Size([4, 3, 8, 8]), 4, 'Gaussian noise N(0, 1), random labels of 10 classes, seed 0')
    """

    images: torch.Tensor
    labels: torch.Tensor
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def gaussian(cls, shape: tuple[int, ...], classes: int, n: int, seed: int = 0) -> Data:
        """Noise in place of data: images drawn from N(0, 1), labels uniformly.

        Args:
            shape: of one input, channels first.
            classes: number of classes.
            n: number of examples.
            seed: seeds both.
        """
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(n, *shape, generator=generator)
        labels = torch.randint(0, classes, (n,), generator=generator)
        return cls(images, labels, f"Gaussian noise N(0, 1), random labels of {classes} classes, seed {seed}")

    @classmethod
    def load(cls, path: str | Path, shape: tuple[int, ...], n: int, seed: int = 0) -> Data:
        """Examples of a NumPy file with arrays `x` and `y`, drawn without replacement.

        Integer images (uint8) are divided by 255 and then standardised per channel, to mean 0 and deviation 1 over
        the examples drawn. Floating-point images are taken as they are.

        Args:
            path: an `.npz` file; `x` is [examples, *shape] in uint8 or a float type, `y` [examples] in an integer type.
            shape: of one input, channels first.
            n: number of examples to draw.
            seed: decides which.

        Raises:
            FileError: the file cannot be read, or its arrays do not fit.
        """
        x, y = _read(Path(path))
        _check(str(path), x, y, shape, n)
        chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:n].numpy()
        images = torch.from_numpy(x[chosen].astype(np.float32))
        if x.dtype == np.uint8:
            images = _standardised(images / 255)
        if not images.isfinite().all():
            raise FileError.of(
                "bad-data", f"`{path}` has images that are not finite", "replace NaN and infinite values in `x`"
            )
        labels = torch.from_numpy(y[chosen].astype(np.int64))
        return cls(images, labels, f"{n} of {len(x)} examples of {path}, seed {seed}")


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Arrays `x` and `y` of an .npz file."""
    hint = "write it with `numpy.savez(path, x=images, y=labels)`"
    try:
        with path.open("rb") as file:  # numpy leaves open what it opens and cannot read
            arrays = np.load(file, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise FileError.of("bad-data", f"`{path}` is a single array, not images and labels", hint)
            missing = [name for name in ("x", "y") if name not in arrays]
            if missing:
                raise FileError.of(
                    "bad-data", f"`{path}` has no array `{missing[0]}`, only {', '.join(arrays) or 'nothing'}", hint
                )
            return arrays["x"], arrays["y"]
    except UNREADABLE as error:
        raise FileError.of("bad-data", f"`{path}` cannot be read: {error}", hint) from error


def _check(path: str, x: np.ndarray, y: np.ndarray, shape: tuple[int, ...], n: int) -> None:
    """Raises unless images, labels and the number wanted agree."""
    if x.shape[1:] != shape:
        last = x.ndim > 2 and (x.shape[-1], *x.shape[1:-1]) == shape
        hint = "move the channels first: `numpy.moveaxis(x, -1, 1)`" if last else "give data of the space's input"
        raise FileError.of(
            "bad-data", f"the images of `{path}` are {_sides(x.shape[1:])}, the input is {_sides(shape)}", hint
        )
    if x.dtype != np.uint8 and x.dtype.kind != "f":
        raise FileError.of(
            "bad-data", f"the images of `{path}` are of type {x.dtype}", "store `x` as uint8 (0 to 255) or as float32"
        )
    if y.shape != x.shape[:1] or y.dtype.kind not in "iu":
        message = f"the labels of `{path}` are {_sides(y.shape)} of type {y.dtype}"
        raise FileError.of("bad-data", message, f"store `y` as {len(x)} integers, one for each image")
    if len(y) and y.min() < 0:
        raise FileError.of("bad-data", f"`{path}` has the label {y.min()}", "number the classes from 0")
    if not 0 < n <= len(x):
        raise FileError.of(
            "bad-data", f"`{path}` has {len(x)} examples, {n} are wanted", "ask for fewer examples, or give more data"
        )


def _standardised(images: torch.Tensor) -> torch.Tensor:
    """Mean 0 and deviation 1 per channel; a constant channel becomes 0."""
    over = [0, *range(2, images.ndim)]
    deviation, mean = torch.std_mean(images, dim=over, correction=0, keepdim=True)
    return (images - mean) / torch.where(deviation > 0, deviation, 1)


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "single numbers"
