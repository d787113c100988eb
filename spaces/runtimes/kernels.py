"""The operators of a layer as the kernels that a microcontroller's runtime calls, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spaces.operators import OPERATORS, Kernel, KernelCall, Op
from spaces.operators.activations import ACTIVATIONS, LOOKUP
from spaces.operators.clamp import REQUANTISE
from spaces.operators.kernel import InstructionSet, kernel_calls
from spaces.operators.memory import spans
from spaces.operators.rows import Run, with_followers
from spaces.operators.sums import ADD
from spaces.tensors import Shape

__all__ = ["UnknownKernel", "layer_calls", "layer_kernels", "table_calls"]


class UnknownKernel(Exception):  # noqa: N818 - its text is the operator's kind
    """An operator for which there is no kernel."""


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
    # Operators of a cell run one by one: which tensors are there besides differs from cell to cell.
    in_cell = any(op.origin for op in ops)
    return tuple(emitted.kernels) if in_cell else with_followers(emitted.kernels, held[-1]), held[-1]


def layer_calls(ops: Sequence[Op], x: Shape, dtype: str, isa: InstructionSet) -> tuple[KernelCall, ...]:
    """The calls of C functions of a layer.

    Args:
        ops: its operators; operand 0 is its input.
        x: shape of its input.
        dtype: `int8` or `float32`.
        isa: instruction set of the core.

    Raises:
        UnknownKernel: an operator that has no kernel.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> x = Shape(16, 8, 8)
        >>> [call.name for call in layer_calls(residual(x, filters=16), x, "int8", "simd")]
        ['conv', 'conv', 'add']
    """
    calls = list[KernelCall]()
    for one in table_calls(layer_kernels(ops, x)[0], x, dtype, isa):
        calls += (call for part in one.calls() for call in part) if isinstance(one, Run) else [one]
    return tuple(calls)


def table_calls(kernels: Sequence[Kernel], x: Shape, dtype: str, isa: InstructionSet) -> list[KernelCall | Run]:
    """What the kernels of a layer call one after another, some of them together; see `layer_calls`."""
    shapes, calls = [x, *(kernel.out for kernel in kernels)], list[KernelCall | Run]()
    for span in spans(kernels, x, dtype, isa):
        some = [kernels[k] for k in span]
        if len(some) > 1:
            calls.append(Run.of_kernels(some))
        else:
            calls += kernel_calls(some[0], [shapes[i] for i in some[0].inputs], dtype)
    return calls


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
        if not OPERATORS[op.kind].joins:
            for source in sources[1:]:
                shape = self.shape(sources[0])
                sources[0] = self.emit(Kernel(ADD.name, (sources[0], source), shape, shape))
        at = self._own(position, op, tuple(sources))
        if op.activation == "none":
            return at
        if ACTIVATIONS[op.activation].bounds:
            return self._clamp(op, at, before)
        return self.emit(Kernel(LOOKUP.name, (at,), op.out, op.out, function=op.activation))

    def _own(self, position: int, op: Op, sources: tuple[int, ...]) -> int:
        kind = OPERATORS[op.kind]
        if "deploy" in kind.cannot:
            raise UnknownKernel(op.kind)
        if kind.kernel is None:
            return sources[0]
        kernel = kind.kernel(op, self.shape(sources[0]), sources)
        return self.emit(replace(kernel, operator=position) if kernel.record.weights else kernel)

    def _clamp(self, op: Op, at: int, before: int) -> int:
        """A ReLU: the end of the operator's own last kernel, if it has one that can."""
        last = self.kernels[-1] if len(self.kernels) > before else None
        if last and last.record.clamps:
            self.kernels[-1] = replace(last, clamp=op.activation)
            return at
        return self.emit(Kernel(REQUANTISE.name, (at,), self.shape(at), op.out, clamp=op.activation))
