"""From one layer and the options it uses to operators, an output and costs; each distinct layer is lowered once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from spaces.costs.layer import LayerCost, layer_cost
from spaces.errors import EngineError, SpaceError, Span
from spaces.language.expressions import Expression
from spaces.language.space import Space
from spaces.operators import Ops
from spaces.program.variants import Layer, Variant
from spaces.tensors import Infeasible, Tensor

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.runtimes.base import Runtime

__all__ = ["LayerTable", "LoweredLayer", "lower_chain", "lower_layer"]

# 1,000 layers (variants.MAX_LAYERS) of at most this stay within 64 bits.
_MAX_COST = 2**52


#: A layer's data type, or None for that of the space, and its block's arguments.
_Arguments = tuple[str | None, dict[str, Any]]


def lower_layer(space: Space, layer: Layer, x: Tensor, values: Mapping[str, Any]) -> tuple[Tensor, Ops]:
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
    return _lower(space, layer, x, _arguments(layer, values))


def _arguments(layer: Layer, values: Mapping[str, Any]) -> _Arguments:
    dtype = layer.spec.dtype
    return dtype.evaluate(values) if isinstance(dtype, Expression) else dtype, layer.spec.evaluate(values)


def _lower(space: Space, layer: Layer, x: Tensor, arguments: _Arguments) -> tuple[Tensor, Ops]:
    spec, block = layer.spec, layer.spec.block
    if x.rank not in block.ranks:
        kinds = {0: "a vector", 1: "a series", 2: "an image"}
        wanted = " or ".join(kinds[r] for r in block.ranks)
        message = f"`{block.name}` takes {wanted}, but its input is {kinds[x.rank]} ({x.shape})"
        hint = "put a `flatten` or a global pooling before it" if x.rank else "vectors go into `linear`"
        raise SpaceError.of("wrong-rank", message, hint, spec.span)
    dtype, named = arguments
    ops = spec.own(block.lower(x.shape, **named))
    # A view or a pooling keeps the type of what it reads; layers with weights have their own.
    own = dtype or (space.settings.dtype if any(op.has_weights for op in ops) else x.dtype)
    rank = x.rank if block.out_rank is None else block.out_rank
    return Tensor(ops[-1].out, own, rank), ops


@dataclass
class LayerTable:
    """The output and cost of every layer met so far.

    Args:
        space: the space.
        runtime: gives the ROM.
        latency: gives the latencies, if there is a profile.

    Attributes:
        places: what makes a network impossible -> where the file says so.
    """

    space: Space
    runtime: Runtime
    latency: LatencyProfile | None
    places: dict[str, Span | None] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], tuple[Tensor, LayerCost] | Infeasible] = field(default_factory=dict)
    _arguments: dict[tuple[Any, ...], _Arguments] = field(default_factory=dict)
    _costs: dict[tuple[int, Tensor, Tensor], tuple[Ops, LayerCost]] = field(default_factory=dict)

    def find(
        self, layer: Layer, x: Tensor, key: tuple[Any, ...], values: Callable[[], Mapping[str, Any]]
    ) -> tuple[Tensor, LayerCost]:
        """The output and cost of a layer.

        Args:
            layer: the layer.
            x: its input.
            key: what tells the values of its choices apart.
            values: gives these values.

        Raises:
            Infeasible: these values describe no network.
        """
        whole = (id(layer.spec), x, key)
        result = self._known.get(whole)
        if result is None:
            try:
                result = self._lower(layer, x, key, values)
            except Infeasible as reason:
                self.places.setdefault(str(reason), layer.spec.span)
                result = reason
            self._known[whole] = result
        if isinstance(result, Infeasible):
            raise result
        return result

    def _lower(
        self, layer: Layer, x: Tensor, key: tuple[Any, ...], values: Callable[[], Mapping[str, Any]]
    ) -> tuple[Tensor, LayerCost]:
        arguments = self._arguments.get((id(layer.spec), key))
        if arguments is None:
            arguments = self._arguments[id(layer.spec), key] = _arguments(layer, values())
        out, ops = _lower(self.space, layer, x, arguments)
        # Blocks remember the operators that they return: the same ones cost the same. The entry keeps them alive.
        key = (id(ops), x, out)
        if key in self._costs:
            return out, self._costs[key][1]
        if self.runtime.own_dtype not in (None, out.dtype):
            block, own = layer.spec.block.name, self.runtime.own_dtype
            message = f"a layer `{block}` in {out.dtype}, and the C of `{self.runtime.name}` is all in {own}"
            raise EngineError.of("mixed-types", message, "leave out its `dtype`, or --runtime", layer.spec.span)
        cost = layer_cost(ops, x, out, self.space.settings, self.runtime, profile=self.latency)
        self._costs[key] = (ops, cost)
        if max(cost[:-1]) > _MAX_COST:
            message = f"a layer `{layer.spec.block.name}` on {x.shape} costs more than 2^52"
            raise EngineError.of("too-large", message, "use smaller sizes", layer.spec.span)
        return out, cost


class LoweredLayer(NamedTuple):
    """One layer of a network, lowered: its input, its output, and the operators between."""

    layer: Layer
    x: Tensor
    out: Tensor
    ops: Ops


def lower_chain(space: Space, variant: Variant, values: Mapping[str, Any]) -> Iterator[LoweredLayer]:
    """The layers of a variant under given decisions, from input to output.

    Args:
        space: the space.
        variant: one of its variants.
        values: decision label -> value; a cell's edge may have several operators, which makes a super-network.

    Raises:
        Infeasible: no such network can exist.
    """
    x, number = space.input, 0
    for layer in variant.layers:
        if layer.present and not layer.present.holds(values):
            continue
        number += layer.number is not None
        used = {choice: values[label] for choice, label in layer.bindings.items()}
        used |= {n: variant.constants[n] for n in layer.spec.names if n in variant.constants}
        out, ops = lower_layer(space, layer, x, used)
        yield LoweredLayer(replace(layer, number=number if layer.number else None), x, out, ops)
        x = out
