"""Compile a space for budgets: each variant becomes a layered state graph with its limits."""

from __future__ import annotations

import copyreg
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from spaces.errors import EngineError, SpaceError, Span
from spaces.language.expressions import Expression
from spaces.language.reader import read_space
from spaces.language.space import Space
from spaces.program.constraints import Linear, RamLimit, Relation, classify, ground
from spaces.program.graph import ADDITIVE_METRICS, Budgets, Chain, Limit, Program, Stage
from spaces.program.lowering import LayerTable
from spaces.program.tabulate import Tabulation
from spaces.program.variants import Variant, unroll
from spaces.runtimes.ebs import Ebs
from spaces.tensors import Infeasible

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.runtimes.base import Runtime

__all__ = ["compile_space"]

_MAX_SUM = 2**62


def compile_space(
    space: Space,
    budgets: Budgets = Budgets(),  # noqa: B008 - frozen
    *,
    target: str = "",
    ram_model: str | None = None,
    runtime: Runtime = Ebs(),  # noqa: B008 - frozen
    latency: LatencyProfile | None = None,
) -> Program:
    """Compile a space into a Program.

    Args:
        space: the space.
        budgets: limits beside the space's own constraints.
        target: name of the MCU, for reports.
        ram_model: `pingpong` or `liveness`; the runtime's or the space's own by default.
        runtime: gives the ROM, and the RAM model that is its own.
        latency: gives the latencies; without it nothing may limit them.

    Raises:
        LatencyError: a limit on the latency without a profile, or a profile that does not cover the space.
        SpaceError: no network of the space can exist, whatever is chosen; or a constraint that fits no variant.

    Example:
        >>> from spaces.language.reader import load_space
        >>> program = compile_space(load_space("mlp2"))
        >>> program.size, [stage.shape for stage in program.chains[0].stages]
        (64, [(1, 8), (8, 8)])
    """
    _check_latency(space, budgets, latency, target)
    variants = unroll(space)
    conditions = [_conditions(space, variant) for variant in variants]
    for k, constraint in enumerate(space.constraints):
        if not any(c[k][1] for c in conditions):
            message = f"`{constraint}` applies to no network of the space"
            raise constraint.error("no-such-index", message, "its indices are outside every variant")
    compiler = _Compiler(space, budgets, LayerTable(space, runtime, latency))
    with _uncollected():
        chains = tuple(compiler.chain(v, c) for v, c in zip(variants, conditions, strict=True))
    # Constraints that leave nothing are an answer, the empty set; shapes that vanish whatever is chosen, a mistake.
    if not compiler.relation_failed and all(chain.impossible for chain in chains):
        raise compiler.failure(chains)
    model = ram_model or runtime.ram_model or space.ram_model
    return Program(space, chains, budgets, target, model, runtime=runtime, latency=latency)


@lru_cache(maxsize=4)
def _compiled(text: str, file: str, budgets: Budgets, target: str, *given: Any) -> Program:
    """A program that comes to another process: of the candidates that come one by one all have the same."""
    ram_model, runtime, latency = given
    space = read_space(text, file)
    return compile_space(space, budgets, target=target, ram_model=ram_model, runtime=runtime, latency=latency)


def _as_text(program: Program) -> tuple[Any, ...]:
    own = (program.budgets, program.target, program.ram_model, program.runtime, program.latency)
    return _compiled, (program.space.text, program.space.document.source.file, *own)


# Its tables are made anew in less time than it takes to send them.
copyreg.pickle(Program, _as_text)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for reference cycles: states and costs have none, and half of the time went into looking."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check_latency(space: Space, budgets: Budgets, profile: LatencyProfile | None, target: str) -> None:
    """A limit on the latency needs a profile, and one of the space's data type."""
    limiting = next((c for c in space.constraints if "latency" in c.names), None)
    if profile is None and limiting is None and budgets.latency is None:
        return
    from spaces.costs.latency import LatencyError

    if profile is None:
        whom = f"`{target}`" if target else "this target"
        message = f"`{limiting or 'the latency budget'}` needs a latency profile, and there is none for {whom}"
        hint = "name one (`nascompile latency list`), or fit one to your measurements (`nascompile latency fit`)"
        raise LatencyError.of("no-latency-profile", message, hint, limiting.span if limiting else None)
    if profile.dtype != space.settings.dtype:
        own = space.settings.dtype
        message = (
            f"the latency profile `{profile.name}` is of {profile.dtype} networks, and `{space.name}` computes in {own}"
        )
        hint = f"override it with `dtype={profile.dtype}`, or take another profile"
        raise LatencyError.of("latency-dtype", message, hint)


def _conditions(space: Space, variant: Variant) -> list[tuple[Expression, list[Any]]]:
    """Per constraint of the space: its ground conditions in a variant, classified; `[None]` for always true."""
    out = []
    for expression in space.constraints:
        trees = ground(expression, variant)
        found: list[Any] = [c for tree in trees for c in classify(tree, expression, variant)]
        out.append((expression, found or [None] * bool(trees)))
    return out


@dataclass
class _Compiler:
    """Compiles variants one after another."""

    space: Space
    budgets: Budgets
    layers: LayerTable
    relation_failed: bool = False

    def failure(self, chains: tuple[Chain, ...]) -> SpaceError:
        reason = chains[0].impossible
        message = f"no network of `{self.space.name}` can exist: {reason}"
        hint = "lower the strides, kernels or repeats"
        return SpaceError.of("impossible-space", message, hint, self.layers.places.get(reason))

    def chain(self, variant: Variant, conditions: list[tuple[Expression, list[Any]]]) -> Chain:
        found = [c for _, some in conditions for c in some if c is not None]
        relations = [c for c in found if isinstance(c, Relation)]
        walk = Tabulation(variant, self.layers, relations)
        try:
            base = walk.begin()
            stages = tuple(walk.stage(t) for t in range(len(variant.decisions)))
        except Infeasible as reason:
            self.relation_failed |= walk.relation_failed
            return Chain.untabulated(variant, str(reason))
        base_costs: dict[str, int] = dict(zip(ADDITIVE_METRICS, base.additive, strict=True))
        base_costs["rom"] += self.layers.runtime.base
        base_costs["latency"] += self.layers.latency.network_ns if self.layers.latency else 0
        linear = [Linear({m: 1}, b, m) for m, b in self.budgets.items() if m != "ram"]
        linear += [c for c in found if isinstance(c, Linear)]
        ram = [(c.text, c.bound) for c in found if isinstance(c, RamLimit)]
        places = {expression.text: expression.span for expression, _ in conditions}
        return Chain(
            variant,
            {**base_costs, "even": base.even, "odd": base.odd, "peak": base.peak, "log_width": base.log_width}
            | walk.fixed,
            stages,
            np.array([state.size for state in walk.states], np.int64),
            limits=tuple(_limit(c, stages, base_costs, places.get(c.text)) for c in linear),
            ram_limits=tuple([("ram", self.budgets.ram)] if self.budgets.ram is not None else []) + tuple(ram),
            residual=tuple(r for r in relations if r.residual),
        )


def _limit(linear: Linear, stages: Sequence[Stage], base: Mapping[str, int], span: Span | None) -> Limit:
    columns = []
    if _reach(linear, stages) > _MAX_SUM:
        message = f"`{linear.text}` reaches numbers above 2^62"
        raise EngineError.of("too-large", message, "divide both sides, or use smaller sizes", span)
    for stage in stages:
        column = np.zeros(stage.shape, np.int64)
        for name, factor in linear.coefficients.items():
            if name in stage.costs:
                column += factor * stage.costs[name]
            elif name == stage.decision.label:
                column += np.array([int(factor * v) for v in stage.decision.options], np.int64)[None, :]
        columns.append(column)
    fixed = sum(factor * base.get(name, 0) for name, factor in linear.coefficients.items())
    return Limit(linear.text, tuple(columns), linear.bound - fixed, linear.bound)


def _reach(linear: Linear, stages: Sequence[Stage]) -> int:
    """A bound on the magnitude of a weighted sum; beyond 64 bits it would wrap around silently."""
    reach = 0
    for stage in stages:
        largest = {m: int(cost.max(initial=0)) for m, cost in stage.costs.items()}
        if stage.decision.label in linear.coefficients:
            largest[stage.decision.label] = max(map(ceil, stage.decision.options))
        reach += sum(abs(factor) * largest.get(name, 0) for name, factor in linear.coefficients.items())
    return reach
