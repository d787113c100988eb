"""SynFlow: how much flows along all paths of the network, were its weights positive and its inputs all ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from math import isnan, log

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from samplers.proxies.base import Direction, Proxy, Subject
from samplers.proxies.data import Data
from samplers.proxies.inputs import input_shape, run
from samplers.proxies.network import weighted_layers

__all__ = ["SYNFLOW", "SynFlow", "synflow"]


def synflow(net: nn.Module, shape: tuple[int, ...]) -> float:
    """Sum over weights of |w dR/dw|, where R is the sum of the outputs for one input of ones (Tanaka et al., Eq. 3).

    All parameters and buffers are replaced by their absolute values and every batch norm by the identity; biases take
    part in R and are not summed. Computed in float64 on a copy, in evaluation mode: without batch norm the modes differ
    in dropout only.

    Args:
        net: the network, left as it was.
        shape: of one input, without the batch.

    Returns:
        The raw sum, 1e3 to 1e61 on usual networks: rank by its logarithm. 0 for a disconnected network, inf after
        overflow.

    Raises:
        ProxyError: the network cannot run on such an input.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.constant_(layer.weight, -3.0)
        >>> synflow(layer, (2,))
        6.0
    """
    copy = _linearized(net)
    weights = [layer.weight for layer in weighted_layers(copy)]
    if not weights:
        return 0.0
    flow = run(copy, torch.ones(1, *shape, dtype=torch.float64, device=weights[0].device)).sum()
    if not flow.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(flow, weights, allow_unused=True)
    pairs = zip(weights, gradients, strict=True)
    return float(sum((w.detach() * g).abs().sum() for w, g in pairs if g is not None))


def _linearized(net: nn.Module) -> nn.Module:
    """A copy in float64 with absolute values throughout and batch norms that do nothing."""
    copy = deepcopy(net).double().eval()
    for tensor in (*copy.parameters(), *copy.buffers()):
        if tensor.is_floating_point():
            tensor.data.abs_()
    for layer in weighted_layers(copy):
        layer.weight.requires_grad_()
    for module in copy.modules():
        if isinstance(module, _BatchNorm):
            module.forward = _identity
    return copy


def _identity(input: torch.Tensor) -> torch.Tensor:
    return input


@dataclass(frozen=True, kw_only=True)
class SynFlow(Proxy):
    """ln of `synflow`: the sum spans sixty powers of ten, so its logarithm is the score.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> for module in net.parameters():
        ...     _ = nn.init.ones_(module)
        >>> SYNFLOW.score(Subject(net), Data.gaussian((1, 2, 2), 2, n=1)) == log(8)
        True
    """

    name: str = "synflow"
    better: Direction = "higher"
    cost: str = "1 forward and 1 backward of 1 input in float64"
    randomness: str = "none; of the data only the shape is read"
    degenerate: str = "-inf for a disconnected or all-zero network, and if a weight is not finite"
    reference: str = "Tanaka et al., SynFlow, NeurIPS 2020; SamsungLabs/zero-cost-nas, measures/synflow.py, bn=False"

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one network, as `Proxy.score` says."""
        total = synflow(subject.network(self.name), input_shape(self.name, subject, data))
        return self.worst if isnan(total) or total <= 0 else log(total)


SYNFLOW = SynFlow()
