"""A feasible set as a fixed list of parameters, and from any values of theirs the nearest member.

Every decision of every variant is a parameter, and so is the variant, so that all candidates have the same parameters:
NSGA-II crosses only those that all parents share, TPE models only those jointly that all trials have. The decisions of
other variants than a candidate's own mean nothing for it; they are passed on unused, as genes are.

This module loads Optuna.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from samplers.optuna_studies.completion import distances, nearest
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.neighbours import rank_rows
from solvers.sets.ranking import rank_row
from solvers.sets.relaxed_set import AnySet
from spaces.language.layer import option_label
from spaces.program.variants import Decision

__all__ = ["Gene", "Genes"]

_VARIANT = "variant"


@dataclass(frozen=True)
class Gene:
    """One parameter.

    Args:
        options: what it can be, in Optuna's order.
        ordered: whether Optuna is told of the order; then a value is the place of the option, else its text.
    """

    options: tuple[Any, ...]
    ordered: bool

    @property
    def distribution(self) -> BaseDistribution:
        """How Optuna knows it."""
        if self.ordered:
            return IntDistribution(0, len(self.options) - 1)
        return CategoricalDistribution([option_label(option) for option in self.options])

    def value(self, option: Any) -> int | str:
        """Optuna's value of an option."""
        return self.options.index(option) if self.ordered else option_label(option)

    def option(self, value: int | str) -> Any:
        """The option of a value."""
        if self.ordered:
            return self.options[int(value)]
        return next(option for option in self.options if option_label(option) == value)


class Genes:
    """The parameters of a feasible set.

    A decision whose options are numbers is a whole number: the place of the option among those that members have, in
    rising order. So is the variant, where its labels are numbers. Any other parameter is categorical. A decision's
    parameter is called as its label, `M[3]`; where variants give it different options, `M[3] (VARIANT)`.

    Of a relaxed set the options are those of its outer set.

    Args:
        fs: the set; not empty.

    Attributes:
        space: name -> Optuna's distribution; parameters with one option left are left out.

    Example:
        >>> from samplers.testing import example_set
        >>> genes = Genes(example_set("small"))
        >>> {name: one.high for name, one in genes.space.items()}
        {'M[1]': 4, 'M[2]': 5}
        >>> rank, values = genes.member({"M[1]": 3, "M[2]": 3}, random.Random(0))  # 64-64 does not fit
        >>> str(genes.fs[rank]), values
        ('mlp2: 32-64', {'M[1]': 1, 'M[2]': 3})
    """

    def __init__(self, fs: AnySet) -> None:
        self.fs = fs
        labels = [label for label, size in fs.outer.counts.items() if size]
        whole = all(label.isdecimal() for label in labels)
        self._variant = Gene(tuple(sorted(labels, key=int) if whole else labels), whole)
        self._names = _names(fs.outer, labels)
        self._genes = _genes(fs.outer, self._names)
        self.space: dict[str, BaseDistribution] = {
            name: gene.distribution
            for name, gene in {_VARIANT: self._variant, **self._genes}.items()
            if len(gene.options) > 1
        }

    def member(self, proposed: Mapping[str, Any], source: random.Random) -> tuple[int, dict[str, Any]] | None:
        """The nearest member of the proposed variant.

        Of a relaxed set that is the nearest of the outer set where it is a member; else the nearest of the inner set,
        moved on towards the proposal, one decision after another, as long as it stays a member.

        Args:
            proposed: a value for every name of `space`.
            source: decides between members that are equally near.

        Returns:
            Its rank, and all parameters: its own, and those that it does not have as they were proposed. None where no
            member is known, which happens with relaxed sets only.
        """
        label = self._variant.option(proposed[_VARIANT]) if _VARIANT in proposed else self._variant.options[0]
        position = self.fs.program.by_label[label]
        decisions = self._decisions(position)
        wish = [self._wished(d, name, proposed) for d, name in zip(decisions, self._names[label], strict=True)]
        row = self._near(position, wish, [distances(d, x) for d, x in zip(decisions, wish, strict=True)], source)
        return None if row is None else (self._rank(position, row), self._values(position, row, proposed))

    def _near(
        self, position: int, wish: Sequence[int], costs: Sequence[NDArray[np.int64]], source: random.Random
    ) -> Sequence[int] | None:
        levels, root = self.fs.outer.tree.chain(position)
        row = wish
        if rank_row(levels, root, self.fs.outer.tree.counts, wish) is None:
            row = nearest(levels, root, costs, source)
        if isinstance(self.fs, FeasibleSet) or self.fs.holds([self._rank(position, row)])[0]:
            return row
        levels, root = self.fs.inner_set.tree.chain(position)
        return self._moved_on(position, nearest(levels, root, costs, source), costs) if root else None

    def _moved_on(self, position: int, row: list[int], costs: Sequence[NDArray[np.int64]]) -> list[int]:
        """A member moved to the nearest of those one decision away that are nearer, until there is none."""
        outer, start = self.fs.outer, self._start(position)
        levels, root = outer.tree.chain(position)
        while True:
            nearer = [
                (int(cost[x] - cost[own]), t, x)
                for t, (cost, own) in enumerate(zip(costs, row, strict=True))
                for x in np.flatnonzero(cost < cost[own]).tolist()
            ]
            rows = np.array([[*row[:t], x, *row[t + 1 :]] for _, t, x in sorted(nearer)], np.int64)
            ranks = (
                [start + int(r) for r in rank_rows(levels, root, outer.tree.counts, rows) if r >= 0] if nearer else []
            )
            found = next(self.fs.members(ranks), None)
            if found is None:
                return row
            row = list(outer[found].row)

    def _rank(self, position: int, row: Sequence[int]) -> int:
        levels, root = self.fs.outer.tree.chain(position)
        rank = rank_row(levels, root, self.fs.outer.tree.counts, row)
        assert rank is not None
        return self._start(position) + rank

    def _start(self, position: int) -> int:
        """The rank of the first member of a variant."""
        return sum(list(self.fs.outer.counts.values())[:position])

    def values(self, rank: int, proposed: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters of a member; those that it does not have are as proposed."""
        candidate = self.fs.outer[rank]
        return self._values(candidate.position, candidate.row, proposed)

    def _decisions(self, position: int) -> tuple[Decision, ...]:
        return self.fs.program.variants[position].decisions

    def _wished(self, decision: Decision, name: str, proposed: Mapping[str, Any]) -> int:
        """Index of the option that is proposed for a decision; where it has only one, of that."""
        gene = self._genes[name]
        return decision.options.index(gene.option(proposed[name]) if name in proposed else gene.options[0])

    def _values(self, position: int, row: Sequence[int], proposed: Mapping[str, Any]) -> dict[str, Any]:
        label = self.fs.program.variants[position].label
        own = {_VARIANT: self._variant.value(label)}
        for decision, name, x in zip(self._decisions(position), self._names[label], row, strict=True):
            own[name] = self._genes[name].value(decision.options[x])
        return {name: own.get(name, proposed[name]) for name in self.space}


def _names(fs: FeasibleSet, labels: Sequence[str]) -> dict[str, list[str]]:
    """Per variant that has members, the name of each decision's parameter."""
    decisions = {label: fs.program.variants[fs.program.by_label[label]].decisions for label in labels}
    options: dict[str, set[tuple[Any, ...]]] = {}
    for decision in (d for of_one in decisions.values() for d in of_one):
        options.setdefault(decision.label, set()).add(decision.options)
    return {
        label: [d.label if len(options[d.label]) == 1 else f"{d.label} ({label})" for d in of_one]
        for label, of_one in decisions.items()
    }


def _genes(fs: FeasibleSet, names: Mapping[str, Sequence[str]]) -> dict[str, Gene]:
    """The parameters of the decisions, with the options that members have."""
    used: dict[str, set[Any]] = {}
    decisions: dict[str, Decision] = {}
    for label, own in names.items():
        counts = fs.histograms(label)
        variant = fs.program.variants[fs.program.by_label[label]]
        for decision, name in zip(variant.decisions, own, strict=True):
            decisions[name] = decision
            used.setdefault(name, set()).update(counts[decision.label])
    result = {}
    for name, decision in decisions.items():
        options = [option for option in decision.options if option in used[name]]
        result[name] = Gene(tuple(sorted(options) if decision.numeric else options), decision.numeric)
    return result
