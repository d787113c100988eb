"""Zen-score: repeats, both kinds of statistics, and where the features end."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import nn

from samplers.proxies.base import ProxyError
from samplers.proxies.zen import zen, zen_of_inputs
from tests.samplers.reference_networks import CELL_11, NasBench201, PlainA


def test_zen_averages_repeats_and_carries_statistics_over() -> None:
    net = NasBench201(CELL_11, channels=4)
    values = [zen(net, (3, 8, 8), 4, n, 0.01, torch.Generator().manual_seed(0)) for n in (1, 2)]
    assert values[0] != values[1]
    assert zen(net, (3, 8, 8), 4, 1, 0.01, torch.Generator().manual_seed(0)) == values[0]


def test_zen_with_statistics_of_the_batch_undoes_a_scaling_of_weights() -> None:
    torch.manual_seed(0)
    convolution, rest = nn.Conv2d(3, 4, 3), (nn.BatchNorm2d(4, eps=1e-12), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    net = nn.Sequential(convolution, *rest)
    x, noise = torch.randn(2, 4, 3, 8, 8)
    before = zen_of_inputs(net, x, noise, statistics="batch")
    with torch.no_grad():
        convolution.weight.mul_(7)
    # Lin et al.: the norm's variance makes up for what the norm divides away.
    assert zen_of_inputs(net, x, noise, statistics="batch") == pytest.approx(before + log(7), abs=1e-4)
    assert zen_of_inputs(net, x, noise) != pytest.approx(before, abs=1e-2)


def test_zen_takes_the_last_pool_or_the_named_module() -> None:
    class Squeezing(PlainA):
        def __init__(self) -> None:
            super().__init__()
            self.squeeze = nn.AdaptiveAvgPool2d(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.features(x)
            return self.fc(self.gap(x * self.squeeze(x).sigmoid()).flatten(1))

    x, noise = torch.randn(2, 4, 3, 8, 8)
    squeezing = Squeezing()
    last = zen_of_inputs(squeezing, x, noise)
    squeezing.features_end = "gap"
    assert zen_of_inputs(squeezing, x, noise) == last
    squeezing.features_end = "squeeze"
    assert zen_of_inputs(squeezing, x, noise) != last
    net = PlainA()
    plain = zen_of_inputs(net, x, noise)
    net.features_end = "fc"
    assert zen_of_inputs(net, x, noise) < plain
    with pytest.raises(ProxyError, match="no global pooling"):
        zen_of_inputs(nn.Conv2d(3, 4, 3), x, noise)
