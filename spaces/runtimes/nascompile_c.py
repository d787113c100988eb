"""Our own C: what a network takes in flash, constant by constant and kernel by kernel, and in time, loop by loop.

EBS Eq. 3 adds a layer's code to its weights. Measured, a kernel's code is there once, however many layers call it; what
every layer has are its constants, among them a bias and a requantisation per output channel, and a row in a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar

from spaces.language.settings import Settings
from spaces.operators import LOOPS, Ops
from spaces.operators.kernel import MOST, constant_bytes, instruction_set
from spaces.operators.memory import kernel_steps, needed
from spaces.operators.rows import Run
from spaces.runtimes.around import NOTHING, Around
from spaces.runtimes.base import Prices, Runtime, RuntimeProfileError
from spaces.runtimes.kernels import UnknownKernel, layer_calls, layer_kernels, table_calls
from spaces.targets.target import Target
from spaces.tensors import DTYPES, Infeasible, Shape, Tensor

__all__ = ["FILE", "NascompileC", "measured_compiler", "profile_text"]

#: Measurements of the C that `nascompile deploy` writes; made by `benchmarks/runtime_profile.py`.
FILE = Path(__file__).with_name("nascompile-c.json")


@dataclass(frozen=True)
class NascompileC(Runtime):
    """What code and tables take, as measured with one compiler on one core.

    Args:
        core: of the processor, as targets name it.
        dtype: of the networks, `int8` or `float32`.
        base: bytes of flash without any kernel: vectors, start-up, `nc_run`.
        call: bytes per call of a kernel: its row in the table.
        code: bytes of each kernel, and of what several of them share.
        needs: what a kernel calls besides.
        around: what there is before and behind a network.

    Example:
        >>> from spaces.blocks.conv import conv
        >>> made = NascompileC("Cortex-M4F", "int8", 100, 56, {"conv": 500, "slide": 80}, {"conv": ("slide",)})
        >>> x, out = Tensor(Shape(3, 8, 8), "int8", 2), Tensor(Shape(4, 8, 8), "int8", 2)
        >>> constants, used = made.layer(conv(x.shape, filters=4), x, out, Settings("int8", True, False, False))
        >>> constants, made.code_bytes(used)
        (204, 580)
    """

    name: ClassVar[str] = "nascompile-c"
    ram_model: ClassVar[str | None] = "liveness"
    #: Networks use a third.
    stack: ClassVar[int] = 1024
    profiles: ClassVar[str | None] = "nascompile-c"
    shares_code: ClassVar[bool] = True
    per_operator: ClassVar[bool] = True

    core: str
    dtype: str
    # A field of its own: the class attribute of `Runtime` is no default.
    base: int = field()
    call: int
    code: Mapping[str, int] = field(hash=False)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    around: Around = NOTHING

    @cached_property
    def _bits(self) -> dict[str, int]:
        return {kernel: 1 << k for k, kernel in enumerate(self.code)}

    @cached_property
    def _known(self) -> dict[int, int]:
        return {}

    @classmethod
    def find(cls, target: Target | None, dtype: str) -> NascompileC:
        """As it was measured on a target's core."""
        if target is None:
            message = f"the runtime `{cls.name}` takes other code on another core, and no MCU is given"
            raise RuntimeProfileError.of("no-core", message, "name one with --mcu")
        result = next((r for r in _measured() if r.core == target.built_as and r.dtype == dtype), None)
        if result is None:
            known = ", ".join(sorted({f"{r.core} in {r.dtype}" for r in _measured()}))
            message = f"the runtime `{cls.name}` was not measured on a {target.core} in {dtype}"
            raise RuntimeProfileError.of("not-measured", message, f"it was on: {known}; or take --runtime ebs")
        return replace(result, base=result.base + 4 * len(target.header))

    @classmethod
    def unmeasured(cls, core: str, dtype: str) -> NascompileC:
        """Of a core on which nothing was measured: what it takes in RAM is known all the same."""
        return cls(core, dtype, 0, 0, dict.fromkeys(LOOPS[dtype], 0))

    @property
    def own_dtype(self) -> str:
        """See `Runtime.own_dtype`."""
        return self.dtype

    def layer(self, ops: Ops, x: Tensor, out: Tensor, settings: Settings) -> tuple[int, int]:
        """Bytes of a layer's constants and of its rows in the table, and the kernels that it calls.

        Raises:
            Infeasible: a number that no row of the C holds.
        """
        try:
            found, _ = layer_kernels(ops, x.shape)
        except UnknownKernel as kind:
            raise self._unable(str(kind)) from None
        calls = table_calls(found, x.shape, self.dtype, instruction_set(self.core))
        rows = [row for one in calls for row in (one.rows if isinstance(one, Run) else (one,))]
        for call in rows:
            if beyond := call.beyond():
                raise Infeasible(f"{beyond}, and the C of `{self.name}` holds up to {MOST:,}")
        constants = sum(constant_bytes(kernel, self.dtype) for kernel in found)
        return constants + self.call * len(rows), self.kernels(dict.fromkeys(row.name for row in rows))

    @property
    def align(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """In int8 buffers are read by words."""
        return 4 if self.dtype == "int8" else 1

    def peak(self, ops: Ops, x: Tensor, out: Tensor, *, newest: bool = True) -> int:
        """See `Runtime.peak`: as `nascompile.deploy.memory_plan` lays it out."""
        try:
            found, output = layer_kernels(ops, x.shape)
        except UnknownKernel as kind:
            raise self._unable(str(kind)) from None
        align, isa = self.align, instruction_set(self.core)
        steps = kernel_steps(found, x.shape, self.dtype, isa=isa, width=DTYPES[out.dtype], align=align)
        return needed(-(-x.nbytes // align) * align, steps, output, newest=newest)

    def beginning(self, x: Tensor) -> int:
        """See `Runtime.beginning`."""
        return self.around.beginning(x.nbytes, self.align)

    def end(self, out: Tensor) -> Any:
        """See `Runtime.end`."""
        return self.around.end(-(-out.nbytes // self.align) * self.align, out.shape.size)

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

    @classmethod
    def latency(cls, prices: Prices, ops: Ops, x: Shape) -> int:
        """See `Runtime.latency`: so much for each loop of each call."""
        return sum(map(prices.call_ns, layer_calls(ops, x, prices.dtype, instruction_set(prices.core))))

    def stored(self) -> Mapping[str, Any]:
        """See `Runtime.stored`."""
        return {"code": {}, "runtime": self.data}

    @property
    def data(self) -> dict[str, Any]:
        """As plain data, which `of_data` reads back."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)} | {"around": self.around.data}
        needs = {kernel: list(parts) for kernel, parts in self.needs.items()}
        if self.around == NOTHING:
            del plain["around"]
        return {"name": self.name, **plain, "code": dict(self.code), "needs": needs}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> NascompileC:
        """What `data` gave.

        Raises:
            RuntimeProfileError: it gave nothing like this.
        """
        try:
            around = Around.of_data(data["around"]) if "around" in data else NOTHING
        except (ValueError, AttributeError):
            around = None
        if around is None or not _is_data(data):
            message = f"these are no measurements of the runtime `{cls.name}`"
            raise RuntimeProfileError.of("bad-runtime", message, "make the set anew with `nascompile reduce`")
        needs = {kernel: tuple(parts) for kernel, parts in data["needs"].items()}
        own = {key: value for key, value in data.items() if key != "name"}
        return cls(**{**own, "needs": needs, "around": around})


def _is_data(data: Mapping[str, Any]) -> bool:
    """Whether these are the keys and types of `NascompileC.data`."""
    return (
        data.keys() | {"around"} == {"name", *(f.name for f in fields(NascompileC))}
        and all(isinstance(data[key], str) for key in ("name", "core", "dtype"))
        and all(isinstance(data[key], dict) for key in ("code", "needs"))
        and all(type(size) is int for size in (data["base"], data["call"], *data["code"].values()))
        and all(isinstance(parts, list) and all(isinstance(p, str) for p in parts) for parts in data["needs"].values())
    )


def measured_compiler(program: str) -> str:
    """The compiler of the shipped measurements, as it names itself.

    Args:
        program: what its names begin with.

    Example:
        >>> measured_compiler("riscv64-unknown-elf-gcc").split()[0]
        'riscv64-unknown-elf-gcc'
    """
    all_of_them = str(json.loads(FILE.read_text())["compiler"]).split(", -")[0].split("; ")
    return next(name for name in all_of_them if name.startswith(program))


def profile_text(runtimes: Iterable[NascompileC], compiler: str) -> str:
    """The file of measurements."""
    return json.dumps({"compiler": compiler, "measured": [r.data for r in runtimes]}, indent=1) + "\n"


@cache
def _measured() -> tuple[NascompileC, ...]:
    return tuple(map(NascompileC.of_data, json.loads(FILE.read_text())["measured"]))
