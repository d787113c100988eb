"""Shapes, data types and the arithmetic of sliding windows, on plain integers."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DTYPES", "Infeasible", "Pads", "Pair", "Shape", "Tensor", "pads", "window"]

Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
Padding = str | Pair

#: Bytes per element of each data type.
DTYPES: dict[str, int] = {"float32": 4, "float16": 2, "int16": 2, "int8": 1}


class Infeasible(Exception):  # noqa: N818 - a fact about parameters, not an error
    """These parameters describe no network: a side vanishes, a group does not divide the channels, ..."""


class Shape(NamedTuple):
    """A feature map: channels x height x width. A series has height 1, a vector has height = width = 1.

    Example:
        >>> Shape(84, 25, 5).size
        10500
    """

    channels: int
    height: int = 1
    width: int = 1

    @property
    def size(self) -> int:
        """Number of elements, u in EBS Eq. 4."""
        return self.channels * self.height * self.width

    def __str__(self) -> str:
        return "x".join(map(str, self))


class Tensor(NamedTuple):
    """A feature map with its data type and number of dimensions: 0 for a vector, 1 for a series, 2 for an image."""

    shape: Shape
    dtype: str
    rank: int

    @property
    def nbytes(self) -> int:
        """Bytes in RAM, D * u in EBS Eq. 4."""
        return self.shape.size * DTYPES[self.dtype]

    @property
    def dims(self) -> tuple[int, ...]:
        """The dimensions of one example: (channels,), (channels, length) or (channels, height, width)."""
        channels, _, width = self.shape
        return {0: (channels,), 1: (channels, width), 2: tuple(self.shape)}[self.rank]


def _side(length: int, kernel: int, stride: int, padding: int | str, what: str) -> int:
    if padding == "same":
        return -(-length // stride)
    border = 0 if padding == "valid" else int(padding)
    out = (length + 2 * border - kernel) // stride + 1
    if length + 2 * border < kernel or out < 1:
        around = f" with padding {border}" if border else ""
        raise Infeasible(f"the {what} vanishes: a window of {kernel} on {length}{around}")
    return out


def window(x: Shape, channels: int, kernel: Pair, stride: Pair, padding: Padding) -> Shape:
    """The output of sliding a window over a feature map.

    Args:
        x: the input.
        channels: channels of the output.
        kernel: rows, columns.
        stride: rows, columns.
        padding: `same` as TensorFlow means it (output = ceil(input / stride)), `valid`, or (rows, columns) on each
            side.

    Raises:
        Infeasible: a side would vanish.

    Example:
        >>> window(Shape(1, 49, 10), 84, (10, 4), (2, 2), "same")
        Shape(channels=84, height=25, width=5)
    """
    rows, columns = (padding, padding) if isinstance(padding, str) else padding
    height = _side(x.height, kernel[0], stride[0], rows, "height")
    width = _side(x.width, kernel[1], stride[1], columns, "width" if x.height > 1 else "length")
    return Shape(channels, height, width)


def pads(x: Shape, out: Shape, kernel: Pair, stride: Pair, padding: Padding) -> Pads:
    """The zeros around a feature map that give a window its output: rows above and below, columns left and right.

    `same` puts the odd one below and to the right, as TensorFlow does.

    Example:
        >>> x, kernel, stride = Shape(1, 49, 10), (10, 4), (2, 2)
        >>> pads(x, window(x, 84, kernel, stride, "same"), kernel, stride, "same")
        (4, 5, 1, 1)
    """
    if padding == "valid":
        return 0, 0, 0, 0
    if not isinstance(padding, str):
        rows, columns = padding
        return rows, rows, columns, columns
    across = [
        max(0, (after - 1) * step + size - before)
        for before, after, size, step in zip(x[1:], out[1:], kernel, stride, strict=True)
    ]
    (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in across)
    return top, bottom, left, right
