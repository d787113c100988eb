"""A CP-SAT model under construction: variables, tables and limits of a chain; see `solvers.cpsat.model`."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from functools import reduce
from math import gcd, lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.cpsat.arithmetic import LARGEST, Arithmetic, IntegerTerm, constant
from solvers.cpsat.table import Domain, StageTable
from spaces.errors import EngineError, did_you_mean
from spaces.program.entropy import width_steps
from spaces.program.graph import ADDITIVE_METRICS, RAM_PARTS, Chain, Limit, Stage

__all__ = ["Ints", "Lowering"]


Ints = NDArray[np.int64]


class Lowering:
    """A model under construction.

    Args:
        chain: what is lowered.
        ram_model: the RAM that `ram` means.
        limits: names of the limits to impose; None for all.
    """

    def __init__(self, chain: Chain, ram_model: str, limits: Collection[str] | None) -> None:
        from ortools.sat.python import cp_model

        self.chain = chain
        self.ram_model = ram_model
        self.limits = limits
        self.native = cp_model.CpModel()
        bounds = [bound for name, bound in chain.ram_limits if self.wanted(name)]
        self.ram_limit = min(bounds, default=None)
        self.position = {d.label: t for t, d in enumerate(chain.variant.decisions)}
        self.tables: list[StageTable] = []
        state = None
        for t, stage in enumerate(chain.stages):
            table = StageTable(self.native, t, stage, state, self._allowed(stage))
            state = table.state_after(len(chain.stages[t + 1].next) if t + 1 < len(chain.stages) else 1)
            self.tables.append(table)
        self.arithmetic = Arithmetic(self.native)
        self.known: dict[str, IntegerTerm] = {}

    @property
    def options(self) -> tuple[Any, ...]:
        """The option variables."""
        return tuple(table.option for table in self.tables)

    def wanted(self, name: str) -> bool:
        """Whether the limits of this name are to be imposed."""
        return self.limits is None or name in self.limits

    def _allowed(self, stage: Stage) -> NDArray[np.bool_]:
        """The transitions that exist and are within the RAM limit by themselves."""
        exists = stage.next >= 0
        if self.ram_limit is None:
            return exists
        base = self.chain.base
        return exists & (sum(np.maximum(stage.column(n), base[n]) for n in self.ram_parts) <= self.ram_limit)

    @property
    def ram_parts(self) -> tuple[str, ...]:
        """The path maxima whose sum is the RAM."""
        return RAM_PARTS[self.ram_model]

    # -- limits ----------------------------------------------------------------------------------------------------

    def require_limit(self, limit: Limit, name: str) -> None:
        """Impose an additive limit, divided by the common divisor of its terms."""
        columns = [table.column(values, name) for table, values in zip(self.tables, limit.columns, strict=True)]
        terms = [c for c in columns if c.variable is not None]
        divisor = gcd(*(c.scale for c in terms)) or 1
        bound = (limit.bound - sum(c.offset for c in columns)) // divisor
        most = sum(c.scale // divisor * c.high for c in terms)
        if most > LARGEST:
            raise _too_large(f"`{limit.name}`")
        if most > bound:
            self.native.add(sum(c.scale // divisor * c.variable for c in terms) <= max(bound, -1))

    def require_ram(self) -> None:
        """Impose the RAM limit: row deletion has done what single transitions say, pairs of layers remain."""
        if self.ram_limit is None:
            return
        if sum(self.chain.base[n] for n in self.ram_parts) > self.ram_limit:
            self.native.add_bool_or([])
        if self.ram_model == "pingpong":
            even, odd = (self._exceeding(name) for name in self.ram_parts)
            for a in even:
                for b in odd:
                    if a.high + b.high > self.ram_limit:
                        self.native.add(a.expression + b.expression <= self.ram_limit)

    def _exceeding(self, name: str) -> list[IntegerTerm]:
        """The path maximum's terms that can exceed its fixed part."""
        terms = [table.column(table.stage.column(name), name).value for table in self.tables]
        return [term for term in terms if term.high > self.chain.base[name]]

    # -- metrics, decisions and derived quantities -----------------------------------------------------------------

    def metric(self, name: str) -> IntegerTerm:
        """The linear expression of a metric; see `lower`."""
        if name not in self.known:
            try:
                self.known[name] = self._metric(name)
            except OverflowError:
                raise _too_large(f"`{name}`") from None
        return self.known[name]

    def _metric(self, name: str) -> IntegerTerm:
        if name in self.position:
            return self._option_value(name)
        if self.derived(name):
            return self._derived_value(name)
        if name.startswith("ram"):
            model = self.ram_model if name == "ram" else name.removeprefix("ram_")
            terms = [self._path_maximum(part) for part in RAM_PARTS[model]]
        else:
            base, columns = self._additive(name)
            terms = [t.column(c, name).value for t, c in zip(self.tables, columns, strict=True)]
            terms.append(constant(base))
        return reduce(self.arithmetic.add, terms)

    def _option_value(self, label: str) -> IntegerTerm:
        """The value of a numeric decision, times `denominator`."""
        table = self.tables[self.position[label]]
        if not self.numeric(label):
            message = f"the options of `{label}` are not numbers"
            raise EngineError.of("not-numeric", message, "ask for a numeric decision or a metric")
        scaled = [int(v * self.denominator(label)) for v in map(Fraction, table.stage.decision.options)]
        return table.column(np.broadcast_to(scaled, table.stage.shape), label).value

    def derived(self, label: str) -> bool:
        """Whether a name is a derived quantity of the chain."""
        return "[" in label and (label in self.chain.base or any(label in s.derived for s in self.chain.stages))

    def _derived_value(self, label: str) -> IntegerTerm:
        if label in self.chain.base:
            return constant(int(self.chain.base[label]))
        table = next(table for table in self.tables if label in table.stage.derived)
        return table.column(table.stage.derived[label], label).value

    def _additive(self, name: str) -> tuple[int, list[Ints]]:
        stages, base, final = self.chain.stages, self.chain.base, self.chain.out_size
        if name in ADDITIVE_METRICS:
            return int(base[name]), [stage.costs[name] for stage in stages]
        if name == "log_width":
            return int(width_steps(base[name])), [width_steps(stage.column(name)) for stage in stages]
        if name == "out_size":
            nothing = [np.zeros(stage.shape, np.int64) for stage in stages]
            return (0, [*nothing[:-1], final[stages[-1].next]]) if stages else (int(final[0]), [])
        known = (*self.position, *ADDITIVE_METRICS, "ram", "entropy")
        message = f"`{name}` is not a metric that CP-SAT knows"
        raise EngineError.of("unknown-metric", message, did_you_mean(name, known))

    def _path_maximum(self, name: str) -> IntegerTerm:
        """The largest of the stages' columns and the fixed part."""
        base = constant(self.chain.base[name])
        terms = self._exceeding(name)
        return self.arithmetic.largest([base, *terms], name) if terms else base

    def numeric(self, label: str) -> bool:
        """Whether a name is a decision between numbers."""
        return label in self.position and self.chain.variant.decisions[self.position[label]].numeric

    def denominator(self, label: str) -> int:
        """The common denominator of a numeric decision's options."""
        options = self.chain.variant.decisions[self.position[label]].options
        return lcm(*(Fraction(v).denominator for v in options))

    def domain(self, label: str) -> Domain | None:
        """What a decision or a derived quantity can be; None for anything else."""
        if label in self.position:
            table = self.tables[self.position[label]]
            return Domain(table.option, range(len(table.stage.decision.options)), table.stage.decision.options)
        if not self.derived(label):
            return None
        if label in self.chain.base:
            return Domain(None, (0,), (int(self.chain.base[label]),))
        table = next(table for table in self.tables if label in table.stage.derived)
        return table.domain(table.stage.derived[label], label)

    def finish(self) -> None:
        """Add the tables, and the order in which enumeration decides."""
        from ortools.sat.python import cp_model

        for table in self.tables:
            table.finish()
        if self.tables:
            self.native.add_decision_strategy(self.options, cp_model.CHOOSE_FIRST, cp_model.SELECT_MIN_VALUE)


def _too_large(what: str) -> EngineError:
    message = f"the terms of {what} add up to more than 2^60, beyond CP-SAT's numbers"
    return EngineError.of("too-large", message, "use --solver diagram, or smaller sizes")
