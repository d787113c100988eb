"""From a layer and the options that it uses to its operators and its output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from spaces.blocks import BLOCKS, Block
from spaces.errors import SpaceError
from spaces.language.layer import LayerSpec
from spaces.language.space import Space
from spaces.operators import Ops
from spaces.program.variants import Layer, Variant
from spaces.tensors import Shape, Tensor

__all__ = ["LoweredLayer", "check_rank", "lower", "lower_chain", "lower_layer"]

#: A layer's data type, or None for that of the space, and its block's arguments.
Arguments = tuple[str | None, dict[str, Any]]
Operators = Callable[[Block, Shape, dict[str, Any]], Ops]


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
    arguments = layer.spec.value(None, values), layer.spec.evaluate(values)
    return lower(space, layer.spec, x, arguments, _remembered)


def _plainly(block: Block, x: Shape, arguments: dict[str, Any]) -> Ops:
    return block.lower(x, **arguments)


@lru_cache(maxsize=65536)
def _known(block: Block, x: Shape, arguments: tuple[tuple[str, Any], ...]) -> Ops:
    return block.lower(x, **dict(arguments))


def _remembered(block: Block, x: Shape, arguments: dict[str, Any]) -> Ops:
    return _known(block, x, tuple(arguments.items()))


def check_rank(spec: LayerSpec, x: Tensor) -> None:
    """Whether a block takes such an input.

    Raises:
        SpaceError: it does not.
    """
    block = spec.block
    if x.rank not in block.ranks:
        kinds = {0: "a vector", 1: "a series", 2: "an image"}
        wanted = " or ".join(kinds[r] for r in block.ranks)
        message = f"`{block.name}` takes {wanted}, but its input is {kinds[x.rank]} ({x.shape})"
        hint = "put a `flatten` or a global pooling before it" if x.rank else "vectors go into `linear`"
        # The same block for a series, or for an image.
        twin = f"{block.name}1d" if x.rank == 1 else block.name.removesuffix("1d")
        if x.rank and twin in BLOCKS and x.rank in BLOCKS[twin].ranks:
            hint = f"take `{twin}`"
        raise SpaceError.of("wrong-rank", message, hint, spec.span)


def lower(
    space: Space, spec: LayerSpec, x: Tensor, arguments: Arguments, operators: Operators = _plainly
) -> tuple[Tensor, Ops]:
    """The output tensor and the operators of a block; of many at once where its numbers are `Lanes`.

    Args:
        space: the space, for its data type.
        spec: the block as written.
        x: its input.
        arguments: its data type, or None for that of the space, and its block's arguments.
        operators: gives those of a block on an input.

    Raises:
        Infeasible: these arguments describe no network.
        SpaceError: the block does not take such an input.
    """
    block = spec.block
    check_rank(spec, x)
    dtype, named = arguments
    ops = spec.own(operators(block, x.shape, named))
    # A view or a pooling keeps the type of what it reads; layers with weights have their own.
    own = dtype or (space.settings.dtype if any(op.has_weights for op in ops) else x.dtype)
    rank = x.rank if block.out_rank is None else block.out_rank
    return Tensor(ops[-1].out, own, rank), ops


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
