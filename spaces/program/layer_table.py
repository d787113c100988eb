"""The outputs and costs of layers: each distinct one is worked out once, and many at a time.

A layer is told by its block, its arguments and its input, wherever it stands, in whichever variant. Its arguments are
evaluated for the distinct options that they read; layers that differ in numbers only (channels, sides, filters,
windows) go through the arithmetic of their block together, as `Lanes`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spaces.costs.layer import LAYER_COSTS, LayerCost, layer_cost
from spaces.errors import EngineError, Span
from spaces.lanes import Lanes, each
from spaces.language.layer import LayerSpec
from spaces.language.space import Space
from spaces.program.cell_patterns import CellPatterns
from spaces.program.codes import distinct_rows
from spaces.program.growing import Growing
from spaces.program.lowering import Arguments, check_rank, lower
from spaces.tensors import DTYPES, Infeasible, Shape, Tensor

if TYPE_CHECKING:
    from spaces.blocks.base import Edges
    from spaces.costs.latency import LatencyProfile
    from spaces.runtimes.base import Runtime

__all__ = ["Inputs", "LayerTable"]

Ints = NDArray[np.int64]

# 1,000 layers (variants.MAX_LAYERS) of at most this stay within 64 bits.
_MAX_COST = 2**52


class Inputs(NamedTuple):
    """What the choices of a layer read, in `n` cases.

    Args:
        constants: the value of every choice that is decided for the whole variant.
        codes: per other choice: option indices, int64 [n].
        options: per other choice: its values.
    """

    constants: Mapping[str, Any]
    codes: Mapping[str, Ints]
    options: Mapping[str, tuple[Any, ...]]


class _Column(NamedTuple):
    """An argument of layers: its distinct values, which may be reasons why there is none; and whose is which."""

    values: Sequence[Any]
    which: Ints


@dataclass
class LayerTable:
    """The output and cost of every layer met so far, each in a row.

    Args:
        space: the space.
        runtime: gives the ROM.
        latency: gives the latencies, if there is a profile.

    Attributes:
        places: what makes a network impossible -> where the file says so.
        tensors: every tensor met, by number.
        reasons: every reason met why a layer cannot be, by number.
        kernels: every set of a runtime's kernels met, a bit for each kernel, by number; number 0 is none.
    """

    space: Space
    runtime: Runtime
    latency: LatencyProfile | None
    places: dict[str, Span | None] = field(default_factory=dict)
    tensors: list[Tensor] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    kernels: list[int] = field(default_factory=lambda: [0])
    _reason_numbers: dict[str, int] = field(default_factory=dict)
    _tensor_numbers: dict[Tensor, int] = field(default_factory=dict)
    _kernel_numbers: dict[int, int] = field(default_factory=lambda: {0: 0})
    _values: dict[Hashable, Any] = field(default_factory=dict)
    _rows: dict[Hashable, dict[tuple[int, ...], int]] = field(default_factory=dict)
    _patterns: dict[int, CellPatterns] = field(default_factory=dict)
    _last_cells: dict[Hashable, tuple[Ints, Ints, Ints]] = field(default_factory=dict)
    _sides: Growing = field(default_factory=lambda: Growing(4, np.int64))
    _costs: Growing = field(default_factory=lambda: Growing(len(LAYER_COSTS) + 2, np.int64))
    _log_widths: Growing = field(default_factory=lambda: Growing(1, np.float64))

    # -- what is in the rows -----------------------------------------------------------------------------------------

    def costs(self, rows: Ints) -> dict[str, Ints]:
        """The costs in rows by the names of `LAYER_COSTS`; and `out` and `kernels`, numbers of tensors and of sets."""
        return dict(zip((*LAYER_COSTS, "out", "kernels"), self._costs[rows].T, strict=True))

    def log_widths(self, rows: Ints) -> NDArray[np.float64]:
        """The sums of log2(w) in rows."""
        return self._log_widths[rows][:, 0]

    def sides(self, tensors: Ints) -> Ints:
        """Channels, height, width and elements of tensors: [n, 4]."""
        return self._sides[tensors]

    def tensor(self, tensor: Tensor) -> int:
        """The number of a tensor."""
        number = self._tensor_numbers.setdefault(tensor, len(self.tensors))
        if number == len(self.tensors):
            self.tensors.append(tensor)
            self._sides.extend([[*tensor.shape, tensor.shape.size]])
        return number

    def kernel_set(self, used: int) -> int:
        """The number of a set of kernels."""
        number = self._kernel_numbers.setdefault(used, len(self.kernels))
        if number == len(self.kernels):
            self.kernels.append(used)
        return number

    # -- finding rows ------------------------------------------------------------------------------------------------

    def find(self, spec: LayerSpec, x: Ints, inputs: Inputs) -> Ints:
        """The rows of layers that are written alike.

        Args:
            spec: the block as written.
            x: numbers of their inputs, [n].
            inputs: what their choices read.

        Returns:
            [n]; -1 - k where `reasons[k]` says why such a layer cannot be.

        Raises:
            SpaceError: an expression gives a value of the wrong type, or the block does not take such inputs.
            EngineError: a cost that is too large, or a data type that the runtime does not have.
        """
        columns = [x, *(inputs.codes[name] for name in sorted(inputs.codes))]
        first, inverse = distinct_rows(columns)
        few = inputs._replace(codes={name: codes[first] for name, codes in inputs.codes.items()})
        return self._distinct(spec, x[first], few)[inverse]

    def _distinct(self, spec: LayerSpec, x: Ints, inputs: Inputs) -> Ints:
        if spec.block.edges is not None:
            return self._cells(spec, spec.block.edges, x, _choices(spec, spec.block.edges, inputs, len(x)))
        out = np.zeros(len(x), np.int64)
        columns = [self._column(spec, key, inputs, len(x)) for key in spec.arguments]
        for values, which in columns:
            if any(isinstance(value, Infeasible) for value in values):
                reasons = np.array([self._reason(v, spec) if isinstance(v, Infeasible) else 0 for v in values])
                out = np.where(out < 0, out, reasons[which])
        columns.append(self._column(spec, None, inputs, len(x)))
        left = np.flatnonzero(out == 0)
        kinds = [self.tensors[k][1:] for k in x[left].tolist()]
        words, numbers = [_numbered(kinds)], [self.sides(x[left])[:, :3]]
        for column in columns:
            word, number = _taken_apart(column, left)
            words.append(word)
            numbers.append(number)
        first, inverse = distinct_rows(words)
        for g, at in enumerate(first.tolist()):
            here = np.flatnonzero(inverse == g)
            *arguments, dtype = (values[int(which[left[at]])] for values, which in columns)
            form = _Form(kinds[at], tuple(spec.arguments), tuple(arguments), dtype)
            widths = [3, *(len(_numbers(argument)) for argument in (*arguments, dtype))]
            own = [number[here, :width] for number, width in zip(numbers, widths, strict=True)]
            out[left[here]] = self._alike(spec, form, np.concatenate(own, axis=1))
        return out

    def _column(self, spec: LayerSpec, key: str | None, inputs: Inputs, n: int) -> _Column:
        """An argument, or the data type where the key is None, evaluated for the distinct options that it reads."""
        names = sorted(spec.reads(key))
        if not names:
            return _Column([spec.value(key, {})], np.zeros(n, np.int64))
        read = [name for name in names if name in inputs.codes]
        first, inverse = distinct_rows([np.zeros(n, np.int64), *(inputs.codes[name] for name in read)])
        values: list[Any] = []
        for at in first.tolist():
            given = {name: inputs.options[name][int(inputs.codes[name][at])] for name in read}
            given |= {name: inputs.constants[name] for name in names if name not in given}
            values.append(self._value(spec, key, given))
        return _Column(values, inverse)

    def _value(self, spec: LayerSpec, key: str | None, given: Mapping[str, Any]) -> Any:
        # What is written alike in several places is evaluated once.
        known = (spec.block.params.get(key or ""), spec.written(key), *given.values())
        if known not in self._values:
            try:
                self._values[known] = spec.value(key, given)
            except Infeasible as reason:
                self._values[known] = reason
        return self._values[known]

    def _reason(self, reason: Infeasible, spec: LayerSpec) -> int:
        text = str(reason)
        self.places.setdefault(text, spec.span)
        number = self._reason_numbers.setdefault(text, len(self.reasons))
        if number == len(self.reasons):
            self.reasons.append(text)
        return -1 - number

    def _alike(self, spec: LayerSpec, form: _Form, numbers: Ints) -> Ints:
        """The rows of layers of one form: [n, numbers of the form] -> [n]."""
        known = self._rows.setdefault((id(spec.block), spec.bias, spec.batch_norm, form.key), {})
        keys = list(map(tuple, numbers.tolist()))
        new = list(dict.fromkeys(key for key in keys if key not in known))
        if new:
            self._add(spec, form, new, known)
        return np.array([known[key] for key in keys], np.int64)

    # -- cells -------------------------------------------------------------------------------------------------------

    def _cells(self, spec: LayerSpec, edges: Edges, x: Ints, chosen: Ints) -> Ints:
        """The rows of cells: [n], [n, edges] -> [n]."""
        last = self._last_cells.get((id(spec.block), spec.bias, spec.batch_norm))
        if last and np.array_equal(last[0], x) and np.array_equal(last[1], chosen):
            # Cells in a row have the same input and the same decisions.
            return last[2]
        reduced = edges.reduced(chosen)
        first, inverse = distinct_rows([x, *(reduced + 1).T])
        rows = np.zeros(len(first), np.int64)
        for number in dict.fromkeys(x[first].tolist()):
            here = np.flatnonzero(x[first] == number)
            rows[here] = self._cells_on(spec, edges, number, reduced[first[here]])
        self._last_cells[id(spec.block), spec.bias, spec.batch_norm] = (x, chosen, rows[inverse])
        return rows[inverse]

    def _cells_on(self, spec: LayerSpec, edges: Edges, number: int, chosen: Ints) -> Ints:
        """The rows of cells on one input: [n, edges] -> [n]."""
        x, own = self.tensors[number], self.space.settings.dtype
        check_rank(spec, x)
        alike = None
        summed = self.runtime.per_operator and (self.latency is None or self.latency.model.per_operator)
        if summed and DTYPES[x.dtype] == DTYPES[own]:
            self._check_dtype(spec, own)
            made = CellPatterns(edges, self.space.settings, self.runtime, self.latency)
            alike = self._patterns.setdefault(id(edges), made).costs(x, chosen)
        if alike is None:
            return np.array([self._cell(spec, edges, x, row) for row in chosen.tolist()])
        costs, log_widths, weighted = alike
        out = np.where(weighted, self.tensor(x._replace(dtype=own)), number)
        start = len(self._costs)
        sets, which = np.unique(costs[:, len(LAYER_COSTS)], return_inverse=True)
        kernels = np.array([self.kernel_set(used) for used in sets.tolist()], np.int64)[which]
        self._costs.extend(np.column_stack([costs[:, : len(LAYER_COSTS)], out, kernels]))
        self._log_widths.extend(log_widths[:, None])
        return np.arange(start, len(self._costs))

    def _cell(self, spec: LayerSpec, edges: Edges, x: Tensor, chosen: Sequence[int]) -> int:
        """The row of one cell, walked."""
        words = tuple((edges.words[k],) if k >= 0 else () for k in chosen)
        form = _Form(x[1:], tuple(spec.arguments), words, None)
        return int(self._alike(spec, form, np.array([x.shape], np.int64))[0])

    def _add(self, spec: LayerSpec, form: _Form, new: list[tuple[int, ...]], known: dict[tuple[int, ...], int]) -> None:
        columns = list(np.array(new, np.int64).T)

        def worked_out(*numbers: Any) -> tuple[Tensor, LayerCost]:
            x, arguments = form.filled(numbers)
            out, ops = lower(self.space, spec, x, arguments)
            self._check_dtype(spec, out.dtype)
            cost = layer_cost(
                ops, x, out, self.space.settings, self.runtime, profile=self.latency, block=spec.block.name
            )
            _check_size(spec, x, cost)
            return out, cost

        for lanes, result in each(worked_out, columns):
            if isinstance(result, Infeasible):
                rows = [self._reason(result, spec)] * len(lanes)
            else:
                rows = range(len(self._costs), len(self._costs) + len(lanes))
                self._store(len(lanes), *result)
            known.update(zip((new[lane] for lane in lanes.tolist()), rows, strict=True))

    def _store(self, n: int, out: Tensor, cost: LayerCost) -> None:
        """Rows for n layers."""
        costs = [_spread(getattr(cost, name), n) for name in LAYER_COSTS]
        shapes = zip(*(_spread(side, n).tolist() for side in out.shape), strict=True)
        tensors = [self.tensor(Tensor(Shape(*shape), out.dtype, out.rank)) for shape in shapes]
        kernels = np.full(n, self.kernel_set(cost.kernels))
        self._costs.extend(np.column_stack([*costs, tensors, kernels]))
        self._log_widths.extend(np.broadcast_to(cost.log_width, n)[:, None])

    def _check_dtype(self, spec: LayerSpec, dtype: str) -> None:
        own = self.runtime.own_dtype
        if own not in (None, dtype):
            message = f"a layer `{spec.block.name}` in {dtype}, and the C of `{self.runtime.name}` is all in {own}"
            raise EngineError.of("mixed-types", message, "leave out its `dtype`, or --runtime", spec.span)


class _Form(NamedTuple):
    """What layers have in common that differ in numbers only.

    Args:
        kind: data type and rank of the input.
        names: of the block's arguments.
        arguments: those of one such layer.
        dtype: its own data type, or None.
    """

    kind: tuple[str, int]
    names: tuple[str, ...]
    arguments: tuple[Any, ...]
    dtype: str | None

    @property
    def key(self) -> Hashable:
        """What tells it from others."""
        return self.kind, self.names, tuple(map(_word, self.arguments)), self.dtype

    def filled(self, numbers: Sequence[Any]) -> tuple[Tensor, Arguments]:
        """The input and the arguments with other numbers: those of the input first."""
        rest = iter(numbers[3:])
        arguments = [
            next(rest) if _is_whole(a) else tuple(next(rest) for _ in a) if _is_window(a) else a for a in self.arguments
        ]
        named = dict(zip(self.names, arguments, strict=True))
        return Tensor(Shape(*numbers[:3]), *self.kind), (self.dtype, named)


def _choices(spec: LayerSpec, edges: Edges, inputs: Inputs, n: int) -> Ints:
    """The operators that the edges choose: [n, edges]."""
    columns: list[Ints] = []
    for key in spec.arguments:
        (name,) = spec.reads(key)
        there = name in inputs.codes
        columns.append(inputs.codes[name] if there else np.full(n, edges.words.index(inputs.constants[name])))
    return np.column_stack(columns)


def _check_size(spec: LayerSpec, x: Tensor, cost: LayerCost) -> None:
    """Costs that sums of many could not hold are refused."""
    if any(getattr(cost, name) > _MAX_COST for name in LAYER_COSTS):
        message = f"a layer `{spec.block.name}` on {x.shape} costs more than 2^52"
        raise EngineError.of("too-large", message, "use smaller sizes", spec.span)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _MAX_COST


def _is_window(value: Any) -> bool:
    return isinstance(value, tuple) and all(map(_is_whole, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _word(value: Any) -> Hashable:
    """A value but for its numbers."""
    if _is_whole(value):
        return int
    return (int, len(value)) if _is_window(value) else (type(value), value)


def _numbers(value: Any) -> tuple[int, ...]:
    """The numbers of a value."""
    return (value,) if _is_whole(value) else value if _is_window(value) else ()


def _numbered(words: Sequence[Hashable]) -> Ints:
    """Equal words as equal numbers."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(word, len(known)) for word in words], np.int64)


def _taken_apart(column: _Column, left: NDArray[np.intp]) -> tuple[Ints, Ints]:
    """Words, [n], and the numbers behind them, [n, numbers]."""
    values, which = column
    which = which[left]
    parts = list(map(_numbers, values))
    width = max(map(len, parts))
    numbers = np.array([[*part, *[0] * (width - len(part))] for part in parts], np.int64).reshape(len(parts), width)
    return _numbered(list(map(_word, values)))[which], numbers[which]


def _spread(value: Any, n: int) -> Ints:
    """A value per lane."""
    return np.asarray(np.broadcast_to(value.values if isinstance(value, Lanes) else value, n))
