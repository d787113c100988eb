"""What Optuna suggests and what decisions can be: one variant of a feasible set under decisions made by name and value.

This module loads Optuna.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from samplers.optuna_studies.completion import distances, nearest, possible, without
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.tree import Level
from spaces.language.layer import option_label
from spaces.program.variants import Decision, Variant

__all__ = ["NEVER", "VariantMembers", "is_same", "value_of"]

#: The distance of an option that is ruled out: more than all decisions together can differ by.
NEVER = 1 << 40


@dataclass(frozen=True, eq=False)
class VariantMembers:
    """Members of one variant of the set.

    Args:
        position: of the variant in the program.
        variant: the variant.
        traits: what is the same for all its members, name -> value: its label, and the choices that shape it.
        levels: of the tree, first decision first.
        root: of the tree; 0 where there are no members.
    """

    position: int
    variant: Variant
    traits: Mapping[str, Any]
    levels: Sequence[Level]
    root: int

    @classmethod
    def of(cls, fs: FeasibleSet, position: int, name: str) -> Self:
        """All members of a variant.

        Args:
            fs: the set.
            position: of the variant.
            name: of the trait that is the variant's label.
        """
        variant = fs.program.variants[position]
        return cls(position, variant, {name: variant.label, **variant.constants}, *fs.tree.chain(position))

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Of the variant."""
        return self.variant.decisions

    @cached_property
    def places(self) -> dict[str, int]:
        """Label of a decision -> its number."""
        return {decision.label: t for t, decision in enumerate(self.decisions)}

    def without(self, rows: Collection[tuple[int, ...]]) -> Self:
        """The members but some."""
        if not rows:
            return self
        array = np.array(list(rows), np.int64).reshape(len(rows), len(self.decisions))
        levels, root = without(self.levels, self.root, array)
        return replace(self, levels=levels, root=root)

    def has_traits(self, made: Mapping[str, Any]) -> bool:
        """Whether no trait is otherwise than it was made."""
        return all(name not in made or is_same(value, made[name]) for name, value in self.traits.items())

    def known(self, made: Mapping[str, Any]) -> int:
        """How many of the names mean something in this variant."""
        return sum(name in self.traits or name in self.places for name in made)

    def agrees(self, row: Sequence[int], made: Mapping[str, Any]) -> bool:
        """Whether a member has what was made."""
        masks = self.masks(made)
        return self.has_traits(made) and all(mask[x] for mask, x in zip(masks, row, strict=True))

    def masks(
        self, made: Mapping[str, Any], space: Mapping[str, BaseDistribution] = MappingProxyType({})
    ) -> list[NDArray[np.bool_]]:
        """Per decision, which options agree with what was made, and else with the distribution where there is one."""
        return [
            np.array([
                is_same(option, made[d.label])
                if d.label in made
                else d.label not in space or value_of(option, space[d.label]) is not None
                for option in d.options
            ])
            for d in self.decisions
        ]  # fmt: skip

    def costs(
        self, wish: Mapping[str, Any], space: Mapping[str, BaseDistribution], masks: Sequence[NDArray[np.bool_]]
    ) -> list[NDArray[np.int64]]:
        """Per decision, how far each option is from the wish."""
        result = []
        for decision, mask in zip(self.decisions, masks, strict=True):
            cost = np.zeros(len(decision.options), np.int64)
            if decision.label in wish:
                at = [x for x, option in enumerate(decision.options) if is_same(option, wish[decision.label])]
                cost = distances(decision, at[0]) if at else _strange(decision, wish[decision.label])
                mask = mask & [value_of(option, space[decision.label]) is not None for option in decision.options]
            result.append(np.where(mask, cost, NEVER))
        return result

    def nearest(self, costs: Sequence[NDArray[np.int64]], source: random.Random) -> list[int] | None:
        """The member of least distance, or None where all are ruled out."""
        if not self.root:
            return None
        row = nearest(self.levels, self.root, costs, source)
        return row if all(cost[x] < NEVER for cost, x in zip(costs, row, strict=True)) else None

    def draw(self, masks: Sequence[NDArray[np.bool_]], source: random.Random) -> list[int] | None:
        """One of the members with options that are allowed, all alike; None where there is none."""
        return self.nearest([np.where(mask, 0, NEVER) for mask in masks], source)

    def possible(self, place: int, masks: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Which options of a decision members have whose others are allowed."""
        restricted = {t: mask for t, mask in enumerate(masks) if not mask.all()}
        found = possible(self.levels, self.root, restricted, place)[: len(masks[place])]
        return found & masks[place]

    def has(self, masks: Sequence[NDArray[np.bool_]]) -> bool:
        """Whether there is a member with options that are allowed."""
        return bool(self.possible(0, masks).any()) if masks else bool(self.root)


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
