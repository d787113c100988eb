"""Gradient norm: the lengths of the layers' gradients, added up."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from samplers.proxies.base import Direction
from samplers.proxies.passes import Gradients, Observer, Pass, SharedProxy

__all__ = ["GRAD_NORM", "GradNorm"]


@dataclass(frozen=True, kw_only=True)
class GradNorm(SharedProxy):
    """Sum over layers of ||dL/dw||_2: a sum of norms, not the norm of all gradients.

    Args:
        batch: number of images; the authors take 64, an ensemble shares the 128 of the others.

    Example:
        >>> from samplers.proxies.base import Subject
        >>> from samplers.proxies.data import Data
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 10))
        >>> GradNorm(batch=8).score(Subject(net), Data.gaussian((3, 2, 2), 10, n=8)) > 0
        True
    """

    name: str = "grad_norm"
    better: Direction = "higher"
    cost: str = "1 forward and 1 backward of 128 images"
    randomness: str = "none but the network's own (dropout), which is seeded"
    degenerate: str = (
        "layers without gradient count 0, which is also the least score; -inf if the logits are not finite"
    )
    reference: str = (
        "Abdelfattah et al., Zero-cost proxies, ICLR 2021; SamsungLabs/zero-cost-nas, measures/grad_norm.py"
    )
    batch: int = 128

    @property
    def passes(self) -> tuple[Pass, ...]:
        """One forward and backward pass."""
        return (Pass(0, self.batch, backward=True),)

    def observer(self, seed: int) -> Observer:
        """Takes the norms once the gradients are there."""
        return _Norms()


class _Norms(Observer):
    def __init__(self) -> None:
        self._norms: list[torch.Tensor] = []

    @torch.no_grad()
    def gradients(self, gradients: Gradients) -> None:
        self._norms = [torch.linalg.vector_norm(gradient, dtype=torch.float64) for _, gradient in gradients]

    def value(self) -> float:
        return float(sum(self._norms))


GRAD_NORM = GradNorm()
