"""The Program: a space compiled for budgets, as layered state graphs with integer costs.

One `Chain` per variant. A chain has a `Stage` per decision; a stage tabulates, for every state that can reach it and
every option, the next state and what the layers that thereby become known cost. Nothing else of the space is needed by
any solver: a network is a path, an additive budget is a limit on the path's sum, ping-pong RAM a limit on a pair of
path maxima, a local relation a missing transition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import log2
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from spaces.language.space import Space
from spaces.program.constraints import Relation
from spaces.program.variants import Decision, Variant
from spaces.runtimes.ebs import Ebs
from spaces.units import FORMATS

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.runtimes.base import Runtime

__all__ = [
    "ADDITIVE_METRICS",
    "MAXIMA",
    "RAM_PARTS",
    "Budgets",
    "Chain",
    "Limit",
    "Program",
    "Stage",
    "Weighted",
    "log2_sizes",
]

Ints = NDArray[np.int64]

#: Metrics that are sums over transitions; the latency, in nanoseconds, is zero where there is no latency profile, and
#: the energy, in nanojoules, where that has none.
ADDITIVE_METRICS = ("rom", "params", "macs", "flops", "latency", "energy")

#: Columns of a stage of which the largest on the path counts.
MAXIMA = ("even", "odd", "peak")

#: RAM model -> the stage columns whose path maxima add up to the RAM.
RAM_PARTS: dict[str, tuple[str, ...]] = {"pingpong": ("even", "odd"), "liveness": ("peak",)}


@dataclass(frozen=True)
class Budgets:
    """Upper limits, None where there is none.

    Bytes of ROM and RAM, counts of MACs, FLOPs and parameters, nanoseconds of latency, nanojoules of energy.

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
    energy: int | None = None

    def items(self) -> list[tuple[str, int]]:
        """The limits that are set."""
        return [(name, value) for name, value in vars(self).items() if value is not None]


def log2_sizes(out_size: Ints) -> NDArray[np.float64]:
    """log2(u_L) of EBS Eq. 6 for each final state, as `math.log2` has it, whatever numpy's own may round to."""
    sizes, which = np.unique(out_size, return_inverse=True)
    return np.array([log2(size) for size in sizes.tolist()], np.float64)[which]


@dataclass(frozen=True, eq=False)
class Stage:
    """One decision: rows are states, columns are options.

    Many transitions run the same layers, and cost the same: what they cost stands once, in the rows of a table.

    Args:
        decision: the decision made here.
        next: int32 [states, options], index of the next stage's state; -1 where the option is impossible.
        rows: int32 [states, options], the row of the table that holds for a transition; 0 where it is impossible.
        table: name -> [table rows], with zeros in row 0. Additive metrics, int64. `even`: largest output of the
            even-numbered layers run here, in bytes (EBS Eq. 4); `odd`: the same for odd-numbered layers; `peak`: most
            bytes alive at any step run here. `log_width`: sum of log2(w) of the numbered layers run here (EBS Eq. 6),
            float64. `height[3]`: quantities of layers run here that a residual constraint names.
        derived_names: names of the latter; those of layers before every stage are in the chain's `base`.
        texts: makes a text per state, for dumps.
    """

    decision: Decision
    next: NDArray[np.int32]
    rows: NDArray[np.int32]
    table: Mapping[str, NDArray[Any]]
    derived_names: tuple[str, ...]
    texts: Callable[[], tuple[str, ...]]

    @property
    def shape(self) -> tuple[int, int]:
        """(states, options)."""
        return self.next.shape  # type: ignore[return-value]

    def column(self, name: str) -> NDArray[Any]:
        """A column of the table for every transition: [states, options]."""
        return self.table[name][self.rows]

    @property
    def costs(self) -> Mapping[str, Ints]:
        """Additive metric -> int64 [states, options]."""
        return _Columns(self, ADDITIVE_METRICS)

    @property
    def derived(self) -> Mapping[str, Ints]:
        """`height[3]` -> int64 [states, options]."""
        return _Columns(self, self.derived_names)

    @property
    def states(self) -> tuple[str, ...]:
        """A text per state."""
        return self.texts()


@dataclass(frozen=True)
class _Columns(Mapping[str, Ints]):
    """Some columns of a stage, each made when it is asked for."""

    stage: Stage
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> Ints:
        if name not in self.names:
            raise KeyError(name)
        return self.stage.column(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class Weighted(Sequence[Ints]):
    """A weighted sum of metrics and decisions: int64 [states, options] per stage, each made when it is asked for.

    Args:
        coefficients: by metric or decision label.
        stages: of the variant.
    """

    coefficients: Mapping[str, int]
    stages: Sequence[Stage]

    def __len__(self) -> int:
        return len(self.stages)

    @overload
    def __getitem__(self, index: int) -> Ints: ...
    @overload
    def __getitem__(self, index: slice) -> list[Ints]: ...
    def __getitem__(self, index: int | slice) -> Ints | list[Ints]:
        """The column of a stage."""
        if isinstance(index, slice):
            return [self[t] for t in range(*index.indices(len(self)))]
        costs, chosen = self._parts(index)
        return costs[self.stages[index].rows] + chosen

    def at(self, t: int, states: NDArray[np.integer[Any]], options: NDArray[np.integer[Any]]) -> Ints:
        """Entries of the column of a stage: [n], [n] -> [n]."""
        costs, chosen = self._parts(t)
        return costs[self.stages[t].rows[states, options]] + chosen[options]

    def _parts(self, t: int) -> tuple[Ints, Ints]:
        """What the rows of a stage's table add, and what its options do."""
        stage = self.stages[t]
        costs = np.zeros(len(stage.table["rom"]), np.int64)
        for name, factor in self.coefficients.items():
            if name in ADDITIVE_METRICS:
                costs += factor * stage.table[name]
        factor = self.coefficients.get(stage.decision.label)
        options = stage.decision.options
        return costs, np.array([int(factor * v) if factor else 0 for v in options], np.int64)


@dataclass(frozen=True, eq=False)
class Limit:
    """An additive limit: base + sum over stages of columns[t][state, option] <= bound.

    Args:
        name: the metric for a budget (`rom`), the constraint's text otherwise.
        columns: int64 [states, options] per stage, made when it is asked for.
        bound: what remains of the budget for the stages, the fixed part already taken off.
        budget: the budget as the user gave it.
        metric: the additive metric that `budget` bounds from above; empty for any other sum.
    """

    name: str
    columns: Sequence[Ints]
    bound: int
    budget: int
    metric: str

    def at(self, t: int, states: NDArray[np.integer[Any]], options: NDArray[np.integer[Any]]) -> Ints:
        """Entries of the column of a stage: [n], [n] -> [n]."""
        columns = self.columns
        return columns.at(t, states, options) if isinstance(columns, Weighted) else columns[t][states, options]


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
        local: relations that the graph enforces by its transitions.
    """

    variant: Variant
    base: Mapping[str, Any]
    stages: tuple[Stage, ...]
    out_size: Ints
    limits: tuple[Limit, ...]
    ram_limits: tuple[tuple[str, int], ...]
    residual: tuple[Relation, ...]
    impossible: str = ""
    local: tuple[Relation, ...] = ()

    @classmethod
    def untabulated(cls, variant: Variant, impossible: str = "", local: tuple[Relation, ...] = ()) -> Self:
        """Of a variant whose layers were not costed, or cannot be."""
        none = np.zeros(0, np.int64)
        return cls(variant, {}, (), none, limits=(), ram_limits=(), residual=(), impossible=impossible, local=local)

    @cached_property
    def log_out(self) -> NDArray[np.float64]:
        """float64 [final states], log2(u_L)."""
        return log2_sizes(self.out_size)

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


def _not_compiled(program: Program) -> tuple[Chain, ...]:
    raise AssertionError(f"`{program.space.name}` was not compiled: it has decisions, and no costs")


@dataclass(frozen=True, eq=False)
class Program:
    """A space compiled for budgets.

    It pickles as the space's text with what was asked, and is compiled anew; nothing in it changes, so it is its own
    copy.

    Args:
        space: what was compiled.
        variants: its networks, before anything is costed: all that a candidate, a count or a draw needs.
        budgets: the limits that were given.
        target: name of the MCU the budgets come from, or the empty string.
        ram_model: `pingpong` or `liveness`; which RAM the budget limits.
        runtime: what gives the ROM.
        latency: what gives the latencies, and perhaps energies; None where nothing does.
        tabulate: works out the chains of a program; see `spaces.program.compile`.
    """

    space: Space
    variants: tuple[Variant, ...]
    budgets: Budgets
    target: str
    ram_model: str
    runtime: Runtime = field(default_factory=Ebs)
    latency: LatencyProfile | None = None
    tabulate: Callable[[Program], tuple[Chain, ...]] = _not_compiled

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """One per variant, in order: what all of its networks cost. Worked out when first asked for.

        Raises:
            LatencyError: the latency profile does not cover the space.
            SpaceError: no network of the space can exist, whatever is chosen.
        """
        return self.tabulate(self)

    @property
    def tabulated(self) -> bool:
        """Whether the chains were worked out."""
        return "chains" in vars(self)

    def with_chains(self, chains: tuple[Chain, ...]) -> Program:
        """The same with other chains."""
        return replace(self, tabulate=lambda _: chains)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The additive metrics that mean something: latency and energy only where a latency profile gives them."""
        return tuple(m for m in ADDITIVE_METRICS if m not in FORMATS or m in self.priced)

    @property
    def priced(self) -> tuple[str, ...]:
        """Those that its latency profile gives, if it has one."""
        return self.latency.gives if self.latency else ()

    @property
    def size(self) -> int:
        """|X|, Eq. 1: the number of option combinations before any constraint."""
        return sum(variant.size for variant in self.variants)

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
        return {variant.label: v for v, variant in enumerate(self.variants)}

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
            metric -> [n]: rom, ram (of the space's model), ram_pingpong, ram_liveness, params, macs, flops, and where a
            profile gives them latency in nanoseconds and energy in nanojoules, as int64; entropy (EBS Eq. 6) as
            float64.
        """
        chain = self.chains[variant]
        rows = np.asarray(rows)
        states = chain.states(rows)
        total = {m: np.full(len(rows), chain.base[m], np.int64) for m in self.metrics}
        most = {m: np.full(len(rows), chain.base[m], np.int64) for m in MAXIMA}
        width = np.full(len(rows), chain.base["log_width"])
        for t, stage in enumerate(chain.stages):
            at = stage.rows[states[:, t], rows[:, t]]
            for name, column in total.items():
                column += stage.table[name][at]
            for name, column in most.items():
                np.maximum(column, stage.table[name][at], out=column)
            width += stage.table["log_width"][at]
        ram = {"ram_pingpong": most["even"] + most["odd"], "ram_liveness": most["peak"]}
        entropy = chain.log_out[states[:, -1]] * width
        return {"rom": total["rom"], "ram": ram[f"ram_{self.ram_model}"], **total, **ram, "entropy": entropy}
