"""What is left of a layer's operators on a device: views cost nothing, equal operators run once, ReLUs are fused.

The rules were read off measurements, not off a manual: for 107 connected NAS-Bench-201 cells as TensorFlow Lite Micro
ran them on an nRF5340 (NATS-Bench-MCU), they give the published number of operators of all but 7, which differ by one.
Without the fusing of ReLUs an additive model of these cells is wrong by 7 % (median) instead of 0.2 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, NamedTuple

from spaces.operators import OPERATORS, Op, Ops
from spaces.operators.activations import ACTIVATIONS
from spaces.operators.sums import ADD
from spaces.runtimes.base import Prices, Runtime
from spaces.targets.target import Target
from spaces.tensors import Shape

__all__ = ["STEM", "ExecutedOp", "TfliteMicro", "executed", "shape_key"]

#: A convolution of so few input channels that kernels cannot take several at once: the first of most networks.
STEM = "stem"
_FEW = 4


class ExecutedOp(NamedTuple):
    """An operator that a device runs.

    Args:
        kind: operator kind, as `Op.kind`; or `STEM`.
        macs: multiply-accumulates.
        outputs: elements it writes.
        shape_key: what a latency table knows it by; see `shape_key`.
    """

    kind: str
    macs: int
    outputs: int
    shape_key: str


def shape_key(x: Shape, op: Op) -> str:
    """The shape of an operator as one word: input, window and stride, groups where there are several, output.

    Example:
        >>> from spaces.blocks.conv import conv
        >>> x = Shape(1, 49, 10)
        >>> shape_key(x, conv(x, filters=84, kernel=(10, 4), stride=(2, 2))[0])
        '1x49x10-10x4s2x2-84x25x5'
    """
    window = f"{op.kernel[0]}x{op.kernel[1]}s{op.stride[0]}x{op.stride[1]}" if op.kernel != (1, 1) else ""
    stride = f"s{op.stride[0]}x{op.stride[1]}" if not window and op.stride != (1, 1) else ""
    groups = f"g{op.groups}" if op.groups > 1 and not OPERATORS[op.kind].per_channel else ""
    return "-".join(filter(None, (str(x), window + stride + groups, str(op.out))))


def executed(ops: Ops, x: Shape) -> tuple[ExecutedOp, ...]:
    """The operators of a layer that run on a device.

    * A view (identity, flatten) is its operand.
    * Two operators without weights that do the same to the same operand are one.
    * A ReLU is part of the operator before it if nothing else reads that one's output. The operator before a layer's
      input lies in an earlier layer and is taken to be one that can.
    * A convolution with a 1x1 window is pointwise; one with a group per input channel is depthwise; any other of less
      than four input channels is a stem.
    * A sum of k operands is k - 1 additions; an operator of another kind with k > 1 operands adds them first, but for
      concatenations and products, which are one operator each.
    * An activation that is no clamp (hard swish, hard sigmoid) is an operator of its own.

    Args:
        ops: the block's operators; operand 0 is the layer's input.
        x: shape of the layer's input.

    Example:
        >>> x = Shape(16, 8, 8)
        >>> relu, pool = Op("relu", (0,), x), Op("avg_pool", (0,), x, kernel=(3, 3))
        >>> conv = Op("conv", (1,), x, weights=2304, macs=147_456, kernel=(3, 3))
        >>> [op.kind for op in executed((relu, conv), x)]
        ['conv']
        >>> [op.kind for op in executed((relu, conv, pool), x)]
        ['relu', 'conv', 'avg_pool']
    """
    graph = _Graph(ops, x)
    return tuple(d for k in graph.kept if not graph.is_fused(k) for d in graph.run(k))


class _Graph:
    """The operators of a layer once views and repetitions are gone; 0 is the input, k the k-th operator."""

    def __init__(self, ops: Ops, x: Shape) -> None:
        self.ops = ops
        self.shapes = [x, *(op.out for op in ops)]
        self.same: list[int] = [0]
        self.kept: list[int] = []
        known: dict[object, int] = {}
        for k, op in enumerate(ops, start=1):
            self.same.append(self._first(k, op, known))
        self.readers: dict[int, list[int]] = {}
        for k in self.kept:
            for source in self.operands(k):
                self.readers.setdefault(source, []).append(k)

    def _first(self, k: int, op: Op, known: dict[object, int]) -> int:
        """The operator whose output this one's is: an earlier one, or itself."""
        operands = self._resolved(op.inputs)
        if OPERATORS[op.kind].view and len(operands) == 1:
            return operands[0]
        key = k if op.has_weights else (op.kind, operands, op.out, op.kernel, op.stride, op.pads, op.groups, op.part)
        if key not in known:
            known[key] = k
            self.kept.append(k)
        return known[key]

    def _resolved(self, inputs: Iterable[int]) -> tuple[int, ...]:
        return tuple(self.same[source] for source in inputs)

    def operands(self, k: int) -> tuple[int, ...]:
        return self._resolved(self.ops[k - 1].inputs)

    def is_fused(self, k: int) -> bool:
        op, source = self.ops[k - 1], self.operands(k)[0]
        before = self.ops[source - 1] if source else None
        able = before is None or (OPERATORS[before.kind].fused_relu and _is_clamp(before.activation))
        return OPERATORS[op.kind].activates and able and self.readers[source] == [k] and self.same[-1] != source

    def run(self, k: int) -> Iterator[ExecutedOp]:
        op, operands = self.ops[k - 1], self.operands(k)
        x = self.shapes[operands[0]]
        kind = OPERATORS[op.kind]
        if not kind.joins:
            yield from [_elementwise(ADD.name, x)] * (len(operands) - 1)
        if not kind.view:
            runs_as = kind.runs_as(op, x)
            runs_as = STEM if runs_as == "conv" and x.channels < _FEW else runs_as
            yield ExecutedOp(runs_as, op.macs, op.out.size, shape_key(x, op))
        if not _is_clamp(op.activation):
            yield _elementwise(op.activation, op.out)


def _elementwise(kind: str, x: Shape) -> ExecutedOp:
    return ExecutedOp(kind, 0, x.size, shape_key(x, Op(kind, (0,), x)))


def _is_clamp(activation: str) -> bool:
    """Whether an activation, or none, is part of the operator that it follows."""
    return activation == "none" or ACTIVATIONS[activation].bounds is not None


class TfliteMicro(Runtime):
    """TensorFlow Lite Micro: known by the operators that it runs, and so by latencies alone."""

    name: ClassVar[str] = "tflite-micro"
    no_rom: ClassVar[str] = "its flash and arena were not measured operator by operator"

    @classmethod
    def find(cls, target: Target | None, dtype: str) -> TfliteMicro:
        """The same for every target."""
        return cls()

    @classmethod
    def latency(cls, prices: Prices, ops: Ops, x: Shape) -> int:
        """See `Runtime.latency`: the sum over the operators that a device runs."""
        return sum(prices.op_ns(*op) for op in executed(ops, x))
