"""A network as ONNX: in int8 with a pair of `QuantizeLinear` and `DequantizeLinear` at each tensor, or in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nascompile.compression.network_kernels import input_shape
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.exchange.real import activation, function_of, real_weights
from nascompile.deploy.float_network import FloatNetwork, FloatOp
from nascompile.operators.quantised_op import QuantisedTensor
from spaces.operators import KERNELS
from spaces.operators.activations import clamp_bounds
from spaces.tensors import Shape

__all__ = ["EMITTERS", "onnx_bytes"]

#: The first operator set with `HardSwish`, and the file format of its time: what most tools read.
_OPSET, _IR = 14, 7


def onnx_bytes(network: QuantisedNetwork | FloatNetwork) -> bytes:
    """The file: `input` [batch, ...] and `output` in real numbers, as the network in PyTorch has them.

    Raises:
        DeployError: the network has what the format cannot say.
    """
    graph = _Graph(network)
    name = graph.quantised("input", 0)
    if len(network.input_shape) == 2:
        name = graph.node("Reshape", [name, graph.ints([0, *input_shape(network.input_shape)])])
    graph.held.append(name)
    for k, op in enumerate(network.ops):
        make = _Maker(graph, k)
        graph.held.append(graph.quantised(make.ended(EMITTERS[op.kind](make)), k + 1))
    graph.node("Identity", graph.held[-1:], "output")
    made = helper.make_graph(
        graph.nodes, "network", [_real("input", network.input_shape)], [_real("output", None)], graph.constants
    )
    model = helper.make_model(
        made, producer_name="nascompile", doc_string=network.line, ir_version=_IR,
        opset_imports=[helper.make_opsetid("", _OPSET)],
    )  # fmt: skip
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _real(name: str, shape: tuple[int, ...] | None) -> Any:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None if shape is None else ["batch", *shape])


class _Graph:
    """What the file says.

    Attributes:
        nodes: in the order of execution.
        constants: all.
        held: for each tensor of the network, the input first, its name in real numbers.
    """

    def __init__(self, network: QuantisedNetwork | FloatNetwork) -> None:
        self.network = network
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.held: list[str] = []

    def shape(self, number: int) -> Shape:
        """Of a tensor of the network."""
        if isinstance(self.network, FloatNetwork):
            return self.network.shapes[number]
        return self.network.tensors[number].shape

    def node(self, kind: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        """The output of a node that is added."""
        name = name or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], f"{kind}_{len(self.nodes)}", **attributes))
        return name

    def constant(self, data: Any, dtype: Any = np.float32) -> str:
        """The name of a constant."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(data, dtype), name))
        return name

    def ints(self, numbers: list[int]) -> str:
        """The name of a constant list of whole numbers."""
        return self.constant(numbers, np.int64)

    def quantised(self, x: str, number: int) -> str:
        """A tensor of the network, rounded to its steps if it has some."""
        if isinstance(self.network, FloatNetwork):
            return x
        steps = self.network.tensors[number]
        about = [self.constant(steps.scale), self.constant(steps.zero_point, np.int8)]
        return self.node("DequantizeLinear", [self.node("QuantizeLinear", [x, *about], f"q{number}"), *about])

    def real(self, data: NDArray[Any], scales: NDArray[np.float32]) -> str:
        """Whole numbers times the scale of each channel."""
        inputs = [self.constant(data, data.dtype), self.constant(scales)]
        return self.node("DequantizeLinear", [*inputs, self.constant(np.zeros(len(scales)), data.dtype)], axis=0)


class _Maker:
    """Writes one kernel."""

    def __init__(self, graph: _Graph, number: int) -> None:
        self.graph, self.number, self.op = graph, number, graph.network.ops[number]
        self.operands = [graph.held[source] for source in self.op.inputs]
        self.shape, self.out = graph.shape(self.op.inputs[0]), graph.shape(number + 1)

    def steps(self) -> tuple[QuantisedTensor, QuantisedTensor]:
        """Those of the first operand and of the output."""
        assert isinstance(self.graph.network, QuantisedNetwork)  # its caller has an int8 operator
        tensors = self.graph.network.tensors
        return tensors[self.op.inputs[0]], tensors[self.number + 1]

    def weights(self) -> list[str]:
        """Weights and biases."""
        op, graph = self.op, self.graph
        if isinstance(op, FloatOp):
            return [graph.constant(op.weights), graph.constant(op.biases)]
        x, out = self.steps()
        data = real_weights(op, x, out)
        return [graph.real(data.weights, data.scales), graph.real(data.biases, np.float32(x.scale) * data.scales)]

    def node(self, kind: str, *more: str, **attributes: Any) -> str:
        """A node of the first operand."""
        return self.graph.node(kind, [self.operands[0], *more], **attributes)

    def ended(self, x: str) -> str:
        """With the activation of the kernel."""
        op, graph = self.op, self.graph
        if not KERNELS[op.kind].clamps:
            return x
        if isinstance(op, FloatOp):
            low, high = op.low, op.high
        else:
            low, high = clamp_bounds(activation(op, self.steps()[1]))
        if np.isfinite(high):
            return graph.node("Clip", [x, graph.constant(low), graph.constant(high)])
        return graph.node("Relu", [x]) if np.isfinite(low) else x

    def window(self) -> dict[str, Any]:
        """The attributes of a sliding window."""
        top, bottom, left, right = self.op.pads
        return {
            "kernel_shape": self.op.kernel, "strides": self.op.stride, "pads": [top, left, bottom, right],
        }  # fmt: skip


def _convolution(make: _Maker) -> str:
    return make.node("Conv", *make.weights(), group=make.op.groups, **make.window())


def _linear(make: _Maker) -> str:
    x = make.node("Flatten") if make.shape.size > make.shape.channels else make.operands[0]
    return make.graph.node("Gemm", [x, *make.weights()], transB=1)


def _mul(make: _Maker) -> str:
    gates = make.node("Reshape", make.graph.ints([0, make.shape.channels, 1, 1]))
    return make.graph.node("Mul", [gates, make.operands[1]])


def _lookup(make: _Maker) -> str:
    op = make.op
    function = op.function if isinstance(op, FloatOp) else function_of(op, *make.steps())
    if function == "hard_swish":
        return make.node("HardSwish")
    return make.node("HardSigmoid", alpha=1 / 6, beta=0.5)


def _split(make: _Maker) -> str:
    first, behind = make.op.part
    return make.node("Slice", *(make.graph.ints([number]) for number in (first, behind, 1)))


def _shuffle(make: _Maker) -> str:
    groups, (channels, height, width) = make.op.groups, make.out
    apart = make.node("Reshape", make.graph.ints([0, groups, channels // groups, height * width]))
    turned = make.graph.node("Transpose", [apart], perm=[0, 2, 1, 3])
    return make.graph.node("Reshape", [turned, make.graph.ints([0, channels, height, width])])


def _global(kind: str) -> Callable[[_Maker], str]:
    return lambda make: make.graph.node("Flatten", [make.node(kind)])


#: Kind of a kernel -> what writes it, up to its activation, and gives the name of its output.
EMITTERS: dict[str, Callable[[_Maker], str]] = {
    "conv": _convolution, "pointwise": _convolution, "depthwise": _convolution, "linear": _linear,
    "add": lambda make: make.graph.node("Add", make.operands), "mul": _mul,
    "concat": lambda make: make.graph.node("Concat", make.operands, axis=1),
    "requantise": lambda make: make.operands[0],
    "max_pool": lambda make: make.node("MaxPool", **make.window()),
    "avg_pool": lambda make: make.node("AveragePool", count_include_pad=0, **make.window()),
    "global_max_pool": _global("GlobalMaxPool"), "global_avg_pool": _global("GlobalAveragePool"),
    "lookup": _lookup, "split": _split, "shuffle": _shuffle,
    "zeros": lambda make: make.node("Mul", make.graph.constant(0.0)),
    "flatten": lambda make: make.node("Flatten"),
}  # fmt: skip
