"""Compile a space for budgets: tabulate each variant's layers into a layered state graph.

The state before a stage is the tensor that flows plus exactly those earlier decisions that some later layer or
relation still needs; two prefixes that agree on it have the same future.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from spaces.blocks import Ops
from spaces.constraints import Linear, RamLimit, Relation, classify, ground, labels
from spaces.costs import LayerCost, layer_cost
from spaces.errors import Diagnostic, EngineError, SpaceError, Span
from spaces.expressions import Expression
from spaces.latency import LatencyError, LatencyProfile
from spaces.program import ADDITIVE_METRICS, Budgets, Chain, Limit, Program, Stage
from spaces.space import Space, option_label
from spaces.tensors import Infeasible, Tensor
from spaces.variants import Layer, Variant, unroll

__all__ = ["compile_space"]

MAX_STATES = 100_000
# 1,000 layers (variants.MAX_LAYERS) of at most this stay within 64 bits.
_MAX_COST = 2**52
_MAX_SUM = 2**62

State = tuple[Tensor, int, tuple[tuple[str, Any], ...]]


def compile_space(
    space: Space,
    budgets: Budgets = Budgets(),  # noqa: B008 - frozen
    *,
    target: str = "",
    ram_model: str | None = None,
    code: Mapping[str, int] | None = None,
    latency: LatencyProfile | None = None,
) -> Program:
    """Compile a space into a Program.

    Args:
        space: the space.
        budgets: limits beside the space's own constraints.
        target: name of the MCU, for reports.
        ram_model: `pingpong` or `liveness`; the space's own by default.
        code: code bytes per operator kind, cs_t in EBS Eq. 3.
        latency: gives the latencies; without it nothing may limit them.

    Raises:
        LatencyError: a limit on the latency without a profile, or a profile that does not cover the space.
        SpaceError: no network of the space can exist, whatever is chosen; or a constraint that fits no variant.

    Example:
        >>> from spaces.reader import load_space
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
    compiler = _Compiler(space, budgets, code or {}, latency)
    chains = tuple(compiler.chain(v, c) for v, c in zip(variants, conditions, strict=True))
    # Constraints that leave nothing are an answer, the empty set; shapes that vanish whatever is chosen, a mistake.
    if not compiler.relation_failed and all(chain.impossible for chain in chains):
        raise compiler.failure(chains)
    return Program(space, chains, budgets, target, ram_model or space.ram_model, dict(code or {}), latency)


def _check_latency(space: Space, budgets: Budgets, profile: LatencyProfile | None, target: str) -> None:
    """A limit on the latency needs a profile, and one of the space's data type."""
    limiting = next((c for c in space.constraints if "latency" in c.names), None)
    if profile is None and (limiting or budgets.latency is not None):
        whom = f"`{target}`" if target else "this target"
        message = f"`{limiting or 'the latency budget'}` needs a latency profile, and there is none for {whom}"
        hint = "name one (`nascompile latency list`), or fit one to your measurements (`nascompile latency fit`)"
        raise LatencyError(Diagnostic("no-latency-profile", message, limiting.span if limiting else None, hint))
    if profile and profile.dtype != space.settings.dtype:
        own = space.settings.dtype
        message = (
            f"the latency profile `{profile.name}` is of {profile.dtype} networks, and `{space.name}` computes in {own}"
        )
        hint = f"override it with `dtype={profile.dtype}`, or take another profile"
        raise LatencyError(Diagnostic("latency-dtype", message, None, hint))


def _conditions(space: Space, variant: Variant) -> list[tuple[Expression, list[Any]]]:
    """Per constraint of the space: its ground conditions in a variant, classified; `[None]` for always true."""
    out = []
    for expression in space.constraints:
        trees = ground(expression, variant)
        found: list[Any] = [c for tree in trees for c in classify(tree, expression, variant)]
        out.append((expression, found or [None] * bool(trees)))
    return out


class _Sums(NamedTuple):
    """What the layers run at one transition cost together."""

    additive: tuple[int, ...]
    even: int
    odd: int
    peak: int
    log_width: float


_NOTHING = _Sums((0,) * len(ADDITIVE_METRICS), 0, 0, 0, 0.0)


_additive = attrgetter(*ADDITIVE_METRICS)


def _added(start: _Sums, costs: Sequence[tuple[LayerCost, int | None]]) -> _Sums:
    """The sums and maxima after some layers; each with its number among the numbered layers, or None."""
    if not costs:
        return start
    even, odd, width = start.even, start.odd, start.log_width
    for cost, number in costs:
        if number:
            width += cost.log_width
            even, odd = (even, max(odd, cost.out_bytes)) if number % 2 else (max(even, cost.out_bytes), odd)
    additive = tuple(map(sum, zip(start.additive, *(_additive(cost) for cost, _ in costs), strict=True)))
    return _Sums(additive, even, odd, max(start.peak, *(cost.peak for cost, _ in costs)), width)


@dataclass
class _Compiler:
    """Compiles variants one after another, remembering the cost of every layer it has seen."""

    space: Space
    budgets: Budgets
    code: Mapping[str, int]
    latency: LatencyProfile | None
    known: dict[tuple[Any, ...], tuple[Tensor, LayerCost] | Infeasible] = field(default_factory=dict)
    costs: dict[tuple[int, Tensor, Tensor], tuple[Ops, LayerCost]] = field(default_factory=dict)
    places: dict[str, Span | None] = field(default_factory=dict)
    relation_failed: bool = False

    def failure(self, chains: tuple[Chain, ...]) -> SpaceError:
        reason = chains[0].impossible
        message = f"no network of `{self.space.name}` can exist: {reason}"
        hint = "lower the strides, kernels or repeats"
        return SpaceError(Diagnostic("impossible-space", message, self.places.get(reason), hint))

    def infeasible(self, reason: Infeasible, span: Span | None) -> Infeasible:
        """The same, its place kept for an error message."""
        self.places.setdefault(str(reason), span)
        return reason

    # -- one layer -------------------------------------------------------------------------------------------------

    def layer(self, layer: Layer, x: Tensor, values: Mapping[str, Any]) -> tuple[Tensor, LayerCost]:
        """The output and cost of a layer; remembered by its block, its input and the options it uses."""
        key = (id(layer.spec), x, tuple(values.values()))
        if key not in self.known:
            try:
                self.known[key] = self.lower(layer, x, values)
            except Infeasible as reason:
                self.known[key] = self.infeasible(reason, layer.spec.span)
        found = self.known[key]
        if isinstance(found, Infeasible):
            raise found
        return found

    def lower(self, layer: Layer, x: Tensor, values: Mapping[str, Any]) -> tuple[Tensor, LayerCost]:
        out, ops = lower_layer(self.space, layer, x, values)
        # Blocks remember the operators that they return: the same ones cost the same. The entry keeps them alive.
        key = (id(ops), x, out)
        if key in self.costs:
            return out, self.costs[key][1]
        cost = layer_cost(ops, x, out, self.space.settings, self.code, self.latency)
        self.costs[key] = (ops, cost)
        if max(cost[:-1]) > _MAX_COST:
            message = f"a layer `{layer.spec.block.name}` on {x.shape} costs more than 2^52"
            raise EngineError(Diagnostic("too-large", message, layer.spec.span, "use smaller sizes"))
        return out, cost

    # -- one chain -------------------------------------------------------------------------------------------------

    def chain(self, variant: Variant, conditions: list[tuple[Expression, list[Any]]]) -> Chain:
        found = [c for _, some in conditions for c in some if c is not None]
        relations = [c for c in found if isinstance(c, Relation)]
        walk = _Walk(self, variant, relations)
        try:
            base = walk.begin()
            stages = tuple(walk.stage(t) for t in range(len(variant.decisions)))
        except Infeasible as reason:
            return Chain(variant, {}, (), np.zeros(0, np.int64), (), (), (), impossible=str(reason))
        base_costs: dict[str, int] = dict(zip(ADDITIVE_METRICS, base.additive, strict=True))
        base_costs["latency"] += self.latency.network_ns if self.latency else 0
        linear = [Linear({m: 1}, b, m) for m, b in self.budgets.items() if m != "ram"]
        linear += [c for c in found if isinstance(c, Linear)]
        ram = [(c.text, c.bound) for c in found if isinstance(c, RamLimit)]
        places = {expression.text: expression.span for expression, _ in conditions}
        return Chain(
            variant,
            {**base_costs, "even": base.even, "odd": base.odd, "peak": base.peak, "log_width": base.log_width}
            | walk.fixed,
            stages,
            np.array([size for _, size, _ in walk.states], np.int64),
            tuple(_limit(c, stages, base_costs, places.get(c.text)) for c in linear),
            tuple([("ram", self.budgets.ram)] if self.budgets.ram is not None else []) + tuple(ram),
            tuple(r for r in relations if r.residual),
        )


def lower_layer(space: Space, layer: Layer, x: Tensor, values: Mapping[str, Any]) -> tuple[Tensor, Any]:
    """The output tensor and the operators of one layer.

    Args:
        space: the space, for its data type.
        layer: the layer.
        x: its input.
        values: the value of every choice the layer uses.

    Raises:
        Infeasible: these values describe no network.
        SpaceError: an expression gives a value of the wrong type.
    """
    spec, block = layer.spec, layer.spec.block
    if x.rank not in block.ranks:
        kinds = {0: "a vector", 1: "a series", 2: "an image"}
        wanted = " or ".join(kinds[r] for r in block.ranks)
        message = f"`{block.name}` takes {wanted}, but its input is {kinds[x.rank]} ({x.shape})"
        hint = "put a `flatten` or a global pooling before it" if x.rank else "vectors go into `linear`"
        raise SpaceError(Diagnostic("wrong-rank", message, spec.span, hint))
    arguments = spec.evaluate(values)
    dtype = spec.dtype.evaluate(values) if isinstance(spec.dtype, Expression) else spec.dtype
    ops = spec.own(block.lower(x.shape, **arguments))
    # A view or a pooling keeps the type of what it reads; layers with weights have their own.
    own = dtype or (space.settings.dtype if any(op.has_weights for op in ops) else x.dtype)
    rank = x.rank if block.out_rank is None else block.out_rank
    return Tensor(ops[-1].out, own, rank), ops


def _limit(linear: Linear, stages: Sequence[Stage], base: Mapping[str, int], span: Span | None) -> Limit:
    columns = []
    if _reach(linear, stages) > _MAX_SUM:
        message = f"`{linear.text}` reaches numbers above 2^62"
        raise EngineError(Diagnostic("too-large", message, span, "divide both sides, or use smaller sizes"))
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


class _Walk:
    """Walks one variant's decisions in order, keeping the states that can be reached."""

    def __init__(self, compiler: _Compiler, variant: Variant, relations: list[Relation]) -> None:
        self.compiler = compiler
        self.variant = variant
        order = {d.label: t for t, d in enumerate(variant.decisions)}
        self.runs_at = self._runs_at(order)
        self.layers_at: dict[int, list[Layer]] = {}
        for layer, t in zip(variant.layers, self.runs_at, strict=True):
            self.layers_at.setdefault(t, []).append(layer)
        known_at = dict(order)
        for j, layer in enumerate(variant.layers):
            for name in ("channels", "height", "width"):
                known_at[f"{name}[{layer.number}]"] = self.runs_at[j]
        self.relations = [(max(known_at[n] for n in labels(r.tree)), r) for r in relations if not r.residual]
        named = {n for r in relations if r.residual for n in labels(r.tree)}
        self.derived_at = {n: t for n, t in known_at.items() if n in named and n not in order}
        self.fixed: dict[str, int] = {}
        self.needed = self._needed(order)
        self.states: list[State] = []

    def _runs_at(self, order: Mapping[str, int]) -> list[int]:
        """The stage at which each layer runs: as soon as it and all before it are decided; -1 before any stage."""
        at, out = -1, []
        for layer in self.variant.layers:
            at = max([at, *(order[label] for label in layer.bindings.values())])
            out.append(at)
        return out

    def _needed(self, order: Mapping[str, int]) -> list[set[str]]:
        """Per stage, the names whose values must be carried beyond it."""
        needed: list[set[str]] = [set() for _ in range(len(order) + 1)]
        uses = [(self.runs_at[j], set(layer.bindings.values())) for j, layer in enumerate(self.variant.layers)]
        uses += [(due, labels(r.tree)) for due, r in self.relations]
        for due, names in uses:
            for t in range(-1, due):
                needed[t + 1] |= names
        return needed

    def begin(self) -> _Sums:
        """Run the layers that no decision touches; returns their costs."""
        x = self.compiler.space.input
        start = _NOTHING._replace(even=x.nbytes)
        names: dict[str, Any] = {}
        state, sums = self.advance(-1, (x, x.shape.size, ()), names, start)
        self.fixed = {n: names[n] for n, due in self.derived_at.items() if due < 0}
        self.states = [state]
        return sums

    def advance(self, t: int, state: State, names: dict[str, Any], sums: _Sums) -> tuple[State, _Sums]:
        """Run the layers of stage t from a state.

        Raises:
            Infeasible: a layer or a relation does not admit these decisions.
        """
        x, size, _ = state
        costs: list[tuple[LayerCost, int | None]] = []
        for layer in self.layers_at.get(t, ()):
            values = {choice: names[label] for choice, label in layer.bindings.items()}
            constants = self.variant.constants
            values |= {n: constants[n] for n in layer.spec.names if n in constants}
            x, cost = self.compiler.layer(layer, x, values)
            costs.append((cost, layer.number))
            if layer.number:
                size = x.shape.size
                for name, side in zip(("channels", "height", "width"), x.shape, strict=True):
                    names[f"{name}[{layer.number}]"] = side
        for due, relation in self.relations:
            if due == t and not relation.holds(names):
                self.compiler.relation_failed = True
                raise Infeasible(f"`{relation.expression}` does not hold")
        kept = tuple((n, v) for n, v in names.items() if n in self.needed[t + 1])
        return (x, size, kept), _added(sums, costs)

    def stage(self, t: int) -> Stage:
        """Tabulate stage t over the states that reach it."""
        decision = self.variant.decisions[t]
        index: dict[State, int] = {}
        shape = (len(self.states), len(decision.options))
        target = np.full(shape, -1, np.int32)
        table: list[list[_Sums]] = [[_NOTHING] * shape[1] for _ in range(shape[0])]
        derived = {n: np.zeros(shape, np.int64) for n, due in self.derived_at.items() if due == t}
        reason = None
        for s, state in enumerate(self.states):
            for o, option in enumerate(decision.options):
                names = {**dict(state[2]), decision.label: option}
                try:
                    after, sums = self.advance(t, state, names, _NOTHING)
                except Infeasible as why:
                    reason = why
                    continue
                target[s, o] = index.setdefault(after, len(index))
                table[s][o] = sums
                for name, column in derived.items():
                    column[s, o] = names[name]
        if not index:
            raise reason or Infeasible(f"{decision.label} has no possible option")
        if len(index) > MAX_STATES:
            message = f"{decision.label} leads to {len(index):,} states; at most {MAX_STATES:,} are supported"
            raise EngineError(Diagnostic("too-many-states", message, None, "share fewer decisions over many layers"))
        before, self.states = self.states, list(index)
        return _stage(decision, target, table, tuple(map(_state_text, before)), derived)


def _stage(
    decision: Any, target: Any, table: list[list[_Sums]], states: tuple[str, ...], derived: Mapping[str, Any]
) -> Stage:
    additive = np.array([[s.additive for s in row] for row in table], np.int64)
    even, odd, peak = (
        np.array([[getattr(s, name) for s in row] for row in table], np.int64) for name in ("even", "odd", "peak")
    )
    costs = {m: np.ascontiguousarray(additive[:, :, k]) for k, m in enumerate(ADDITIVE_METRICS)}
    width = np.array([[s.log_width for s in row] for row in table], np.float64)
    return Stage(decision, target, costs, even, odd, peak, width, states, derived)


def _state_text(state: State) -> str:
    tensor, _, kept = state
    carried = "".join(f" {n}={option_label(v)}" for n, v in kept)
    return f"{tensor.shape}:{tensor.dtype}{carried}"
