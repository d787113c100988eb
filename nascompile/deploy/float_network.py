"""A network in float32 as the kernels that a microcontroller calls, with its batch norms folded."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.network_kernels import input_shape, kernels
from spaces.networks.network import Network, Operator
from spaces.operators import Kernel
from spaces.operators.activations import clamp_bounds
from spaces.tensors import Pads, Pair, Shape

__all__ = ["FloatNetwork", "FloatOp", "float_network"]


def _none() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclass(frozen=True, eq=False)
class FloatOp:
    """One kernel call; see `nascompile.operators.quantised_op.QuantisedOp`, whose fields these are.

    Args:
        kind: of the kernel.
        inputs: tensors that it reads.
        kernel: rows, columns of its window.
        stride: rows, columns.
        pads: above, below, left, right.
        groups: of a convolution.
        low: least output.
        high: greatest output.
        function: of a lookup, `hard_swish` or `hard_sigmoid`.
        weights: float32 [out, in / groups, rows, columns], or [out, in] of a linear layer.
        biases: float32 [out].
        part: the channels that a split takes: the first, and the one behind the last.
    """

    kind: str
    inputs: tuple[int, ...]
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1
    low: float = -inf
    high: float = inf
    function: str = ""
    weights: NDArray[np.float32] = field(default_factory=_none)
    biases: NDArray[np.float32] = field(default_factory=_none)
    part: Pair = (0, 0)


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A network of float32 tensors.

    Args:
        line: the candidate's text form.
        input_shape: of one example, without n.
        shapes: 0 is the input's, k that of the k-th operator's output; the last is the network's output.
        ops: in the order of execution.
    """

    line: str
    input_shape: tuple[int, ...]
    shapes: tuple[Shape, ...]
    ops: tuple[FloatOp, ...] = field(repr=False)


def float_network(network: Network) -> FloatNetwork:
    """The kernels of a network, with its weights as they are after folding its batch norms.

    Raises:
        CompressionError: an operator that has no kernel; it is named.

    Example:
        >>> from samplers.testing import example_set
        >>> made = float_network(example_set("small")[3].build())
        >>> len(made.shapes) - len(made.ops)
        1
    """
    result, operators = kernels(network)
    x = input_shape(network.input_shape)
    ops = tuple(_op(kernel, operators.get(k)) for k, kernel in enumerate(result))
    return FloatNetwork(network.line, network.input_shape, (x, *(kernel.out for kernel in result)), ops)


def _op(kernel: Kernel, operator: Operator | None) -> FloatOp:
    from nascompile.compression.folding import folded

    low, high = clamp_bounds(kernel.clamp)
    weight, bias = _none(), _none()
    if operator is not None:
        weight, bias = (tensor.numpy().astype(np.float32) for tensor in folded(operator))
    return FloatOp(
        kernel.kind, kernel.inputs, kernel.kernel, kernel.stride, kernel.pads, groups=kernel.groups, low=low, high=high,
        function=kernel.function, weights=weight, biases=bias, part=kernel.part,
    )  # fmt: skip
