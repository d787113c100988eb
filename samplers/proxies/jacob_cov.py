"""Jacobian covariance: how differently the output answers to small changes of different images."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan

import torch

from samplers.proxies.base import Direction
from samplers.proxies.passes import Observer, Pass, SharedProxy

__all__ = ["JACOB_COV", "JacobCov", "jacobian_score"]

#: Added to eigenvalues, as in the authors' code.
_K = 1e-5


@dataclass(frozen=True, kw_only=True)
class JacobCov(SharedProxy):
    """jacob_cov = -sum_i [ln(v_i + k) + 1 / (v_i + k)], v the eigenvalues of the Pearson correlations between images.

    What is correlated are the gradients of the summed logits by each image, k = 1e-5.

    Args:
        batch: number of images; Abdelfattah et al. take 64.

    Example:
        >>> from torch import nn
        >>> from samplers.proxies.base import Subject
        >>> from samplers.proxies.data import Data
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 10))
        >>> linear = nn.Sequential(nn.Flatten(), nn.Linear(12, 10))  # answers alike to all images
        >>> chosen, data = JacobCov(batch=4), Data.gaussian((3, 2, 2), 10, n=4)
        >>> chosen.score(Subject(net), data) > chosen.score(Subject(linear), data)
        True
    """

    name: str = "jacob_cov"
    better: Direction = "higher"
    cost: str = "1 forward and 1 backward of 64 images"
    randomness: str = "none but the network's own (dropout), which is seeded"
    degenerate: str = "-inf if the output does not depend on an image, or on logits not finite"
    reference: str = (
        "Mellor et al., Neural Architecture Search without Training, 2020 (v1); SamsungLabs/zero-cost-nas, "
        "measures/jacob_cov.py"
    )
    batch: int = 64

    @property
    def passes(self) -> tuple[Pass, ...]:
        """One forward pass, and back to the images."""
        return (Pass(0, self.batch, inputs=True),)

    def observer(self, seed: int) -> Observer:
        """Takes the gradients by the images."""
        return _Jacobian()


class _Jacobian(Observer):
    def __init__(self) -> None:
        self._score = nan

    def jacobian(self, rows: torch.Tensor) -> None:
        self._score = jacobian_score(rows)

    def value(self) -> float:
        return self._score


@torch.no_grad()
def jacobian_score(rows: torch.Tensor) -> float:
    """The score of gradients by images; NaN where one of them is constant.

    Args:
        rows: [images, ...].

    Example:
        >>> round(jacobian_score(torch.eye(3)), 2)  # correlations of -1/2: eigenvalues 0, 3/2 and 3/2
        -99990.6...
    """
    correlations = torch.corrcoef(rows.flatten(1).double()).reshape(len(rows), len(rows))
    if not correlations.isfinite().all():
        return nan
    values = torch.linalg.eigvalsh(correlations) + _K
    return -float((values.log() + 1 / values).sum())


JACOB_COV = JacobCov()
