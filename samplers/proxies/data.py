"""The labelled examples that a proxy sees: some of the user's data, or Gaussian noise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch

__all__ = ["Data"]


@dataclass(frozen=True, eq=False)
class Data:
    """Labelled examples.

    Args:
        images: float32 [n, ...input shape], channels first.
        labels: int64 [n], from 0.
        source: where they come from, for reports.
        valid: others, by which a search judges that learns from these.

    Example:
        >>> data = Data.gaussian((3, 8, 8), classes=10, n=4, seed=0)
        >>> data.images.shape, len(data), data.source
        (torch.Size([4, 3, 8, 8]), 4, 'Gaussian noise N(0, 1), random labels of 10 classes, seed 0')
    """

    images: torch.Tensor
    labels: torch.Tensor
    source: str
    valid: Data | None = None

    def __repr__(self) -> str:
        return f"<Data of {len(self)} examples, {self.source}, {self.digest}>"

    @cached_property
    def digest(self) -> str:
        """Tells examples apart, wherever they come from."""
        parts = [self.images, self.labels, *([self.valid.images, self.valid.labels] if self.valid else [])]
        return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()

    def parted(self, n: int) -> Data:
        """The first n examples, and the others to judge by.

        Example:
            >>> data = Data.gaussian((2,), classes=3, n=5).parted(4)
            >>> len(data), len(data.valid)
            (4, 1)
        """
        valid = Data(self.images[n:], self.labels[n:], self.source)
        return Data(self.images[:n], self.labels[:n], self.source, valid)

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
