"""SNIP: how much the loss depends on whether each weight is there."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from samplers.proxies.base import Direction
from samplers.proxies.passes import Gradients, Observer, Pass, SharedProxy

__all__ = ["SNIP", "Snip"]


@dataclass(frozen=True, kw_only=True)
class Snip(SharedProxy):
    """SNIP = sum over weights of |w dL/dw|, the gradient with respect to a mask of ones.

    Args:
        batch: number of images; the authors take 64, an ensemble shares the 128 of the others.

    Example:
        >>> from samplers.proxies.base import Subject
        >>> from samplers.proxies.data import Data
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 10))
        >>> Snip(batch=8).score(Subject(net), Data.gaussian((3, 2, 2), 10, n=8)) > 0
        True
    """

    name: str = "snip"
    better: Direction = "higher"
    cost: str = "1 forward and 1 backward of 128 images"
    randomness: str = "none but the network's own (dropout), which is seeded"
    degenerate: str = (
        "layers without gradient count 0, which is also the least score; -inf if the logits are not finite"
    )
    reference: str = "Lee et al., SNIP, ICLR 2019; code SamsungLabs/zero-cost-nas, measures/snip.py"
    batch: int = 128

    @property
    def passes(self) -> tuple[Pass, ...]:
        """One forward and backward pass."""
        return (Pass(0, self.batch, backward=True),)

    def observer(self, seed: int) -> Observer:
        """Sums up once the gradients are there."""
        return _Saliency()


class _Saliency(Observer):
    def __init__(self) -> None:
        self._sums: list[torch.Tensor] = []

    @torch.no_grad()
    def gradients(self, gradients: Gradients) -> None:
        self._sums = [(weight * gradient).abs().sum(dtype=torch.float64) for weight, gradient in gradients]

    def value(self) -> float:
        return float(sum(self._sums))


SNIP = Snip()
