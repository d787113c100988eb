"""The table constraint of one stage, and the variables that are functions of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from solvers.cpsat.arithmetic import IntegerTerm
from spaces.errors import EngineError
from spaces.program.graph import Stage

__all__ = ["Column", "Domain", "StageTable"]

_MAX_ROWS = 5_000_000

Ints = NDArray[np.int64]


class Column(NamedTuple):
    """An integer per transition of a stage, as scale * variable + offset; the variable is at most `high`."""

    variable: Any
    scale: int
    offset: int
    high: int

    @property
    def value(self) -> IntegerTerm:
        """The linear expression with its bounds."""
        expression = self.offset if self.variable is None else self.scale * self.variable + self.offset
        return IntegerTerm(expression, self.offset, self.scale * self.high + self.offset)


class Domain(NamedTuple):
    """A name in a constraint: a variable, its possible codes, and what each code stands for."""

    variable: Any
    codes: Sequence[int]
    values: Sequence[Any]


class StageTable:
    """The rows of one stage: its allowed transitions, with the variables that are functions of them."""

    def __init__(self, native: Any, t: int, stage: Stage, state: Any, allowed: NDArray[np.bool_]) -> None:
        self.native = native
        self.number = t + 1
        self.stage = stage
        self.states, self.choices = np.nonzero(allowed)
        if len(self.states) > _MAX_ROWS:
            message = f"{stage.decision.label} has {len(self.states):,} transitions; CP-SAT takes {_MAX_ROWS:,}"
            raise EngineError.of("too-large", message, "use --solver diagram, or fewer options")
        self.option = self._variable(self.choices, stage.decision.label)
        self.variables = [self.option]
        self.values: list[Ints] = [self.choices]
        # Variables by what they hold, so that equal columns share one.
        self.by_values = {self.choices.tobytes(): self.option}
        if state is not None:
            self.by_values[self.states.tobytes()] = state
            self.variables.insert(0, state)
            self.values.insert(0, self.states)

    def _variable(self, values: Ints, name: str) -> Any:
        from ortools.sat.python import cp_model

        # Without a row there is no network, which `finish` says; the variable still needs some domain.
        domain = cp_model.Domain.from_values(np.unique(values).tolist() or [0])
        return self.native.new_int_var_from_domain(domain, name)

    def _shared(self, values: Ints, name: str) -> Any:
        key = values.tobytes()
        if key not in self.by_values:
            self.by_values[key] = self._variable(values, name)
            self.variables.append(self.by_values[key])
            self.values.append(values)
        return self.by_values[key]

    def state_after(self, states: int) -> Any:
        """The variable of the state that the stage leads to; None where there is only one."""
        if states == 1:
            return None
        return self._shared(self.stage.next[self.states, self.choices].astype(np.int64), f"state[{self.number + 1}]")

    def column(self, values: Ints, name: str) -> Column:
        """A quantity of the transitions ([states, options]) as a column."""
        values = values[self.states, self.choices].astype(np.int64)
        low = int(values.min()) if len(values) else 0
        values = values - low
        scale = int(np.gcd.reduce(values)) if len(values) else 0
        if not scale:
            return Column(None, 0, low, 0)
        values = values // scale
        label = name if "[" in name else f"{name}[{self.number}]"
        return Column(self._shared(values, label), scale, low, int(values.max()))

    def domain(self, values: Ints, name: str) -> Domain:
        """A quantity of the transitions, with the list of what it can be."""
        column = self.column(values, name)
        if column.variable is None:
            return Domain(None, (0,), (column.offset,))
        codes = np.unique((values[self.states, self.choices] - column.offset) // column.scale).tolist()
        return Domain(column.variable, codes, [column.scale * code + column.offset for code in codes])

    def finish(self) -> None:
        """Add the table."""
        if not len(self.states):
            self.native.add_bool_or([])
        elif len(self.variables) > 1:
            self.native.add_allowed_assignments(self.variables, np.stack(self.values, axis=1).tolist())
