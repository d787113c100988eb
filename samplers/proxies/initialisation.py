"""How proxies draw a network's weights: Kaiming normal for TE-NAS's indicators, plain Gaussian for the Zen-score."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from samplers.proxies.network import weighted_layers

__all__ = ["FanMode", "gaussian_", "kaiming_normal_"]

FanMode = Literal["fan_in", "fan_out"]


def kaiming_normal_(net: nn.Module, mode: FanMode, generator: torch.Generator) -> None:
    """Weights from N(0, 2 / fan), biases 0, scales of norms 1 and shifts 0; in place (He et al., 2015).

    TE-NAS takes `fan_out` for the neural tangent kernel and `fan_in` for linear regions.

    Args:
        net: its convolutions, linear layers and norms are set; other parameters keep their values.
        mode: which fan.
        generator: on the CPU, so that the numbers do not depend on the device.

    Example:
        >>> layer = nn.Linear(50, 200)
        >>> kaiming_normal_(layer, "fan_in", torch.Generator().manual_seed(0))
        >>> round(layer.weight.std().item(), 1), layer.bias.abs().max().item()
        (0.2, 0.0)
    """
    for layer in weighted_layers(net):
        drawn = torch.empty(layer.weight.shape)
        nn.init.kaiming_normal_(drawn, mode=mode, nonlinearity="relu", generator=generator)
        layer.weight.data.copy_(drawn)
    _reset_rest(net)


def gaussian_(net: nn.Module, generator: torch.Generator) -> None:
    """Weights from N(0, 1), biases 0, scales of norms 1 and shifts 0; in place.

    Args:
        net: its convolutions, linear layers and norms are set; other parameters keep their values.
        generator: on the CPU, so that the numbers do not depend on the device.

    Example:
        >>> layer = nn.Linear(100, 100)
        >>> gaussian_(layer, torch.Generator().manual_seed(0))
        >>> round(layer.weight.std().item(), 1), layer.bias.abs().max().item()
        (1.0, 0.0)
    """
    for layer in weighted_layers(net):
        layer.weight.data.copy_(torch.randn(layer.weight.shape, generator=generator))
    _reset_rest(net)


def _reset_rest(net: nn.Module) -> None:
    """Biases and norms as every one of these initialisations has them."""
    for layer in weighted_layers(net):
        if layer.bias is not None:
            layer.bias.data.zero_()
    for norm in (m for m in net.modules() if isinstance(m, _BatchNorm | nn.GroupNorm)):
        for values, start in ((norm.weight, 1), (norm.bias, 0)):
            if values is not None:
                values.data.fill_(start)
