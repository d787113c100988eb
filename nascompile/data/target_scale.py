"""Numbers to predict, brought to mean 0 and deviation 1 on the training part, so that any recipe can learn them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import bad_data

__all__ = ["TargetScale", "check_finite_targets"]


@dataclass(frozen=True, eq=False)
class TargetScale:
    """value = mean + deviation * what a network gives, for each of its outputs.

    Args:
        mean: [outputs], of the training part, in the data's own unit; empty where nothing is to be scaled.
        deviation: [outputs], above 0.
    """

    mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    deviation: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    @property
    def units(self) -> tuple[float, ...]:
        """As `Part.units` has them."""
        return tuple(self.deviation.tolist())

    @classmethod
    def measured(cls, y: NDArray[np.float64], source: str) -> TargetScale:
        """Of the targets of the training part.

        Args:
            y: [n, outputs].
            source: of the data, for messages.

        Raises:
            FileError: an output has one value only: there is nothing to predict.

        Example:
            >>> scale = TargetScale.measured(np.array([[10.0], [30.0]]), "a.npz")
            >>> scale.mean.item(), scale.deviation.item(), scale.apply(np.array([[30.0]])).item()
            (20.0, 10.0, 1.0)
        """
        mean, deviation = y.mean(0), y.std(0)
        constant = deviation <= 1e-12 * np.maximum(1, np.abs(mean))
        if constant.any():
            number = int(np.argmax(constant))
            message = f"target {number} of `{source}` is {mean[number]:g} in all of the training part"
            raise bad_data(message, "give targets that differ, or leave this one out", "few-classes")
        return cls(mean, deviation)

    def apply(self, y: NDArray[np.float64]) -> NDArray[np.float32]:
        """[n, outputs], as a network learns them."""
        return ((y - self.mean) / self.deviation if len(self.mean) else y).astype(np.float32)

    def record(self) -> dict[str, Any]:
        """What a device needs to turn outputs into values."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}


def check_finite_targets(y: NDArray[np.float64], where: Callable[[int], str]) -> None:
    """Raises unless all targets are numbers.

    Raises:
        FileError: it names the first example whose target is none.
    """
    good = np.isfinite(y).all(1)
    if not good.all():
        message = f"the target of {where(int(np.argmin(good)))} is NaN, infinite or missing"
        raise bad_data(message, "fill it, or remove the example", "not-finite")
