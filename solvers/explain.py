"""Say why a space is empty under its limits, and what would admit a network; by CP-SAT optima, variant by variant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from solvers.cpsat.engine import feasible, optimum, smallest
from spaces.program.candidate import candidate_of
from spaces.program.graph import Chain, Program

__all__ = ["CostedNetwork", "Explanation", "LimitReport", "Relaxation", "VariantReport", "explain"]

#: Up to this many limits, every subset is tried, smallest first; beyond, limits are dropped one by one.
MAX_EXACT = 8


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
        metric: the metric it bounds from above; empty for a constraint that is no such bound.
        budget: the bound; None where there is no metric.
        least: the least value of the metric of any network, all limits aside; None where there is no metric.
        least_with_others: the same of those that keep all other limits; None where there is none or no metric.
        alone: whether some network keeps this limit.
        others: whether some network keeps all other limits.
    """

    name: str
    metric: str
    budget: int | None
    least: int | None
    least_with_others: int | None
    alone: bool
    others: bool


@dataclass(frozen=True)
class VariantReport:
    """What the limits do to one variant.

    Args:
        label: the variant's label.
        feasible: whether it has a member.
        impossible: why no network of it can exist, whatever the limits; empty where some can.
        limits: its limits, in the order of the program.
        conflict: names of the fewest limits that cannot hold together; empty where all can.
        smallest: the network with the least of the first metric in conflict (of the first limited metric where
            nothing conflicts, ROM by default) among those that keep the rest of the conflict; of equals, the one with
            the least ROM.
    """

    label: str
    feasible: bool
    impossible: str
    limits: tuple[LimitReport, ...] = ()
    conflict: tuple[str, ...] = ()
    smallest: CostedNetwork | None = None


@dataclass(frozen=True)
class Relaxation:
    """A single limit that, relaxed, admits a network.

    Args:
        name: the limit.
        metric: the metric it bounds; empty for a constraint that is no such bound and has to be dropped.
        budget: its bound; None for a constraint.
        needed: the least bound that admits a network; None for a constraint.
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
    """

    feasible: bool
    variants: tuple[VariantReport, ...]
    relaxations: tuple[Relaxation, ...]


def explain(program: Program) -> Explanation:
    """Explain what the limits of a program leave.

    Raises:
        EngineError: a constraint that CP-SAT cannot take, or CP-SAT gave up.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> why = explain(compile_space(load_space("mlp2"), Budgets(rom=2_000, macs=1_000)))
        >>> why.variants[0].conflict, why.variants[0].limits[0].least, why.variants[0].smallest.text
        (('rom',), 2944, 'mlp2: 16-16')
        >>> [(r.name, r.budget, r.needed) for r in why.relaxations]
        [('rom', 2000, 2944)]
    """
    examined = [_Examiner(program, variant) for variant in range(len(program.chains))]
    variants = tuple(examiner.report() for examiner in examined)
    result = any(report.feasible for report in variants)
    pairs = () if result else zip(examined, variants, strict=True)
    return Explanation(result, variants, _smallest(offer for e, report in pairs for offer in e.offers(report)))


def _smallest(offers: Iterable[Relaxation]) -> tuple[Relaxation, ...]:
    """Per limit, the offer that needs least."""
    best: dict[str, Relaxation] = {}
    for offer in offers:
        known = best.get(offer.name)
        if known is None or (offer.needed or 0) < (known.needed or 0):
            best[offer.name] = offer
    return tuple(best.values())


@dataclass
class _Examiner:
    """Asks CP-SAT about one variant under subsets of its limits."""

    program: Program
    variant: int
    chain: Chain = field(init=False)
    bounds: dict[str, tuple[str, int | None]] = field(init=False)
    satisfiable: list[frozenset[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chain = self.program.chains[self.variant]
        self.bounds = _bounds(self.chain)

    def report(self) -> VariantReport:
        label = self.chain.variant.label
        if self.chain.impossible:
            return VariantReport(label, False, self.chain.impossible)
        limits = tuple(self.limit(name) for name in self.bounds)
        conflict = () if self.holds(self.bounds) else self.conflict()
        return VariantReport(label, not conflict, "", limits, conflict, smallest=self.smallest(conflict))

    def others(self, name: str) -> list[str]:
        return [other for other in self.bounds if other != name]

    def limit(self, name: str) -> LimitReport:
        metric, budget = self.bounds[name]
        if not metric or budget is None:
            alone, others = self.holds([name]), self.holds(self.others(name))
            return LimitReport(name, "", None, None, None, alone=alone, others=others)
        least = optimum(self.program, self.variant, metric, "min", [])
        assert least is not None  # a possible variant has a network when nothing is asked of it
        with_others = optimum(self.program, self.variant, metric, "min", self.others(name))
        if with_others:
            self.satisfiable.append(frozenset(self.others(name)))
        value = with_others.value if with_others else None
        return LimitReport(
            name, metric, budget, least.value, value, alone=least.value <= budget, others=with_others is not None
        )

    def holds(self, names: Iterable[str]) -> bool:
        """Whether some network keeps all these limits."""
        asked = frozenset(names)
        if any(asked <= known for known in self.satisfiable):
            return True
        result = feasible(self.program, self.variant, asked) is not None
        if result:
            self.satisfiable.append(asked)
        return result

    def conflict(self) -> tuple[str, ...]:
        """The fewest limits that cannot hold together."""
        names = list(self.bounds)
        if len(names) <= MAX_EXACT:
            sizes = range(1, len(names) + 1)
            return next(some for size in sizes for some in combinations(names, size) if not self.holds(some))
        # Dropping whatever is not needed leaves a conflict of which no part can go, though it need not be the smallest.
        for name in list(names):
            rest = [other for other in names if other != name]
            names = names if self.holds(rest) else rest
        return tuple(names)

    def smallest(self, conflict: tuple[str, ...]) -> CostedNetwork | None:
        first = next((n for n in conflict or self.bounds if self.bounds[n][0]), None)
        metric = self.bounds[first][0] if first else "rom"
        kept = [n for n in conflict if n != (first or conflict[0])] if conflict else list(self.bounds)
        return self.network(metric, kept)

    def network(self, metric: str, limits: list[str]) -> CostedNetwork | None:
        """The network that keeps these limits with the least of a metric."""
        found = smallest(self.program, self.variant, metric, limits)
        if found is None:
            return None
        candidate = candidate_of(self.program, self.variant, np.array(found.row, np.int64))
        return CostedNetwork(str(candidate), candidate.costs)

    def offers(self, report: VariantReport) -> Iterable[Relaxation]:
        """The single limits of the variant whose relaxation admits a network."""
        for limit in report.limits:
            if not limit.others:
                continue
            network = self.network(limit.metric or "rom", self.others(limit.name))
            assert network is not None  # `LimitReport.others` says so
            yield Relaxation(
                limit.name, limit.metric, limit.budget, limit.least_with_others, report.label, network=network
            )


def _bounds(chain: Chain) -> dict[str, tuple[str, int | None]]:
    """Per limit by name: the metric it bounds and the bound; no metric where it says more than that."""
    result: dict[str, list[tuple[str, int | None]]] = {}
    for limit in chain.limits:
        result.setdefault(limit.name, []).append((limit.metric, limit.budget))
    for name, bound in chain.ram_limits:
        result.setdefault(name, []).append(("ram", bound))
    for relation in chain.residual:
        result.setdefault(relation.expression.text, []).append(("", None))
    return {name: parts[0] if len(parts) == 1 and parts[0][0] else ("", None) for name, parts in result.items()}
