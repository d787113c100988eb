"""What an epoch of training has brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Epoch"]


@dataclass(frozen=True)
class Epoch:
    """One epoch.

    Args:
        number: from 0.
        lr: its learning rate.
        loss: mean loss over its batches, as they were met.
        valid: metrics of the validation part, after it.
        seconds: that it took; no part of equality.

    Example:
        >>> Epoch(0, 0.1, 2.0, {"loss": 1.0}, 3.5) == Epoch(0, 0.1, 2.0, {"loss": 1.0}, 4.5)
        True
    """

    number: int
    lr: float
    loss: float
    valid: Mapping[str, float]
    seconds: float = field(compare=False)
