"""The members of a feasible set that a trial can still have, and what it can suggest so as to have one of them.

This module loads Optuna.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from numpy.typing import NDArray
from optuna.distributions import BaseDistribution

from samplers.optuna_studies.held import Network
from samplers.optuna_studies.suggestions import NEVER, VariantMembers, is_same, value_of
from solvers.sets.feasible_set import FeasibleSet
from spaces.language.layer import option_label

__all__ = ["Left"]

#: Draws of a member until it is a new network.
_DRAWS = 30


@dataclass(frozen=True, eq=False)
class Left:
    """Members by variant, as far as they can be suggested.

    Args:
        variant: name of the trait that is the variant's label.
        chains: the variants that have members in the set.
        spaces: position of a variant -> label -> the distribution as which a decision is suggested, where it is known.
        traits: the same of traits.
        is_new: whether no other trial has the network that a member is; not all members that are none are taken out.
    """

    variant: str
    chains: Sequence[VariantMembers]
    spaces: Mapping[int, Mapping[str, BaseDistribution]]
    traits: Mapping[str, BaseDistribution]
    is_new: Callable[[Network], bool] = lambda network: True

    @classmethod
    def of(cls, fs: FeasibleSet, variant: str) -> Left:
        """All members of a set."""
        sizes = enumerate(fs.counts.values())
        return cls(variant, [VariantMembers.of(fs, v, variant) for v, size in sizes if size], {}, {})

    def without(
        self,
        taken: Collection[Network],
        spaces: Mapping[int, Mapping[str, BaseDistribution]],
        traits: Mapping[str, BaseDistribution],
        is_new: Callable[[Network], bool],
    ) -> Left:
        """Members but some, as far as they can be suggested."""
        rows: dict[int, list[tuple[int, ...]]] = {}
        for position, row in taken:
            rows.setdefault(position, []).append(row)
        chains = [chain.without(rows.get(chain.position, ())) for chain in self.chains]
        return replace(self, chains=chains, spaces=spaces, traits=traits, is_new=is_new)

    def __bool__(self) -> bool:
        return any(self._has(chain, {}) for chain in self.chains)

    @cached_property
    def trait_names(self) -> set[str]:
        """Of any variant."""
        return {name for chain in self.chains for name in chain.traits}

    def agrees(self, network: Network, made: Mapping[str, Any]) -> bool:
        """Whether a member has what was made."""
        position, row = network
        return any(chain.position == position and chain.agrees(row, made) for chain in self.chains)

    def is_idle(self, label: str, made: Mapping[str, Any]) -> bool:
        """Whether a decision means nothing in the variants that are left."""
        chains = self._agreeing(made)
        return bool(chains) and label not in self.trait_names and all(label not in chain.places for chain in chains)

    def settled(self, made: Mapping[str, Any]) -> Network | None:
        """The member that decisions leave, where they are all of its decisions."""
        for chain in self._agreeing(made):
            if chain.places.keys() <= made.keys() and self._has(chain, made):
                return self.drawn(made, random.Random(0))
        return None

    def possible(self, label: str, distribution: BaseDistribution, made: Mapping[str, Any]) -> dict[Any, float | None]:
        """Values that a decision or trait can have, and their numbers where they are numbers."""
        result: dict[Any, float | None] = {}
        of_variants = label in self.trait_names
        chains = [chain for chain in self.chains if chain.has_traits(made)] if of_variants else self._agreeing(made)
        for chain in chains:
            if label in chain.traits:
                options = [chain.traits[label]] if chain.has(self._masks(chain, made, [label])) else []
                numeric = option_label(chain.traits[label]).isdecimal()
            elif label in chain.places:
                place = chain.places[label]
                decision, mask = chain.decisions[place], chain.possible(place, self._masks(chain, made, [label]))
                options = [option for option, can in zip(decision.options, mask, strict=True) if can]
                numeric = decision.numeric
            else:
                continue
            values = {value_of(option, distribution): float(option) if numeric else None for option in options}
            result |= {value: number for value, number in values.items() if value is not None}
        return result

    def drawn(self, made: Mapping[str, Any], source: random.Random) -> Network | None:
        """A member that has what was made, its other decisions drawn; None where there is none.

        It is a new network, unless several draws find none.
        """
        found: Network | None = None
        for chain in self._agreeing(made):
            masks, drawn = self._masks(chain, made), set[Network]()
            while len(drawn) < _DRAWS and (row := chain.draw(masks, source)) is not None:
                found = chain.position, tuple(row)
                if self.is_new(found):
                    return found
                if found in drawn:
                    break
                drawn.add(found)
        return found

    def moved(
        self,
        wish: Mapping[str, Any],
        space: Mapping[str, BaseDistribution],
        made: Mapping[str, Any],
        source: random.Random,
    ) -> tuple[Network, dict[str, Any]] | None:
        """The nearest member to wished decisions, and these as it has them; None where no member is in reach."""
        best: tuple[int, VariantMembers, list[int]] | None = None
        for chain in self._agreeing(made):
            named = {name: value for name, value in chain.traits.items() if name in wish}
            if any(value_of(value, space[name]) is None for name, value in named.items()):
                continue
            costs = chain.costs(wish, space, self._masks(chain, made, wish))
            row = chain.nearest(costs, source)
            if row is not None:
                other = sum(not is_same(value, wish[name]) for name, value in named.items())
                total = other * (NEVER // 2) + sum(int(cost[x]) for cost, x in zip(costs, row, strict=True))
                if best is None or total < best[0]:
                    best = total, chain, row
        if best is None:
            return None
        _, chain, row = best
        own = {d.label: d.options[x] for d, x in zip(chain.decisions, row, strict=True)} | dict(chain.traits)
        values = {name: value_of(own[name], space[name]) if name in own else value for name, value in wish.items()}
        return (chain.position, tuple(row)), values

    def _agreeing(self, made: Mapping[str, Any]) -> list[VariantMembers]:
        """The variant that was decided; else those that agree with as many decisions as any does."""
        chains = [chain for chain in self.chains if chain.has_traits(made)]
        if self.variant in made or len(self.chains) == 1:
            return chains
        agreeing = [chain for chain in chains if self._has(chain, made)]
        most = max((chain.known(made) for chain in agreeing), default=0)
        return [chain for chain in agreeing if chain.known(made) == most]

    def _has(self, chain: VariantMembers, made: Mapping[str, Any]) -> bool:
        return chain.has(self._masks(chain, made))

    def _masks(self, chain: VariantMembers, made: Mapping[str, Any], asked: Collection[str] = ()) -> list[NDArray[Any]]:
        """Per decision, which options agree with what was made, and can be suggested; none where a trait cannot be.

        What is being asked for can be suggested as the distribution is now, whatever it was before.
        """
        for name, value in chain.traits.items():
            known = self.traits.get(name) if name not in made and name not in asked else None
            if known is not None and value_of(value, known) is None:
                return [mask & False for mask in chain.masks(made)]
        space = self.spaces.get(chain.position, {})
        return chain.masks(made, {name: one for name, one in space.items() if name not in asked})
