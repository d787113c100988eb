"""Mean 0 and deviation 1 per channel, measured on the training part alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import Decoded

__all__ = ["Normalisation"]

_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Normalisation:
    """x -> (scale * x - mean) / deviation, along one axis.

    Args:
        axis: of x, the examples being axis 0.
        scale: 1/255 for bytes, else 1.
        mean: per channel, after scaling.
        deviation: per channel, after scaling; 1 for a constant channel.
    """

    axis: int
    scale: float
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def measured(cls, data: Decoded, train: NDArray[np.intp]) -> Normalisation:
        """Mean and deviation over some examples, without padding, in float64.

        Example:
            >>> x = np.arange(8, dtype=np.float32).reshape(4, 1, 2)
            >>> n = Normalisation.measured(Decoded(x), np.array([0, 1]))
            >>> n.mean.tolist(), n.apply(Decoded(x), np.array([0, 1])).mean()
            ([1.5], np.float32(0.0))
        """
        scale = 1 / 255 if data.x.dtype == np.uint8 else 1.0
        over = tuple(i for i in range(data.x.ndim) if i != data.axis)
        total, count = np.zeros(data.x.shape[data.axis]), 0.0
        for block, mask in _blocks(data, train):
            total += (block * mask).sum(over)
            count += mask.sum() * block[:1].size / (mask[:1].size * block.shape[data.axis])
        mean = total / count
        kept = _along(mean, data)
        squares = sum((((block - kept) * mask) ** 2).sum(over) for block, mask in _blocks(data, train))
        deviation = np.sqrt(squares / count)
        constant = deviation <= 1e-7 * np.maximum(1, np.abs(mean))
        return cls(data.axis, scale, mean * scale, np.where(constant, 1, deviation * scale))

    def apply(self, data: Decoded, chosen: NDArray[np.intp]) -> NDArray[np.float32]:
        """Some examples normalised, padding 0, as a new array."""
        x = np.empty((len(chosen), *data.x.shape[1:]), np.float32)
        # In blocks, so that a large set is held once as float32 and never twice.
        for start in range(0, len(chosen), _BLOCK):
            some = chosen[start : start + _BLOCK]
            block = x[start : start + _BLOCK]
            np.multiply(data.x[some], np.float32(self.scale), out=block)
            block -= _along(self.mean, data).astype(np.float32)
            block /= _along(self.deviation, data).astype(np.float32)
            if data.lengths is not None:
                block *= _mask(data, some)
        return x

    def record(self) -> dict[str, Any]:
        """What a device needs to do the same."""
        return {
            "axis": self.axis,
            "scale": self.scale,
            "mean": self.mean.tolist(),
            "deviation": self.deviation.tolist(),
        }


def _blocks(data: Decoded, chosen: NDArray[np.intp]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Blocks of examples, so that the whole set is never held in float64, and where they are no padding."""
    for start in range(0, len(chosen), _BLOCK):
        some = chosen[start : start + _BLOCK]
        yield data.x[some].astype(np.float64), _mask(data, some)


def _mask(data: Decoded, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    """[n, 1, ..., length]: 1 where an example is no padding."""
    if data.lengths is None:
        return np.ones((len(chosen),) + (1,) * (data.x.ndim - 1))
    positions = np.arange(data.x.shape[-1]).reshape((1,) * (data.x.ndim - 1) + (-1,))
    return (positions < data.lengths[chosen].reshape((-1,) + (1,) * (data.x.ndim - 1))).astype(np.float64)


def _along(values: NDArray[np.float64], data: Decoded) -> NDArray[np.float64]:
    """Values per channel, ready to be broadcast over x."""
    return values.reshape([-1 if i == data.axis else 1 for i in range(data.x.ndim)])
