"""Boxes of several images in one array, and what becomes of them when the images are changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nascompile.data.augment import AUGMENTATIONS, augment, crop, flip
from spaces.errors import NascompileError, did_you_mean

if TYPE_CHECKING:
    import torch

__all__ = ["NO_BOX", "augment_with_boxes", "padded_boxes"]

#: The class of a row that is no box.
NO_BOX = -1

#: Shares of the image: what is left of a box after a crop is dropped below this width or height.
_LEAST = 0.01


def padded_boxes(boxes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The boxes of images as one array; where an image has fewer than another, rows of class `NO_BOX` follow.

    Args:
        boxes: of each image [boxes, 5], as in `Part.y`.

    Returns:
        [n, most, 5].

    Example:
        >>> one, none = np.full((1, 5), 0.5, np.float32), np.zeros((0, 5), np.float32)
        >>> padded_boxes([one, none])[..., 0].tolist()
        [[0.5], [-1.0]]
    """
    result = np.full((len(boxes), max(map(len, boxes), default=0), 5), NO_BOX, np.float32)
    for row, some in zip(result, boxes, strict=True):
        row[: len(some)] = some
    return result


def augment_with_boxes(
    x: torch.Tensor, boxes: torch.Tensor, name: str, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of images changed at random, and its boxes where they are then; the arguments stay what they are.

    Args:
        x: [n, channels, height, width].
        boxes: [n, most, 5] as `padded_boxes` makes them, on the same device.
        name: `none`, `flip`, `crop`, `crop-flip` or `jitter` of `nascompile.data.augment`, or several, joined by `+`.
            What a crop cuts off is cut off its box; a box of which less than 1/100 of the image's width or height is
            left is none any more.
        generator: the only source of randomness.

    Raises:
        NascompileError: there is no such augmentation, or boxes cannot follow it.
    """
    if "+" in name:
        for one in name.split("+"):
            x, boxes = augment_with_boxes(x, boxes, one, generator)
        return x, boxes
    if name not in AUGMENTATIONS:
        hint = did_you_mean(name, AUGMENTATIONS)
        raise NascompileError.of("bad-augmentation", f"there is no augmentation `{name}`", hint)
    if name in ("none", "jitter"):
        return augment(x, name, generator), boxes
    if name not in ("flip", "crop", "crop-flip"):
        hint = "take flip, crop, crop-flip, jitter or none"
        raise NascompileError.of("bad-augmentation", f"boxes cannot follow `{name}`", hint)
    if "crop" in name:
        x, moved = crop(x, generator)
        boxes = _moved(boxes, moved)
    if "flip" in name:
        x, flipped = flip(x, generator)
        boxes = boxes.clone()
        boxes[..., 1] = boxes[..., 1].where(~flipped[:, None] | (boxes[..., 0] < 0), 1 - boxes[..., 1])
    return x, boxes


def _moved(boxes: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    """Boxes of images that were moved, cut at the edges.

    Args:
        boxes: [n, most, 5].
        moved: [n, 2], to the right and down, as shares of the image.
    """
    import torch

    centres, halves = boxes[..., 1:3] + moved[:, None], boxes[..., 3:] / 2
    low, high = (centres - halves).clamp(0, 1), (centres + halves).clamp(0, 1)
    sides = high - low
    there = (boxes[..., 0] >= 0) & (sides >= _LEAST).all(-1)
    result = torch.cat([boxes[..., :1], (low + high) / 2, sides], dim=-1)
    return result.where(there[..., None], torch.full_like(result, NO_BOX))
