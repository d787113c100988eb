"""The few layers that torch.nn lacks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from spaces.tensors import Pads, Pair

__all__ = ["PaddedAvgPool", "Scale", "Zeros"]


class PaddedAvgPool(nn.Module):
    """The average over those elements of each window that exist, under any padding.

    Args:
        kernel: rows, columns.
        stride: rows, columns.
        pads: above, below, left, right.

    Example:
        >>> PaddedAvgPool((2, 2), (2, 2), (0, 1, 0, 1))(torch.ones(1, 1, 3, 3)).tolist()
        [[[[1.0, 1.0], [1.0, 1.0]]]]
    """

    def __init__(self, kernel: Pair, stride: Pair, pads: Pads) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        top, bottom, left, right = pads
        self.border = (left, right, top, bottom)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[n, c, h, w] -> [n, c, rows, columns]."""
        there = torch.ones_like(x[:1, :1])
        sums, counts = (
            functional.avg_pool2d(functional.pad(t, self.border), self.kernel, self.stride, divisor_override=1)
            for t in (x, there)
        )
        # A window that lies in the padding altogether averages nothing: zero.
        return sums / counts.clamp(min=1)


class Scale(nn.Module):
    """The input times a constant.

    Example:
        >>> Scale(0.5)(torch.ones(2)).tolist()
        [0.5, 0.5]
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[...] -> the same shape."""
        return x * self.factor


class Zeros(nn.Module):
    """Zeros in the shape of the input.

    Example:
        >>> Zeros()(torch.ones(2)).tolist()
        [0.0, 0.0]
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[...] -> zeros of the same shape."""
        return torch.zeros_like(x)
