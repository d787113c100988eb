"""A firmware that times operators: the C kernels, a table of random shapes, and a loop that prints what each took.

On a board it reads the cycle counter (DWT CYCCNT; SysTick where a core has none). In the emulator, where that counter
stands still, SysTick counts instructions. Kernels and loop are the same, and so is what is printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from nascompile.deploy.core import CORES, RISCV, Core, core_of
from nascompile.deploy.errors import DeployError
from nascompile.deploy.manifest import check_folder_holds, write_folder
from nascompile.deploy.operator_shapes import drawn_calls, places, weight_count
from nascompile.deploy.project import emulator_layout, kernel_sources, memory_layout, placed
from nascompile.operators import TIMED
from spaces.operators import C_FUNCTIONS, KernelCall
from spaces.operators.rows import BY_ROWS
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.target import Target

__all__ = ["write_firmware"]

#: What the folder holds, for its manifest.
_HOLDS = "firmware"
#: Bytes of activations and of weights that a table uses at most, however much the chip has.
_ARENA, _WEIGHTS = 192 * 1024, 160 * 1024
#: Bytes of flash that code, table and their texts take at most.
_CODE = 32 * 1024
_WIDTH = {"int8": 1, "float32": 4}
_TYPE = {"int8": "int8_t", "float32": "float"}
#: Cores without a cycle counter, which SysTick stands in for.
_NO_COUNTER = ("Cortex-M0+",)
#: A shift of 38 bits, 6 behind the upper half of a product, as most sums have, wherever a kernel looks for one; as a
#: word any multiplier; as a bias, of every other channel, one whose output is as large as can be: without a saturating
#: instruction that takes more, and half the outputs of a network with ReLUs are the least ones.
_SHIFTS = 0x06060606


def write_firmware(
    folder: Path, target: Target, dtype: str, calls: Sequence[KernelCall] | None = None
) -> tuple[KernelCall, ...]:
    """Write the folder: sources, linker script, Makefile, README.

    Args:
        folder: made if it is not there; else empty, or of an earlier firmware.
        target: the chip.
        dtype: `int8` or `float32`.
        calls: the operators to time; random ones of every kernel by default, as large as the chip's memories allow.

    Returns:
        The operators.

    Raises:
        DeployError: no compiler for the core, memories too small, or a folder that cannot be written, or holds
            something else.
    """
    core = core_of(target)
    if core is None:
        known = ", ".join(CORES)
        message = f"the core of {target.title}, {target.core}, is not one that C can be built for here"
        raise DeployError.of("no-core", message, f"those are: {known}")
    check_folder_holds(folder, _HOLDS)
    if calls is None:
        calls = _drawn(target, dtype)
    texts = {
        "operators.c": _operators(calls, dtype), "README.md": _readme(target, dtype, calls, core),
        **kernel_sources(dtype), **_frame(target, core),
    }  # fmt: skip
    write_folder(folder, texts, _HOLDS)
    return tuple(calls)


def _drawn(target: Target, dtype: str) -> tuple[KernelCall, ...]:
    width = _WIDTH[dtype]
    ram, flash = target.ram - 4 * NascompileC.stack, target.rom - _CODE
    calls = drawn_calls(dtype, min(_ARENA, ram) // width, min(_WEIGHTS, flash // 2) // width)
    if not calls:
        message = f"the memories of {target.title} hold no operators to time"
        raise DeployError.of("does-not-fit", message, f"it needs {_CODE:,} B of flash for the code alone")
    return calls


def _operators(calls: Sequence[KernelCall], dtype: str) -> str:
    """`operators.c`: the table; its operators share one arena and one array of weights, whose values do not matter."""
    kind = _TYPE[dtype]
    weights = max([256, *(weight_count(call, dtype) for call in calls)])
    channels = max(call.out.channels for call in calls)
    lines = ['#include "operators.h"', "",
             f"static {kind} arena[{max(places(call, dtype)[-1] for call in calls)}] __attribute__((aligned(4)));",
             f"static const {kind} weights[{weights}] __attribute__((aligned(4))) = {{1}};"]  # fmt: skip
    if dtype == "int8":
        # Biases before multipliers and shifts; a call has the last ones of them.
        words = [0, _SHIFTS, 0, -_SHIFTS] * (channels // 4 + 1)
        words = words[:channels] + [_SHIFTS] * (channels + channels // 4 + 1)
        lines += [f"static const int32_t sums[] = {{{', '.join(map(str, words))}}};", *_factor_arrays(calls)]
    else:
        lines += [f"static const float biases[{channels}] = {{1}};"]
    if any(call.name == BY_ROWS for call in calls):
        # What it takes to call them is timed apart from what they take.
        lines += ["static void nothing(const nc_op *op, int8_t *arena) { (void)op, (void)arena; }",
                  "static const nc_op parts[3] = {{.run = nothing}, {.run = nothing}, {.run = nothing}};"]  # fmt: skip
    rows = [f'    {{{{{_row(call, dtype, k, channels)}}}, "{call.name}"}},' for k, call in enumerate(calls)]
    return "\n".join(
        [*lines, "", f"const char nc_dtype[] = \"{dtype}\";", f"const uint32_t nc_row_count = {len(calls)};",
         f"const nc_row nc_rows[{len(calls)}] = {{", *rows, "};", "",
         "void nc_run_row(const nc_row *row, uint32_t calls)", "{", "    for (; calls > 0; calls--)",
         "        row->op.run(&row->op, arena);", "}", ""]
    )  # fmt: skip


def _factor_arrays(calls: Sequence[KernelCall]) -> list[str]:
    """Multipliers and shifts of kernels without weights; whichever they are, a kernel takes the same."""
    lines = []
    for k, call in enumerate(calls):
        if factors := TIMED[call.name].factors(call):
            words, shifts = (", ".join([str(number)] * factors) for number in (1 << 30, 21))
            body = f"int32_t words[{factors}]; int8_t bytes[{factors}];"
            lines.append(f"static const struct {{ {body} }} scales{k} = {{{{{words}}}, {{{shifts}}}}};")
    return lines


def _row(call: KernelCall, dtype: str, number: int, most: int) -> str:
    x, out = call.x, call.out
    at, other, scratch, _ = places(call, dtype)
    items = [f".run = nc_{call.name}", f".out = {at}"]
    function = C_FUNCTIONS[call.name]
    if function.operands == 2:
        items.append(f"{'.with.other' if dtype == 'int8' else '.other'} = {other}")
    elif call.name == BY_ROWS:
        items.append(".with.parts = parts")
    elif function.weights or function.table:
        items.append(".with.weights = weights" if dtype == "int8" else ".weights = weights, .biases = biases")
    if dtype == "int8" and TIMED[call.name].factors(call):
        items.append(f".scales = scales{number}.words, .raise = 8")
    elif dtype == "int8" and function.weights:
        items.append(f".scales = sums + {most - out.channels}")
    if dtype == "int8":
        items.append(f".scratch = {scratch}")
    elif function.float_scratch(call):
        items.append(f".other = {scratch}")
    names = ("in_c", "in_h", "in_w", "out_c", "out_h", "out_w", "kernel_h", "kernel_w", "stride_h", "stride_w",
             "pad_top", "pad_left", "groups")  # fmt: skip
    numbers = (*x, *out, *call.kernel, *call.stride, *call.pads, call.groups)
    items += [f".{name} = {number}" for name, number in zip(names, numbers, strict=True)]
    ends = ("-128", "127") if dtype == "int8" else ("-3.4e38f", "3.4e38f")
    return ", ".join([*items, f".low = {ends[0]}", f".high = {ends[1]}"])


def _frame(target: Target, core: Core) -> dict[str, str]:
    here = files("nascompile.deploy") / "c"
    make = core.tools.filled((here / "latency" / "Makefile").read_text(), core)
    timer = "-DNC_PER_TICK=1 " if target.core in _NO_COUNTER else ""
    make = make.replace("@TIMER@", timer + "'-DNC_UNIT=\"cycles\"'")
    flash, ram = placed(target.rom_region), placed(target.ram_region)
    return {
        "Makefile": make,
        **{name: (here / "latency" / name).read_text() for name in ("latency.c", "operators.h", "board.h")},
        "semihosting.h": (here / "project" / "test" / "semihosting.h").read_text(),
        "startup.c": (here / "project" / "image" / core.tools.startup).read_text(),
        "chip.ld": memory_layout(flash, ram, header=target.header),
        "emulator.ld": emulator_layout(core),
    }


def _readme(target: Target, dtype: str, calls: Sequence[KernelCall], core: Core) -> str:
    counter = "SysTick" if target.core in _NO_COUNTER else "the cycle counter (DWT CYCCNT)"
    if core.tools is RISCV:
        counter = "`mcycle` (a chip that counts elsewhere, as Espressif's do, needs `nc_cycles` in `board/`)"
    return f"""# Latency of {len(calls)} operators in {dtype} on {target.title}

    make                          # build/latency.elf, with {core.tools.cross}gcc for {core.name}
    make emulated 2> emulated.csv # the same in QEMU: instructions, which are not cycles

The firmware calls each operator of `operators.c` until it took 100,000 cycles, timed by {counter}, and prints one line
for each. Save what it prints, from `kernel,dtype,...` to `end`, as `board.csv`; other lines around are ignored. Then

    nascompile latency fit board.csv --name my-board --clock 100MHz --core {target.core}

with the clock that it really ran at.

* **Clock.** Without your help a chip runs as it leaves reset: slow, without flash wait states, caches off. Cycles then
  are not those at full clock. Define `void nc_board(void)` in a file of `board/` (see `board.h`) that sets the clock,
  wait states and caches as your product will.
* **Output.** It goes to the debugger by semihosting (OpenOCD: `arm semihosting enable`; pyOCD: `-S`). Without a
  debugger define `void nc_putchar(int c)` there, for example to a UART.
* **Memories.** Weights lie in flash and tensors in RAM, at the addresses of `chip.ld`: check them against your board.
"""
