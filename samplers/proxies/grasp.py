"""GraSP: how removing each weight would change the flow of the gradient, from one product with the Hessian."""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan

import torch
from torch import nn
from torch.nn import functional

from samplers.proxies.base import Direction, Proxy, ProxyError, Subject
from samplers.proxies.data import Data
from samplers.proxies.inputs import examples, logits
from samplers.proxies.network import borrowed, place, reproducible, weighted_layers

__all__ = ["GRASP", "Grasp", "grasp"]


def grasp(net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Sum over weights of -w (H g), with g = dL/dw and H the Hessian of the mean cross-entropy L (Wang et al., Eq. 8).

    The sign is that of the authors' code, with which the sum correlates positively with accuracy. One forward pass in
    training mode and a backward pass through the backward pass.

    Args:
        net: maps images to logits; left as it was.
        images: [n, ...].
        labels: int64 [n].

    Returns:
        The sum; 0 where no weight reaches the loss, NaN if the logits are not finite.

    Raises:
        ProxyError: the network cannot run on these images, yields no logits, or has no such class.

    Example:
        >>> layer = nn.Linear(1, 2, bias=False)
        >>> _ = nn.init.zeros_(layer.weight)
        >>> abs(grasp(layer, torch.ones(4, 1), torch.zeros(4, dtype=torch.int64)))
        0.0
    """
    with borrowed(net):
        weights = [layer.weight.requires_grad_() for layer in weighted_layers(net)]
        output = logits(net, images)
        if labels.numel() and int(labels.max()) >= output.shape[1]:
            message = f"the label {int(labels.max())} is none of the network's {output.shape[1]} classes"
            raise ProxyError.of("bad-data", message, "number the classes of the data from 0")
        return _weighted_product(functional.cross_entropy(output, labels), weights)


def _weighted_product(loss: torch.Tensor, weights: list[torch.Tensor]) -> float:
    """Sum of -w (H g) over the weights that the loss depends on."""
    if not weights or not loss.requires_grad:
        return 0.0
    found = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
    pairs = [(w, g) for w, g in zip(weights, found, strict=True) if g is not None]
    flow = sum(((g.detach() * g).sum() for _, g in pairs), start=loss.new_zeros(()))
    if not flow.requires_grad:
        return 0.0
    products = torch.autograd.grad(flow, [w for w, _ in pairs], allow_unused=True)
    terms = [-(w.detach() * h).sum() for (w, _), h in zip(pairs, products, strict=True) if h is not None]
    return float(sum(terms, start=loss.new_zeros(())))


@dataclass(frozen=True, kw_only=True)
class Grasp(Proxy):
    """GraSP of a batch. A noisy indicator: on random networks its correlation is the weakest of all proxies here.

    Args:
        batch: number of images; the authors take 64.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 10))
        >>> Grasp(batch=8).score(Subject(net), Data.gaussian((3, 2, 2), 10, n=8)) != 0
        True
    """

    name: str = "grasp"
    better: Direction = "higher"
    cost: str = "1 forward, 1 backward, and 1 backward through the backward of 64 images"
    randomness: str = "none but the network's own (dropout), which is seeded"
    degenerate: str = "layers without gradient count 0, a network of constant output 0; -inf if logits are not finite"
    reference: str = "Wang et al., GraSP, ICLR 2020; code SamsungLabs/zero-cost-nas, measures/grasp.py, one iteration"
    batch: int = 64

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one network, as `Proxy.score` says."""
        net, batch = subject.network(self.name), examples(self.name, data, self.batch)
        device, dtype = place(net)
        with reproducible(device, seed):
            value = grasp(net, batch.images.to(device, dtype), batch.labels.to(device))
        return self.worst if isnan(value) else value


GRASP = Grasp()
