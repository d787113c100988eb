"""The three reference networks of ../shared/data/proxies, module for module, and NAS-Bench-201 networks of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "proxies"
CELL_11 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|none~0|nor_conv_3x3~1|avg_pool_3x3~2|"
CELL_284 = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|"
# One 1x1 and four 3x3 convolutions, as the cell of highest accuracy has (index 13714).
CELL_13714 = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


class ReLUConvBN(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.op = nn.Sequential(nn.ReLU(), convolution, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


class Pooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.op = nn.AvgPool2d(3, 1, 1, count_include_pad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.op(x)


class Zero(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul(0.0)


def operation(name: str, channels: int) -> nn.Module:
    if name.startswith("nor_conv"):
        return ReLUConvBN(channels, channels, int(name[-1]))
    return {"none": Zero, "skip_connect": nn.Identity, "avg_pool_3x3": Pooling}[name]()


class Cell(nn.Module):
    def __init__(self, text: str, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.nodes: list[list[tuple[int, int]]] = []
        for node in text.split("+"):
            edges = [edge.split("~") for edge in node.strip("|").split("|")]
            self.nodes.append([(len(self.layers) + i, int(source)) for i, (_, source) in enumerate(edges)])
            self.layers.extend(operation(name, channels) for name, _ in edges)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = [x]
        for edges in self.nodes:
            values.append(sum((self.layers[i](values[source]) for i, source in edges), start=torch.zeros(())))
        return values[-1]


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(inputs, outputs, 3, 2)
        self.conv_b = ReLUConvBN(outputs, outputs, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.downsample(x) + self.conv_b(self.conv_a(x))


class NasBench201(nn.Module):
    """The network of one NAS-Bench-201 cell."""

    def __init__(self, text: str, channels: int = 16, cells: int = 1, classes: int = 10) -> None:
        super().__init__()
        c = channels
        self.stem = nn.Sequential(nn.Conv2d(3, c, 3, padding=1, bias=False), nn.BatchNorm2d(c))
        blocks: list[nn.Module] = [Cell(text, c) for _ in range(cells)]
        for width in (2 * c, 4 * c):
            blocks.append(ResidualBlock(width // 2, width))
            blocks.extend(Cell(text, width) for _ in range(cells))
        self.cells = nn.ModuleList(blocks)
        self.lastact = nn.Sequential(nn.BatchNorm2d(4 * c), nn.ReLU())
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(4 * c, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for cell in self.cells:
            x = cell(x)
        return self.classifier(self.global_pooling(self.lastact(x)).flatten(1))


class PlainA(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, 1, 1)]
        self.features = nn.Sequential(*(layer for c in convolutions for layer in (c, nn.ReLU())))
        self.gap = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.gap(self.features(x)).flatten(1))


class PlainC(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 12, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(12, 12, 3, padding=1, groups=12), nn.Conv2d(12, 20, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(20, 28, 3, padding=1), nn.ReLU(inplace=True)),
        )
        self.gap = nn.AdaptiveAvgPool2d(2)
        self.fc1 = nn.Linear(112, 24)
        self.act = nn.ReLU()
        self.fc2 = nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.act(self.fc1(self.gap(self.features(x)).flatten(1))))


NETWORKS: dict[str, Any] = {"nb201_idx11": lambda: NasBench201(CELL_11), "plainA": PlainA, "plainC": PlainC}


def reference_network(name: str) -> nn.Module:
    """The network with its reference weights."""
    net = NETWORKS[name]()
    with np.load(FOLDER / f"{name}.npz") as arrays:
        net.load_state_dict({key: torch.from_numpy(arrays[key]) for key in arrays})
    return net
