"""A network as the list of C calls: which kernel, on which part of RAM, with which constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.deploy.errors import DeployError
from nascompile.deploy.float_network import FloatNetwork, FloatOp
from nascompile.deploy.memory_plan import MemoryPlan, memory_plan
from nascompile.operators import INTEGER_KERNELS, QuantisedOp, QuantisedTensor
from nascompile.operators.fixed_point import behind_upper_half, multiplier_shift
from spaces.operators import C_FUNCTIONS, KERNELS, Kernel, KernelCall
from spaces.operators.conv_function import block_pixels
from spaces.operators.gap import scratch_begin
from spaces.operators.kernel import MOST, InstructionSet, c_call, c_kernel, scratch_elements
from spaces.operators.kernel import words as words_of
from spaces.operators.memory import kernel_steps, spans
from spaces.operators.rows import BY_ROWS, CALL, Run
from spaces.operators.sums import ADD
from spaces.tensors import Shape

__all__ = ["Call", "Plan", "constant_bytes", "planned"]

_FIELDS = ("in_h", "in_w", "in_c", "out_h", "out_w", "out_c", "groups", "kernel_h", "kernel_w", "stride_h", "stride_w",
           "pad_top", "pad_left")  # fmt: skip
#: The factor of the operand of an addition that has the larger scale; by how many bits less or more than its reference
#: `nc_add` has the other operand and the sum.
_HALF, _RAISED = multiplier_shift(0.5), (2, 3)


@dataclass(frozen=True, eq=False)
class Call:
    """One row of the C table.

    Args:
        kernel: the C function without its `nc_`.
        x: offset of what it reads, in elements.
        out: offset of what it writes.
        other: offset of a second operand; in float32 that of the scratch, where there is some.
        scratch: offset of what it may use while it runs, and how many elements of it.
        fields: the numbers of the C structure by their names there.
        weights: as the kernel reads them, flat; the table of a look-up.
        words: 32-bit constants: biases, multipliers, in float32 the biases.
        bytes: 8-bit constants that follow.
        operator: the position of the operator that it computes, all or a part of it; the last one of several.
        parts: of a call that runs several operators row by row, a call for each.
        moves: by how much its scratch goes on from one block of pixels to the next one, before its outputs; 0 where it
            stays.
    """

    kernel: str
    x: int
    out: int
    other: int | None
    scratch: tuple[int, int]
    fields: dict[str, int | float]
    weights: NDArray[Any] | None
    words: NDArray[Any]
    bytes: NDArray[np.int8]
    operator: int = 0
    parts: tuple[Call, ...] = ()
    moves: int = 0


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
        more: bytes that kernels lay out at most where the C is compiled for a core without the vectors that the plan
            is for, as for this computer; 0 of a plan that is for none.
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
    more: int = 0

    @property
    def ram(self) -> int:
        """Bytes of all tensors: the `.bss` of the network."""
        return self.memory.size * (1 if self.dtype == "int8" else 4)

    @property
    def rows(self) -> tuple[Call, ...]:
        """All rows of the table: the calls and their parts."""
        return tuple(row for call in self.calls for row in (call, *call.parts))


def planned(
    network: QuantisedNetwork | FloatNetwork, isa: InstructionSet = "simd", rooms: tuple[int, int] = (0, 0)
) -> Plan:
    """The C calls of a network.

    Args:
        network: the network.
        isa: instruction set of the core; a plan for SIMD does for a plain one, too, but has more scratch than needed.
        rooms: bytes that are needed beside the input while it is made, and beside the output when all is done.

    Raises:
        DeployError: a number that does not fit into its field, or is none.
    """
    quantised = isinstance(network, QuantisedNetwork)
    for k, op in enumerate(network.ops):
        if not (np.isfinite(op.weights).all() and np.isfinite(op.biases).all()):
            message = f"weights of kernel {k}, `{op.kind}`, are no finite numbers"
            raise DeployError.of("not-finite", message, "train it again, with a lower `lr`")
    shapes = [t.shape for t in network.tensors] if quantised else list(network.shapes)
    layouts = _layouts(shapes, network.ops)
    callers = [_Caller(network, layouts, k, isa) for k in range(1, len(network.ops) + 1)]
    align, dtype = (4, "int8") if quantised else (1, "float32")
    chain = [caller.kernel for caller in callers]
    steps = kernel_steps(chain, layouts[0], dtype, isa, align=align)
    width = 1 if quantised else 4
    sizes = [-(-elements // align) * align for elements in (layouts[0].size, *(-(-room // width) for room in rooms))]
    memory = memory_plan(sizes[0], steps, ends=(sizes[1], sizes[2]))
    calls, together = list[Call](), spans(chain, layouts[0], dtype, isa)
    for span in together:
        some = [callers[k] for k in span]
        calls += [_by_rows(some, memory, isa)] if len(some) > 1 else some[0].calls(memory)
    scales = (network.tensors[0], network.tensors[-1]) if quantised else None
    offsets = memory.offsets
    return Plan(
        dtype, network.line, tuple(calls), memory, input=layouts[0], output=layouts[-1],
        input_at=offsets[0], output_at=offsets[-1], steps=scales,
        more=_more([[chain[k] for k in span] for span in together], layouts, dtype, isa),
    )  # fmt: skip


def _more(together: Sequence[Sequence[Kernel]], layouts: Sequence[Shape], dtype: str, isa: InstructionSet) -> int:
    """See `Plan.more`."""
    if isa != "vector" or dtype != "int8":
        return 0
    others: tuple[InstructionSet, ...] = ("plain", "simd")
    found = (
        Run.of_kernels(kernels).part_scratch(other)
        if len(kernels) > 1
        else scratch_elements(kernels[0], [layouts[k] for k in kernels[0].inputs], dtype, other)
        for kernels in together
        for other in others
    )
    return words_of(max(found, default=0))


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
        self, network: QuantisedNetwork | FloatNetwork, layouts: Sequence[Shape], number: int, isa: InstructionSet
    ) -> None:
        self.network, self.layouts, self.number = network, layouts, number
        self.isa: InstructionSet = isa
        self.op = op = network.ops[number - 1]
        function, followers, self.dtype = (
            (op.function, 0, "float32") if isinstance(op, FloatOp) else ("", op.followers, "int8")
        )
        x, out = layouts[op.inputs[0]], layouts[number]
        self.kernel = Kernel(
            op.kind, op.inputs, x, out, kernel=op.kernel, stride=op.stride, pads=op.pads, groups=op.groups,
            function=function, part=op.part, followers=followers,
        )  # fmt: skip
        self.function = c_kernel(self.kernel, self.dtype)

    def calls(self, memory: MemoryPlan) -> list[Call]:
        self.memory = memory
        op, kind = self.op, self.kernel.record
        if not self.function:
            return []
        if kind.weights:
            return [self._weighted(c_call(self.function, self.kernel, self.dtype))]
        if kind.calls == "each":
            return self._each()
        if kind.table and isinstance(op, QuantisedOp):
            # By the bits of a number: first those from zero on.
            return [self._call(0, weights=np.roll(op.table, len(op.table) // 2))]
        if kind.calls == "both":
            return [self._both()]
        return [self._call(0, **({} if isinstance(op, FloatOp) else self._factors(range(len(op.multipliers)))))]

    def part(self, memory: MemoryPlan, row: KernelCall) -> Call:
        """The call of a convolution whose weights lie as that of one row reads them."""
        self.memory = memory
        return self._weighted(row)

    def _each(self) -> list[Call]:
        """A call for each operand, to its channels of the output."""
        op, calls, channel = self.op, [], 0
        for j, source in enumerate(op.inputs):
            own = {} if isinstance(op, FloatOp) else self._factors([j])
            calls.append(self._call(j, shift=channel, **own))
            channel += self.layouts[source].channels
        return calls

    def _both(self) -> Call:
        """A call of two operands; of an addition in int8 the one whose factor is a half comes first."""
        op = self.op
        if isinstance(op, FloatOp):
            return self._call(0, other=1)
        if op.kind != ADD.name:
            return self._call(0, other=1, **self._factors([0]))
        half = next(j for j in (0, 1) if (op.multipliers[j], op.shifts[j]) == _HALF)
        which = [1 - half, 2]
        words, bytes = zip(
            *(
                behind_upper_half(op.multipliers[[k]], op.shifts[[k]], bits)
                for k, bits in zip(which, _RAISED, strict=True)
            ),
            strict=True,
        )
        return self._call(
            half, other=1 - half, words=np.concatenate(words).astype(np.int32), bytes=np.concatenate(bytes)
        )

    def _weighted(self, call: KernelCall) -> Call:
        op, x = self.op, self.layouts[self.op.inputs[0]]
        layout = INTEGER_KERNELS[op.kind].layout
        assert layout is not None  # it has weights
        weights = layout(np.asarray(op.weights), x, call)
        vector = isinstance(op, FloatOp) and self.kernel.record.whole
        made = self._call(0, x=Shape(x.size) if vector else x, weights=weights, **self._sums())
        return self._moving(made, call) if self.memory.overlaps[self.number - 1] else made

    def _moving(self, made: Call, call: KernelCall) -> Call:
        """The call of a convolution whose scratch goes before its outputs, towards what is left of its input."""
        back, pixels = made.out > made.x, block_pixels(self.isa)
        size = C_FUNCTIONS[call.name].scratch(call, self.isa)
        begin = made.out + scratch_begin(call, pixels, size, back=back)
        step = pixels * call.out.channels
        return replace(made, scratch=(begin, size), moves=-step if back else step)

    def _sums(self) -> dict[str, Any]:
        """Biases, with the zero point of the input in them, and the factor of each channel."""
        op = self.op
        if isinstance(op, FloatOp):
            return {"words": op.biases}
        sums = op.weights.astype(np.int64).reshape(len(op.weights), -1).sum(1)
        biases = op.biases - self._zero(op.inputs[0]) * sums
        multipliers, rights = behind_upper_half(op.multipliers, op.shifts)
        return {"words": np.concatenate([biases, multipliers]).astype(np.int32), "bytes": rights}

    def _factors(self, which: Sequence[int]) -> dict[str, Any]:
        """Multipliers and shifts of a call without weights, and by how much it raises numbers before."""
        op = self.op
        assert isinstance(op, QuantisedOp)  # its caller has made sure of it
        if not op.multipliers.size:
            return {}
        raised = 31 - INTEGER_KERNELS[op.kind].largest(self.kernel).bit_length()
        numbers = list(which)
        multipliers, rights = behind_upper_half(op.multipliers[numbers], op.shifts[numbers], raised)
        assert rights.min() > 0, op  # no factor makes more than 2^28 of the largest number
        return {"words": multipliers.astype(np.int32), "bytes": rights, "raised": raised}

    def _zero(self, tensor: int) -> int:
        assert isinstance(self.network, QuantisedNetwork)  # its caller has an int8 operator
        return self.network.tensors[tensor].zero_point

    def _call(
        self, operand: int, *, x: Shape | None = None, other: int | None = None, shift: int = 0, raised: int = 0,
        weights: NDArray[Any] | None = None, words: NDArray[Any] | None = None, bytes: NDArray[np.int8] | None = None,
    ) -> Call:  # fmt: skip
        """A call that reads one operand, or this and the `other` one."""
        op, offsets = self.op, self.memory.offsets
        source = op.inputs[operand]
        x, out = x or self.layouts[source], self.layouts[self.number]
        if self.function == "linear" and max(x) > MOST:
            x = Shape(words_of(x.size) // 4, 1, 4)  # of a vector only the size counts, in whole words
        top, _, left, _ = op.pads
        sides = (x.height, x.width, x.channels, out.height, out.width, out.channels)
        numbers = (*sides, op.groups, *op.kernel, *op.stride, top, left)
        fields: dict[str, int | float] = dict(zip(_FIELDS, numbers, strict=True))
        for name in _FIELDS:
            if fields[name] > MOST:
                message = f"`{name}` of kernel {self.number - 1}, `{op.kind}`, is {fields[name]:,}"
                raise DeployError.of("too-large", message, f"the generated C holds up to {MOST:,}")
        if isinstance(op, QuantisedOp):
            fields |= {"zero": self._zero(source), "zero_out": self._zero(self.number), "raise": raised}
            if other is not None:
                fields["zero_other"] = self._zero(op.inputs[other])
        fields |= {"low": op.low, "high": op.high}
        empty = np.zeros(0, np.int8)
        scratch = self.memory.scratch[self.number - 1]
        second = None if other is None else offsets[op.inputs[other]]
        if isinstance(op, FloatOp) and scratch[1]:
            second = scratch[0]  # no kernel has both
        return Call(
            self.function, offsets[source] + op.part[0], offsets[self.number] + shift, second, scratch=scratch,
            fields=fields, weights=None if weights is None else np.ascontiguousarray(weights).reshape(-1),
            words=empty if words is None else words, bytes=empty if bytes is None else bytes, operator=self.number - 1,
        )  # fmt: skip


def _by_rows(callers: Sequence[_Caller], memory: MemoryPlan, isa: InstructionSet) -> Call:
    """The call that runs several operators row by row."""
    run = Run.of_kernels([caller.kernel for caller in callers])
    scratch = memory.scratch[callers[-1].number - 1]
    own = run.part_scratch(isa)
    parts = [
        replace(caller.part(memory, run.row(call)), scratch=(sum(scratch) - own, own))
        for caller, call in zip(callers, run.parts, strict=True)
    ]
    places = [CALL] * (run.before is not None) + [run.handed] * (run.behind is not None)
    between = [scratch[0] + place for place in places]
    ends = zip([parts[0].x, *between], [*between, parts[-1].out], parts, strict=True)
    parts = [replace(part, x=x, out=out) for x, out, part in ends]
    middle, empty = parts[run.before is not None], np.zeros(0, np.int8)
    return Call(
        BY_ROWS, parts[0].x, parts[-1].out, None, scratch, fields=middle.fields | {"groups": run.call.groups},
        weights=None, words=empty, bytes=empty, operator=parts[-1].operator, parts=tuple(parts),
    )  # fmt: skip


def constant_bytes(call: Call) -> int:
    """Bytes of a call's own constants in flash, each array rounded up to whole words."""
    arrays = [call.words.nbytes + call.bytes.nbytes, 0 if call.weights is None else call.weights.nbytes]
    return sum(-(-n // 4) * 4 for n in arrays)
