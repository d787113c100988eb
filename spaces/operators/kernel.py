"""Kernels: what a device executes for operators, and the C functions of `nascompile deploy` that do it.

Operators say what is computed; kernels are what is executed: a sum of k operands is k - 1 additions, a ReLU a clamp at
the end of the kernel before it, any other activation a look-up, an identity nothing. Several kernels may share one C
function: a linear layer is a convolution of one pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from spaces.lanes import Number
from spaces.tensors import Pads, Pair, Shape

if TYPE_CHECKING:
    import torch

__all__ = [
    "C_FUNCTIONS", "KERNELS", "CFunction", "Gap", "InstructionSet", "Kernel", "KernelCall", "KernelKind", "VectorLoops",
    "by_vectors", "c_call", "c_function", "c_kernel", "constant_bytes", "elementwise", "gap_elements",
    "instruction_set", "kernel_calls", "kernel_kind", "over_elements", "pixelwise", "pixelwise_by_vectors",
    "scratch_elements", "words",
]  # fmt: skip

#: What a core computes with: one number at a time; two products in one instruction; vectors of 16 bytes.
InstructionSet = Literal["plain", "simd", "vector"]
_SETS: dict[str, InstructionSet] = {
    "Cortex-M4F": "simd", "Cortex-M7": "simd", "Cortex-M33": "simd", "Cortex-M55": "vector",
}  # fmt: skip
#: Bytes that an array in flash is rounded up to.
_WORD = 4


@dataclass(frozen=True)
class Kernel:
    """One call of a kernel.

    Args:
        kind: one of `KERNELS`.
        inputs: tensors that it reads: 0 is the layer's input, k the output of the k-th kernel.
        x: shape of the first.
        out: shape of its output.
        kernel: rows, columns of its window.
        stride: rows, columns.
        pads: around its input: above, below, left, right.
        groups: of a convolution or a channel shuffle.
        part: the channels that a split takes: the first, and the one behind the last.
        clamp: `none`, `relu` or `relu6`.
        function: of a look-up, the activation.
        operator: the position of the operator whose weights it has, or None.
        followers: how many kernels behind it may run with it row by row, see `spaces.operators.rows`.
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
    part: Pair = (0, 0)
    followers: int = 0

    @property
    def record(self) -> KernelKind:
        """What every kernel of its kind is."""
        return KERNELS[self.kind]


@dataclass(frozen=True)
class KernelKind:
    """What every kernel of a kind is.

    Args:
        name: its `Kernel.kind`.
        c: `(kernel, data type) -> the C function` that runs it, without its `nc_`; empty where nothing has to run.
        compute: `(kernel, operands) -> output` in torch's floating point, before the clamp; None for kernels with
            weights, which all are convolutions or linear.
        weights: whether it has weights.
        whole: it reads all elements of its input as one vector.
        clamps: it ends in a clamp of its output.
        copies: its output holds values of its input as they are, so that both have one scale and zero point.
        in_place: it reads an element of an operand before it writes the one at its place.
        view: its output is its input, in RAM too.
        calls: `one` call; `both`, one call of two operands; `each`, one call for each operand.
        factors: pairs of multiplier and shift of one call in int8.
        table: it looks up one of 256 values in int8.
    """

    name: str
    c: Callable[[Kernel, str], str]
    compute: Callable[[Kernel, list[torch.Tensor]], torch.Tensor] | None = None
    weights: bool = False
    whole: bool = False
    clamps: bool = False
    copies: bool = False
    in_place: bool = False
    view: bool = False
    calls: str = "one"
    factors: Callable[[Kernel], int] = lambda kernel: 0
    table: bool = False


#: The largest side, number of channels, window or step that a row of the C holds.
MOST = 65535


class KernelCall(NamedTuple):
    """One call of a C function: the part of its row in the table that its loops depend on.

    Args:
        name: the C function without its `nc_`.
        x: shape of what it reads.
        out: shape of what it writes into.
        kernel: rows, columns of its window.
        stride: rows, columns.
        pads: above, left.
        groups: of a convolution or a channel shuffle.
        times: how often it is called, in several places.
    """

    name: str
    x: Shape
    out: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: Pair = (0, 0)
    groups: int = 1
    times: int = 1

    def loops(self, dtype: str, isa: InstructionSet = "simd") -> dict[str, int]:
        """How often each loop of it runs, in all.

        Args:
            dtype: `int8` or `float32`.
            isa: instruction set of the core.

        Example:
            >>> KernelCall("global_max_pool", Shape(12, 2, 3), Shape(12)).loops("int8")
            {'call': 1, 'channel': 12, 'tap': 72}
            >>> KernelCall("linear", Shape(64), Shape(12)).loops("int8", "vector")
            {'call': 1, 'block': 3, 'stepped': 3, 'step': 12, 'rest': 0}
        """
        function = C_FUNCTIONS[self.name]
        vector = function.vector if (dtype, isa) == ("int8", "vector") else None
        counts = vector.count(self) if vector else function.count(self, dtype)
        return counts if self.times == 1 else {loop: self.times * count for loop, count in counts.items()}

    def beyond(self) -> str:
        """Of its row the first number that C does not hold, in words; empty where it holds all.

        An int8 linear layer reads a vector, of which only the size, rounded up to words, is in the row.

        Example:
            >>> KernelCall("max_pool", Shape(1, 1, 70_000), Shape(1, 1, 35_000), (1, 2)).beyond()
            'a side of 70,000'
        """
        vector = self.name == "linear"
        if vector and words(self.x.size) > 4 * MOST:
            return f"{self.x.size:,} inputs"
        sides = (*self.out, *(() if vector else self.x))
        named = (("a side", sides), ("a window", self.kernel), ("a step", self.stride), ("a border", self.pads))
        for what, numbers in named:
            for number in numbers:
                if number > MOST:
                    return f"{what} of {number:,}"
        return ""


@dataclass(frozen=True)
class VectorLoops:
    """The loops of a C function in int8 on a core with vectors, where it has others there.

    Args:
        names: of the loops.
        count: `call -> iterations of each loop in all`.
    """

    names: tuple[str, ...]
    count: Callable[[KernelCall], dict[str, int]]


class Gap(NamedTuple):
    """How far apart an output and its input have to lie where the output is written over what has been read.

    Args:
        before: from the beginning of the output to that of the input, at least, where the first pixel comes first.
        behind: from the beginning of the input to that of the output, at least, where the last pixel comes first.
        beside: what is used beyond the output meanwhile: behind its end, or before its beginning.
    """

    before: Number
    behind: Number
    beside: Number


@dataclass(frozen=True)
class CFunction:
    """A C function of `nascompile/deploy/c`.

    Its loops have trip counts that follow from shapes alone, and hardly a branch that depends on data. So what a call
    takes is, up to those few branches, a sum over its loops: so much per call, per output pixel, per row of a window.

    Args:
        name: without its `nc_`.
        loops: data type -> the loops that `count` counts; the types in which there is such a function.
        count: `(call, data type) -> iterations of each loop in all`; borders, remainders and channels computed twice
            are counted, not estimated.
        weights: `(call, data type) -> number of the weights` of a call as they lie in flash, those included that only
            fill up rows; None where it has none.
        operands: tensors that a call reads.
        table: it reads a table of 256 values.
        scratch: `(call, instruction set of the core) -> bytes` of RAM that a call in int8 needs while it runs.
        over: the same where its output lies over its input: both begin at the same place, or end there but for what
            fills up words, whichever is larger; None where it overwrites what it still reads. It holds for every
            variant of the C; `nc_way` gives their order.
        gap: `(call, data type, instruction set) -> elements` between its output and its input, where these may overlap
            otherwise than in `over`; its scratch then lies in what is `beside`. None where they may not.
        vector: the loops of the call on a core with vectors, where they are others.
        float_scratch: `call -> elements` of RAM that a call in float32 needs while it runs; if any, its output may lie
            over its input as in `over`.
    """

    name: str
    loops: Mapping[str, tuple[str, ...]] = field(hash=False)
    count: Callable[[KernelCall, str], dict[str, int]]
    weights: Callable[[KernelCall, str], int] | None = None
    operands: int = 1
    table: bool = False
    scratch: Callable[[KernelCall, InstructionSet], int] = lambda call, isa: 0
    over: Callable[[KernelCall, InstructionSet], int | None] = lambda call, isa: None
    gap: Callable[[KernelCall, str, InstructionSet], Gap | None] = lambda call, dtype, isa: None
    vector: VectorLoops | None = field(default=None, hash=False)
    float_scratch: Callable[[KernelCall], int] = lambda call: 0

    def scratch_elements(self, call: KernelCall, dtype: str, isa: InstructionSet) -> int:
        """What a call needs, in elements."""
        return self.scratch(call, isa) if dtype == "int8" else self.float_scratch(call)

    def loop_names(self, dtype: str, isa: InstructionSet) -> tuple[str, ...]:
        """The loops that `KernelCall.loops` counts."""
        return self.vector.names if self.vector and (dtype, isa) == ("int8", "vector") else self.loops[dtype]


#: Every kernel kind and every C function by its name; filled by `kernel_kind` and `c_function`.
KERNELS: dict[str, KernelKind] = {}
C_FUNCTIONS: dict[str, CFunction] = {}


def kernel_kind(kind: KernelKind) -> KernelKind:
    """Register a kind of kernels."""
    KERNELS[kind.name] = kind
    return kind


def c_function(function: CFunction) -> CFunction:
    """Register a C function."""
    C_FUNCTIONS[function.name] = function
    return function


def c_kernel(kernel: Kernel, dtype: str) -> str:
    """The C function, without its `nc_`, that runs a kernel; empty where nothing has to run.

    Args:
        kernel: the kernel.
        dtype: `int8` or `float32`.

    Example:
        >>> x = Shape(8, 4, 4)
        >>> c_kernel(Kernel("conv", (0,), x, x, groups=8), "int8"), c_kernel(Kernel("lookup", (0,), x, x), "int8")
        ('depthwise', 'lookup')
    """
    return kernel.record.c(kernel, dtype)


def constant_bytes(kernel: Kernel, dtype: str) -> int:
    """Bytes of a kernel's constants in flash.

    In int8 these are weights, rows of them filled up; per output channel a bias, a multiplier (4 B each) and a shift;
    for what has no weights a multiplier and a shift per factor; 256 values of a look-up.

    Args:
        kernel: the kernel.
        dtype: `int8` or `float32`.

    Example:
        >>> x = Shape(4, 6, 6)
        >>> constant_bytes(Kernel("pointwise", (0,), x, Shape(3, 6, 6)), "int8")
        44
    """
    kind, channels = kernel.record, kernel.out.channels
    if kind.weights:
        (call,) = kernel_calls(kernel, [kernel.x], dtype)
        weights = C_FUNCTIONS[call.name].weights
        assert weights is not None  # the kernel has some
        count = weights(call, dtype)
        return 4 * (count + channels) if dtype == "float32" else words(count) + words(9 * channels)
    if dtype == "float32":
        return 0
    own = words(5 * kind.factors(kernel)) + 256 * kind.table
    return own * (len(kernel.inputs) if kind.calls == "each" else 1)


def kernel_calls(kernel: Kernel, inputs: list[Shape], dtype: str) -> list[KernelCall]:
    """The C calls of a kernel.

    Args:
        kernel: the kernel.
        inputs: shapes of its operands.
        dtype: `int8` or `float32`.
    """
    name, kind = c_kernel(kernel, dtype), kernel.record
    if not name:
        return []
    if kind.calls == "each":
        return [KernelCall(name, x, kernel.out) for x in inputs]
    return [c_call(name, kernel, dtype)]


def c_call(name: str, kernel: Kernel, dtype: str) -> KernelCall:
    """The call of a C function for all of a kernel; one that reads its input as one vector knows no sides of it."""
    if name == "linear" or kernel.record.whole:
        return KernelCall(name, Shape(kernel.x.size), kernel.out)
    top, _, left, _ = kernel.pads
    return KernelCall(name, kernel.x, kernel.out, kernel.kernel, kernel.stride, pads=(top, left), groups=kernel.groups)


def scratch_elements(kernel: Kernel, inputs: list[Shape], dtype: str, isa: InstructionSet) -> int:
    """Elements of RAM that the calls of a kernel need beside their tensors, one after another.

    Args:
        kernel: the kernel.
        inputs: shapes of its operands.
        dtype: `int8` or `float32`.
        isa: instruction set of the core.
    """
    calls = kernel_calls(kernel, inputs, dtype)
    return max((C_FUNCTIONS[call.name].scratch_elements(call, dtype, isa) for call in calls), default=0)


def instruction_set(core: str) -> InstructionSet:
    """What kernels in int8 are written for on a core, as targets name it.

    Example:
        >>> instruction_set("Cortex-M0+"), instruction_set("Cortex-M33"), instruction_set("Cortex-M55")
        ('plain', 'simd', 'vector')
    """
    return _SETS.get(core, "plain")


def by_vectors(length: int) -> VectorLoops:
    """The loops of a function that goes through the elements of its output, so many at a time."""
    return VectorLoops(("call", "block"), lambda call: {"call": 1, "block": -(-call.out.size // length)})


def pixelwise_by_vectors(channels: Callable[[KernelCall], int]) -> VectorLoops:
    """The loops of a function that goes through channels of each pixel of its output, four at a time."""

    def count(call: KernelCall) -> dict[str, int]:
        pixels = call.out.height * call.out.width
        return {"call": 1, "pixel": pixels, "block": pixels * -(-channels(call) // 4)}

    return VectorLoops(("call", "pixel", "block"), count)


def over_elements(kernel: Kernel, inputs: list[Shape], dtype: str, isa: InstructionSet) -> int | None:
    """The same where the output lies over the only operand; None where it cannot. See `CFunction.over`."""
    calls = kernel_calls(kernel, inputs, dtype)
    if len(inputs) != 1 or not calls:
        return None
    function = C_FUNCTIONS[calls[0].name]
    return function.over(calls[0], isa) if dtype == "int8" else function.float_scratch(calls[0]) or None


def gap_elements(kernel: Kernel, inputs: list[Shape], dtype: str, isa: InstructionSet) -> Gap | None:
    """How far apart the output and the only operand have to lie where they overlap; see `CFunction.gap`."""
    calls = kernel_calls(kernel, inputs, dtype)
    if len(inputs) != 1 or not calls:
        return None
    return C_FUNCTIONS[calls[0].name].gap(calls[0], dtype, isa)


def elementwise(call: KernelCall, dtype: str) -> dict[str, int]:
    """The loops of a function that goes through the elements of its output."""
    return {"call": 1, "element": call.out.size}


def pixelwise(call: KernelCall, dtype: str) -> dict[str, int]:
    """The loops of a function that goes through the elements of each pixel of its output."""
    return {"call": 1, "pixel": call.out.height * call.out.width, "element": call.out.size}


def words(n: int) -> int:
    """A number of bytes, rounded up to whole words.

    Example:
        >>> words(9)
        12
    """
    return -(-n // _WORD) * _WORD
