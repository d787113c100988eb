"""A runtime: what the C of a network takes in flash, constant by constant and kernel by kernel.

EBS Eq. 3 adds a layer's code to its weights. Measured, a kernel's code is there once, however many layers call it; what
every layer has are its constants, among them a bias and a requantisation per output channel, and a row in a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from spaces.blocks.base import Op
from spaces.errors import Diagnostic, NascompileError, Span
from spaces.runtimes.kernels import WEIGHTED, Kernel, UnknownKernel, layer_kernels
from spaces.tensors import Shape

__all__ = ["RUNTIME", "STACK", "Runtime", "RuntimeProfileError", "c_kernel", "constant_bytes"]

#: Its name.
RUNTIME = "nascompile-c"
#: Bytes of RAM that an image keeps free for the stack; networks use a third.
STACK = 1024
#: Bytes that an array in flash is rounded up to.
_WORD = 4


class RuntimeProfileError(NascompileError):
    """A runtime that is unknown, or does not know the core or the data type that it is asked about."""

    @classmethod
    def of(cls, code: str, message: str, hint: str = "", span: Span | None = None) -> RuntimeProfileError:
        """The error with a single diagnostic."""
        return cls(Diagnostic(code, message, span, hint))


@dataclass(frozen=True)
class Runtime:
    """What code and tables take, as measured with one compiler on one core.

    Args:
        name: `nascompile-c`.
        core: of the processor, as targets name it.
        dtype: of the networks, `int8` or `float32`.
        base: bytes of flash without any kernel: vectors, start-up, `nc_run`.
        call: bytes per call of a kernel: its row in the table.
        code: bytes of each kernel, and of what several of them share.
        needs: what a kernel calls besides.

    Example:
        >>> from spaces.blocks.conv import conv
        >>> made = Runtime("r", "Cortex-M4F", "int8", 100, 44, {"conv": 500, "slide": 80}, {"conv": ("slide",)})
        >>> x = Shape(3, 8, 8)
        >>> constants, used = made.layer(conv(x, filters=4), x)
        >>> constants, made.code_bytes(used)
        (188, 580)
    """

    name: str
    core: str
    dtype: str
    base: int
    call: int
    code: Mapping[str, int] = field(hash=False)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @cached_property
    def _bits(self) -> dict[str, int]:
        return {kernel: 1 << k for k, kernel in enumerate(self.code)}

    @cached_property
    def _known(self) -> dict[int, int]:
        return {}

    def layer(self, ops: Sequence[Op], x: Shape) -> tuple[int, int]:
        """What a layer adds.

        Args:
            ops: its operators; operand 0 is its input.
            x: shape of its input.

        Returns:
            Bytes of its constants and of its rows in the table, and the kernels that it calls, a bit for each; see
            `code_bytes`.

        Raises:
            RuntimeProfileError: an operator that this runtime cannot run.
        """
        try:
            found, _ = layer_kernels(ops, x)
        except UnknownKernel as kind:
            raise self._unable(str(kind)) from None
        total = used = 0
        for kernel in found:
            name = c_kernel(kernel, self.dtype)
            if not name:
                continue
            calls = len(kernel.inputs) if kernel.kind == "concat" else 1
            total += calls * self.call + constant_bytes(kernel, self.dtype)
            used |= self.kernels([name])
        return total, used

    def kernels(self, names: Iterable[str]) -> int:
        """Kernels, and what they need, a bit for each.

        Raises:
            RuntimeProfileError: an unknown one.
        """
        used = 0
        for name in names:
            for part in (name, *self.needs.get(name, ())):
                if part not in self._bits:
                    raise self._unable(part)
                used |= self._bits[part]
        return used

    def code_bytes(self, used: int) -> int:
        """Bytes of the code of these kernels, each counted once."""
        if used not in self._known:
            self._known[used] = sum(size for kernel, size in self.code.items() if used & self._bits[kernel])
        return self._known[used]

    def names(self, used: int) -> list[str]:
        """The kernels behind the bits."""
        return [kernel for kernel in self.code if used & self._bits[kernel]]

    def _unable(self, kind: str) -> RuntimeProfileError:
        return RuntimeProfileError.of("no-kernel", f"the runtime `{self.name}` has no kernel for the operator `{kind}`")


def c_kernel(kernel: Kernel, dtype: str) -> str:
    """The C function, without its `nc_`, that runs a kernel; empty where nothing has to run.

    A linear layer is a convolution of one pixel; a convolution with a filter per channel has a function of its own from
    four channels on.

    Args:
        kernel: the kernel.
        dtype: `int8` or `float32`.

    Example:
        >>> x = Shape(8, 4, 4)
        >>> c_kernel(Kernel("conv", (0,), x, x, groups=8), "int8"), c_kernel(Kernel("lookup", (0,), x, x), "int8")
        ('depthwise', 'lookup')
    """
    if kernel.kind == "linear":
        return "conv"
    if kernel.kind in WEIGHTED:
        return "depthwise" if kernel.groups == kernel.x.channels == kernel.out.channels >= 4 else "conv"
    if dtype == "float32" and kernel.kind == "lookup":
        return kernel.function
    if kernel.kind in ("concat", "requantise"):
        return "requantise" if dtype == "int8" else "clip"
    return "" if kernel.kind == "flatten" else kernel.kind


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
    weights = _weights(kernel)
    channels = kernel.out.channels
    if dtype == "float32":
        return 4 * (weights + channels) if weights else 0
    if weights:
        return _words(weights) + _words(9 * channels)
    rows, columns = kernel.kernel
    return {
        "add": _words(3 * 5 + 1), "mul": _words(5 + 1), "concat": len(kernel.inputs) * _words(5),
        "requantise": _words(5), "global_avg_pool": _words(5), "avg_pool": _words(5 * rows * columns), "lookup": 256,
    }.get(kernel.kind, 0)  # fmt: skip


def _weights(kernel: Kernel) -> int:
    if kernel.kind == "linear":
        return kernel.out.channels * kernel.x.size
    if kernel.kind not in WEIGHTED:
        return 0
    rows, columns = kernel.kernel
    return kernel.out.channels * (kernel.x.channels // kernel.groups) * rows * columns


def _words(n: int) -> int:
    return -(-n // _WORD) * _WORD
