"""A network as the list of kernels that an integer runtime calls, one after another.

The operators of `spaces.network` say what is computed; here they become what is executed: a sum of k operands is k - 1
additions, a ReLU a clamp at the end of the kernel before it, any other activation a look-up, a batch norm that stands
alone a depthwise convolution of one pixel, an identity nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nascompile.compression.errors import CompressionError
from spaces.blocks.base import Op
from spaces.network import Layer, Network, Operator
from spaces.tensors import Pads, Pair, Shape

__all__ = ["SHARING", "WEIGHTED", "Kernel", "dead_after", "kernels", "layers_of", "operators_of"]

#: Kernels with weights and biases.
WEIGHTED = ("conv", "pointwise", "depthwise", "linear")

#: Kernels whose output holds values of their input as they are, so that both have one scale and zero point.
SHARING = ("max_pool", "global_max_pool", "flatten")

#: Kernels that end in a clamp.
_CLAMPING = (*WEIGHTED, "add", "mul", "concat", "avg_pool", "global_avg_pool", "requantise")

_POOLS = ("max_pool", "avg_pool", "global_max_pool", "global_avg_pool")


@dataclass(frozen=True, eq=False)
class Kernel:
    """One call of a kernel.

    Args:
        kind: conv, pointwise, depthwise, linear, add, mul (gates, then what they multiply), concat, max_pool, avg_pool,
            global_max_pool, global_avg_pool, lookup, requantise (a ReLU on its own), flatten or zeros.
        inputs: tensors that it reads: 0 is the network's input, k the output of the k-th kernel.
        out: shape of its output.
        kernel: rows, columns of its window.
        stride: rows, columns.
        pads: around its input: above, below, left, right.
        groups: of a convolution.
        clamp: `none`, `relu` or `relu6`.
        function: of a lookup, `hard_swish` or `hard_sigmoid`.
        operator: holds the weights of a weighted kernel.
    """

    kind: str
    inputs: tuple[int, ...]
    out: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1
    clamp: str = "none"
    function: str = ""
    operator: Operator | None = None


def kernels(network: Network) -> tuple[Kernel, ...]:
    """The kernels of a network, in the order of execution.

    Raises:
        CompressionError: an operator that has no kernel; it is named.

    Example:
        >>> from spaces.candidate import parse_candidate
        >>> from spaces.compile import compile_space
        >>> from spaces.reader import load_space
        >>> c = parse_candidate(compile_space(load_space("dscnn")), "84-112-84-84-84-196")
        >>> [k.kind for k in kernels(c.build())][:3], len(kernels(c.build()))
        (['conv', 'depthwise', 'pointwise'], 13)
    """
    emitted = _Emitted()
    x = 0
    for layer in layers_of(network):
        held = [x]
        for op, operator in zip(layer.ops, operators_of(layer), strict=True):
            held.append(emitted.run(op, operator, [held[source] for source in op.inputs]))
        x = held[-1]
    return tuple(emitted.kernels)


def layers_of(network: Network) -> list[Layer]:
    """The layers of a network, in order."""
    return [layer for layer in network.layers if isinstance(layer, Layer)]


def operators_of(layer: Layer) -> list[Operator]:
    """The operators of a layer, in order."""
    return [operator for operator in layer.operators if isinstance(operator, Operator)]


def dead_after(calls: Sequence[Kernel]) -> list[list[int]]:
    """Per kernel, the tensors that nothing reads after it."""
    last = {k + 1: k for k in range(len(calls))} | {s: k for k, call in enumerate(calls) for s in call.inputs}
    return [[s for s, k in last.items() if k == step and s != len(calls)] for step in range(len(calls))]


class _Emitted:
    def __init__(self) -> None:
        self.kernels: list[Kernel] = []

    def emit(self, call: Kernel) -> int:
        self.kernels.append(call)
        return len(self.kernels)

    def run(self, op: Op, operator: Operator, sources: list[int]) -> int:
        """Emit the kernels of an operator; the tensor of its output."""
        before = len(self.kernels)
        if op.kind not in ("concat", "mul"):
            for source in sources[1:]:
                shape = op.out if op.kind == "add" else _shape_of(self.kernels, sources)
                sources[0] = self.emit(Kernel("add", (sources[0], source), shape))
        at = self._own(op, operator, tuple(sources))
        if op.activation in ("relu", "relu6"):
            return self._clamp(op, at, before)
        if op.activation != "none":
            return self.emit(Kernel("lookup", (at,), op.out, function=op.activation))
        return at

    def _own(self, op: Op, operator: Operator, sources: tuple[int, ...]) -> int:
        match op.kind:
            case "identity" | "relu" | "add":
                return sources[0]
            case "batch_norm":
                channels = op.out.channels
                return self.emit(Kernel("depthwise", sources[:1], op.out, groups=channels, operator=operator))
            case "conv" | "pointwise" | "depthwise" | "linear":
                call = Kernel(op.kind, sources[:1], op.out, op.kernel, op.stride, op.pads, op.groups, operator=operator)
                return self.emit(call)
            case "concat" | "mul":
                return self.emit(Kernel(op.kind, sources, op.out))
            case "flatten" | "zeros":
                return self.emit(Kernel(op.kind, sources[:1], op.out))
            case kind if kind in _POOLS:
                return self.emit(Kernel(kind, sources[:1], op.out, op.kernel, op.stride, op.pads))
            case kind:
                hint = "it is part of super-networks, which are never deployed" if kind == "scale" else ""
                raise CompressionError.of("no-kernel", f"the operator `{kind}` has no int8 kernel", hint)

    def _clamp(self, op: Op, at: int, before: int) -> int:
        """A ReLU: the end of the operator's own last kernel, if it has one that can."""
        last = self.kernels[-1] if len(self.kernels) > before else None
        if last and last.kind in _CLAMPING:
            self.kernels[-1] = replace(last, clamp=op.activation)
            return at
        return self.emit(Kernel("requantise", (at,), op.out, clamp=op.activation))


def _shape_of(calls: list[Kernel], sources: list[int]) -> Shape:
    """The shape of operands that are summed: that of any of them that a kernel has made."""
    return next(calls[s - 1].out for s in sources if s)
