"""Of networks, each a value against some costs: their front, and the few of it that are worth keeping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from samplers.subset.dominance import as_minimised, non_dominated
from samplers.subset.free_region import Front
from samplers.subset.greedy import greedy
from samplers.subset.hypervolume import HypervolumeSelector
from samplers.subset.plane import best_in_the_plane

__all__ = ["Choice", "Measured", "best", "choose", "front"]

#: Where the volume of a front ends, normalised; see `samplers.subset.hypervolume`.
_REFERENCE = 1.1


class Measured(NamedTuple):
    """How good a network is.

    Args:
        value: the more, the better; None where it could not be measured, so that it is on no front.
        costs: the less, the better.
    """

    value: float | None
    costs: tuple[float, ...]


class Choice(NamedTuple):
    """What is kept.

    Args:
        numbers: of the networks, ascending.
        hypervolume: that they dominate, normalised.
        verdict: how good the choice is, in words.
    """

    numbers: tuple[int, ...]
    hypervolume: float
    verdict: str


def front(points: Mapping[int, Measured]) -> list[int]:
    """The networks that no other dominates; of equal ones the one of the lowest number.

    Example:
        >>> front({0: Measured(0.5, (9,)), 1: Measured(0.7, (9,)), 2: Measured(0.6, (4,)), 3: Measured(None, (1,))})
        [1, 2]
    """
    numbers = [number for number in sorted(points) if points[number].value is not None]
    if not numbers:
        return []
    kept = non_dominated(_values(points, numbers), _senses(points, numbers), keep_copies=False)
    return [number for number, there in zip(numbers, kept, strict=True) if there]


def best(points: Mapping[int, Measured], k: int) -> list[int]:
    """The k most promising networks, so that what is left still spans the front: front after front is taken as a whole,
    and of the one that is too large those that `choose` keeps.

    Args:
        points: by number.
        k: how many; fewer where fewer have a value.

    Returns:
        Their numbers, ascending.

    Example:
        >>> points = {k: Measured(value, (cost,)) for k, (value, cost) in enumerate([(5, 1), (5, 2), (9, 9), (4, 3)])}
        >>> best(points, 3)
        [0, 1, 2]
    """
    left, result = dict(points), list[int]()
    while len(result) < k and (first := front(left)):
        lacking = k - len(result)
        result += first if len(first) <= lacking else choose({n: left[n] for n in first}, lacking).numbers
        for number in first:
            del left[number]
    return sorted(result)


def choose(points: Mapping[int, Measured], k: int) -> Choice:
    """At most k networks of the front: always the best one, and with it those that dominate the largest hypervolume.

    Example:
        >>> points = {k: Measured(v, (c,)) for k, (v, c) in enumerate([(9, 90), (8.9, 20), (5, 19), (4, 30)])}
        >>> choose(points, 1).numbers, choose(points, 2).numbers, choose(points, 9).numbers
        ((0,), (0, 1), (0, 1, 2))
    """
    numbers = front(points)
    return _chosen(tuple((number, points[number]) for number in numbers), k) if numbers else Choice((), 0.0, "no front")


@lru_cache(maxsize=256)
def _chosen(members: tuple[tuple[int, Measured], ...], k: int) -> Choice:
    """As `choose`, of a front; kept, since a run asks at each of its steps about all rungs that are behind it."""
    points, numbers = dict(members), [number for number, _ in members]
    senses = _senses(points, numbers)
    values = _values(points, numbers)
    subset = HypervolumeSelector(k=min(k, len(numbers))).select(values, senses)
    most = max(value[0] for value in values)
    tops = [i for i, value in enumerate(values) if value[0] == most]
    whole = _scaled(values, senses)
    if k == 1:
        chosen, verdict = tops[:1], "the best one"
    elif len(numbers) <= k:
        chosen, verdict = range(len(numbers)), "the whole front"
    elif any(i in subset.chosen for i in tops):
        chosen, verdict = subset.chosen, _verdict(optimal=subset.optimal)
    else:
        chosen, verdict = _with(whole, tops[0], k), _verdict(optimal=len(senses) == 2)
    kept = sorted(chosen)
    return Choice(tuple(numbers[i] for i in kept), round(whole.value(kept), 12), verdict)


def _verdict(*, optimal: bool) -> str:
    return "the largest hypervolume with the best one" if optimal else "a large hypervolume with the best one"


def _with(whole: Front, top: int, k: int) -> list[int]:
    """The point `top`, and those k - 1 that add most to it: of two objectives the optimum, else by greedy choice."""
    if whole.objectives > 2:
        return greedy(whole, k, [top])
    others = [i for i in range(len(whole)) if i != top]
    if k == 1 or not others:
        return [top]
    # The best one is the dearest: all that it leaves undominated is cheaper, so its cost is where volume ends.
    reference = np.array([whole.reference[0], whole.points[top, 1]])
    rest = Front(whole.points[others], reference)
    return [top, *(others[i] for i in best_in_the_plane(rest, min(k - 1, len(others))))]


def _scaled(values: Sequence[Sequence[float]], senses: Sequence[str]) -> Front:
    """The points of a front, each objective from 0, the best, to 1, the worst."""
    points = as_minimised(values, senses)
    least, span = points.min(axis=0), np.ptp(points, axis=0)
    return Front((points - least) / np.where(span > 0, span, 1), np.full(len(senses), _REFERENCE))


def _values(points: Mapping[int, Measured], numbers: Sequence[int]) -> list[list[float]]:
    return [[float(points[n].value or 0.0), *points[n].costs] for n in numbers]


def _senses(points: Mapping[int, Measured], numbers: Sequence[int]) -> list[str]:
    return ["max"] + ["min"] * len(points[numbers[0]].costs)
