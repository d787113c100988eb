"""Random shapes of operators to measure: small and large, with borders, groups and odd channels."""

from __future__ import annotations

import random

from spaces.operators import KernelCall
from spaces.tensors import Shape

__all__ = ["CHANNELS", "elementwise", "image", "slide", "upto"]

#: The largest sides and channels drawn.
_SIDE, CHANNELS, _WINDOW = 32, 160, 7


def upto(rng: random.Random, most: int) -> int:
    """1 to `most`, small numbers as often as large ones."""
    return min(most, int((most + 1) ** rng.random()))


def image(rng: random.Random, channels: int) -> Shape:
    """An image, or a series: one row."""
    return Shape(channels, 1 if rng.random() < 0.2 else upto(rng, _SIDE), upto(rng, _SIDE))


def elementwise(rng: random.Random, name: str) -> KernelCall:
    """A function whose output has the shape of its input."""
    x = image(rng, upto(rng, CHANNELS))
    return KernelCall(name, x, x)


def slide(rng: random.Random, name: str, x: Shape, channels: int, groups: int = 1, least: int = 1) -> KernelCall:
    """A window that slides over an image, within it or with padding that keeps its size.

    Each side of the window is at least so large, or that of the image.
    """
    kernel = (min(max(least, upto(rng, _WINDOW)), x.height), min(max(least, upto(rng, _WINDOW)), x.width))
    stride = (rng.choice((1, 1, 2, 3)), rng.choice((1, 1, 2, 3)))
    if rng.random() < 0.6:
        sides = [-(-side // s) for side, s in zip(x[1:], stride, strict=True)]
        around = [max(0, (n - 1) * s + k - side) for n, s, k, side in zip(sides, stride, kernel, x[1:], strict=True)]
        pads = around[0] // 2, around[1] // 2
    else:
        sides = [(side - k) // s + 1 for side, k, s in zip(x[1:], kernel, stride, strict=True)]
        pads = 0, 0
    return KernelCall(name, x, Shape(channels, *sides), kernel, stride, pads=pads, groups=groups)
