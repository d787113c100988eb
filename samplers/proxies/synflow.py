"""SynFlow: how much flows along all paths of the network, were its weights positive and its inputs all ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from math import frexp, inf, isfinite, isnan, log, nan
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from samplers.proxies.base import Direction, Proxy, Subject
from samplers.proxies.data import Data
from samplers.proxies.inputs import input_shape, run
from samplers.proxies.network import weighted_layers
from spaces.networks.network import Network

__all__ = ["SYNFLOW", "SynFlow", "log_synflow"]

#: Binary exponents within which flows stay, and to which one beyond is taken back.
_MOST, _BACK = 200, 100


def log_synflow(net: nn.Module, shape: tuple[int, ...]) -> float:
    """ln of the sum over weights of |w dR/dw|, R the sum of the outputs for one input of ones (Tanaka et al., Eq. 3).

    All parameters and buffers are replaced by their absolute values and every batch norm by the identity; biases take
    part in R and are not summed. Computed in float64 on a copy, in evaluation mode: without batch norm the modes differ
    in dropout only.

    Flows grow with every layer, and leave the range of float64 after some hundred. R is homogeneous in what flows and
    the biases together, so between the layers of a chain (an `nn.Sequential`, or a `Network`) a flow beyond 2^200 is
    divided by a power of 2, as are all later biases, and the power is added to the logarithm.

    Args:
        net: the network, left as it was.
        shape: of one input, without the batch.

    Returns:
        The logarithm, 7 to 140 on usual networks; -inf for a disconnected network, NaN if a weight is not finite, inf
        where a network that is no chain overflows.

    Raises:
        ProxyError: the network cannot run on such an input.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> _ = nn.init.constant_(layer.weight, -3.0)
        >>> log_synflow(layer, (2,)) == log(6)
        True
        >>> deep = nn.Sequential(*(nn.Linear(1, 1, bias=False) for _ in range(400)))
        >>> for layer in deep:
        ...     _ = nn.init.constant_(layer.weight, 10.0)
        >>> round(log_synflow(deep, (1,)) / log(10), 3)  # 400 times 10^400
        402.602
    """
    copy = _linearized(net)
    weights = [layer.weight for layer in weighted_layers(copy)]
    if not weights:
        return -inf
    scale = _Scale()
    for layer in _chain(copy):
        layer.register_forward_pre_hook(scale.before)
        layer.register_forward_hook(scale.after)
    flow = run(copy, torch.ones(1, *shape, dtype=torch.float64, device=weights[0].device)).sum()
    if not flow.requires_grad:
        return -inf
    gradients = torch.autograd.grad(flow, weights, allow_unused=True)
    pairs = zip(weights, gradients, strict=True)
    total = float(sum((w.detach() * g).abs().sum() for w, g in pairs if g is not None))
    if total <= 0:
        return -inf
    return log(total) + scale.exponent * log(2) if isfinite(total) else total


def _chain(net: nn.Module) -> nn.Sequential | tuple[()]:
    """The layers through which, one after another, all of a network flows; none where that is not known."""
    layers = net.layers if isinstance(net, Network) else net
    return layers if isinstance(layers, nn.Sequential) else ()


class _Scale:
    """Takes back what flows between layers; `exponent` is the power of 2 by which it has been divided."""

    def __init__(self) -> None:
        self.exponent = 0
        self._biases: dict[nn.Module, int] = {}

    def before(self, layer: nn.Module, inputs: Any) -> None:
        over = self.exponent - self._biases.get(layer, 0)
        self._biases[layer] = self.exponent
        for name, parameter in layer.named_parameters() if over else ():
            if name.rpartition(".")[2] == "bias":
                parameter.data.mul_(2.0**-over)

    def after(self, layer: nn.Module, inputs: Any, output: Any) -> torch.Tensor | None:
        most = float(output.detach().abs().max()) if isinstance(output, torch.Tensor) and output.numel() else nan
        exponent = frexp(most)[1] if isfinite(most) and most else 0
        if abs(exponent) <= _MOST:
            return None
        over = exponent - _BACK if exponent > 0 else exponent + _BACK
        self.exponent += over
        return output * 2.0**-over


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
    """See `log_synflow`: the sum spans hundreds of powers of ten, so its logarithm is the score.

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
    degenerate: str = "-inf for a disconnected or all-zero network, if a weight is not finite, and after overflow"
    reference: str = "Tanaka et al., SynFlow, NeurIPS 2020; SamsungLabs/zero-cost-nas, measures/synflow.py, bn=False"

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one network, as `Proxy.score` says."""
        found = log_synflow(subject.network(self.name), input_shape(self.name, subject, data))
        return self.worst if isnan(found) or found == inf else found


SYNFLOW = SynFlow()
