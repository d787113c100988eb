"""How far apart an output and its input have to lie, so that windows slide over what is still there.

An output that begins before its input is written from the first pixel to the last, one that ends behind it from the
last to the first. What is written then never reaches what is still to be read, whatever windows and borders.
A convolution in int8 lays out the windows of some pixels before it writes these: its scratch goes on with its outputs,
between these and the rest of the input.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spaces.lanes import Number, largest
from spaces.operators.kernel import Gap, KernelCall, words
from spaces.tensors import Pair

__all__ = ["conv_gap", "pool_gap", "scratch_begin"]


class _Sides(NamedTuple):
    """What windows slide over, in pixels."""

    x: Pair
    out: Pair
    kernel: Pair
    stride: Pair
    pads: Pair

    @classmethod
    def of(cls, call: KernelCall) -> _Sides:
        sides = (call.x[1:], call.out[1:], call.kernel, call.stride, call.pads)
        return cls(*((int(rows), int(columns)) for rows, columns in sides))


def _reached(sides: _Sides) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each pixel of the output: the first of the input that its window or a later one reads; the one behind the last
    that its window or an earlier one reads.
    """
    first, behind = [], []
    for size, out, kernel, stride, pad in zip(*sides, strict=True):
        starts = np.arange(out) * stride - pad
        first.append(np.maximum(starts, 0))
        behind.append(np.minimum(starts + kernel, size))
    (top, left), (bottom, right), (height, width) = first, behind, sides.x
    there = (top < bottom)[:, None] & (left < right)
    begin = np.where(there, top[:, None] * width + left, height * width).reshape(-1)
    end = np.where(there, (bottom[:, None] - 1) * width + right, 0).reshape(-1)
    return np.minimum.accumulate(begin[::-1])[::-1], np.maximum.accumulate(end)


def _largest_sum(a: Number, b: Number, points: Sequence[tuple[int, int]]) -> Number:
    """The largest of a * p + b * q over points (p, q), where neither a nor b is negative."""
    return largest(*(p * a + q * b for p, q in points))


def _corners(p: NDArray[np.int64], q: NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    """The points (p, q) of which one has the largest sum, whatever they are weighted by: upper right corners."""
    found: list[tuple[int, int]] = []
    for x, y in sorted(zip(p.tolist(), q.tolist(), strict=True), reverse=True):
        if found and y <= found[-1][1]:
            continue
        while len(found) > 1 and _inside(found[-2], found[-1], (x, y)):
            found.pop()
        found.append((x, y))
    return tuple(found)


def _inside(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Whether b lies on the line from a to c, or below it."""
    return (a[0] - b[0]) * (c[1] - b[1]) >= (b[1] - a[1]) * (b[0] - c[0])


@lru_cache(maxsize=4096)
def _blocks(sides: _Sides, pixels: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Of blocks of so many pixels the corners of what they write and what is not read before, both ways."""
    begin, end = _reached(sides)
    n = len(begin)
    before = np.arange(0, n, pixels)
    return _corners(before + pixels, -begin[before]), _corners(before + pixels - n, end[n - 1 - before])


def conv_gap(call: KernelCall, pixels: int, scratch: Number) -> Gap:
    """Of a convolution in int8 that lays out the windows of a block of pixels, in scratch that goes before its outputs.

    Args:
        call: without groups.
        pixels: of a block.
        scratch: bytes of it.

    Example:
        >>> from spaces.tensors import Shape
        >>> x = Shape(1, 6, 6)
        >>> conv_gap(KernelCall("conv", x, x, (3, 3), pads=(1, 1)), pixels=4, scratch=48)
        Gap(before=59, behind=59, beside=48)
    """
    sides = _Sides.of(call)
    forwards, back = _blocks(sides, pixels)
    width, depth, n = call.out.channels, call.x.channels, sides.out[0] * sides.out[1]
    # The scratch begins at a word.
    ahead, behind = -pixels * width % 4, (n - pixels) * width % 4
    return Gap(
        largest(1, scratch + ahead + _largest_sum(width, depth, forwards)),
        largest(1, scratch + behind + _largest_sum(width, depth, back)),
        scratch + largest(ahead, behind) + -n % pixels * width,
    )  # fmt: skip


def scratch_begin(call: KernelCall, pixels: int, scratch: int, *, back: bool) -> int:
    """How far behind the beginning of the output the scratch of `conv_gap` begins, before anything is written."""
    if not back:
        return words(pixels * call.out.channels)
    return (call.out.height * call.out.width - pixels) * call.out.channels // 4 * 4 - scratch


@lru_cache(maxsize=4096)
def _pixels(sides: _Sides) -> Pair:
    begin, end = _reached(sides)
    k = np.arange(len(begin))
    return max(0, int((k + 1 - begin).max())), max(1, int((end - k).max()))


def pool_gap(call: KernelCall) -> Gap:
    """Of a pooling, which writes a pixel in parts, between which it reads its window: in elements.

    Example:
        >>> from spaces.tensors import Shape
        >>> pool_gap(KernelCall("max_pool", Shape(3, 6, 6), Shape(3, 3, 3), (2, 2), (2, 2)))
        Gap(before=3, behind=84, beside=0)
    """
    before, behind = _pixels(_Sides.of(call))
    return Gap(before * call.out.channels, behind * call.out.channels, 0)
