"""Which weights of a super-network each network of a space takes: worked out of the operators that layers lower to.

A weight belongs to a place: a block as written, its how-many-eth use, and the how-many-eth operator with weights of it.
All that differs in size is shared there: of channels a network takes the first, of a kernel the centre, whatever its
depth. What differs in operators is not: a block of three convolutions and one of two at the same place have weights of
their own, as have convolutions of different groups, and the operators on an edge of a cell.

Channels are followed, so that sizes stay shared behind a concatenation, a split or a flattening: each channel that can
reach a weight has a slot of its own in it, whatever else is there.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from spaces.errors import EngineError
from spaces.language.settings import Settings
from spaces.operators import OPERATORS, Op, Ops
from spaces.program.candidate import Candidate
from spaces.program.graph import Program
from spaces.program.lowering import lower
from spaces.program.variants import Layer, Variant
from spaces.tensors import Infeasible, Shape, Tensor

__all__ = ["Parameter", "Sharing", "Taken", "Walked"]

#: Different inputs and options of layers, beyond which looking at all of them takes more than minutes.
MOST = 100_000
#: From here on numbers stand for channels that a concatenation, a flattening or groups have made.
_MADE = 1 << 32

Ids = tuple[int, ...]


@dataclass
class Parameter:
    """One tensor of the super-network.

    Args:
        role: `weight` or `bias` of a convolution or a linear layer; `scale` or `shift` of a batch norm.
        window: rows and columns of the largest kernel; None where it has none.
        dims: per dimension of channels, the channel -> its place.
    """

    role: str
    dims: tuple[dict[int, int], ...]
    window: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return (*(max(1, len(dim)) for dim in self.dims), *(self.window or ()))


class Taken(NamedTuple):
    """What a network takes of a parameter.

    Args:
        name: of its own parameter, below the operator.
        number: of the super-network's.
        dims: per dimension of channels, the places.
        window: its kernel, rows and columns; None where it has none.
    """

    name: str
    number: int
    dims: tuple[Ids, ...]
    window: tuple[int, int] | None


class Walked(NamedTuple):
    """A layer on an input. The same layer with the same input and options is the same object.

    Args:
        x: the shape of its input.
        ops: its operators.
        taken: what each of them takes.
        out: its output.
        ids: the channels of that.
    """

    x: Shape
    ops: Ops
    taken: tuple[tuple[Taken, ...], ...]
    out: Tensor
    ids: Ids


class _Arguments(NamedTuple):
    """What a layer is lowered with: its data type, or None for the space's, and its block's arguments."""

    dtype: str | None
    named: tuple[tuple[str, Any], ...]


@dataclass
class Sharing:
    """The weights of the super-network of a program.

    Args:
        program: the compiled space.
        settings: biases and batch norms.
        on_progress: called with what is being looked at.

    Attributes:
        parameters: of the super-network, in order.

    Raises:
        EngineError: weights of a kind that cannot be shared, or too many layers to look at.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> program = compile_space(load_space("mlp2"), tables=False)
        >>> [one.shape for one in Sharing(program, program.space.settings).parameters]
        [(128, 18), (128, 128), (12, 128)]
    """

    program: Program
    settings: Settings
    on_progress: Callable[[str], None] = lambda what: None
    parameters: list[Parameter] = field(default_factory=list, init=False)
    _numbers: dict[Hashable, int] = field(default_factory=dict, init=False, repr=False)
    _made: dict[Hashable, int] = field(default_factory=dict, init=False, repr=False)
    _walks: dict[Hashable, Walked | None] = field(default_factory=dict, init=False, repr=False)
    _leaves: dict[Hashable, list[tuple[str, _Leaf]]] = field(default_factory=dict, init=False, repr=False)
    _evaluated: dict[Hashable, _Arguments | None] = field(default_factory=dict, init=False, repr=False)
    _slots: dict[tuple[int, tuple[Ids, ...]], tuple[Ids, ...]] = field(default_factory=dict, init=False, repr=False)
    #: Most places of weights are equal, and thousands of layers hold them.
    _same: dict[Ids, Ids] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        specs: dict[int, int] = {}
        self._places: list[list[tuple[int, int]]] = []
        for variant in self.program.variants:
            uses: dict[int, int] = {}
            places = []
            for layer in variant.layers:
                number = specs.setdefault(id(layer.spec), len(specs))
                places.append((number, uses.get(number, 0)))
                uses[number] = uses.get(number, 0) + 1
            self._places.append(places)
        self._open = True
        for position, variant in enumerate(self.program.variants):
            self._look(position, variant)
        self._open = False

    def of(self, candidate: Candidate) -> list[Walked]:
        """The layers of a network, with what their operators take.

        Args:
            candidate: of the program.
        """
        variant, values = self.program.variants[candidate.position], candidate.values
        x, ids, result = self.program.space.input, _plain(self.program.space.input.shape.channels), []
        for place, layer in zip(self._places[candidate.position], variant.layers, strict=True):
            if layer.present and not layer.present.holds(values):
                continue
            arguments = self._arguments(place, layer, variant, values)
            walked = arguments and self._walk(place, layer, x, ids, arguments)
            if not walked:
                raise Infeasible(f"`{candidate}` describes no network")
            x, ids = walked.out, walked.ids
            result.append(walked)
        return result

    def _look(self, position: int, variant: Variant) -> None:
        """Walk every layer on every input that can reach it, with all of its options."""
        options = {d.label: _options(d.options, d.choice in self.program.space.cells) for d in variant.decisions}
        reached = {(self.program.space.input, _plain(self.program.space.input.shape.channels)): None}
        for place, layer in zip(self._places[position], variant.layers, strict=True):
            labels = sorted(set(layer.bindings.values()))
            # Where a layer may be absent, what comes in goes out.
            after = dict(reached) if layer.present else {}
            chosen = (dict(zip(labels, one, strict=True)) for one in product(*(options[label] for label in labels)))
            # Most options of several choices give few different arguments.
            for arguments in {self._arguments(place, layer, variant, values): None for values in chosen}:
                for x, ids in reached:
                    walked = arguments and self._walk(place, layer, x, ids, arguments)
                    if walked:
                        after[walked.out, walked.ids] = None
            reached = after

    def _arguments(
        self, place: tuple[int, int], layer: Layer, variant: Variant, values: Mapping[str, Any]
    ) -> _Arguments | None:
        """What a layer is lowered with; None where these values describe no network."""
        used = {choice: values[label] for choice, label in layer.bindings.items()}
        used |= {n: variant.constants[n] for n in layer.spec.names if n in variant.constants}
        key = place[0], tuple(used.items())
        if key not in self._evaluated:
            try:
                named = tuple(layer.spec.evaluate(used).items())
                self._evaluated[key] = _Arguments(layer.spec.value(None, used), named)
            except Infeasible:
                self._evaluated[key] = None
        return self._evaluated[key]

    def _walk(self, place: tuple[int, int], layer: Layer, x: Tensor, ids: Ids, arguments: _Arguments) -> Walked | None:
        key = place, x, ids, arguments
        if key not in self._walks:
            if len(self._walks) >= MOST:
                message = f"`{self.program.space.name}` has more than {MOST:,} layers of different inputs and options"
                raise EngineError.of("too-large", message, "give its choices fewer options, or take another sampler")
            if len(self._walks) % 1_000 == 999:
                self.on_progress(f"super-network: {len(self._walks) + 1:,} layers of different inputs and options")
            try:
                out, ops = lower(self.program.space, layer.spec, x, (arguments.dtype, dict(arguments.named)))
            except Infeasible:
                self._walks[key] = None
            else:
                found = list(self._operators(place, layer, x.shape, ids, ops))
                self._walks[key] = Walked(x.shape, ops, tuple(taken for _, taken in found), out, found[-1][0])
        return self._walks[key]

    def _operators(
        self, place: tuple[int, int], layer: Layer, x: Shape, ids: Ids, ops: Ops
    ) -> Iterator[tuple[Ids, tuple[Taken, ...]]]:
        """Of each operator of a layer the channels that it gives, and what it takes."""
        shapes, channels = [x, *(op.out for op in ops)], [ids]
        leaves = [self._leaves_of(op, shapes[op.inputs[0]], layer) for op in ops]
        counts: dict[str, int] = {}
        forms: dict[str, tuple[Hashable, ...]] = {}
        for op, own in zip(ops, leaves, strict=True):
            if own:
                form = op.kind, *_groups(op), self.settings.has_bias(op), self.settings.has_norm(op)
                forms[op.origin] = (*forms.get(op.origin, ()), form)
        for op, own in zip(ops, leaves, strict=True):
            operands = [channels[k] for k in op.inputs]
            shape = shapes[op.inputs[0]]
            given = self._given(op, shape, operands)
            if op.origin and any(k >= _MADE for one in (given, *operands) for k in one):
                message = f"one-shot search cannot follow the channels of `{op.origin.split('[')[0]}` in its cells"
                hint = "leave concatenations, splits and groups out of the operators, or take another sampler"
                raise EngineError.of("cannot-share", message, hint)
            taken: tuple[Taken, ...] = ()
            if own:
                number = counts.get(op.origin, 0)
                counts[op.origin] = number + 1
                where = (*place, op.origin, forms[op.origin], number)
                taken = tuple(self._taken(where, name, leaf, op, (shape, operands[0], given)) for name, leaf in own)
            channels.append(given)
            yield given, taken

    def _given(self, op: Op, x: Shape, operands: Sequence[Ids]) -> Ids:
        """The channels that an operator gives."""
        kind = OPERATORS[op.kind]
        groups, width = _groups(op), op.out.channels
        if kind.produces and not kind.per_channel and groups:
            return tuple(self._make("group", groups[0], k // (width // groups[0]), k % (width // groups[0]))
                         for k in range(width))  # fmt: skip
        if kind.produces and not kind.per_channel:
            return _plain(width)
        if not kind.ties and len(operands) > 1:
            operands = [tuple(self._make("joined", k, one) for one in own) for k, own in enumerate(operands)]
        if "prune" in kind.cannot:
            # It chooses or orders channels by their places.
            return self._times(_moved(op, x, operands[0]))
        area = x.height * x.width
        found = kind.channels(op, [np.array(own, np.int64) for own in operands], area).tolist()
        if len(set(found)) == len(found):
            return tuple(found)
        return self._elements(found[::area], x) if len(found) == len(operands[0]) * area else self._times(found)

    def _elements(self, ids: Sequence[int], x: Shape) -> Ids:
        """The elements of a map as channels: those of maps of different sides are different."""
        area = x.height * x.width
        if area == 1:
            return tuple(ids)
        return tuple(self._make("element", x.height, x.width, one, k) for one in ids for k in range(area))

    def _times(self, ids: Sequence[int]) -> Ids:
        """Channels of which some are there several times."""
        seen: dict[int, int] = {}
        result = []
        for one in ids:
            seen[one] = seen.get(one, -1) + 1
            result.append(self._make("again", one, seen[one]) if seen[one] else one)
        return tuple(result)

    def _make(self, *what: Hashable) -> int:
        return self._made.setdefault(what, _MADE + len(self._made))

    def _taken(self, where: Hashable, name: str, leaf: _Leaf, op: Op, flow: tuple[Shape, Ids, Ids]) -> Taken:
        """What an operator takes of one parameter; the parameter is made, or grows, while the space is looked at."""
        x, into, out = flow
        dims: tuple[Ids, ...] = (out,)
        if leaf.role == "weight" and leaf.kernel is None:
            dims = out, self._elements(into, x)
        elif leaf.role == "weight" and not OPERATORS[op.kind].per_channel:
            groups = _groups(op)
            dims = out, _plain(len(into) // groups[0]) if groups else into
        key = where, leaf.role, leaf.module
        if key not in self._numbers:
            self._numbers[key] = len(self.parameters)
            self.parameters.append(Parameter(leaf.role, tuple({} for _ in dims), leaf.kernel))
        number = self._numbers[key]
        parameter = self.parameters[number]
        if leaf.kernel and parameter.window:
            parameter.window = (max(parameter.window[0], leaf.kernel[0]), max(parameter.window[1], leaf.kernel[1]))
        if (number, dims) not in self._slots:
            # A place that a channel has is never another's, so that what was found once stays.
            self._slots[number, dims] = tuple(
                self._same.setdefault(own, own)
                for own in (self._places_of(dim, wanted) for dim, wanted in zip(parameter.dims, dims, strict=True))
            )
        return Taken(name, number, self._slots[number, dims], leaf.kernel)

    def _places_of(self, dim: dict[int, int], ids: Ids) -> Ids:
        """The places of channels, which are made while the space is looked at."""
        if self._open:
            for one in ids:
                dim.setdefault(one, len(dim))
        return tuple(dim[one] for one in ids)

    def _leaves_of(self, op: Op, x: Shape, layer: Layer) -> list[tuple[str, _Leaf]]:
        """The parameters of an operator's module by their names.

        Raises:
            EngineError: one is of a kind that cannot be shared.
        """
        top, bottom, left, right = op.pads
        # All that names and kernels depend on.
        key = (
            op.kind, x.channels, x.size == x.channels, op.out.channels, op.kernel, op.groups,
            (top, left) == (bottom, right), op.bias, op.norm, op.has_weights, op.activation,
        )  # fmt: skip
        if key not in self._leaves:
            self._leaves[key] = _leaves(op, x, self.settings, layer)
        return self._leaves[key]


class _Leaf(NamedTuple):
    """One parameter of an operator's module: its role, the module that it is in, its kernel."""

    role: str
    module: str
    kernel: tuple[int, int] | None


def _leaves(op: Op, x: Shape, settings: Settings, layer: Layer) -> list[tuple[str, _Leaf]]:
    import torch
    from torch import nn

    from spaces.networks.network import Operator

    with torch.device("meta"):
        operator = Operator(op, x, settings)
    result: list[tuple[str, _Leaf]] = []
    for path, module in operator.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            whole = f"{path}.{name}"
            if isinstance(module, nn.BatchNorm2d):
                result.append((whole, _Leaf("scale" if name == "weight" else "shift", "norm", None)))
            elif isinstance(module, nn.Conv2d | nn.Linear):
                sides = tuple(parameter.shape[2:])
                kernel = (sides[0], sides[1]) if len(sides) == 2 else None
                result.append((whole, _Leaf("weight" if name == "weight" else "bias", "", kernel)))
            else:
                raise _unknown(op, layer)
    if len({(leaf.role, leaf.module) for _, leaf in result}) < len(result):
        raise _unknown(op, layer)
    return result


def _moved(op: Op, x: Shape, ids: Ids) -> list[int]:
    """Channels behind an operator without weights, which its module does the same to."""
    import torch

    numbers = torch.tensor(ids, dtype=torch.float64).reshape(1, -1, 1, 1)
    return [int(one) for one in OPERATORS[op.kind].module(op, x, False)(numbers).flatten().tolist()]


def _unknown(op: Op, layer: Layer) -> EngineError:
    message = f"one-shot search cannot share the weights of `{op.kind}` in `{layer.spec.block.name}`"
    hint = "take that block out of the space, or another sampler, such as `adaptive`"
    return EngineError.of("cannot-share", message, hint)


def _groups(op: Op) -> tuple[int, ...]:
    """How many groups a convolution has, where it has several that are not one per channel."""
    return (op.groups,) if op.groups > 1 and OPERATORS[op.kind].produces else ()


@cache
def _plain(channels: int) -> Ids:
    return tuple(range(channels))


def _options(options: tuple[Any, ...], edge: bool) -> tuple[Any, ...]:
    """Of an edge of a cell all operators at once, which are beside each other; else one after another."""
    return (options,) if edge else options
