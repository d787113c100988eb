"""TE-NAS's super-network: NAS-Bench-201 cells with all five operators on every edge, weighted by a softmax."""

from __future__ import annotations

import torch
from torch import nn

from tests.samplers.reference_networks import ResidualBlock, operation

OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


class SuperCell(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        pairs = [(i, j) for i in range(1, 4) for j in range(i)]
        self.edges = nn.ModuleDict(
            {f"{i}<-{j}": nn.ModuleList(operation(o, channels) for o in OPERATORS) for i, j in pairs}
        )

    def forward(self, x: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        values, edge = [x], 0
        for i in range(1, 4):
            terms = []
            for j in range(i):
                # As in TE-NAS, an operator that is pruned does not run, so its ReLUs are not counted.
                run = zip(self.edges[f"{i}<-{j}"], shares[edge], strict=True)
                terms.extend(module(values[j]) * share for module, share in run if share > 0.01)
                edge += 1
            values.append(sum(terms, start=torch.zeros(())))
        return values[-1]


class SuperNetwork(nn.Module):
    """With `thin`, one cell of one channel without stem; modules are made in the order of the authors' code."""

    def __init__(self, channels: int = 3, thin: bool = False, classes: int = 10) -> None:
        super().__init__()
        c, self.thin = channels, thin
        self.stem = nn.Sequential(nn.Conv2d(1 if thin else 3, c, 3, padding=1, bias=False), nn.BatchNorm2d(c))
        self.cells = nn.ModuleList([SuperCell(c)])
        for width in () if thin else (2 * c, 4 * c):
            self.cells.extend([ResidualBlock(width // 2, width), SuperCell(width)])
        last = c if thin else 4 * c
        self.lastact = nn.Sequential(nn.BatchNorm2d(last), nn.ReLU(inplace=True))
        self.global_pooling = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(last, classes)
        self.arch_parameters = nn.Parameter(1e-3 * torch.randn(6, len(OPERATORS)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shares = self.arch_parameters.softmax(-1)
        x = x if self.thin else self.stem(x)
        for cell in self.cells:
            x = cell(x, shares) if isinstance(cell, SuperCell) else cell(x)
        return self.classifier(self.global_pooling(self.lastact(x)).flatten(1))


def one_hot(text: str) -> torch.Tensor:
    """The architecture parameters that leave one operator per edge."""
    names = [edge.split("~")[0] for node in text.split("+") for edge in node.strip("|").split("|")]
    alphas = torch.full((len(names), len(OPERATORS)), -1000.0)
    alphas[range(len(names)), [OPERATORS.index(name) for name in names]] = 0
    return alphas
