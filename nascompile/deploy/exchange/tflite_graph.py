"""A network as the operators of TensorFlow Lite, kind by kind; tensors are [1, rows, columns, channels], as in the C.

What has no operator with the same integers is said with others: padding that is neither `SAME` nor `VALID` by a `PAD`
before; a linear layer as a convolution of one pixel, whose factors per channel every interpreter knows; an average
as a depthwise convolution with weights of 1, since `AVERAGE_POOL_2D` does not rescale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.exchange.real import Weights, activation, function_of, real_weights
from nascompile.operators.fixed_point import HIGH, LOW
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.operators import KERNELS
from spaces.tensors import Pads, Pair, Shape

__all__ = ["EMITTERS", "Graph", "Node", "Tensor", "tflite_graph"]

#: Of the schema's enumerations `Padding` and `ActivationFunctionType`.
_SAME, _VALID = 0, 1
_ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 3}
_NONE = np.zeros(0, np.float32)
#: An average in the steps of its operand, half a step off, is at most one step of the output off where these are at
#: least half as wide.
_COARSER = 2.0


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the file.

    Args:
        name: `input`, `output`, or a number.
        shape: of it.
        scales: one, or one per index along `axis`; none of plain numbers.
        zero: its zero point.
        data: of a constant.
        axis: see `scales`.
    """

    name: str
    shape: tuple[int, ...]
    scales: NDArray[np.float32]
    zero: int = 0
    data: NDArray[Any] | None = None
    axis: int = 0


@dataclass(frozen=True)
class Node:
    """An operator of the file.

    Args:
        code: its name in the schema.
        version: the first that knows int8.
        inputs: numbers of tensors.
        output: likewise.
        table: name of its options in the schema, if it has some.
        options: the fields that are not as by default.
    """

    code: str
    version: int
    inputs: tuple[int, ...]
    output: int
    table: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """What the file says.

    Args:
        tensors: all.
        nodes: in the order of execution.
        held: for each tensor of the network, the input first, its number among these.
    """

    tensors: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    held: list[int] = field(default_factory=list)

    def add(self, tensor: Tensor) -> int:
        """Its number."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, data: NDArray[Any], scales: NDArray[np.float32] = _NONE, axis: int = 0, zero: int = 0) -> int:
        """The number of a constant."""
        return self.add(Tensor(f"constant{len(self.tensors)}", data.shape, scales, zero, data, axis=axis))


def tflite_graph(network: QuantisedNetwork) -> Graph:
    """The operators of a network.

    Raises:
        DeployError: a kernel ends in what is no activation.

    Example:
        >>> from samplers.testing import example_set
        >>> from nascompile.deploy.deployable import untrained
        >>> [node.code for node in tflite_graph(untrained(example_set("small")[3], "int8").network).nodes]
        ['CONV_2D', 'CONV_2D', 'CONV_2D']
    """
    graph = Graph()
    graph.held.append(graph.add(_image("input", network.tensors[0], network.tensors[0].shape)))
    for k, op in enumerate(network.ops):
        graph.held.append(EMITTERS[op.kind](_Maker(graph, network, k)))
    last = graph.held[-1]
    graph.tensors[last] = replace(graph.tensors[last], name="output")
    return graph


def _image(name: str, steps: QuantisedTensor, shape: Shape) -> Tensor:
    channels, height, width = shape
    return Tensor(name, (1, height, width, channels), np.array([steps.scale], np.float32), steps.zero_point)


class _Maker:
    """Writes one kernel.

    Attributes:
        op: the kernel.
        operands: numbers of what it reads in the graph.
        x: what the first of them stands for.
        out: what its output stands for.
        activation: that it ends in.
    """

    def __init__(self, graph: Graph, network: QuantisedNetwork, number: int) -> None:
        self.graph, self.op = graph, network.ops[number]
        self.operands = [graph.held[source] for source in self.op.inputs]
        self.x, self.out = network.tensors[self.op.inputs[0]], network.tensors[number + 1]
        self.activation = activation(self.op, self.out) if KERNELS[self.op.kind].clamps else "none"

    def shape(self, tensor: int) -> Shape:
        """That of a tensor of the graph, channels first."""
        _, height, width, channels = self.graph.tensors[tensor].shape
        return Shape(channels, height, width)

    def image(self, steps: QuantisedTensor, shape: Shape) -> int:
        """A new tensor, in the steps of one of the network's."""
        return self.graph.add(_image(f"t{len(self.graph.tensors)}", steps, shape))

    def last(self) -> int:
        """A new tensor for the kernel's output."""
        return self.image(self.out, self.out.shape)

    def node(self, code: str, inputs: list[int], output: int, table: str = "", **options: Any) -> int:
        """The output of a node that is added."""
        self.graph.nodes.append(Node(code, _VERSIONS.get(code, 1), tuple(inputs), output, table=table, options=options))
        return output

    def reshaped(self, x: int, shape: tuple[int, ...], output: int | None = None) -> int:
        """A tensor in another shape [1, ...]; the file lets the first number be, so that a batch may be any."""
        if output is None:
            output = self.graph.add(replace(self.graph.tensors[x], name=f"t{len(self.graph.tensors)}", shape=shape))
        sides = np.array([-1, *shape[1:]], np.int32)
        return self.node("RESHAPE", [x, self.graph.constant(sides)], output, "ReshapeOptions", NewShape=sides)

    def padded(self, x: int, outside: int | None = None) -> tuple[int, dict[str, int]]:
        """What the kernel's window slides over, and how: the fields of its operator.

        Args:
            x: the operand.
            outside: what stands around it; None for zeros.
        """
        pads, same = _needed(self.op, self.shape(x), self.out.shape)
        if not any(pads):
            return x, _slide(_VALID, self.op.stride)
        if pads == same:
            return x, _slide(_SAME, self.op.stride)
        return self.wider(x, pads, outside), _slide(_VALID, self.op.stride)

    def wider(self, x: int, pads: Pads, outside: int | None = None) -> int:
        """A tensor with padding."""
        top, bottom, left, right = pads
        channels, height, width = self.shape(x)
        output = self.image(self.x, Shape(channels, height + top + bottom, width + left + right))
        around = self.graph.constant(np.array([(0, 0), (top, bottom), (left, right), (0, 0)], np.int32))
        if outside is None:
            return self.node("PAD", [x, around], output, "PadOptions")
        filler = self.graph.constant(
            np.array([outside], np.int8), np.array([self.x.scale], np.float32), zero=self.x.zero_point
        )
        return self.node("PADV2", [x, around, filler], output, "PadV2Options")

    def convolved(self, x: int, data: Weights, output: int, **fields: int) -> int:
        """A convolution; weights are [out, in / groups, rows, columns]."""
        weights = self.graph.constant(np.ascontiguousarray(data.weights.transpose(0, 2, 3, 1)), data.scales)
        return self.node("CONV_2D", [x, weights, self._biases(data)], output, "Conv2DOptions", **{**_STILL, **fields})

    def depthwise(self, x: int, data: Weights, output: int, **fields: int) -> int:
        """A convolution channel by channel; weights are [channels, 1, rows, columns]."""
        weights = self.graph.constant(np.ascontiguousarray(data.weights.transpose(1, 2, 3, 0)), data.scales, 3)
        inputs, options = [x, weights, self._biases(data)], {**_STILL, **fields, "DepthMultiplier": 1}
        return self.node("DEPTHWISE_CONV_2D", inputs, output, "DepthwiseConv2DOptions", **options)

    def _biases(self, data: Weights) -> int:
        return self.graph.constant(data.biases, np.float32(self.x.scale) * data.scales)

    def pooled(self, code: str, x: int, output: int, window: Pair, **fields: int) -> int:
        """A pooling that does not rescale."""
        options = {**_STILL, **fields, "FilterHeight": window[0], "FilterWidth": window[1]}
        return self.node(code, [x], output, "Pool2DOptions", **options)

    def fused(self) -> dict[str, int]:
        """The activation, as a field of an operator that ends in one."""
        return {"FusedActivationFunction": _ACTIVATIONS[self.activation]}

    def ended(self, x: int) -> int:
        """What is in the steps of the output already, with the activation."""
        return x if self.activation == "none" else self.node(self.activation.upper(), [x], self.last())


def _slide(padding: int, stride: Pair) -> dict[str, int]:
    return {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1]}


#: A window that does not slide, or pixel by pixel.
_STILL = _slide(_VALID, (1, 1))


def _needed(op: QuantisedOp, x: Shape, out: Shape) -> tuple[Pads, Pads]:
    """The padding that windows reach into, and that which `SAME` has."""
    found: list[int] = []
    same: list[int] = []
    for k, size in enumerate(x[1:]):
        before, result = op.pads[2 * k], out[1 + k]
        total = max(0, (result - 1) * op.stride[k] + op.kernel[k] - size)
        found += [before, max(0, total - before)]
        same += [total // 2, total - total // 2] if result == -(-size // op.stride[k]) else [-1, -1]
    return (found[0], found[1], found[2], found[3]), (same[0], same[1], same[2], same[3])


def _convolution(make: _Maker) -> int:
    op, x = make.op, make.operands[0]
    data = real_weights(op, make.x, make.out)
    own = op.groups == make.shape(x).channels == len(op.weights) and op.groups > 1
    x, slide = make.padded(x)
    return (make.depthwise if own else make.convolved)(x, data, make.last(), **slide, **make.fused())


def _linear(make: _Maker) -> int:
    """As a convolution of one pixel; in the file as in RAM channels come last."""
    x, data = make.operands[0], real_weights(make.op, make.x, make.out)
    there = make.shape(x)
    rows = data.weights.reshape(-1, *there).transpose(0, 2, 3, 1).reshape(len(data.weights), -1, 1, 1)
    if there.size > there.channels:
        x = make.reshaped(x, (1, 1, 1, there.size))
    return make.convolved(x, data._replace(weights=rows), make.last(), **make.fused())


def _two(make: _Maker) -> int:
    code, table = {"add": ("ADD", "AddOptions"), "mul": ("MUL", "MulOptions")}[make.op.kind]
    return make.node(code, make.operands, make.last(), table, **make.fused())


def _requantise(make: _Maker) -> int:
    return make.ended(_quantised(make, make.operands[0]))


def _quantised(make: _Maker, x: int) -> int:
    """A tensor in the steps of the output."""
    there = make.graph.tensors[x]
    if (there.scales[0], there.zero) == (np.float32(make.out.scale), make.out.zero_point):
        return x
    return make.node("QUANTIZE", [x], make.image(make.out, make.shape(x)), "QuantizeOptions")


def _concat(make: _Maker) -> int:
    parts = [_quantised(make, x) for x in make.operands]
    beside = make.last()
    return make.ended(make.node("CONCATENATION", parts, beside, "ConcatenationOptions", Axis=3))


def _max_pool(make: _Maker) -> int:
    x, slide = make.padded(make.operands[0], LOW)
    return make.pooled("MAX_POOL_2D", x, make.last(), make.op.kernel, **slide)


def _global_max(make: _Maker) -> int:
    _, height, width = make.shape(make.operands[0])
    return make.pooled("MAX_POOL_2D", make.operands[0], make.last(), (height, width))


def _ones(make: _Maker, window: Pair, count: int) -> Weights:
    """The average of a window's elements, `count` of which exist."""
    channels = make.out.shape.channels
    return Weights(
        np.ones((channels, 1, *window), np.int8), np.zeros(channels, np.int32), np.full(channels, 1 / count, np.float32)
    )


def _global_average(make: _Maker) -> int:
    window = make.shape(make.operands[0])[1:]
    data = _ones(make, (window[0], window[1]), window[0] * window[1])
    return make.depthwise(make.operands[0], data, make.last(), **make.fused())


def _average(make: _Maker) -> int:
    """Rounded once where it can be; and never two steps off."""
    op, x = make.op, make.operands[0]
    pads, same = _needed(op, make.shape(x), make.out.shape)
    counts = _counts(op, make.shape(x), make.out.shape)
    if pads == same and counts.min() < counts.max() and make.x.scale <= _COARSER * make.out.scale:
        average = make.image(make.x, make.out.shape)
        make.pooled("AVERAGE_POOL_2D", x, average, op.kernel, **_slide(_SAME, op.stride))
        return make.ended(_quantised(make, average))
    if any(pads):
        x = make.wider(x, pads)
    # An average for each number of elements that exist, and 0 where there are others.
    parts = []
    for count in np.unique(counts):
        data = _ones(make, op.kernel, max(1, count))
        part = make.depthwise(x, data, make.last(), **_slide(_VALID, op.stride), **make.fused())
        mask = (counts == count).astype(np.int8)[None, :, :, None]
        if not mask.all():
            part = make.node(
                "MUL", [part, make.graph.constant(mask, np.array([1], np.float32))], make.last(), "MulOptions"
            )
        parts.append(part)
    return reduce(lambda a, b: make.node("ADD", [a, b], make.last(), "AddOptions"), parts)


def _counts(op: QuantisedOp, x: Shape, out: Shape) -> NDArray[np.int64]:
    """How many elements of each window exist: [rows, columns]."""
    sides = []
    for k, size in enumerate(x[1:]):
        first = np.arange(out[1 + k]) * op.stride[k] - op.pads[2 * k]
        sides.append(np.minimum(first + op.kernel[k], size) - np.maximum(first, 0))
    return np.maximum(sides[0], 0)[:, None] * np.maximum(sides[1], 0)


def _lookup(make: _Maker) -> int:
    """A hard sigmoid is x / 6 + 1 / 2 within the ends of its int8."""
    x = make.operands[0]
    if function_of(make.op, make.x, make.out) == "hard_swish":
        return make.node("HARD_SWISH", [x], make.last(), "HardSwishOptions")
    channels, scale = make.out.shape.channels, np.float32(1 / (6 * HIGH))
    bias = np.rint(0.5 / (make.x.scale * float(scale)))
    data = Weights(
        np.full((channels, 1, 1, 1), HIGH, np.int8), np.full(channels, bias, np.int32), np.full(channels, scale)
    )
    return make.depthwise(x, data, make.last())


def _split(make: _Maker) -> int:
    first, behind = make.op.part
    _, height, width = make.out.shape
    bounds = ([0, 0, 0, first], [1, height, width, behind], [1, 1, 1, 1])
    inputs = [make.operands[0], *(make.graph.constant(np.array(numbers, np.int32)) for numbers in bounds)]
    # Of the batch, all.
    return make.node("STRIDED_SLICE", inputs, make.last(), "StridedSliceOptions", BeginMask=1, EndMask=1)


def _shuffle(make: _Maker) -> int:
    channels, height, width = make.out.shape
    groups = make.op.groups
    apart = make.reshaped(make.operands[0], (1, height * width, groups, channels // groups))
    there = replace(make.graph.tensors[apart], shape=(1, height * width, channels // groups, groups))
    turned = make.graph.add(replace(there, name=f"t{len(make.graph.tensors)}"))
    order = make.graph.constant(np.array([0, 1, 3, 2], np.int32))
    make.node("TRANSPOSE", [apart, order], turned, "TransposeOptions")
    return make.reshaped(turned, (1, height, width, channels), make.last())


def _zeros(make: _Maker) -> int:
    nothing = make.graph.constant(np.zeros((1, 1, 1, 1), np.int8), np.array([1], np.float32))
    return make.node("MUL", [make.operands[0], nothing], make.last(), "MulOptions")


#: Kind of a kernel -> what writes it, and gives the number of its output.
EMITTERS: dict[str, Callable[[_Maker], int]] = {
    "conv": _convolution, "pointwise": _convolution, "depthwise": _convolution, "linear": _linear, "add": _two,
    "mul": _two, "concat": _concat, "requantise": _requantise, "max_pool": _max_pool, "avg_pool": _average,
    "global_max_pool": _global_max, "global_avg_pool": _global_average, "lookup": _lookup, "split": _split,
    "shuffle": _shuffle, "zeros": _zeros, "flatten": lambda make: make.operands[0],
}  # fmt: skip
#: The first version of an operator that knows int8, where that is not 1.
_VERSIONS = {
    "ADD": 2, "AVERAGE_POOL_2D": 2, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "MAX_POOL_2D": 2,
    "MUL": 2, "PAD": 2, "PADV2": 2, "QUANTIZE": 2, "RELU": 2, "RELU6": 2, "STRIDED_SLICE": 2, "TRANSPOSE": 2,
}  # fmt: skip
