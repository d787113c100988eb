"""Kernels: what a device executes for operators, and the C functions of `nascompile deploy` that do it.

Operators say what is computed; kernels are what is executed: a sum of k operands is k - 1 additions, a ReLU a clamp at
the end of the kernel before it, any other activation a look-up, an identity nothing. Several kernels may share one C
function: a linear layer is a convolution of one pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from spaces.tensors import Pads, Pair, Shape

if TYPE_CHECKING:
    import torch

__all__ = [
    "C_FUNCTIONS", "KERNELS", "CFunction", "Kernel", "KernelCall", "KernelKind", "c_function", "c_kernel",
    "constant_bytes", "elementwise", "kernel_calls", "kernel_kind", "pixelwise",
]  # fmt: skip

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
        weights: number of its weights; None where it has none.
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
    weights: Callable[[Kernel], int] | None = None
    whole: bool = False
    clamps: bool = False
    copies: bool = False
    in_place: bool = False
    view: bool = False
    calls: str = "one"
    factors: Callable[[Kernel], int] = lambda kernel: 0
    table: bool = False


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
    """

    name: str
    x: Shape
    out: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: Pair = (0, 0)
    groups: int = 1

    def loops(self, dtype: str) -> dict[str, int]:
        """How often each loop of the call runs, in all.

        Example:
            >>> KernelCall("depthwise", Shape(6, 3, 3), Shape(6, 3, 3), (3, 3), (1, 1), (1, 1), 6).loops("int8")
            {'call': 1, 'row': 3, 'pixel': 9, 'block': 18, 'window_row': 42, 'tap': 98}
        """
        return C_FUNCTIONS[self.name].count(self, dtype)


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
        weights: number of the weights of a call; None where it has none.
        operands: tensors that a call reads.
        table: it reads a table of 256 values.
    """

    name: str
    loops: Mapping[str, tuple[str, ...]] = field(hash=False)
    count: Callable[[KernelCall, str], dict[str, int]]
    weights: Callable[[KernelCall], int] | None = None
    operands: int = 1
    table: bool = False


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

    In int8 these are weights; per output channel a bias, a multiplier (4 B each) and a shift; for what has no weights a
    multiplier and a shift per factor; 256 values of a look-up.

    Args:
        kernel: the kernel.
        dtype: `int8` or `float32`.

    Example:
        >>> x = Shape(4, 6, 6)
        >>> constant_bytes(Kernel("pointwise", (0,), x, Shape(3, 6, 6)), "int8")
        40
    """
    kind, channels = kernel.record, kernel.out.channels
    weights = kind.weights(kernel) if kind.weights else 0
    if dtype == "float32":
        return 4 * (weights + channels) if weights else 0
    if weights:
        return _words(weights) + _words(9 * channels)
    # A kernel of two operands has the zero point of the other behind its factors.
    own = _words(5 * kind.factors(kernel) + (kind.calls == "both")) + 256 * kind.table
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
    x = Shape(kernel.x.size) if kind.whole else kernel.x
    top, _, left, _ = kernel.pads
    return [KernelCall(name, x, kernel.out, kernel.kernel, kernel.stride, pads=(top, left), groups=kernel.groups)]


def elementwise(call: KernelCall, dtype: str) -> dict[str, int]:
    """The loops of a function that goes through the elements of its output."""
    return {"call": 1, "element": call.out.size}


def pixelwise(call: KernelCall, dtype: str) -> dict[str, int]:
    """The loops of a function that goes through the elements of each pixel of its output."""
    return {"call": 1, "pixel": call.out.height * call.out.width, "element": call.out.size}


def _words(n: int) -> int:
    return -(-n // _WORD) * _WORD
