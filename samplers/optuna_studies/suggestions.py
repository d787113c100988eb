"""What Optuna suggests and what decisions can be: one variant of a feasible set under decisions made by name and value.

This module loads Optuna.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from samplers.optuna_studies.completion import distances, nearest, possible
from solvers.sets.feasible_set import FeasibleSet
from spaces.language.layer import option_label
from spaces.program.variants import Decision

__all__ = ["NEVER", "VariantMembers", "is_same", "value_of"]

#: The distance of an option that is ruled out: more than all decisions together can differ by.
NEVER = 1 << 40


class VariantMembers:
    """One variant of the set."""

    def __init__(self, fs: FeasibleSet, position: int, label: str) -> None:
        self.position, self.label = position, label
        self.decisions = fs.program.variants[position].decisions
        self.places = {decision.label: t for t, decision in enumerate(self.decisions)}
        self._tree, self._root = fs.tree.chain(position)

    def nearest(self, costs: Sequence[NDArray[np.int64]], source: random.Random) -> list[int] | None:
        """The member of least distance, or None where all are ruled out."""
        row = nearest(self._tree, self._root, costs, source)
        return row if all(cost[x] < NEVER for cost, x in zip(costs, row, strict=True)) else None

    def masks(self, made: Mapping[str, Any]) -> list[NDArray[np.bool_]]:
        """Per decision, which options agree with what was made."""
        return [
            np.array([d.label not in made or is_same(option, made[d.label]) for option in d.options])
            for d in self.decisions
        ]

    def costs(
        self, wish: Mapping[str, Any], space: Mapping[str, BaseDistribution], made: Mapping[str, Any]
    ) -> list[NDArray[np.int64]]:
        """Per decision, how far each option is from the wish."""
        result = []
        for decision, mask in zip(self.decisions, self.masks(made), strict=True):
            cost = np.zeros(len(decision.options), np.int64)
            if decision.label in wish:
                at = [x for x, option in enumerate(decision.options) if is_same(option, wish[decision.label])]
                cost = distances(decision, at[0]) if at else _strange(decision, wish[decision.label])
                mask = mask & [value_of(option, space[decision.label]) is not None for option in decision.options]
            result.append(np.where(mask, cost, NEVER))
        return result

    def possible(self, name: str, made: Mapping[str, Any]) -> tuple[Decision, NDArray[np.bool_]]:
        """Which options of a decision agree with what was made."""
        place = self.places[name]
        fixed = self._fixed(made)
        if fixed is None:
            return self.decisions[place], np.zeros(0, np.bool_)
        return self.decisions[place], possible(self._tree, self._root, fixed, place)

    def has(self, made: Mapping[str, Any]) -> bool:
        """Whether some member agrees with what was made."""
        fixed = self._fixed(made)
        if fixed is None:
            return False
        if not fixed:
            return True
        place, option = fixed.popitem()
        return bool(possible(self._tree, self._root, fixed, place)[option])

    def _fixed(self, made: Mapping[str, Any]) -> dict[int, int] | None:
        """Number of a decision -> index of its option; None where a value is no option."""
        result = {}
        for name, place in self.places.items():
            if name in made:
                at = [x for x, option in enumerate(self.decisions[place].options) if is_same(option, made[name])]
                if not at:
                    return None
                result[place] = at[0]
        return result


def is_same(option: Any, value: Any) -> bool:
    """Whether Optuna's value means an option: the same number, or the same text."""
    if _is_number(option) and _is_number(value):
        return float(option) == float(value)
    return option_label(option) == (value if isinstance(value, str) else option_label(value))


def _is_number(value: Any) -> bool:
    return not isinstance(value, str | tuple | bool | None)


def value_of(option: Any, distribution: BaseDistribution) -> Any:
    """The value of a distribution that means an option; None where there is none."""
    if isinstance(distribution, CategoricalDistribution):
        return next((choice for choice in distribution.choices if choice is not None and is_same(option, choice)), None)
    if isinstance(option, str) and option.isdecimal():
        option = int(option)
    if not _is_number(option) or not isinstance(distribution, IntDistribution | FloatDistribution):
        return None
    value = float(option)
    if not distribution.low <= value <= distribution.high:
        return None
    if distribution.step is not None and not distribution.log:
        steps = (value - distribution.low) / distribution.step
        if abs(steps - round(steps)) > 1e-8:
            return None
    if isinstance(distribution, FloatDistribution):
        return value
    return int(value) if value.is_integer() else None


def _strange(decision: Decision, value: Any) -> NDArray[np.int64]:
    """Distances from a value that is no option: by number where there are numbers, else none is nearer."""
    if not decision.numeric or not _is_number(value):
        return np.zeros(len(decision.options), np.int64)
    return distances(decision, int(np.argmin([abs(float(option) - float(value)) for option in decision.options])))
