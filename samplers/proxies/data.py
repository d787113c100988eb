"""The labelled examples that a proxy sees: some of the user's data, or Gaussian noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Data"]


@dataclass(frozen=True, eq=False)
class Data:
    """Labelled examples.

    Args:
        images: float32 [n, ...input shape], channels first.
        labels: int64 [n], from 0.
        source: where they come from, for reports.

    Example:
        >>> data = Data.gaussian((3, 8, 8), classes=10, n=4, seed=0)
        >>> data.images.shape, len(data), data.source
        (torch.Size([4, 3, 8, 8]), 4, 'Gaussian noise N(0, 1), random labels of 10 classes, seed 0')
    """

    images: torch.Tensor
    labels: torch.Tensor
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def gaussian(cls, shape: tuple[int, ...], classes: int, n: int, seed: int = 0) -> Data:
        """Noise in place of data: images drawn from N(0, 1), labels uniformly.

        Args:
            shape: of one input, channels first.
            classes: number of classes.
            n: number of examples.
            seed: seeds both.
        """
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(n, *shape, generator=generator)
        labels = torch.randint(0, classes, (n,), generator=generator)
        return cls(images, labels, f"Gaussian noise N(0, 1), random labels of {classes} classes, seed {seed}")
