"""MeCo: the smallest eigenvalues of the correlations between channels, for one image, summed over all modules.

The sum runs over every module that is called, containers and the root among them, as in the authors' code (the paper
says "layer"). It is no measure of width: among networks that differ in width alone it falls as accuracy rises.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from samplers.proxies.base import Direction
from samplers.proxies.passes import Observer, Pass, SharedProxy

__all__ = ["MECO", "MeCo", "correlations", "smallest_eigenvalue_sum"]


@dataclass(frozen=True, kw_only=True)
class MeCo(SharedProxy):
    """MeCo = sum over feature maps f of lambda_min(P(f)), P the Pearson correlations of f's channels (Eq. 12).

    Args:
        channels: the variant MeCo_opt (Eq. 13): that many channels are sampled per feature map (all of them where it
            has fewer) and the term is multiplied by the fraction; the authors take 8.
        batch: images in the pass, of which the first is scored; with more than one, batch norm sees the whole batch.

    Example:
        >>> from samplers.proxies.base import Subject
        >>> from samplers.proxies.data import Data
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
        >>> 0 < MECO.score(Subject(net), Data.gaussian((3, 8, 8), 10, n=1)) <= 2  # the convolution's alone
        True
    """

    name: str = "meco"
    better: Direction = "higher"
    cost: str = "1 forward of 1 image, and an eigenvalue problem per module call"
    randomness: str = "none; with `channels`, which of them are sampled"
    degenerate: str = "feature maps with a constant channel count 0; -inf if the logits are not finite"
    reference: str = "Jiang et al., MeCo, NeurIPS 2023; code HamsterMimi/MeCo, correlation/NAS_Bench_201.py"
    channels: int | None = None
    batch: int = 1

    @property
    def passes(self) -> tuple[Pass, ...]:
        """One forward pass."""
        return (Pass(0, self.batch),)

    def observer(self, seed: int) -> Observer:
        """Hooks on the outputs of all modules."""
        return _Correlations(self.channels, seed)


class _Correlations(Observer):
    """Gathers the correlations of every module call; their eigenvalues are found together at the end."""

    def __init__(self, channels: int | None, seed: int) -> None:
        self._channels = channels
        self._generator = torch.Generator().manual_seed(seed)
        self._matrices: list[torch.Tensor] = []
        self._factors: list[float] = []
        self._last: torch.Tensor | None = None
        self._version = -1

    def hook(self, net: nn.Module) -> Iterator[RemovableHandle]:
        for module in net.modules():
            yield module.register_forward_hook(self._see)

    def value(self) -> float:
        return smallest_eigenvalue_sum(self._matrices, self._factors)

    def _see(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if not isinstance(output, torch.Tensor):
            return
        # A container mostly hands on its last child's output: the same term once more, with nothing to compute.
        repeated = self._last is output and self._version == output._version and self._channels is None
        self._last, self._version = output, output._version
        if repeated:
            self._factors[-1] += 1
            return
        features, factor = self._sample(output.detach()[0])
        self._matrices.append(correlations(features))
        self._factors.append(factor)

    def _sample(self, features: torch.Tensor) -> tuple[torch.Tensor, float]:
        """Features [channels, samples], of sampled channels only where that is wanted, and the factor of their term."""
        features = features.reshape(len(features) if features.ndim else 1, -1)
        if self._channels is None or len(features) <= self._channels:
            return features, 1.0
        chosen = torch.randperm(len(features), generator=self._generator)[: self._channels]
        return features[chosen.to(features.device)], len(features) / self._channels


@torch.no_grad()
def correlations(features: torch.Tensor) -> torch.Tensor:
    """Pearson correlations of channels, with 0 in place of what is undefined (a constant channel's).

    Args:
        features: [channels, samples].

    Returns:
        [channels, channels]; the empty matrix where there are at most as many samples as channels: centred, they span
        fewer dimensions than there are channels, so the smallest eigenvalue is 0 without computing it.

    Example:
        >>> correlations(torch.tensor([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    channels, samples = features.shape
    if samples <= channels:
        return features.new_empty(0, 0)
    return torch.corrcoef(features).reshape(channels, channels).nan_to_num(0.0, 0.0, 0.0)


def smallest_eigenvalue_sum(matrices: Sequence[torch.Tensor], factors: Sequence[float]) -> float:
    """Sum of factor times smallest eigenvalue over symmetric matrices; an empty matrix counts 0.

    Those of the same size are decomposed in one call.

    Example:
        >>> smallest_eigenvalue_sum([torch.eye(3), torch.ones(2, 2), torch.eye(2)], [1.0, 1.0, 4.0])
        5.0
    """
    by_size: dict[int, list[int]] = defaultdict(list)
    for i, matrix in enumerate(matrices):
        by_size[len(matrix)].append(i)
    by_size.pop(0, None)
    total = 0.0
    for indices in by_size.values():
        smallest = torch.linalg.eigvalsh(torch.stack([matrices[i] for i in indices]))[:, 0].double()
        total += float(smallest @ smallest.new_tensor([factors[i] for i in indices]))
    return total


MECO = MeCo()
