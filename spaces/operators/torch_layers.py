"""The few layers that torch.nn lacks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from spaces.tensors import Pads, Pair

__all__ = ["Concat", "Gate", "Joining", "PaddedAvgPool", "Scale", "Zeros"]


class Joining(nn.Module):
    """A module that takes the operands of its operator one by one; every other module is given their sum."""


class Concat(Joining):
    """Feature maps side by side along their channels.

    Example:
        >>> Concat()(torch.ones(1, 2, 3, 3), torch.ones(1, 4, 3, 3)).shape
        torch.Size([1, 6, 3, 3])
    """

    def forward(self, *operands: torch.Tensor) -> torch.Tensor:
        """[n, c1, h, w], [n, c2, h, w], ... -> [n, c1 + c2 + ..., h, w]."""
        return torch.cat(operands, dim=1)


class Gate(Joining):
    """A factor per channel times a feature map.

    Example:
        >>> Gate()(torch.tensor([[0.5, 2]]), torch.ones(1, 2, 1, 3)).tolist()
        [[[[0.5, 0.5, 0.5]], [[2.0, 2.0, 2.0]]]]
    """

    def forward(self, gates: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """[n, c], [n, c, h, w] -> [n, c, h, w]."""
        return gates[:, :, None, None] * x


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
