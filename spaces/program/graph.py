"""The Program: a space compiled for budgets, as layered state graphs with integer costs.

One `Chain` per variant. A chain has a `Stage` per decision; a stage tabulates, for every state that can reach it and
every option, the next state and what the layers that thereby become known cost. Nothing else of the space is needed by
any solver: a network is a path, an additive budget is a limit on the path's sum, ping-pong RAM a limit on a pair of
path maxima, a local relation a missing transition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from spaces.language.space import Space
from spaces.program.constraints import Relation
from spaces.program.variants import Decision, Variant
from spaces.runtimes.ebs import Ebs

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.runtimes.base import Runtime

__all__ = ["ADDITIVE_METRICS", "RAM_PARTS", "Budgets", "Chain", "Limit", "Program", "Stage"]

Ints = NDArray[np.int64]

#: Metrics that are sums over transitions; the latency, in nanoseconds, is zero where there is no latency profile.
ADDITIVE_METRICS = ("rom", "params", "macs", "flops", "latency")

#: RAM model -> the stage columns whose path maxima add up to the RAM.
RAM_PARTS: dict[str, tuple[str, ...]] = {"pingpong": ("even", "odd"), "liveness": ("peak",)}


@dataclass(frozen=True)
class Budgets:
    """Upper limits, None where there is none: bytes of ROM and RAM, counts of MACs and FLOPs, nanoseconds of latency.

    Example:
        >>> Budgets(rom=1_000_000, flops=10_000_000).items()
        [('rom', 1000000), ('flops', 10000000)]
    """

    rom: int | None = None
    ram: int | None = None
    flops: int | None = None
    macs: int | None = None
    params: int | None = None
    latency: int | None = None

    def items(self) -> list[tuple[str, int]]:
        """The limits that are set."""
        return [(name, value) for name, value in vars(self).items() if value is not None]


@dataclass(frozen=True, eq=False)
class Stage:
    """One decision: rows are states, columns are options.

    Args:
        decision: the decision made here.
        next: int32 [states, options], index of the next stage's state; -1 where the option is impossible.
        costs: additive metric -> int64 [states, options].
        even: int64 [states, options], largest output of the even-numbered layers run here, in bytes (EBS Eq. 4).
        odd: the same for odd-numbered layers.
        peak: int64 [states, options], most bytes alive at any step run here.
        log_width: float64 [states, options], sum of log2(w) of the numbered layers run here (EBS Eq. 6).
        states: a text per state, for dumps.
        derived: `height[3]` -> int64 [states, options], for the quantities of the layers run here that a residual
            constraint names; those of layers before every stage are in the chain's `base`.
    """

    decision: Decision
    next: NDArray[np.int32]
    costs: Mapping[str, Ints]
    even: Ints
    odd: Ints
    peak: Ints
    log_width: NDArray[np.float64]
    states: tuple[str, ...]
    derived: Mapping[str, Ints] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """(states, options)."""
        return self.next.shape  # type: ignore[return-value]


@dataclass(frozen=True, eq=False)
class Limit:
    """An additive limit: base + sum over stages of columns[t][state, option] <= bound.

    Args:
        name: the metric for a budget (`rom`), the constraint's text otherwise.
        columns: int64 [states, options] per stage.
        bound: what remains of the budget for the stages, the fixed part already taken off.
        budget: the budget as the user gave it.
    """

    name: str
    columns: tuple[Ints, ...]
    bound: int
    budget: int


@dataclass(frozen=True, eq=False)
class Chain:
    """One variant, compiled.

    Args:
        variant: its layers and decisions.
        base: costs of the layers before the first decision: additive metrics, even, odd, peak, log_width; and the
            derived quantities of these layers that a residual constraint names.
        stages: one per decision, in order.
        out_size: int64 [final states], u_L of EBS Eq. 6.
        limits: additive limits from budgets and linear constraints.
        ram_limits: (name, bytes); the tightest holds.
        residual: constraints that are not local; only CP-SAT and the oracle enforce them.
        impossible: why no network of this variant can exist at all; empty when some can.
    """

    variant: Variant
    base: Mapping[str, Any]
    stages: tuple[Stage, ...]
    out_size: Ints
    limits: tuple[Limit, ...]
    ram_limits: tuple[tuple[str, int], ...]
    residual: tuple[Relation, ...]
    impossible: str = ""

    @classmethod
    def untabulated(cls, variant: Variant, impossible: str = "") -> Self:
        """Of a variant whose layers were not costed, or cannot be."""
        none = np.zeros(0, np.int64)
        return cls(variant, {}, (), none, limits=(), ram_limits=(), residual=(), impossible=impossible)

    @property
    def ram_limit(self) -> int | None:
        """The tightest RAM limit in bytes."""
        return min((bound for _, bound in self.ram_limits), default=None)

    def states(self, rows: NDArray[np.integer]) -> NDArray[np.int32]:
        """The states that candidates pass through.

        Args:
            rows: [n, decisions] option indices.

        Returns:
            int32 [n, decisions + 1]; -1 from where a candidate takes an impossible option.
        """
        out = np.zeros((len(rows), len(self.stages) + 1), np.int32)
        for t, stage in enumerate(self.stages):
            state = out[:, t]
            out[:, t + 1] = np.where(state >= 0, stage.next[state, rows[:, t]], -1)
        return out


@dataclass(frozen=True, eq=False)
class Program:
    """A space compiled for budgets.

    It pickles as the space's text with what was asked, and is compiled anew; nothing in it changes, so it is its own
    copy.

    Args:
        space: what was compiled.
        chains: one per variant, in order.
        budgets: the limits that were given.
        target: name of the MCU the budgets come from, or the empty string.
        ram_model: `pingpong` or `liveness`; which RAM the budget limits.
        runtime: what gives the ROM.
        latency: what gives the latencies; None where nothing does.
    """

    space: Space
    chains: tuple[Chain, ...]
    budgets: Budgets
    target: str
    ram_model: str
    runtime: Runtime = field(default_factory=Ebs)
    latency: LatencyProfile | None = None

    @property
    def metrics(self) -> tuple[str, ...]:
        """The additive metrics that mean something: the latency only with a latency profile."""
        return ADDITIVE_METRICS if self.latency else tuple(m for m in ADDITIVE_METRICS if m != "latency")

    @property
    def size(self) -> int:
        """|X|, Eq. 1: the number of option combinations before any constraint."""
        return sum(chain.variant.size for chain in self.chains)

    def __repr__(self) -> str:
        limits = ", ".join(f"{name} <= {value:,}" for name, value in self.budgets.items())
        target = f" on {self.target}" if self.target else ""
        return f"<Program {self.space.name}{target}: {self.size:,} networks, {limits or 'no budgets'}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    @cached_property
    def by_label(self) -> dict[str, int]:
        """Position of each variant by its label."""
        return {chain.variant.label: v for v, chain in enumerate(self.chains)}

    @property
    def variants_hint(self) -> str:
        """What to write where a variant is asked for that is not there."""
        labels = list(self.by_label)
        if labels == [""]:
            return "it has a single variant, which needs no name"
        return f"its variants are {', '.join(labels[:20])}{', ...' if len(labels) > 20 else ''}"

    def costs(self, variant: int, rows: NDArray[np.integer]) -> dict[str, NDArray[Any]]:
        """The costs of many candidates of a variant.

        Args:
            variant: position of the variant.
            rows: [n, decisions] option indices; every row must be a possible network.

        Returns:
            metric -> [n]: rom, ram (of the space's model), ram_pingpong, ram_liveness, params, macs, flops, and latency
            in nanoseconds where there is a profile, as int64; entropy (EBS Eq. 6) as float64.
        """
        chain = self.chains[variant]
        rows = np.asarray(rows)
        states = chain.states(rows)
        total = {m: np.full(len(rows), chain.base[m], np.int64) for m in self.metrics}
        most = {m: np.full(len(rows), chain.base[m], np.int64) for m in ("even", "odd", "peak")}
        width = np.full(len(rows), chain.base["log_width"])
        for t, stage in enumerate(chain.stages):
            at = (states[:, t], rows[:, t])
            for name, column in total.items():
                column += stage.costs[name][at]
            for name, column in most.items():
                np.maximum(column, getattr(stage, name)[at], out=column)
            width += stage.log_width[at]
        ram = {"ram_pingpong": most["even"] + most["odd"], "ram_liveness": most["peak"]}
        entropy = np.log2(chain.out_size[states[:, -1]]) * width
        return {"rom": total["rom"], "ram": ram[f"ram_{self.ram_model}"], **total, **ram, "entropy": entropy}
