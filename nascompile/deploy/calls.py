"""A network as the list of C calls: which kernel, on which part of RAM, with which constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.errors import DeployError
from nascompile.deploy.float_network import FloatNetwork, FloatOp
from nascompile.deploy.memory_plan import MemoryPlan, memory_plan
from nascompile.operators import INTEGER_KERNELS, QuantisedOp, QuantisedTensor
from spaces.operators import KERNELS, Kernel
from spaces.operators.kernel import c_kernel
from spaces.tensors import Shape

__all__ = ["Call", "Plan", "constant_bytes", "planned"]

#: What fields of the C structure hold.
_MOST = {"in_h": 65535, "in_w": 65535, "in_c": 65535, "out_h": 65535, "out_w": 65535, "out_c": 65535,
         "groups": 65535, "kernel_h": 255, "kernel_w": 255, "stride_h": 255, "stride_w": 255, "pad_top": 255,
         "pad_left": 255}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Call:
    """One row of the C table.

    Args:
        kernel: the C function without its `nc_`.
        x: offset of what it reads, in elements.
        out: offset of what it writes.
        other: offset of a second operand.
        fields: the numbers of the C structure by their names there.
        weights: as the kernel reads them, flat; the table of a look-up.
        words: 32-bit constants: biases, multipliers, in float32 the biases.
        bytes: 8-bit constants that follow.
    """

    kernel: str
    x: int
    out: int
    other: int | None
    fields: dict[str, int | float]
    weights: NDArray[Any] | None
    words: NDArray[Any]
    bytes: NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Plan:
    """All that the C text says.

    Args:
        dtype: int8 or float32.
        line: the candidate's text form.
        calls: in the order of execution.
        memory: the offsets.
        input: shape of the input, and of the output, as they lie in RAM.
        output: see `input`.
        input_at: their offsets.
        output_at: see `input_at`.
        steps: scale and zero point of input and output, of an int8 network.
    """

    dtype: str
    line: str
    calls: tuple[Call, ...]
    memory: MemoryPlan
    input: Shape
    output: Shape
    input_at: int
    output_at: int
    steps: tuple[QuantisedTensor, QuantisedTensor] | None


def planned(network: QuantisedNetwork | FloatNetwork) -> Plan:
    """The C calls of a network.

    Raises:
        DeployError: a number that does not fit into its field, or is none.
    """
    quantised = isinstance(network, QuantisedNetwork)
    for k, op in enumerate(network.ops):
        if not (np.isfinite(op.weights).all() and np.isfinite(op.biases).all()):
            message = f"weights of kernel {k}, `{op.kind}`, are no finite numbers"
            raise DeployError.of("not-finite", message, "train it again, with a lower `lr`")
    shapes = [t.shape for t in network.tensors] if quantised else list(network.shapes)
    memory = memory_plan([shape.size for shape in shapes], network.ops)
    layouts = _layouts(shapes, network.ops)
    calls = [call for k in range(1, len(network.ops) + 1) for call in _Caller(network, memory, layouts, k).calls()]
    steps = (network.tensors[0], network.tensors[-1]) if quantised else None
    offsets = memory.offsets
    return Plan(
        "int8" if quantised else "float32", network.line, tuple(calls), memory, input=layouts[0], output=layouts[-1],
        input_at=offsets[0], output_at=offsets[-1], steps=steps,
    )  # fmt: skip


def _layouts(shapes: Sequence[Shape], ops: Sequence[QuantisedOp | FloatOp]) -> list[Shape]:
    """How each tensor lies in RAM: a flattened one as it lay before."""
    result = [shapes[0]]
    for shape, op in zip(shapes[1:], ops, strict=True):
        kind = KERNELS[op.kind]
        keeps = kind.view or (kind.in_place and result[op.inputs[0]].size == shape.size)
        result.append(result[op.inputs[0]] if keeps else shape)
    return result


class _Caller:
    """The C calls of one operator."""

    def __init__(
        self, network: QuantisedNetwork | FloatNetwork, memory: MemoryPlan, layouts: Sequence[Shape], number: int
    ) -> None:
        self.network, self.memory, self.layouts, self.number = network, memory, layouts, number
        self.op = op = network.ops[number - 1]
        function, dtype = (op.function, "float32") if isinstance(op, FloatOp) else ("", "int8")
        x, out = layouts[op.inputs[0]], layouts[number]
        self.kernel = c_kernel(Kernel(op.kind, op.inputs, x, out, groups=op.groups, function=function), dtype)

    def calls(self) -> list[Call]:
        op = self.op
        if not self.kernel:
            return []
        kind = KERNELS[op.kind]
        if kind.weights:
            return [self._weighted()]
        if kind.calls == "each":
            return self._each()
        if kind.table and isinstance(op, QuantisedOp):
            return [self._call(0, weights=op.table)]
        other = op.inputs[1] if kind.calls == "both" else None
        return [self._call(0, other=other, **self._factors())]

    def _each(self) -> list[Call]:
        """A call for each operand, to its channels of the output."""
        op, calls, channel = self.op, [], 0
        for j, source in enumerate(op.inputs):
            own = {} if isinstance(op, FloatOp) else _factors(op, [j])
            calls.append(self._call(j, shift=channel, **own))
            channel += self.layouts[source].channels
        return calls

    def _weighted(self) -> Call:
        op, x = self.op, self.layouts[self.op.inputs[0]]
        layout = INTEGER_KERNELS[op.kind].layout
        assert layout is not None  # it has weights
        weights = layout(np.asarray(op.weights), x, self.kernel)
        return self._call(0, x=Shape(x.size) if KERNELS[op.kind].whole else x, weights=weights, **self._sums())

    def _sums(self) -> dict[str, Any]:
        """Biases, and the factor of each channel."""
        op = self.op
        if isinstance(op, FloatOp):
            return {"words": op.biases}
        return {"words": np.concatenate([op.biases, op.multipliers]), "bytes": _rights(op.shifts)}

    def _factors(self) -> dict[str, Any]:
        """Multipliers, shifts, and the zero point of a second operand."""
        op = self.op
        if isinstance(op, FloatOp) or not op.multipliers.size:
            return {}
        result = _factors(op, range(len(op.multipliers)))
        if KERNELS[op.kind].calls == "both":
            result["bytes"] = np.append(result["bytes"], np.int8(self._zero(op.inputs[1])))
        return result

    def _zero(self, tensor: int) -> int:
        assert isinstance(self.network, QuantisedNetwork)  # its caller has an int8 operator
        return self.network.tensors[tensor].zero_point

    def _call(
        self, operand: int, *, x: Shape | None = None, other: int | None = None, shift: int = 0,
        weights: NDArray[Any] | None = None, words: NDArray[Any] | None = None, bytes: NDArray[np.int8] | None = None,
    ) -> Call:  # fmt: skip
        op, offsets = self.op, self.memory.offsets
        source = op.inputs[operand]
        x, out = x or self.layouts[source], self.layouts[self.number]
        top, _, left, _ = op.pads
        fields: dict[str, int | float] = {
            "in_h": x.height, "in_w": x.width, "in_c": x.channels,
            "out_h": out.height, "out_w": out.width, "out_c": out.channels, "groups": op.groups,
            "kernel_h": op.kernel[0], "kernel_w": op.kernel[1], "stride_h": op.stride[0], "stride_w": op.stride[1],
            "pad_top": top, "pad_left": left,
        }  # fmt: skip
        for name, most in _MOST.items():
            if fields[name] > most:
                message = f"`{name}` of kernel {self.number - 1}, `{op.kind}`, is {fields[name]:,}"
                raise DeployError.of("too-large", message, f"the generated C holds up to {most:,}")
        if isinstance(op, QuantisedOp):
            fields |= {"zero": self._zero(source), "zero_out": self._zero(self.number)}
        fields |= {"low": op.low, "high": op.high}
        empty = np.zeros(0, np.int8)
        return Call(
            self.kernel, offsets[source] + op.part[0], offsets[self.number] + shift,
            None if other is None else offsets[other],
            fields,
            weights=None if weights is None else np.ascontiguousarray(weights).reshape(-1),
            words=empty if words is None else words, bytes=empty if bytes is None else bytes,
        )  # fmt: skip


def _factors(op: QuantisedOp, which: Any) -> dict[str, Any]:
    numbers = list(which)
    return {"words": op.multipliers[numbers], "bytes": _rights(op.shifts[numbers])}


def _rights(shifts: NDArray[np.int8]) -> NDArray[np.int8]:
    """Shifts to the right, as C has them: 2 or more, see `nascompile.compression.integers`."""
    return (31 - shifts.astype(np.int64)).astype(np.int8)


def constant_bytes(call: Call) -> int:
    """Bytes of a call's constants in flash, each array rounded up to whole words."""
    arrays = [call.words.nbytes + call.bytes.nbytes, 0 if call.weights is None else call.weights.nbytes]
    return sum(-(-n // 4) * 4 for n in arrays)
