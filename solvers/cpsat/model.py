"""Lower a chain to a CP-SAT model in which everything is a function of the decisions.

Normal form: one integer variable per decision (the position of its option), one for the state between two stages, and
one table per stage over (state, option, next state, columns). A column is a cost of the stage, shifted to start at 0
and divided by its common divisor, so that columns that are multiples of each other (ROM and parameters; MACs and
FLOPs) share one variable, and a column or state that merely repeats the option needs none. Additive limits are linear
in the columns, ping-pong RAM (EBS Eq. 4) is one inequality per pair of an even and an odd layer, peak RAM deletes rows
of the tables. Because every variable is determined by the options, enumeration meets each network exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solvers.cpsat.expressions import Relations
from solvers.cpsat.lowering import Lowering
from spaces.program.graph import Chain

__all__ = ["Model", "lower", "lower_undefined"]


@dataclass(frozen=True, eq=False)
class Model:
    """A chain as a CP-SAT model, with the way back.

    Args:
        native: the `ortools.sat.python.cp_model.CpModel`.
        options: per stage, the variable that holds the position of the chosen option.
        costs: linear expressions of the metrics that were asked for.
    """

    native: Any
    options: tuple[Any, ...]
    costs: Mapping[str, Any]

    def row(self, value: Callable[[Any], int]) -> tuple[int, ...]:
        """The inverse of the lowering: option indices, given the solver's value of each variable."""
        return tuple(map(value, self.options))


def lower(
    chain: Chain,
    ram_model: str,
    limits: Collection[str] | None = None,
    metrics: Sequence[str] = (),
) -> Model:
    """Lower a chain.

    Args:
        chain: the compiled variant; it must be possible.
        ram_model: `pingpong` or `liveness`, the RAM that `ram` limits mean.
        limits: names of the limits and residual constraints to impose; None for all.
        metrics: what `Model.costs` is to hold: additive metrics, `ram`, `ram_pingpong`, `ram_liveness`, a numeric
            decision's label (times `Lowering.denominator`), `log_width` (times `WIDTH_STEPS`) or `out_size`.

    Raises:
        EngineError: a constraint cannot be lowered, or the tables are too large.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> chain = compile_space(load_space("mlp2"), Budgets(rom=13_600)).chains[0]
        >>> model = lower(chain, "pingpong")
        >>> [str(v) for v in model.options], model.native.validate()
        (['M[1]', 'M[2]'], '')
    """
    lowering = _limited(chain, ram_model, limits)
    relations = Relations(lowering)
    for relation in chain.residual:
        if lowering.wanted(relation.expression.text):
            relations.require(relation)
    costs = {name: lowering.metric(name).expression for name in metrics}
    lowering.finish()
    return Model(lowering.native, lowering.options, costs)


def lower_undefined(chain: Chain, ram_model: str, position: int) -> Model:
    """The networks that keep all limits and the residual constraints before one, and make that one divide by zero.

    Args:
        chain: see `lower`.
        ram_model: see `lower`.
        position: of the constraint among `chain.residual`.

    Raises:
        EngineError: see `lower`.
    """
    lowering = _limited(chain, ram_model, None)
    relations = Relations(lowering)
    for relation in chain.residual[:position]:
        relations.require(relation)
    relations.require_undefined(chain.residual[position])
    lowering.finish()
    return Model(lowering.native, lowering.options, {})


def _limited(chain: Chain, ram_model: str, limits: Collection[str] | None) -> Lowering:
    """A chain with its limits, but without residual constraints."""
    lowering = Lowering(chain, ram_model, limits)
    for k, limit in enumerate(chain.limits):
        if lowering.wanted(limit.name):
            lowering.require_limit(limit, limit.metric or f"limit{k}")
    lowering.require_ram()
    return lowering
