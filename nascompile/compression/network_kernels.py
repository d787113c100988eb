"""The kernels of a whole network, and the operators that hold their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nascompile.compression.errors import CompressionError
from spaces.networks.network import LayerModule, Network, Operator
from spaces.operators import OPERATORS, Kernel
from spaces.runtimes.kernels import UnknownKernel, layer_kernels
from spaces.tensors import Shape

__all__ = ["dead_after", "input_shape", "kernels", "layers_of", "operators_of"]


def kernels(network: Network) -> tuple[tuple[Kernel, ...], dict[int, Operator]]:
    """The kernels of a network, in the order of execution.

    Returns:
        The kernels, whose `inputs` are 0 for the network's input and k for the output of the k-th kernel of all; and
        by its position the operator that holds the weights of each weighted kernel.

    Raises:
        CompressionError: an operator that has no kernel; it is named.

    Example:
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> c = parse_candidate(compile_space(load_space("dscnn")), "84-112-84-84-84-196")
        >>> found, operators = kernels(c.build())
        >>> [k.kind for k in found][:3], len(found), len(operators)
        (['conv', 'depthwise', 'pointwise'], 13, 12)
    """
    calls: list[Kernel] = []
    weighted: dict[int, Operator] = {}
    at, x = 0, input_shape(network.input_shape)
    for layer in layers_of(network):
        found, output = _layer(layer, x)
        operators, before = operators_of(layer), len(calls)
        for position, kernel in enumerate(found, before):
            inputs = tuple(at if source == 0 else before + source for source in kernel.inputs)
            if kernel.operator is not None:
                weighted[position] = operators[kernel.operator]
            calls.append(replace(kernel, inputs=inputs, operator=None))
        at = before + output if output else at
        x = calls[at - 1].out if at else x
    return tuple(calls), weighted


def _layer(layer: LayerModule, x: Shape) -> tuple[tuple[Kernel, ...], int]:
    try:
        return layer_kernels(layer.ops, x)
    except UnknownKernel as kind:
        hint = OPERATORS[str(kind)].cannot["deploy"]
        raise CompressionError.of("no-kernel", f"the operator `{kind}` has no int8 kernel", hint) from None


def input_shape(dims: tuple[int, ...]) -> Shape:
    """The shape of an example; a series is one row.

    Example:
        >>> input_shape((2, 24))
        Shape(channels=2, height=1, width=24)
    """
    return Shape(dims[0], 1, dims[1]) if len(dims) == 2 else Shape(*dims)


def layers_of(network: Network) -> list[LayerModule]:
    """The layers of a network, in order."""
    return [layer for layer in network.layers if isinstance(layer, LayerModule)]


def operators_of(layer: LayerModule) -> list[Operator]:
    """The operators of a layer, in order."""
    return [operator for operator in layer.operators if isinstance(operator, Operator)]


def dead_after(calls: Sequence[Kernel]) -> list[list[int]]:
    """Per kernel, the tensors that nothing reads after it."""
    last = {k + 1: k for k in range(len(calls))} | {s: k for k, call in enumerate(calls) for s in call.inputs}
    return [[s for s, k in last.items() if k == step and s != len(calls)] for step in range(len(calls))]
