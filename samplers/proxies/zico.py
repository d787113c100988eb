"""ZiCo: how large each weight's gradient is in the mean over batches, relative to how much it varies between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch

from samplers.proxies.base import Direction
from samplers.proxies.passes import Gradients, Observer, Pass, SharedProxy

__all__ = ["ZICO", "ZiCo", "inverse_variation"]


@dataclass(frozen=True, kw_only=True)
class ZiCo(SharedProxy):
    """ZiCo = sum over layers of ln(sum over weights of mean|g| / std(g)), over the batches.

    The deviation is that of the signed gradients, over the number of batches, as in the authors' code (the paper's
    Eq. 15 has absolute ones). Weights whose gradient does not vary, and layers without any other, are left out.

    Args:
        batch: examples per batch; the authors take 128.
        batches: number of batches; two are best, as the paper finds (Sec. 4.5).

    Example:
        >>> from samplers.proxies.base import Subject
        >>> from samplers.proxies.data import Data
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 10))
        >>> data = Data.gaussian((3, 2, 2), 10, n=16)
        >>> ZiCo(batch=8).score(Subject(net), data) > log(12 * 10)
        True
    """

    name: str = "zico"
    better: Direction = "higher"
    cost: str = "2 forwards and 2 backwards of 128 images"
    randomness: str = "none but the network's own (dropout), which is seeded"
    degenerate: str = (
        "layers without gradient count 0, which is also the least score; -inf if the logits are not finite"
    )
    reference: str = "Li et al., ZiCo, ICLR 2023; code SLDGroup/ZiCo, ZeroShotProxy/compute_zico.py"
    batch: int = 128
    batches: int = 2

    @property
    def passes(self) -> tuple[Pass, ...]:
        """A forward and backward pass per batch."""
        return tuple(Pass(i * self.batch, (i + 1) * self.batch, backward=True) for i in range(self.batches))

    def observer(self, seed: int) -> Observer:
        """Keeps the gradients of each batch."""
        return _Gradients(self.batches)


class _Gradients(Observer):
    def __init__(self, batches: int) -> None:
        self._batches = batches
        self._gradients: dict[int, list[torch.Tensor]] = defaultdict(list)

    def gradients(self, gradients: Gradients) -> None:
        for layer, (_, gradient) in enumerate(gradients):
            self._gradients[layer].append(gradient)

    def value(self) -> float:
        sums = [inverse_variation(batches) for batches in self._gradients.values()]
        return sum(log(s) for s in torch.stack(sums).tolist() if s) if sums else 0.0


@torch.no_grad()
def inverse_variation(gradients: Sequence[torch.Tensor]) -> torch.Tensor:
    """Sum over a layer's weights of mean|g| / std(g), without those whose gradient does not vary.

    Args:
        gradients: one per batch, all of the weights' shape.

    Returns:
        float64 []; for two batches the sum of (|a| + |b|) / |a - b|.

    Example:
        >>> inverse_variation([torch.tensor([1.0, 2.0, 5.0]), torch.tensor([3.0, -2.0, 5.0])]).item()
        3.0
    """
    stacked = torch.stack([g.double() for g in gradients])
    deviation = stacked.std(dim=0, correction=0)
    ratio = stacked.abs().mean(dim=0) / deviation
    return ratio.where(deviation > 0, 0).sum()


ZICO = ZiCo()
