"""Anchors: the few box sizes from which a detector predicts all others, measured on the training part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Anchors", "fit_anchors"]

#: Widths and heights, as shares of the image, the smallest area first.
Anchors = tuple[tuple[float, float], ...]

#: As shares are written; what another number of threads rounds otherwise is smaller.
_DIGITS = 4


def fit_anchors(boxes: Sequence[NDArray[np.float32]], count: int, seed: int = 0) -> Anchors:
    """Typical sizes of boxes: the centres of k-means over (log width, log height).

    YOLOv5 takes k-means over widths and heights. What it then limits is the ratio of a box's sides to those of its
    anchor, and k-means of logarithms makes exactly these ratios small.

    Args:
        boxes: of each image [boxes, 5]: class, centre x, centre y, width, height as shares of the image.
        count: how many anchors; boxes of fewer sizes repeat the largest.
        seed: of k-means.

    Example:
        >>> small, large = ([0, 0.5, 0.5, side, 2 * side] for side in (0.1, 0.4))
        >>> fit_anchors([np.array([small, large], np.float32)] * 5, 2)
        ((0.1, 0.2), (0.4, 0.8))
    """
    sides = np.concatenate([b[:, 3:] for b in boxes]).astype(np.float64)
    distinct = np.unique(sides, axis=0)
    found = distinct if len(distinct) <= count else _centres(sides, count, seed)
    ordered = sorted(found.round(_DIGITS).clip(10.0**-_DIGITS, 1).tolist(), key=lambda side: (side[0] * side[1], side))
    return tuple((width, height) for width, height in ordered + [ordered[-1]] * (count - len(ordered)))


def _centres(sides: NDArray[np.float64], count: int, seed: int) -> NDArray[np.float64]:
    from sklearn.cluster import KMeans

    result = KMeans(count, n_init=10, random_state=seed).fit(np.log(sides))  # pyright: ignore[reportArgumentType]
    return np.exp(result.cluster_centers_)
