"""Tabulate a variant: walk its decisions in order, and keep the states that can be reached with what leads there.

The state before a stage is the tensor that flows plus exactly those earlier decisions that some later layer or
relation still needs; two prefixes that agree on it have the same future.

All states of a stage are walked at once. Which layers run, and what they cost, follows from a few columns of the state,
its *situation*: the tensor and the decisions that these layers read. Layers run once per situation and option; every
transition only says which of these it is.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import EngineError
from spaces.language.layer import option_label
from spaces.language.space import DERIVED
from spaces.program.codes import combined, distinct, distinct_rows
from spaces.program.constraints import Relation, labels
from spaces.program.graph import ADDITIVE_METRICS, MAXIMA, Stage
from spaces.program.layer_table import Inputs, LayerTable
from spaces.program.variants import Layer, Variant
from spaces.tensors import Infeasible

__all__ = ["MAX_STATES", "Known", "Tabulation"]

#: States of one stage, at most; and transitions, which take some 60 bytes each while they are made.
MAX_STATES = 100_000
MAX_TRANSITIONS = 16_000_000

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _States:
    """The states before a stage.

    Args:
        x: number of the tensor that flows, [n].
        size: u_L of EBS Eq. 6 so far, the elements of the last numbered layer's output, [n].
        number: how many numbered layers there were; only whether it is odd where layers can be absent, [n].
        kernels: number of the set of the runtime's kernels that layers have called, [n].
        kept: of the names carried into the stage, in their order, the option indices or derived quantities, [n] each.
    """

    x: Ints
    size: Ints
    number: Ints
    kernels: Ints
    kept: Mapping[str, Ints] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def situation(self) -> list[Ints]:
        """All but what is carried."""
        return [self.x, self.size, self.number, self.kernels]


@dataclass
class _Run:
    """What the layers of a stage make of some situations: a row per situation and option.

    Args:
        x, size, number, kernels: as in `_States`, changed by every layer.
        sums: what these layers cost, by the names of `Stage.table`.
        reason: -1 - k where `LayerTable.reasons[k]` says why the row cannot be, 0 elsewhere.
        derived: the quantities that something names, such as `height[3]`.
    """

    x: Ints
    size: Ints
    number: Ints
    kernels: Ints
    sums: dict[str, NDArray[Any]]
    reason: Ints
    derived: dict[str, Ints] = field(default_factory=dict)

    @classmethod
    def of(cls, states: _States, rows: NDArray[np.integer]) -> _Run:
        """Nothing run yet, in these states."""
        sums: dict[str, NDArray[Any]] = {name: np.zeros(len(rows), np.int64) for name in (*ADDITIVE_METRICS, *MAXIMA)}
        sums["log_width"] = np.zeros(len(rows))
        x, size, number, kernels = (column[rows] for column in states.situation)
        return cls(x, size, number, kernels, sums=sums, reason=np.zeros(len(rows), np.int64))


@dataclass
class Known:
    """The stages that were tabulated, each once: variants that begin alike have these in common.

    Args:
        numbers: of each beginning, up to some stage.
        stages: by that number, the stage, the states after it, and whether a relation has ruled anything out by then.
    """

    numbers: dict[Hashable, int] = field(default_factory=dict)
    stages: dict[int, tuple[Stage, _States, bool]] = field(default_factory=dict)


class Tabulation:
    """Walks one variant's decisions in order, keeping the states that can be reached.

    Args:
        variant: the variant.
        layers: the costs of layers.
        relations: the conditions between decisions and derived quantities.
        known: the stages of other variants of the space.

    Attributes:
        relation_failed: whether a relation has ruled anything out.
        fixed: derived quantities, named by a residual relation, of the layers before every stage.
    """

    def __init__(
        self, variant: Variant, layers: LayerTable, relations: Sequence[Relation], known: Known | None = None
    ) -> None:
        self.variant = variant
        self.table = layers
        self.known = known or Known()
        self.beginning = -1
        self.relation_failed = False
        self.order = {d.label: t for t, d in enumerate(variant.decisions)}
        runs_at = self._runs_at()
        self.layers: dict[int, list[Layer]] = {}
        known_at = dict(self.order)
        for layer, t in zip(variant.layers, runs_at, strict=True):
            self.layers.setdefault(t, []).append(layer)
            known_at |= {f"{name}[{layer.number}]": t for name in DERIVED}
        self.relations = [(max(known_at[n] for n in labels(r.tree)), r) for r in relations if not r.residual]
        residual = {n for r in relations if r.residual for n in labels(r.tree)}
        self.derived_at = {n: t for n, t in known_at.items() if n in residual and n not in self.order}
        self.wanted = {n for r in relations for n in labels(r.tree)} - set(self.order)
        self.carried = self._carried(runs_at, known_at)
        self.fixed: dict[str, int] = {}
        none = np.zeros(1, np.int64)
        self.states = _States(none, none, none, none)

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

    @property
    def out_sizes(self) -> Ints:
        """u_L of EBS Eq. 6 in the states after the last stage that was tabulated."""
        return self.states.size

    def begin(self) -> dict[str, Any]:
        """Run the layers that no decision touches; returns their costs by the names of `Stage.table`.

        Raises:
            Infeasible: they, or a relation between them, cannot be.
        """
        x = self.table.space.input
        none = np.zeros(1, np.int64)
        start = _States(none + self.table.tensor(x), none + x.shape.size, none, none)
        run = _Run.of(start, np.zeros(1, np.intp))
        run.sums["even"][:] = x.nbytes
        run.sums["peak"][:] = self.table.runtime.beginning(x)
        self._layers(-1, run, {})
        alive = self._alive(-1, run, np.zeros((1, 1), np.int64), start, {})
        self.fixed = {n: int(v[0]) for n, v in run.derived.items() if n in self.derived_at}
        self._next(-1, run, np.zeros((1, 1), np.int64), start, alive=alive)
        self.beginning = self._number(-1)
        return {name: sums[0].item() for name, sums in run.sums.items()}

    def stage(self, t: int) -> Stage:
        """Tabulate stage t over the states that reach it.

        Raises:
            Infeasible: none of its options can be taken.
            EngineError: more than `MAX_STATES` states, or `MAX_TRANSITIONS` transitions.
        """
        self.beginning = self._number(t)
        if self.beginning not in self.known.stages:
            made = self._stage(t)
            self.known.stages[self.beginning] = (made, self.states, self.relation_failed)
        stage, self.states, self.relation_failed = self.known.stages[self.beginning]
        return stage

    def _number(self, t: int) -> int:
        """Of all that a stage and those before it come from; equal where other variants begin with the same."""
        own: Hashable = (
            self.beginning,
            self.variant.optional,
            self.variant.decisions[t].label if t >= 0 else "",
            tuple(self._written(layer) for layer in self.layers.get(t, ())),
            tuple(relation for due, relation in self.relations if due == t),
            frozenset(self.wanted),
            tuple(name for name, due in self.derived_at.items() if due == t),
            self.carried[t + 1],
        )
        return self.known.numbers.setdefault(own, len(self.known.numbers))

    def _written(self, layer: Layer) -> Hashable:
        """All that a layer is, before anything is decided."""
        constants = self.variant.constants
        when = layer.present and (
            id(layer.present.depth),
            layer.present.place,
            layer.present.blocks,
            tuple(layer.present.bindings.items()),
            _typed(layer.present.constants),
        )
        own = _typed({name: constants[name] for name in sorted(layer.spec.names & constants.keys())})
        return id(layer.spec), tuple(layer.bindings.items()), layer.number, own, when

    def _stage(self, t: int) -> Stage:
        decision, states = self.variant.decisions[t], self.states
        n = len(decision.options)
        if len(states) * n > MAX_TRANSITIONS:
            message = f"{decision.label} has {n:,} options in {len(states):,} states; at most {MAX_TRANSITIONS:,} pairs"
            raise EngineError.of("too-many-states", f"{message} are supported", "use larger steps, or share decisions")
        if t in self.layers:
            read = {label for layer in self.layers[t] for label in layer.labels} & set(states.kept)
            first, situation = distinct_rows([*states.situation, *(states.kept[name] for name in sorted(read))])
        else:
            first, situation = distinct_rows(states.situation)
            read = set[str]()
        rows = situation[:, None] * n + np.arange(n)
        run = _Run.of(states, np.repeat(first, n))
        codes = {name: np.repeat(states.kept[name][first], n) for name in read}
        codes[decision.label] = np.tile(np.arange(n), len(first)).astype(np.int64)
        self._layers(t, run, codes)
        alive = self._alive(t, run, rows, states, {decision.label: np.arange(n)[None, :]})
        after = self._next(t, run, rows, states, alive=alive)
        # Row 0 is for what is impossible, and costs nothing.
        table = {name: np.concatenate([sums[:1] * 0, sums]) for name, sums in run.sums.items()}
        table |= {n: np.concatenate([[0], v]) for n, v in run.derived.items() if self.derived_at.get(n) == t}
        derived = tuple(n for n, due in self.derived_at.items() if due == t)
        own = np.where(alive, rows + 1, 0).astype(np.int32)
        return Stage(decision, after, own, table=table, derived_names=derived, texts=self._texts(t, states))

    # -- the layers of a stage -----------------------------------------------------------------------------------------

    def _layers(self, t: int, run: _Run, codes: Mapping[str, Ints]) -> None:
        """Run the layers of stage t one after another, wherever they are there."""
        for layer in self.layers.get(t, ()):
            there = run.reason == 0
            if layer.present:
                there &= self._present(layer, codes, there)
            if there.any():
                self._layer(layer, run, np.flatnonzero(there), codes)

    def _present(self, layer: Layer, codes: Mapping[str, Ints], asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where a layer is there."""
        condition, here = layer.present, np.flatnonzero(asked)
        assert condition is not None
        return self._where(
            lambda names: condition.holds(names), {n: codes[n][here] for n in condition.labels}, here, asked
        )

    def _where(
        self,
        holds: Callable[[Mapping[str, Any]], bool],
        columns: Mapping[str, Ints],
        here: NDArray[np.intp],
        like: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """Where a condition holds, which is asked once for each distinct row of the columns it reads."""
        result = np.zeros(like.shape, np.bool_)
        if not len(here):
            return result
        first, inverse = (
            distinct_rows(list(columns.values())) if columns else (np.zeros(1, np.intp), np.zeros(len(here), np.intp))
        )
        answers = [
            holds({name: self._value(name, int(column[at])) for name, column in columns.items()}) for at in first
        ]
        result[here] = np.array(answers)[inverse]
        return result

    def _layer(self, layer: Layer, run: _Run, here: NDArray[np.intp], codes: Mapping[str, Ints]) -> None:
        """One layer more, in these rows."""
        spec, bindings = layer.spec, layer.bindings
        options = {choice: self.variant.decisions[self.order[label]].options for choice, label in bindings.items()}
        inputs = Inputs(
            {n: v for n, v in self.variant.constants.items() if n in spec.names},
            {choice: codes[label][here] for choice, label in bindings.items()},
            options,
        )
        found = self.table.find(spec, run.x[here], inputs)
        bad = found < 0
        if bad.any():
            run.reason[here[bad]] = found[bad]
            here, found = here[~bad], found[~bad]
        cost = self.table.costs(found)
        run.x[here] = cost["out"]
        for metric in ADDITIVE_METRICS:
            run.sums[metric][here] += cost[metric]
        run.sums["peak"][here] = np.maximum(run.sums["peak"][here], cost["peak"])
        if self.table.runtime.shares_code:
            self._code(run, here, cost["kernels"])
        if not layer.number:
            return
        run.number[here] += 1
        sides = self.table.sides(cost["out"])
        run.size[here] = sides[:, 3]
        run.sums["log_width"][here] += self.table.log_widths(found)
        odd = run.number[here] % 2 == 1
        for name, those in (("odd", here[odd]), ("even", here[~odd])):
            own = cost["out_bytes"][odd if name == "odd" else ~odd]
            run.sums[name][those] = np.maximum(run.sums[name][those], own)
        for k, name in enumerate(f"{side}[{layer.number}]" for side in DERIVED):
            if name in self.wanted:
                run.derived[name] = np.zeros(len(run.x), np.int64)
                run.derived[name][here] = sides[:, k]

    def _code(self, run: _Run, here: NDArray[np.intp], called: Ints) -> None:
        """The code of kernels that no layer has called before."""
        table = self.table
        first, inverse = distinct_rows([run.kernels[here], called])
        pairs = [(table.kernels[run.kernels[here[at]]], table.kernels[called[at]]) for at in first]
        run.sums["rom"][here] += np.array([table.runtime.code_bytes(new & ~old) for old, new in pairs], np.int64)[
            inverse
        ]
        run.kernels[here] = np.array([table.kernel_set(old | new) for old, new in pairs])[inverse]

    # -- what follows --------------------------------------------------------------------------------------------------

    def _alive(self, t: int, run: _Run, rows: Ints, states: _States, own: Mapping[str, Ints]) -> NDArray[np.bool_]:
        """Which transitions the layers and the relations that are now known admit: [states, options].

        Args:
            t: the stage.
            run: its layers, run.
            rows: [states, options] rows of the run.
            states: the states before it.
            own: option indices of its decision, [1, options].

        Raises:
            Infeasible: none.
        """
        alive = run.reason[rows] == 0
        refused: list[tuple[NDArray[np.bool_], Relation]] = []
        for due, relation in self.relations:
            if due != t or not alive.any():
                continue
            s, o = np.nonzero(alive)
            columns = {}
            for name in labels(relation.tree):
                if name in own:
                    columns[name] = own[name][0, o]
                else:
                    columns[name] = run.derived[name][rows[s, o]] if name in run.derived else states.kept[name][s]
            flat = np.flatnonzero(alive)
            holds = self._where(relation.holds, columns, flat, alive.ravel()).reshape(alive.shape)
            if (alive & ~holds).any():
                self.relation_failed = True
                refused.append((alive & ~holds, relation))
                alive &= holds
        if not alive.any():
            raise self._refusal(run, rows, refused)
        return alive

    def _refusal(self, run: _Run, rows: Ints, refused: Sequence[tuple[NDArray[np.bool_], Relation]]) -> Infeasible:
        """Why the last transition cannot be."""
        for where, relation in refused:
            if where[-1, -1]:
                return Infeasible(f"`{relation.expression}` does not hold")
        return Infeasible(self.table.reasons[-1 - run.reason[rows[-1, -1]]])

    def _next(self, t: int, run: _Run, rows: Ints, states: _States, *, alive: NDArray[np.bool_]) -> NDArray[np.int32]:
        """The states after stage t, which become those before the next; which each transition leads to, -1 for none."""
        if self.variant.optional:
            run.number %= 2
        kept = self.carried[t + 1]
        decided = self.variant.decisions[t].label if t >= 0 else ""
        s, o = np.nonzero(alive)
        row = rows[s, o]
        made = [name for name in kept if name in run.derived]
        _, outcome = distinct_rows([run.x, run.size, run.number, run.kernels, *(run.derived[name] for name in made)])
        before = [states.kept[name] for name in kept if name in states.kept and name not in made]
        columns = [outcome[row]]
        if before:
            columns.append(combined(before)[s])
        if decided in kept:
            columns.append(o)
        start, inverse = distinct(combined(columns))
        if len(start) > MAX_STATES:
            message = f"{decided} leads to {len(start):,} states; at most {MAX_STATES:,} are supported"
            raise EngineError.of("too-many-states", message, "share fewer decisions over many layers")
        s, o, row = s[start], o[start], row[start]
        values = {}
        for name in kept:
            values[name] = run.derived[name][row] if name in made else o if name == decided else states.kept[name][s]
        self.states = _States(run.x[row], run.size[row], run.number[row], run.kernels[row], kept=values)
        after = np.full(alive.shape, -1, np.int32)
        after[alive] = inverse
        return after

    # -- texts ---------------------------------------------------------------------------------------------------------

    def _value(self, name: str, code: int) -> Any:
        """The value behind a code: the option of a decision, or the quantity itself."""
        return self.variant.decisions[self.order[name]].options[code] if name in self.order else code

    def _texts(self, t: int, states: _States) -> Callable[[], tuple[str, ...]]:
        return lambda: tuple(self._text(states, s) for s in range(len(states)))

    def _text(self, states: _States, s: int) -> str:
        carried = "".join(f" {name}={option_label(self._value(name, int(c[s])))}" for name, c in states.kept.items())
        odd = f" layers={'odd' if states.number[s] else 'even'}" if self.variant.optional else ""
        runtime, x = self.table.runtime, self.table.tensors[states.x[s]]
        used = self.table.kernels[states.kernels[s]]
        code = f" code={'+'.join(runtime.names(used))}" if runtime.shares_code else ""
        return f"{x.shape}:{x.dtype}{odd}{code}{carried}"


def _typed(values: Mapping[str, Any]) -> Hashable:
    """Names and values, in which 1 is not true."""
    return tuple((name, type(value), value) for name, value in values.items())
