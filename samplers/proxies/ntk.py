"""Neural tangent kernel: how evenly gradient descent would learn all directions of a batch, by its condition number."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from samplers.proxies.base import Direction, Proxy, ProxyError, Subject
from samplers.proxies.data import Data
from samplers.proxies.initialisation import kaiming_normal_
from samplers.proxies.inputs import examples, logits
from samplers.proxies.network import borrowed, place, reproducible
from samplers.proxies.repeated_backward import ChannelsLast

__all__ = ["NTK", "Ntk", "condition_number", "ntk_eigenvalues"]


def ntk_eigenvalues(net: nn.Module, images: torch.Tensor, train: bool = True) -> np.ndarray:
    """Eigenvalues of Theta = J J^T, where row i of J is the gradient of the sum of image i's logits.

    The gradient is that with respect to all parameters whose name contains `weight`: convolutions, linear layers and
    scales of batch norms. Theory has a row per logit; TE-NAS's code, followed here, sums them. One forward pass and n
    backward passes; memory n x weights.

    Args:
        net: maps images to logits; left as it was.
        images: [n, ...], on the network's device and of its type.
        train: whether batch norm uses the statistics of the batch, through which a row depends on all images. Condition
            numbers of the two modes differ by powers of ten.

    Returns:
        float64 [n], descending; zeros for a network whose output depends on no weight, NaN where it is not finite.

    Raises:
        ProxyError: the network cannot run on these images, or yields no logits.

    Example:
        >>> ntk_eigenvalues(nn.Linear(2, 3), torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
        array([12.,  3.])
    """
    with borrowed(net), torch.enable_grad():
        net.train(train)
        weights = [p.requires_grad_() for name, p in net.named_parameters() if "weight" in name]
        sums = _forward(net, images).sum(1)
        kernel = _kernel(sums, weights) if sums.requires_grad else sums.new_zeros(2 * sums.shape, dtype=torch.float64)
    if not (kernel.isfinite().all() and sums.isfinite().all()):
        return np.full(len(images), np.nan)
    return torch.linalg.eigvalsh(kernel.cpu()).flip(0).numpy()


def _forward(net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Logits, in the layout whose backward passes are fastest."""
    if images.ndim != 4 or images.device.type != "cpu":
        return logits(net, images)
    with ChannelsLast():
        return logits(net, images.contiguous(memory_format=torch.channels_last))


def _kernel(sums: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Theta, float64 [n, n], of the outputs summed per image."""
    rows = [torch.autograd.grad(s, weights, retain_graph=True, allow_unused=True) for s in sums]
    kernel = sums.new_zeros(2 * sums.shape, dtype=torch.float64)
    for column in zip(*rows, strict=True):
        gradients = [g.flatten() for g in column if g is not None]
        if gradients:
            block = torch.stack(gradients).double()
            kernel += block @ block.T
    return kernel


def condition_number(eigenvalues: np.ndarray, i: int = 0) -> float:
    """K_i = lambda_1 / lambda_{n-i}: K_0 is the condition number of TE-NAS, MONAS takes K_2 (its Sec. 3.1.1).

    Args:
        eigenvalues: [n], descending.
        i: how many of the smallest are passed over.

    Returns:
        At least 1; inf where the eigenvalue is at most 2^-23 lambda_1, beyond float32, or is not finite.

    Raises:
        ProxyError: i is negative, or there are not more than i eigenvalues.

    Example:
        >>> condition_number(np.array([8.0, 4.0, 2.0, 0.0])), condition_number(np.array([8.0, 4.0, 2.0, 0.0]), 2)
        (inf, 2.0)
    """
    if not 0 <= i < len(eigenvalues):
        message = f"K_{i} needs more than {max(i, 0)} eigenvalues, and there are {len(eigenvalues)}"
        raise ProxyError.of("too-few-examples", message, "take a larger batch (`--batch`), or an `i` from 0")
    largest, smallest = float(eigenvalues[0]), float(eigenvalues[-1 - i])
    return largest / smallest if smallest > largest * 2.0**-23 else float("inf")


@dataclass(frozen=True, kw_only=True)
class Ntk(Proxy):
    """Mean of K_i over repeats with fresh Kaiming-normal weights (fan_out), for one batch.

    Args:
        batch: number of images.
        repeats: weights drawn, averaged.
        i: which K_i; 0 as TE-NAS, 2 as MONAS.
        train: whether batch norm uses the statistics of the batch.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 10))
        >>> Ntk(batch=4, repeats=1).score(Subject(net), Data.gaussian((3, 2, 2), 10, n=4)) > 1
        True
    """

    name: str = "ntk"
    better: Direction = "lower"
    cost: str = "3 forwards of 32 images, and 96 backwards"
    randomness: str = "weights, and the network's own (dropout); of the network no weights are read"
    degenerate: str = "inf for a disconnected network, a singular kernel, or output that is not finite, in any repeat"
    reference: str = "Chen et al., TE-NAS, ICLR 2021; code VITA-Group/TENAS, lib/procedures/ntk.py"
    batch: int = 32
    repeats: int = 3
    i: int = 0
    train: bool = True

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one network, as `Proxy.score` says."""
        copy = deepcopy(subject.network(self.name))
        device, dtype = place(copy)
        images = examples(self.name, data, self.batch).images.to(device, dtype)
        generator = torch.Generator().manual_seed(seed)
        result = []
        with reproducible(device, seed):
            for _ in range(self.repeats):
                kaiming_normal_(copy, "fan_out", generator)
                result.append(condition_number(ntk_eigenvalues(copy, images, self.train), self.i))
        return sum(result) / len(result)


NTK = Ntk()
