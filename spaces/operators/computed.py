"""The few modules that `torch.nn` lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["Computed", "FlatLinear"]


class Computed(nn.Module):
    """A function of tensors and fixed numbers.

    Args:
        function: `(*operands, **numbers) -> tensor`, defined at the top of a module, so that it can be pickled.
        numbers: its other arguments.

    Example:
        >>> Computed(torch.mul, other=0.5)(torch.ones(2)).tolist()
        [0.5, 0.5]
    """

    def __init__(self, function: Callable[..., torch.Tensor], **numbers: Any) -> None:
        super().__init__()
        self.function, self.numbers = function, numbers

    def forward(self, *operands: torch.Tensor) -> torch.Tensor:
        """[...], ... -> what the function makes of them."""
        return self.function(*operands, **self.numbers)

    def extra_repr(self) -> str:
        """The function and its numbers."""
        return ", ".join([self.function.__name__, *(f"{name}={value}" for name, value in self.numbers.items())])


class FlatLinear(nn.Linear):
    """A linear layer that takes a feature map of one pixel, too.

    Example:
        >>> FlatLinear(2, 3)(torch.ones(4, 2, 1, 1)).shape
        torch.Size([4, 3])
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[n, in] or [n, in, 1, 1] -> [n, out]."""
        return super().forward(input.flatten(1))
