"""Hard limits of a search within its feasible set: given, at several places of a front, or in place of a weight."""

from __future__ import annotations

from dataclasses import dataclass, replace

from solvers.base import solve
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.units import format_time_ns

__all__ = ["METRICS", "Limit", "between", "within"]

#: What can be limited.
METRICS = ("macs", "flops", "latency", "rom", "ram")
#: Places of a front that names none, as parts of the way from the cheapest network to the dearest.
_PARTS = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Limit:
    """The most that a network may cost.

    Args:
        metric: one of `METRICS`.
        most: in bytes, operations or nanoseconds.

    Example:
        >>> str(Limit("latency", 1_500_000)), str(Limit("macs", 30_000_000))
        ('latency <= 1.5 ms', 'macs <= 30,000,000')
    """

    metric: str
    most: int

    def __str__(self) -> str:
        amount = format_time_ns(self.most) if self.metric == "latency" else f"{self.most:,}"
        return f"{self.metric} <= {amount}"

    def holds(self, member: Candidate) -> bool:
        """Whether a network keeps it."""
        return member.costs[self.metric] <= self.most

    def check(self, fs: AnySet) -> None:
        """Whether the set knows this cost, and has networks that keep the limit.

        Raises:
            EngineError: it does not.
        """
        check_metric(fs, self.metric)
        if not within(fs, self):
            message = f"no network of `{fs.program.space.name}` has {self}"
            raise EngineError.of("empty-set", message, f"{cheapest(fs, self.metric)}raise the limit")


def check_metric(fs: AnySet, metric: str) -> None:
    """Whether a cost can be limited in a set.

    Raises:
        EngineError: there is no such cost, or the set has no latency profile.
    """
    if metric not in METRICS:
        raise EngineError.of("wrong-value", f"`{metric}` cannot be limited", f"these can: {', '.join(METRICS)}")
    if metric == "latency" and fs.program.latency is None:
        hint = "name one (`nascompile latency list`), or limit MACs"
        raise EngineError.of("no-latency-profile", "a limit on the latency needs a latency profile", hint)


def cheapest(fs: AnySet, metric: str) -> str:
    """What the least is, for a hint; empty where it is not known."""
    return f"the least is {fs.best(metric, 'min').costs[metric]:,}: " if fs and fs.exact else ""


def within(fs: AnySet, limit: Limit) -> AnySet:
    """The members of a set that keep a limit."""
    program, budgets = fs.program, fs.program.budgets
    own = getattr(budgets, limit.metric)
    tighter = replace(budgets, **{limit.metric: limit.most if own is None else min(own, limit.most)})
    found = solve(
        compile_space(
            program.space,
            tighter,
            target=program.target,
            ram_model=program.ram_model,
            runtime=program.runtime,
            latency=program.latency,
        )
    )
    return found & fs if fs.exact and found.exact else found


def between(fs: AnySet, metric: str, part: float) -> Limit:
    """The limit that lies a part of the way from the cheapest member to the dearest.

    Args:
        fs: an exact set that is not empty.
        metric: one of `METRICS`.
        part: from 0 to 1.

    Raises:
        EngineError: the set does not know this cost, or is too large to know its extremes.

    Example:
        >>> from samplers.testing import example_set
        >>> fs = example_set("medium")
        >>> low, high = fs.metrics.extremes("macs")
        >>> between(fs, "macs", 0).most == low, between(fs, "macs", 1).most == high
        (True, True)
    """
    check_metric(fs, metric)
    low, high = (fs.best(metric, sense).costs[metric] for sense in ("min", "max"))
    return Limit(metric, int(low + part * (high - low)))


def front(fs: AnySet, metric: str) -> tuple[Limit, ...]:
    """Limits at four places from the cheapest member to the dearest."""
    return tuple(dict.fromkeys(between(fs, metric, part) for part in _PARTS))
