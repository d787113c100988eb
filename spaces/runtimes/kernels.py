"""The operators of a layer as the kernels that a microcontroller's runtime calls, one after another.

Operators say what is computed; kernels are what is executed: a sum of k operands is k - 1 additions, a ReLU a clamp at
the end of the kernel before it, any other activation a look-up, a batch norm that stands alone a depthwise convolution
of one pixel, an identity nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spaces.blocks.base import Op
from spaces.tensors import Pads, Pair, Shape

__all__ = ["WEIGHTED", "Kernel", "UnknownKernel", "layer_kernels"]

#: Kernels with weights and biases.
WEIGHTED = ("conv", "pointwise", "depthwise", "linear")

#: Kernels that end in a clamp.
_CLAMPING = (*WEIGHTED, "add", "mul", "concat", "avg_pool", "global_avg_pool", "requantise")

_POOLS = ("max_pool", "avg_pool", "global_max_pool", "global_avg_pool")


class UnknownKernel(Exception):  # noqa: N818 - its text is the operator's kind
    """An operator for which there is no kernel."""


@dataclass(frozen=True)
class Kernel:
    """One call of a kernel.

    Args:
        kind: conv, pointwise, depthwise, linear, add, mul (gates, then what they multiply), concat, max_pool, avg_pool,
            global_max_pool, global_avg_pool, lookup, requantise (a ReLU on its own), flatten or zeros.
        inputs: tensors that it reads: 0 is the layer's input, k the output of the k-th kernel.
        x: shape of the first.
        out: shape of its output.
        kernel: rows, columns of its window.
        stride: rows, columns.
        pads: around its input: above, below, left, right.
        groups: of a convolution.
        clamp: `none`, `relu` or `relu6`.
        function: of a lookup, `hard_swish` or `hard_sigmoid`.
        operator: the position of the operator whose weights it has, or None.
    """

    kind: str
    inputs: tuple[int, ...]
    x: Shape
    out: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1
    clamp: str = "none"
    function: str = ""
    operator: int | None = None


def layer_kernels(ops: Sequence[Op], x: Shape) -> tuple[tuple[Kernel, ...], int]:
    """The kernels of a layer, and which tensor is its output.

    Args:
        ops: the layer's operators; operand 0 is its input.
        x: shape of its input.

    Returns:
        The kernels in the order of execution, and 0 where the layer's output is its input, k where it is that of the
        k-th kernel.

    Raises:
        UnknownKernel: an operator that has no kernel.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> found, output = layer_kernels(residual(Shape(16, 8, 8), filters=16), Shape(16, 8, 8))
        >>> [(k.kind, k.clamp) for k in found], output
        ([('conv', 'relu'), ('conv', 'none'), ('add', 'relu')], 3)
    """
    emitted = _Emitted(x)
    held = [0]
    for position, op in enumerate(ops):
        held.append(emitted.run(position, op, [held[source] for source in op.inputs]))
    return tuple(emitted.kernels), held[-1]


class _Emitted:
    def __init__(self, x: Shape) -> None:
        self.x = x
        self.kernels: list[Kernel] = []

    def shape(self, tensor: int) -> Shape:
        return self.kernels[tensor - 1].out if tensor else self.x

    def emit(self, call: Kernel) -> int:
        self.kernels.append(call)
        return len(self.kernels)

    def run(self, position: int, op: Op, sources: list[int]) -> int:
        """Emit the kernels of an operator; the tensor of its output."""
        before = len(self.kernels)
        if op.kind not in ("concat", "mul"):
            for source in sources[1:]:
                shape = self.shape(sources[0])
                sources[0] = self.emit(Kernel("add", (sources[0], source), shape, shape))
        at = self._own(position, op, tuple(sources))
        if op.activation in ("relu", "relu6"):
            return self._clamp(op, at, before)
        if op.activation != "none":
            return self.emit(Kernel("lookup", (at,), op.out, op.out, function=op.activation))
        return at

    def _own(self, position: int, op: Op, sources: tuple[int, ...]) -> int:
        x = self.shape(sources[0])
        match op.kind:
            case "identity" | "relu" | "add":
                return sources[0]
            case "batch_norm":
                return self.emit(Kernel("depthwise", sources[:1], x, op.out, groups=op.out.channels, operator=position))
            case kind if kind in WEIGHTED:
                return self.emit(
                    Kernel(kind, sources[:1], x, op.out, op.kernel, op.stride, op.pads, op.groups, operator=position)
                )
            case "concat" | "mul":
                return self.emit(Kernel(op.kind, sources, x, op.out))
            case "flatten" | "zeros":
                return self.emit(Kernel(op.kind, sources[:1], x, op.out))
            case kind if kind in _POOLS:
                return self.emit(Kernel(kind, sources[:1], x, op.out, op.kernel, op.stride, op.pads))
            case kind:
                raise UnknownKernel(kind)

    def _clamp(self, op: Op, at: int, before: int) -> int:
        """A ReLU: the end of the operator's own last kernel, if it has one that can."""
        last = self.kernels[-1] if len(self.kernels) > before else None
        if last and last.kind in _CLAMPING:
            self.kernels[-1] = replace(last, clamp=op.activation)
            return at
        return self.emit(Kernel("requantise", (at,), self.shape(at), op.out, clamp=op.activation))
