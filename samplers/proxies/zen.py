"""Zen-score: how much a network of Gaussian weights changes its features when its input changes a little."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from samplers.proxies.base import Direction, Proxy, ProxyError, Subject
from samplers.proxies.data import Data
from samplers.proxies.initialisation import gaussian_
from samplers.proxies.inputs import input_shape, run
from samplers.proxies.network import place, reproducible

__all__ = ["ZEN", "Statistics", "Zen", "zen", "zen_of_inputs"]

Statistics = Literal["running", "batch"]

_MOMENTUM: dict[str, float] = {"running": 0.1, "batch": 1.0}

_POOLS = (
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
)


def zen(
    net: nn.Module,
    shape: tuple[int, ...],
    batch: int,
    repeats: int,
    gamma: float,
    generator: torch.Generator,
    statistics: Statistics = "running",
) -> float:
    """The mean of `zen_of_inputs` over repeats with fresh Gaussian weights and inputs (Lin et al., Algorithm 1).

    Args:
        net: the network, left as it was; its weights do not matter.
        shape: of one input, without the batch.
        batch: number of inputs.
        repeats: number of repeats; running variances carry over from one to the next, as in the authors' code.
        gamma: size of the change of the input.
        generator: draws weights and inputs, on the CPU.
        statistics: see `zen_of_inputs`.

    Returns:
        The mean; -inf where the features do not change in some repeat, NaN or infinite after overflow.

    Raises:
        ProxyError: the network has neither global pooling nor a linear layer, or cannot run on such inputs.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> zen(net, (3, 8, 8), 4, 1, 0.01, torch.Generator().manual_seed(0)) > 0
        True
    """
    copy = _fresh(net)
    device, dtype = place(copy)
    total = 0.0
    for _ in range(repeats):
        gaussian_(copy, generator)
        x, noise = (torch.randn(batch, *shape, generator=generator).to(device, dtype) for _ in range(2))
        total += _change(copy, x, noise, gamma, statistics)
    return total / repeats


def zen_of_inputs(
    net: nn.Module, x: torch.Tensor, noise: torch.Tensor, gamma: float = 0.01, statistics: Statistics = "running"
) -> float:
    """ln mean_b |f(x) - f(x + gamma e)|_1 + sum over batch norms of ln sqrt(mean_c var_c), with the weights at hand.

    f are the features: the input of the module that the attribute `net.features_end` names, or else of the adaptive
    pooling that is called last; so pooling inside squeeze-and-excitation is not mistaken for it; or else of the last
    linear layer. Batch norms called before it take part.

    Args:
        net: the network, left as it was; its running variances are taken to be 1.
        x: inputs [n, ...].
        noise: e, of the same shape.
        gamma: size of the change.
        statistics: `running`: var is the running variance as the authors' code leaves it, 0.81 + 0.09 var(x) +
            0.1 var(x + gamma e) after one repeat. `batch`: that of the batch, as in the paper (of the changed one).

    Returns:
        The score; -inf where the features do not change, NaN or infinite after overflow.

    Raises:
        ProxyError: the network has neither global pooling nor a linear layer, or cannot run on such inputs.
    """
    return _change(_fresh(net), x, noise, gamma, statistics)


def _fresh(net: nn.Module) -> nn.Module:
    """A copy in training mode whose batch norms track statistics that start anew."""
    copy = deepcopy(net).train()
    device, dtype = place(copy)
    for norm in (m for m in copy.modules() if isinstance(m, _BatchNorm)):
        norm.track_running_stats = True
        norm.running_mean = torch.zeros(norm.num_features, device=device, dtype=dtype)
        norm.running_var = torch.ones(norm.num_features, device=device, dtype=dtype)
        norm.num_batches_tracked = torch.zeros((), device=device, dtype=torch.int64)
    return copy


@torch.no_grad()
def _change(net: nn.Module, x: torch.Tensor, noise: torch.Tensor, gamma: float, statistics: Statistics) -> float:
    """One repeat on a network that may be altered."""
    for norm in (m for m in net.modules() if isinstance(m, _BatchNorm)):
        norm.momentum = _MOMENTUM[statistics]
    (before, norms), (after, _) = _features(net, x), _features(net, x + gamma * noise)
    change = (before - after).abs().flatten(1).sum(1).mean()
    deviations = [norm.running_var.mean().sqrt().log() for norm in norms if norm.running_var is not None]
    return float(change.log() + sum(deviations, start=torch.zeros_like(change)))


def _features(net: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, list[_BatchNorm]]:
    """The input of the global pooling, or of the last linear layer, and the batch norms called before it, each once."""
    named = getattr(net, "features_end", None)
    ends = (net.get_submodule(named),) if isinstance(named, str) else ()
    norms: dict[_BatchNorm, None] = {}
    result: list[tuple[torch.Tensor, list[_BatchNorm]]] = []
    linear: list[tuple[torch.Tensor, list[_BatchNorm]]] = []

    def see(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, _BatchNorm):
            norms[module] = None
        if module in ends or (not ends and isinstance(module, _POOLS)):
            result.append((inputs[0].clone(), list(norms)))
        elif isinstance(module, nn.Linear):
            linear[:] = [(inputs[0].clone(), list(norms))]

    handles = [module.register_forward_pre_hook(see) for module in net.modules()]
    try:
        run(net, x)
    finally:
        for handle in handles:
            handle.remove()
    if not result and (ends or not linear):
        hint = "give the network an `nn.AdaptiveAvgPool2d`, or an attribute `features_end` that names a module it calls"
        raise ProxyError.of("no-features", "the network has no global pooling, and no linear layer, for `zen`", hint)
    return (result or linear)[-1]


@dataclass(frozen=True, kw_only=True)
class Zen(Proxy):
    """Zen-score of Gaussian inputs. Its authors do not recommend it for networks whose branches skip.

    Args:
        batch: number of inputs; the authors' searches take 64.
        repeats: with fresh weights and inputs, averaged.
        gamma: size of the change of the input.
        statistics: `running` as the authors' code, `batch` as the paper.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> ZEN.score(Subject(net), Data.gaussian((3, 8, 8), 2, n=1)) > 0
        True
    """

    name: str = "zen"
    better: Direction = "higher"
    cost: str = "2 forwards of 64 inputs"
    randomness: str = "weights and inputs; of the data only the shape is read, of the network no weights"
    degenerate: str = "-inf for features that do not change with the input, and after overflow"
    reference: str = "Lin et al., Zen-NAS, ICCV 2021; code idstcv/ZenNAS, ZeroShotProxy/compute_zen_score.py"
    batch: int = 64
    repeats: int = 1
    gamma: float = 0.01
    statistics: Statistics = "running"

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one network, as `Proxy.score` says."""
        net, shape = subject.network(self.name), input_shape(self.name, subject, data)
        generator = torch.Generator().manual_seed(seed)
        with reproducible(place(net)[0], seed):
            value = zen(
                net, shape, self.batch, self.repeats, self.gamma, generator=generator, statistics=self.statistics
            )
        return value if isfinite(value) else self.worst


ZEN = Zen()
