"""Small data sets that can be learnt, and small networks that can learn them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nascompile.data.dataset import Dataset, Part

torch.set_num_threads(1)

CLASSES = 3


def blobs(n: int = 120, *, noise: float = 0.6, seed: int = 0) -> Dataset:
    """Images 1 x 8 x 6 of three classes, each one bright in a third of its own."""
    rng = np.random.default_rng(seed)

    def part(examples: int) -> Part:
        y = rng.integers(0, CLASSES, examples)
        x = rng.normal(0, noise, (examples, 1, 8, 6))
        for k, label in enumerate(y):
            x[k, :, :, 2 * label : 2 * label + 2] += 1
        return Part(x.astype(np.float32), y.astype(np.int64))

    return Dataset("classification", part(n), part(n // 2), part(n // 2), ("left", "middle", "right"))


def ramps(n: int = 128, *, seed: int = 0) -> Dataset:
    """Vectors of 12 on a plane through the origin; half of the test is off it."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(2, 12))

    def part(examples: int, odd: int) -> Part:
        x = rng.normal(size=(examples, 2)) @ basis
        x[:odd] += rng.normal(0, 1, (odd, 12))
        return Part(x.astype(np.float32), (np.arange(examples) < odd).astype(np.int64))

    return Dataset("anomaly", part(n, 0), part(n // 2, 0), part(n // 2, n // 4), ("normal", "anomaly"))


def small_network(seed: int = 1) -> nn.Module:
    """Two convolutions with batch norms and dropout, so that every kind of state matters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.1),
            nn.Conv2d(6, 6, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, CLASSES),
        )  # fmt: skip


def depthwise_network(seed: int = 1) -> nn.Module:
    """As MobileNet's blocks: trained with the channels last in memory."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.1),
            nn.Conv2d(6, 6, 3, stride=2, groups=6), nn.Conv2d(6, 8, 1), nn.ReLU(), nn.Flatten(), nn.Linear(48, CLASSES),
        )  # fmt: skip


def autoencoder(seed: int = 1) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(12, 2), nn.Linear(2, 12))


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Bit for bit."""
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
