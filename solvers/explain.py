"""Say why a space is empty under its limits, and what would admit a network; by CP-SAT optima, variant by variant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from solvers.conflicts import Conditions
from solvers.cpsat.engine import feasible, optimum, smallest
from spaces.language.space import NETWORK_VALUES
from spaces.program.candidate import candidate_of
from spaces.program.compile import recompiled
from spaces.program.graph import Chain, Program

__all__ = [
    "CostedNetwork",
    "Explanation",
    "LimitReport",
    "Relaxation",
    "VariantReport",
    "explain",
    "relations_apart",
]


@dataclass(frozen=True)
class CostedNetwork:
    """A network and all its costs."""

    text: str
    costs: Mapping[str, int | float]


@dataclass(frozen=True)
class LimitReport:
    """One limit of a variant: a budget, or all that one constraint of the space says.

    Args:
        name: `rom`, `ram`, ..., or the constraint's text.
        alone: whether some network keeps this limit.
        others: whether some network keeps all other limits.
        metric: the metric it bounds from above; empty for a constraint that is no such bound.
        budget: the bound; None where there is no metric.
        least: the least value of the metric of any network, all limits aside; None where there is no metric.
        least_with_relations: the same of those that keep the relations, which are the constraints that name no cost;
            None where there is none or no metric.
        least_with_others: the same of those that keep all other limits; None where there is none or no metric.
    """

    name: str
    alone: bool
    others: bool
    metric: str = ""
    budget: int | None = None
    least: int | None = None
    least_with_relations: int | None = None
    least_with_others: int | None = None


@dataclass(frozen=True)
class VariantReport:
    """What the limits do to one variant.

    Args:
        label: the variant's label.
        feasible: whether it has a member.
        impossible: why no network of it can exist, whatever the limits; empty where some can.
        limits: its limits, in the order of the program.
        conflict: names of the fewest limits that cannot hold together; empty where all can.
        conflicts: every such set of limits of which none can be spared, the fewest first; of very many limits only
            sets that have none in common.
        kept: names of the limits that `smallest` was asked to keep: all but one of the conflict.
        smallest: the network with the least of the first metric in conflict (of the first limited metric where
            nothing conflicts, ROM by default) among those; of equals, the one with the least ROM.
    """

    label: str
    feasible: bool
    impossible: str
    limits: tuple[LimitReport, ...] = ()
    conflict: tuple[str, ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    kept: tuple[str, ...] = ()
    smallest: CostedNetwork | None = None


@dataclass(frozen=True)
class Relaxation:
    """A limit that, relaxed, admits a network: by itself, or with the others of `Explanation.joint`.

    Args:
        name: the limit.
        metric: the metric it bounds; empty for a constraint that is no such bound and has to be dropped.
        budget: its bound; None for a constraint.
        needed: the bound that admits the network, by itself the least that admits any; None for a constraint.
        variant: label of the variant that then has one.
        network: that network.
    """

    name: str
    metric: str
    budget: int | None
    needed: int | None
    variant: str
    network: CostedNetwork


@dataclass(frozen=True)
class Explanation:
    """Why a program's feasible set is empty, or which limits bind where it is not.

    Args:
        feasible: whether any variant has a member.
        variants: a report per variant.
        relaxations: for an empty set, each single limit that can be relaxed, by the smallest amount.
        joint: where no single limit can be, the fewest that can be relaxed together.
    """

    feasible: bool
    variants: tuple[VariantReport, ...]
    relaxations: tuple[Relaxation, ...]
    joint: tuple[Relaxation, ...]


def explain(program: Program) -> Explanation:
    """Explain what the limits of a program leave.

    Raises:
        EngineError: a constraint that CP-SAT cannot take, or CP-SAT gave up.

    Example:
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> why = explain(compile_space(load_space("mlp2"), Budgets(rom=2_000, macs=1_000)))
        >>> why.variants[0].conflict, why.variants[0].limits[0].least, why.variants[0].smallest.text
        (('rom',), 2944, 'mlp2: 16-16')
        >>> [(r.name, r.budget, r.needed) for r in why.relaxations]
        [('rom', 2000, 2944)]
    """
    program = relations_apart(program)
    examined = [_Examiner(program, variant) for variant in range(len(program.variants))]
    variants = tuple(examiner.report() for examiner in examined)
    if any(report.feasible for report in variants):
        return Explanation(True, variants, (), ())
    single = _least(offer for e, report in zip(examined, variants, strict=True) for offer in e.offers(report))
    return Explanation(False, variants, single, () if single else _fewest(examined))


def relations_apart(program: Program) -> Program:
    """The program that `explain` asks about: with no relation in its graph, where none could be set aside."""
    if not any(chain.local for chain in program.chains):
        return program
    return recompiled(program, program.space, apart=True)


def _least(offers: Iterable[Relaxation]) -> tuple[Relaxation, ...]:
    """Per limit, the offer that needs least."""
    best: dict[str, Relaxation] = {}
    for offer in offers:
        known = best.get(offer.name)
        if known is None or (offer.needed or 0) < (known.needed or 0):
            best[offer.name] = offer
    return tuple(best.values())


def _fewest(examined: Sequence[_Examiner]) -> tuple[Relaxation, ...]:
    """The fewest limits that admit a network of any variant when all of them are relaxed."""
    possible = [(examiner, examiner.limits.correction()) for examiner in examined if not examiner.chain.impossible]
    if not possible:
        return ()
    examiner, names = min(possible, key=lambda pair: len(pair[1]))
    return examiner.relaxed(names)


class _Bound(NamedTuple):
    """What a limit bounds from above; no metric and no budget where it says more than that."""

    metric: str
    budget: int | None


class _Examiner:
    """Asks CP-SAT about one variant under subsets of its limits."""

    def __init__(self, program: Program, variant: int) -> None:
        self.program = program
        self.variant = variant
        self.chain = program.chains[variant]
        self.bounds = _bounds(self.chain)
        self.limits = Conditions(self.bounds, lambda names: feasible(program, variant, names) is not None)
        self.known: dict[tuple[str, frozenset[str]], int | None] = {}
        on_costs = {c.text for c in program.space.constraints if c.names & set(NETWORK_VALUES)}
        self.relations = [name for name in self.bounds if name not in on_costs and name not in NETWORK_VALUES]

    def report(self) -> VariantReport:
        label = self.chain.variant.label
        if self.chain.impossible:
            return VariantReport(label, False, self.chain.impossible)
        limits = tuple(self.limit(name) for name in self.bounds)
        conflicts = self.limits.conflicts()
        conflict = conflicts[0] if conflicts else ()
        first = self.first_bound(conflict or self.bounds)
        kept = tuple(n for n in conflict if n != (first or conflict[0])) if conflict else tuple(self.bounds)
        network = self.network(self.bounds[first].metric if first else "rom", kept)
        return VariantReport(
            label,
            not conflict,
            "",
            limits,
            conflict=conflict,
            conflicts=conflicts,
            kept=kept,
            smallest=network,
        )

    def limit(self, name: str) -> LimitReport:
        metric, budget = self.bounds[name]
        others = self.limits.without(name)
        if budget is None:
            return LimitReport(name, alone=self.limits.holds([name]), others=self.limits.holds(others))
        least, with_relations, with_others = (self.least(metric, some) for some in ((), self.relations, others))
        assert least is not None  # a possible variant has a network when nothing is asked of it
        return LimitReport(
            name,
            alone=least <= budget,
            others=with_others is not None,
            metric=metric,
            budget=budget,
            least=least,
            least_with_relations=with_relations,
            least_with_others=with_others,
        )

    def least(self, metric: str, limits: Collection[str]) -> int | None:
        """The least value of a metric among the networks that keep these limits."""
        key = metric, frozenset(limits)
        if key not in self.known:
            found = optimum(self.program, self.variant, metric, "min", limits)
            self.limits.learn(limits, found is not None)
            self.known[key] = found.value if found else None
        return self.known[key]

    def first_bound(self, names: Iterable[str]) -> str | None:
        """The first of these limits that bounds a metric."""
        return next((name for name in names if self.bounds[name].metric), None)

    def network(self, metric: str, limits: Collection[str]) -> CostedNetwork | None:
        """The network that keeps these limits with the least of a metric."""
        found = smallest(self.program, self.variant, metric, limits)
        if found is None:
            return None
        candidate = candidate_of(self.program, self.variant, np.array(found.row, np.int64))
        return CostedNetwork(str(candidate), candidate.costs)

    def offers(self, report: VariantReport) -> Iterator[Relaxation]:
        """The single limits of the variant whose relaxation admits a network."""
        for limit in report.limits:
            if limit.others:
                yield from self.relaxed([limit.name])

    def relaxed(self, names: Sequence[str]) -> tuple[Relaxation, ...]:
        """These limits relaxed for one network: of those that keep all others, the least in the first of the metrics.

        None of the limits may be spared, so that this network keeps none of them.
        """
        first = self.first_bound(names)
        network = self.network(self.bounds[first].metric if first else "rom", self.limits.without(*names))
        assert network is not None  # the other limits hold together
        return tuple(
            Relaxation(
                name,
                metric,
                budget,
                needed=int(network.costs[metric]) if metric else None,
                variant=self.chain.variant.label,
                network=network,
            )
            for name, (metric, budget) in ((name, self.bounds[name]) for name in names)
        )


def _bounds(chain: Chain) -> dict[str, _Bound]:
    """Per limit by name, what it bounds."""
    result: dict[str, list[_Bound]] = {}
    for limit in chain.limits:
        result.setdefault(limit.name, []).append(_Bound(limit.metric, limit.budget))
    for name, budget in chain.ram_limits:
        result.setdefault(name, []).append(_Bound("ram", budget))
    for relation in chain.residual:
        result.setdefault(relation.expression.text, []).append(_Bound("", None))
    return {
        name: parts[0] if len(parts) == 1 and parts[0].metric else _Bound("", None) for name, parts in result.items()
    }
