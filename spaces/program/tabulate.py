"""Tabulate a variant: walk its decisions in order, and keep the states that can be reached with what leads there.

The state before a stage is the tensor that flows plus exactly those earlier decisions that some later layer or
relation still needs; two prefixes that agree on it have the same future.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from spaces.costs.layer import LayerCost
from spaces.errors import EngineError
from spaces.language.layer import option_label
from spaces.language.space import DERIVED
from spaces.program.constraints import Relation, labels
from spaces.program.graph import ADDITIVE_METRICS, Stage
from spaces.program.lowering import LayerTable
from spaces.program.variants import Decision, Layer, Variant
from spaces.tensors import Infeasible, Tensor

__all__ = ["Sums", "Tabulation"]

#: States of one stage, at most.
MAX_STATES = 100_000

_additive = attrgetter(*ADDITIVE_METRICS)


class Sums(NamedTuple):
    """What some layers cost together.

    Args:
        additive: the additive metrics.
        even: largest output of the even-numbered layers, in bytes.
        odd: the same of the odd-numbered ones.
        peak: most bytes alive at any step.
        log_width: sum of log2(w) of the numbered layers.
    """

    additive: tuple[int, ...]
    even: int
    odd: int
    peak: int
    log_width: float

    def add(self, cost: LayerCost, number: int | None, code: int) -> Sums:
        """With a layer more; `number` is its place among the numbered layers, or None; `code` of kernels new to it."""
        even, odd, width = self.even, self.odd, self.log_width
        if number:
            width += cost.log_width
            even, odd = (even, max(odd, cost.out_bytes)) if number % 2 else (max(even, cost.out_bytes), odd)
        additive = tuple(map(int.__add__, self.additive, _additive(cost)))
        if code:
            additive = (additive[0] + code, *additive[1:])
        return Sums(additive, even, odd, max(self.peak, cost.peak), width)


_NOTHING = Sums((0,) * len(ADDITIVE_METRICS), 0, 0, 0, 0.0)


class _State(NamedTuple):
    """What the rest of a network needs to know of the past.

    Args:
        x: the tensor that flows.
        size: u_L of EBS Eq. 6 so far, the elements of the last numbered layer's output.
        number: how many numbered layers there were; only whether it is odd where layers can be absent.
        kernels: the kernels of the runtime that layers have called, a bit for each.
        kept: of the names carried beyond this stage, in their order, the option index or the derived quantity.
    """

    x: Tensor
    size: int
    number: int
    kernels: int = 0
    kept: tuple[int, ...] = ()


class _Past(NamedTuple):
    """After some layers: the state, their costs, and the derived quantities that something names."""

    state: _State
    sums: Sums
    derived: tuple[tuple[str, int], ...] = ()


class _Plan:
    """What happens at one stage: the layers that run, with the decisions that they read."""

    def __init__(self, layers: Sequence[Layer], variant: Variant) -> None:
        self.layers = layers
        self.constants = [{n: v for n, v in variant.constants.items() if n in layer.spec.names} for layer in layers]
        #: A layer's values are told apart by the options that it reads and by the constants.
        self.keys = [", ".join(f"{n}={option_label(v)}" for n, v in c.items()) for c in self.constants]
        self.reads = [tuple(layer.bindings.values()) for layer in layers]
        self.labels = tuple({label: None for read in self.reads for label in read})
        conditions = [layer.present.bindings.values() for layer in layers if layer.present]
        self.conditions = tuple({label: None for bindings in conditions for label in bindings})
        self.present: dict[tuple[int, ...], tuple[int, ...]] = {}
        self.known: dict[tuple[Any, ...], _Past] = {}


class Tabulation:
    """Walks one variant's decisions in order, keeping the states that can be reached.

    Args:
        variant: the variant.
        layers: the costs of layers.
        relations: the conditions between decisions and derived quantities.

    Attributes:
        relation_failed: whether a relation has ruled anything out.
        fixed: derived quantities, named by a residual relation, of the layers before every stage.
        states: the states after the last stage that was tabulated.
    """

    def __init__(self, variant: Variant, layers: LayerTable, relations: Sequence[Relation]) -> None:
        self.variant = variant
        self.table = layers
        self.relation_failed = False
        self.order = {d.label: t for t, d in enumerate(variant.decisions)}
        runs_at = self._runs_at()
        plans: dict[int, list[Layer]] = {}
        known_at = dict(self.order)
        for layer, t in zip(variant.layers, runs_at, strict=True):
            plans.setdefault(t, []).append(layer)
            known_at |= {f"{name}[{layer.number}]": t for name in DERIVED}
        self.plans = {t: _Plan(found, variant) for t, found in plans.items()}
        self.relations = [(max(known_at[n] for n in labels(r.tree)), r) for r in relations if not r.residual]
        residual = {n for r in relations if r.residual for n in labels(r.tree)}
        self.derived_at = {n: t for n, t in known_at.items() if n in residual and n not in self.order}
        self.wanted = {n for r in relations for n in labels(r.tree)} - set(self.order)
        self.carried = self._carried(runs_at, known_at)
        self.fixed: dict[str, int] = {}
        self.states: list[_State] = []

    def _runs_at(self) -> list[int]:
        """The stage at which each layer runs: as soon as it and all before it are decided; -1 before any stage."""
        at, out = -1, []
        for layer in self.variant.layers:
            at = max([at, *(self.order[label] for label in layer.labels)])
            out.append(at)
        return out

    def _carried(self, runs_at: Sequence[int], known_at: Mapping[str, int]) -> list[tuple[str, ...]]:
        """Per stage, the names whose values must be carried into it; those known first come first."""
        last: dict[str, int] = {}
        uses = [(t, layer.labels) for t, layer in zip(runs_at, self.variant.layers, strict=True)]
        for due, names in uses + [(due, labels(r.tree)) for due, r in self.relations]:
            last |= {name: max(due, last.get(name, -1)) for name in names}
        order = sorted(last, key=lambda name: known_at[name])
        return [tuple(n for n in order if known_at[n] < t <= last[n]) for t in range(len(self.order) + 1)]

    def begin(self) -> Sums:
        """Run the layers that no decision touches; returns their costs.

        Raises:
            Infeasible: they, or a relation between them, cannot be.
        """
        x = self.table.space.input
        start = _Past(_State(x, x.shape.size, 0), _NOTHING._replace(even=x.nbytes))
        past = self._advance(-1, start, {})
        self.fixed = {n: v for n, v in past.derived if n in self.derived_at}
        self.states = [past.state]
        return past.sums

    def stage(self, t: int) -> Stage:
        """Tabulate stage t over the states that reach it.

        Raises:
            Infeasible: none of its options can be taken.
            EngineError: more than `MAX_STATES` states.
        """
        decision, carried = self.variant.decisions[t], self.carried[t]
        shape = (len(self.states), len(decision.options))
        target = np.full(shape, -1, np.int32)
        table = [[_NOTHING] * shape[1] for _ in range(shape[0])]
        derived = {n: np.zeros(shape, np.int64) for n, due in self.derived_at.items() if due == t}
        index: dict[_State, int] = {}
        reason = None
        for s, state in enumerate(self.states):
            codes = dict(zip(carried, state.kept, strict=True))
            start = _Past(state, _NOTHING)
            for o in range(shape[1]):
                codes[decision.label] = o
                try:
                    past = self._advance(t, start, codes)
                except Infeasible as why:
                    reason = why
                    continue
                target[s, o] = index.setdefault(past.state, len(index))
                table[s][o] = past.sums
                for name, value in past.derived:
                    if name in derived:
                        derived[name][s, o] = value
        if not index:
            raise reason or Infeasible(f"{decision.label} has no possible option")
        if len(index) > MAX_STATES:
            message = f"{decision.label} leads to {len(index):,} states; at most {MAX_STATES:,} are supported"
            raise EngineError.of("too-many-states", message, "share fewer decisions over many layers")
        texts = tuple(self._text(t, state) for state in self.states)
        self.states = list(index)
        self.plans.pop(t, None)
        return _stage(decision, target, table, texts, derived)

    def _advance(self, t: int, start: _Past, codes: Mapping[str, int]) -> _Past:
        """Run the layers of stage t from a state, and check the relations that are then known.

        Raises:
            Infeasible: a layer or a relation does not admit these decisions.
        """
        plan = self.plans.get(t)
        past = start if plan is None else self._run(plan, start, codes)
        names = codes
        if past.derived:
            names = {**codes, **dict(past.derived)}
        for due, relation in self.relations:
            if due == t and not relation.holds({n: self._value(n, names[n]) for n in labels(relation.tree)}):
                self.relation_failed = True
                raise Infeasible(f"`{relation.expression}` does not hold")
        kept = tuple([names[n] for n in self.carried[t + 1]])
        number = past.state.number
        state = past.state._replace(number=number % 2 if self.optional else number, kept=kept)
        return _Past(state, past.sums, past.derived)

    @cached_property
    def optional(self) -> bool:
        """Whether layers can be absent."""
        return self.variant.optional

    def _run(self, plan: _Plan, start: _Past, codes: Mapping[str, int]) -> _Past:
        """The layers of a plan that are there, one after another."""
        if not self.optional:
            for j in range(len(plan.layers)):
                start = self._one(plan, j, start, codes)
            return start
        conditions = tuple([codes[label] for label in plan.conditions])
        present = plan.present.get(conditions)
        if present is None:
            names = {label: self._value(label, codes[label]) for label in plan.conditions}
            present = tuple(
                j for j, layer in enumerate(plan.layers) if layer.present is None or layer.present.holds(names)
            )
            plan.present[conditions] = present
        # Networks that differ in depth only have their first layers in common.
        return self._shared(plan, present, start, codes, tuple([codes[label] for label in plan.labels]))

    def _shared(
        self, plan: _Plan, present: tuple[int, ...], start: _Past, codes: Mapping[str, int], options: tuple[int, ...]
    ) -> _Past:
        """`_run` for these layers, remembering what their first ones give."""
        if not present:
            return start
        key = (present, start.state[:-1], options)
        result = plan.known.get(key)
        if result is None:
            before = self._shared(plan, present[:-1], start, codes, options)
            result = plan.known[key] = self._one(plan, present[-1], before, codes)
        return result

    def _one(self, plan: _Plan, j: int, past: _Past, codes: Mapping[str, int]) -> _Past:
        """One layer more."""
        layer, (x, size, number, kernels, _) = plan.layers[j], past.state
        key = (*[codes[label] for label in plan.reads[j]], plan.keys[j])
        x, cost = self.table.find(layer, x, key, self._values(plan, j, codes))
        code = 0
        if cost.kernels & ~kernels:
            code = self.table.runtime.code_bytes(cost.kernels & ~kernels)
            kernels |= cost.kernels
        if not layer.number:
            return _Past(_State(x, size, number, kernels), past.sums.add(cost, None, code), past.derived)
        number += 1
        derived = past.derived
        if self.wanted:
            found = zip((f"{name}[{number}]" for name in DERIVED), x.shape, strict=True)
            derived += tuple((name, side) for name, side in found if name in self.wanted)
        return _Past(_State(x, x.shape.size, number, kernels), past.sums.add(cost, number, code), derived)

    def _values(self, plan: _Plan, j: int, codes: Mapping[str, int]) -> Callable[[], dict[str, Any]]:
        bindings, constants = plan.layers[j].bindings, plan.constants[j]
        return lambda: {c: self._value(label, codes[label]) for c, label in bindings.items()} | constants

    def _value(self, name: str, code: int) -> Any:
        """The value behind a code: the option of a decision, or the quantity itself."""
        return self.variant.decisions[self.order[name]].options[code] if name in self.order else code

    def _text(self, t: int, state: _State) -> str:
        kept = zip(self.carried[t], state.kept, strict=True)
        carried = "".join(f" {name}={option_label(self._value(name, code))}" for name, code in kept)
        odd = f" layers={'odd' if state.number else 'even'}" if self.optional else ""
        runtime = self.table.runtime
        code = f" code={'+'.join(runtime.names(state.kernels))}" if runtime.shares_code else ""
        return f"{state.x.shape}:{state.x.dtype}{odd}{code}{carried}"


def _stage(
    decision: Decision,
    target: Any,
    table: list[list[Sums]],
    states: tuple[str, ...],
    derived: Mapping[str, Any],
) -> Stage:
    rows = [(*s.additive, s.even, s.odd, s.peak) for row in table for s in row]
    numbers = np.ascontiguousarray(np.array(rows, np.int64).reshape(*target.shape, -1).transpose(2, 0, 1))
    additive, (even, odd, peak) = numbers[:-3], numbers[-3:]
    costs: dict[str, Any] = dict(zip(ADDITIVE_METRICS, additive, strict=True))
    width = np.array([[s.log_width for s in row] for row in table], np.float64)
    return Stage(decision, target, costs, even, odd, peak=peak, log_width=width, states=states, derived=derived)
