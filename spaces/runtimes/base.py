"""What a runtime is: it says which kernels run for the operators of a layer, and what they take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, Self

from spaces.errors import NascompileError
from spaces.language.settings import Settings
from spaces.operators import KernelCall, Ops
from spaces.operators.memory import peak_bytes
from spaces.runtimes.around import NOTHING, Around
from spaces.targets.target import Target
from spaces.tensors import DTYPES, Shape, Tensor

__all__ = ["Prices", "Runtime", "RuntimeProfileError"]


class RuntimeProfileError(NascompileError):
    """A runtime that is unknown, or does not know the core or the data type that it is asked about."""


class Prices(Protocol):
    """What a latency profile says of one operator, or of one call of a C function."""

    @property
    def dtype(self) -> str:
        """Data type of the operators."""
        ...

    @property
    def core(self) -> str:
        """Of the processor, as targets name it."""
        ...

    def op_ns(self, kind: str, macs: int, outputs: int, shape_key: str = "") -> int:
        """Nanoseconds of an operator."""
        ...

    def call_ns(self, call: KernelCall) -> int:
        """Nanoseconds of a call."""
        ...


class Runtime(ABC):
    """What runs networks on a device. What it cannot say it refuses, and says why.

    Attributes:
        name: as `--runtime` has it.
        ram_model: what its RAM is: `pingpong` or `liveness`; None leaves it to the space.
        stack: bytes of a chip's RAM that it keeps for itself.
        profiles: the name that stands for its latency profile of a target's core; None where it has no such profiles.
        no_rom: why it says nothing of ROM; empty where it does.
        align: buffers in RAM begin at multiples of so many bytes.
        base: bytes of flash without any layer, and without what is around a network.
        around: what it has before and behind a network.
        shares_code: whether its layers share kernels, each of which is in flash once.
        per_operator: whether the ROM of a layer is the sum over its operators, whichever stand together, its kernels
            are theirs, and so is what it takes by a profile of this runtime; sums and zeros need no scratch.
    """

    name: ClassVar[str]
    ram_model: ClassVar[str | None] = None
    stack: ClassVar[int] = 0
    profiles: ClassVar[str | None] = None
    no_rom: ClassVar[str] = ""
    shares_code: ClassVar[bool] = False
    per_operator: ClassVar[bool] = False
    align: ClassVar[int] = 1
    base: int = 0
    around: Around = NOTHING

    @property
    def own_dtype(self) -> str | None:
        """The only data type of its networks; None where layers may have any."""
        return None

    @classmethod
    @abstractmethod
    def find(cls, target: Target | None, dtype: str) -> Self:
        """The runtime for a target and a data type.

        Raises:
            RuntimeProfileError: it does not know them.
        """

    def layer(self, ops: Ops, x: Tensor, out: Tensor, settings: Settings) -> tuple[int, int]:
        """What a layer adds to the ROM.

        Args:
            ops: its operators; operand 0 is its input.
            x: its input.
            out: its output, whose data type its weights have.
            settings: biases and batch norms of the space.

        Returns:
            Bytes of its own, and the kernels that it calls, a bit for each; see `code_bytes`.

        Raises:
            RuntimeProfileError: an operator that this runtime cannot run, or it says nothing of ROM.
        """
        raise self.silent()

    def peak(self, ops: Ops, x: Tensor, out: Tensor, *, newest: bool = True) -> int:
        """Most bytes of RAM that a layer needs at once.

        Args:
            ops: its operators; operand 0 is its input.
            x: its input.
            out: its output, whose data type its other tensors have.
            newest: whether all else that is alive beside the layer was there before its input.
        """
        return peak_bytes(ops, x.nbytes, DTYPES[out.dtype])

    @property
    def fixed(self) -> int:
        """Bytes of flash without any layer."""
        return self.base + self.around.rom

    def beginning(self, x: Tensor) -> int:
        """Bytes of RAM before the first layer.

        Args:
            x: the network's input.
        """
        return x.nbytes

    def end(self, out: Tensor) -> Any:
        """Bytes of RAM behind a detection head, while its boxes are compared.

        Args:
            out: its output.
        """
        return out.nbytes

    def code_bytes(self, used: int) -> int:
        """Bytes of the code of kernels, each counted once."""
        return 0

    def names(self, used: int) -> list[str]:
        """The kernels behind the bits."""
        return []

    @classmethod
    def latency(cls, prices: Prices, ops: Ops, x: Shape) -> int:
        """What a layer takes by a latency profile of this runtime, in nanoseconds.

        Args:
            prices: the profile.
            ops: the layer's operators.
            x: shape of its input.

        Raises:
            RuntimeProfileError: it says nothing of latency.
        """
        raise RuntimeProfileError.of("no-latency", f"the runtime `{cls.name}` says nothing of latency")

    def stored(self) -> Mapping[str, Any]:
        """The keys `code` and `runtime` of a set file."""
        raise self.silent()

    @classmethod
    def silent(cls, hint: str = "") -> RuntimeProfileError:
        """The error where its ROM is asked for, and it says nothing of that."""
        return RuntimeProfileError.of("no-rom", f"the runtime `{cls.name}` says nothing of ROM: {cls.no_rom}", hint)
