"""Two objectives: the subset of largest hypervolume by dynamic programming, in O(n (k + log n)).

Along a front of two objectives, sorted by the first, each chosen point dominates a rectangle of its own up to the next
chosen one. So the best j points that end at point i extend the best j - 1 points that end at some h before it:

    V_j(i) = max over h < i of V_{j-1}(h) + (x_i - x_h) * (r_y - y_h),

which for each h is a straight line in x_i, of a slope that grows with h. The maximum over h is the upper envelope of
the lines, walked once per j (Bringmann, Friedrich & Klitzke 2014, "Two-dimensional subset selection for hypervolume and
epsilon-indicator").
"""

from __future__ import annotations

import numpy as np

from samplers.subset.free_region import Front

__all__ = ["best_in_the_plane"]

_NONE = -1


def best_in_the_plane(front: Front, k: int) -> list[int]:
    """The k points of a front of two objectives that have the largest hypervolume.

    Args:
        front: the points.
        k: how many, at least 1 and at most as many as there are.

    Returns:
        Indices, by ascending first objective.

    Example:
        >>> best_in_the_plane(Front(np.array([[0.9, 0], [0.4, 0.4], [0, 0.9]]), np.ones(2)), 1)
        [1]
    """
    order = np.argsort(front.points[:, 0], kind="stable")
    xs = front.points[order, 0].tolist()
    heights = (front.reference[1] - front.points[order, 1]).tolist()
    values, before = [0.0] * len(xs), []
    for chosen in range(1, k):
        values, links = _extended(xs, heights, values, chosen)
        before.append(links)
    front.evaluations += k * len(xs)
    right = float(front.reference[0])
    whole = [v + (right - x) * height for v, x, height in zip(values, xs, heights, strict=True)]
    path = [max(range(k - 1, len(xs)), key=whole.__getitem__)]
    for links in reversed(before):
        path.append(links[path[-1]])
    return [int(order[i]) for i in reversed(path)]


def _extended(xs: list[float], heights: list[float], values: list[float], chosen: int) -> tuple[list[float], list[int]]:
    """From V_{chosen} to V_{chosen + 1}, and for each point the one before it."""
    result, links = [-np.inf] * len(xs), [_NONE] * len(xs)
    starts = [v - x * height for v, x, height in zip(values, xs, heights, strict=True)]
    envelope: list[int] = []
    at = 0
    for i in range(chosen, len(xs)):
        _add_line(envelope, i - 1, heights, starts)
        at = min(at, len(envelope) - 1)
        # Queries grow, so the line that is on top only moves on.
        while at + 1 < len(envelope) and _height(envelope[at + 1], xs[i], heights, starts) >= _height(
            envelope[at], xs[i], heights, starts
        ):
            at += 1
        links[i] = envelope[at]
        result[i] = _height(envelope[at], xs[i], heights, starts)
    return result, links


def _height(h: int, x: float, slopes: list[float], starts: list[float]) -> float:
    return starts[h] + slopes[h] * x


def _add_line(envelope: list[int], new: int, slopes: list[float], starts: list[float]) -> None:
    """Put the steepest line on the envelope, and take off those that it covers."""
    while len(envelope) >= 2:
        first, middle = envelope[-2], envelope[-1]
        # The new line overtakes the first one before the middle one does.
        if (starts[first] - starts[new]) * (slopes[middle] - slopes[first]) > (starts[first] - starts[middle]) * (
            slopes[new] - slopes[first]
        ):
            break
        envelope.pop()
    envelope.append(new)
