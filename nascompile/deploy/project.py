"""The folder that a firmware takes over: the network in C, its kernels, ways to build it, test vectors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.deploy.c_source import header, source
from nascompile.deploy.calls import Plan
from nascompile.deploy.core import Core, core_of
from nascompile.deploy.ends import Ends
from nascompile.deploy.ends_source import answer, asked, kernels
from nascompile.deploy.manifest import Kept, write_folder
from nascompile.deploy.naming import PLAIN, Naming
from nascompile.deploy.packaging import packaging
from spaces.runtimes.nascompile_c import NascompileC
from spaces.targets.target import Region, Target
from spaces.tensors import Shape

__all__ = [
    "HOLDS",
    "TOLERANCE",
    "Vectors",
    "emulator_layout",
    "in_memory",
    "kernel_files",
    "kernel_sources",
    "memory_layout",
    "placed",
    "write_project",
]

#: The largest difference of a float32 output from PyTorch's, relative where outputs are larger than one.
TOLERANCE = 1e-5
#: What the folder holds, for its manifest.
HOLDS = "deployed network"
#: Arduino has the sources' folder alone among the places of headers.
_FORWARD = '#include "../include/network.h"\n'
#: Where memories begin if nothing is known: as in the STM32 family.
_PLACE = {"flash": 0x08000000, "ram": 0x20000000}


@dataclass(frozen=True, eq=False)
class Vectors:
    """Inputs of a network and what it must make of them.

    Args:
        inputs: [n, ...], int8 or float32, channels first as torch has them.
        outputs: [n, ...].
    """

    inputs: NDArray[Any]
    outputs: NDArray[Any]

    @property
    def allowed(self) -> float:
        """The difference of an output that is still none: 0 in int8."""
        if self.outputs.dtype == np.int8:
            return 0.0
        return TOLERANCE * max(1.0, float(np.abs(self.outputs).max()))


def kernel_files(plan: Plan) -> list[str]:
    """Names of the C files that hold the kernels of a network, without `nc_` and `.c`.

    Example:
        >>> from nascompile.deploy.calls import planned
        >>> from nascompile.deploy.float_network import float_network
        >>> from samplers.testing import example_set
        >>> kernel_files(planned(float_network(example_set("small")[3].build())))
        ['conv']
    """
    sources = kernel_sources(plan.dtype)
    inline = dict(re.findall(r"^static .*?\bnc_(\w+)\([^;{]*\{(.*?)^\}", sources["nc_kernels.h"], re.M | re.S))
    result, left = set[str](), [row.kernel for row in plan.rows]
    while left:
        name = left.pop()
        if name not in result:
            result.add(name)
            left += re.findall(r"\bnc_(\w+)\(", sources.get(f"nc_{name}.c", "") + inline.get(name, ""))
    return sorted(name for name in result if f"nc_{name}.c" in sources)


def kernel_sources(dtype: str) -> dict[str, str]:
    """The texts of all kernels of a data type and of the headers that they include, by their names.

    Example:
        >>> sorted(kernel_sources("int8"))[:3]
        ['nc_add.c', 'nc_avg_pool.c', 'nc_by_rows.c']
    """
    here = files("nascompile.deploy") / "c"
    found = [*(here / dtype).iterdir(), here / "nc_compiler.h"]
    return {path.name: path.read_text() for path in sorted(found, key=lambda path: path.name)}


def write_project(
    folder: Path, plan: Plan, target: Target, vectors: Vectors, name: str, readme: str, ends: Ends | None = None,
    naming: Naming = PLAIN, drawing: str = "",
) -> Kept:  # fmt: skip
    """Write the folder.

    Args:
        folder: made if it is not there; see `write_folder`.
        plan: the network.
        target: the chip.
        vectors: for the check.
        name: of the network, for comments.
        readme: text of README.md.
        ends: see `header`.
        naming: of the library.
        drawing: text of arena.svg.

    Returns:
        What stays of the user's.

    Raises:
        DeployError: the folder holds something else, or cannot be written.
    """
    texts = {
        "include/network.h": header(plan, name, ends), "src/network.h": _FORWARD,
        "src/network.c": source(plan, name, ends),
        "test/vectors.h": _vectors(plan, vectors), "README.md": readme,
        **({"arena.svg": drawing} if drawing else {}),
        **_kernels(plan), **_images(target, core_of(target), naming),
        **(_both_ends(ends, core_of(target)) if ends else {}),
    }  # fmt: skip
    texts = naming.applied(texts)
    return write_folder(folder, texts | packaging(naming, f"{name}, a network in {plan.dtype}", texts), HOLDS)


def emulator_layout(core: Core) -> str:
    """A linker script for the machine that emulates a core."""
    return memory_layout((core.flash, 2**22), (core.ram, 2**22), 4 * NascompileC.stack, vectors=core.vectors)


def memory_layout(
    flash: tuple[int, int],
    ram: tuple[int, int],
    stack: int = NascompileC.stack,
    *,
    vectors: int | None = None,
    header: Sequence[int] = (),
) -> str:
    """A linker script.

    Args:
        flash: address and bytes.
        ram: address and bytes.
        stack: bytes that are kept free for it.
        vectors: address of the vector table; None for the beginning of `flash`.
        header: words behind it.

    Example:
        >>> print(memory_layout((0x08000000, 2**20), (0x20000000, 2**18)).splitlines()[2].strip())
        FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 1048576
    """
    apart = "" if vectors is None else f"\n    VECTORS (r) : ORIGIN = 0x{vectors:08x}, LENGTH = 1024"
    table = "KEEP(*(.vectors))"
    if header:
        table += " . = ALIGN(4); " + " ".join(f"LONG(0x{word:08x})" for word in header)
    first = "" if vectors is None else f"    .vectors : {{ {table} }} > VECTORS\n"
    return f"""MEMORY
{{
    FLASH (rx) : ORIGIN = 0x{flash[0]:08x}, LENGTH = {flash[1]}
    RAM (rwx) : ORIGIN = 0x{ram[0]:08x}, LENGTH = {ram[1]}{apart}
}}

SECTIONS
{{
{first}    .text : {{ {table} *(.text*) *(.rodata*) *(.srodata*) . = ALIGN(4); }} > FLASH
    .data : {{ nc_data = .; *(.data*) *(.sdata*) . = ALIGN(4); nc_data_end = .; }} > RAM AT > FLASH
    nc_data_image = LOADADDR(.data);
    .bss (NOLOAD) : {{ *(.sbss*) *(.bss*) *(COMMON) nc_bss_end = .; }} > RAM
    .stack (NOLOAD) : {{ . = ALIGN(8); . += {stack}; nc_stack_top = .; }} > RAM
    nc_samples = nc_stack_top;
    /DISCARD/ : {{ *(.ARM.exidx*) *(.ARM.attributes) *(.comment) *(.eh_frame*) }}
}}
"""


def _kernels(plan: Plan) -> dict[str, str]:
    sources = kernel_sources(plan.dtype)
    kernels = kernel_files(plan)
    texts = {f"src/{name}": sources[name] for name in ("nc_compiler.h", *(f"nc_{kernel}.c" for kernel in kernels))}
    # Two networks of one firmware share kernels that are the same; any others bear other names.
    digest = hashlib.sha256("".join(sources.values()).encode()).hexdigest()[:8]
    shown = {word for text in texts.values() for word in re.findall(r"^NC_SHARED .*?(nc_\w+)\(", text, re.M)}
    named = [f"#define {word} {word}_{plan.dtype}_{digest}" for word in sorted(shown)]
    guard = "#define NC_KERNELS_H\n"
    lines = [
        guard,
        "/* For the linker; the kernels of other networks bear the same names where they are the same. */",
        *named,
    ]
    return texts | {"src/nc_kernels.h": sources["nc_kernels.h"].replace(guard, "\n".join([*lines, ""]), 1)}


def _both_ends(ends: Ends, core: Core | None) -> dict[str, str]:
    """What makes inputs and understands outputs, and what checks it by raw examples."""
    here = files("nascompile.deploy") / "c"
    texts = {
        "test/examples.c": (here / "project" / "test" / "examples.c").read_text(),
        "test/answer.h": answer(ends),
    }
    for name in kernels(ends):
        code, shown = ((here / "raw" / f"nc_{name}.{end}").read_text() for end in "ch")
        # As of kernels: those of another version bear another name.
        digest = hashlib.sha256((code + shown).encode()).hexdigest()[:8]
        (function,) = re.findall(r"^NC_SHARED .*?(nc_\w+)\(", code, re.M)
        guard = f"#define NC_{name.upper()}_H\n"
        shown = shown.replace(guard, f"{guard}#define {function} {function}_{digest}\n", 1)
        texts |= {f"src/nc_{name}.c": code, f"src/nc_{name}.h": shown}
    if core is None:
        return texts
    main = (here / "project" / "image" / "ask.c").read_text()
    return texts | {"image/main.c": main.replace("@ASK@", asked(ends))}


def _images(target: Target, core: Core | None, naming: Naming) -> dict[str, str]:
    """What builds the network; on a core for which nothing can be built here, the parts that need none."""
    here = files("nascompile.deploy") / "c" / "project"
    texts = {"Makefile": (here / "Makefile").read_text().replace("@NAME@", naming.name)}
    if core is None:
        return texts
    rules = core.tools.filled((here / "chip.mk").read_text(), core).replace("@NAME@", naming.name)
    flash, ram = placed(target.rom_region), placed(target.ram_region)
    return texts | {
        "chip.mk": rules,
        "image/startup.c": (here / "image" / core.tools.startup).read_text(),
        "image/main.c": (here / "image" / "main.c").read_text(),
        "image/chip.ld": memory_layout(flash, ram, header=target.header),
        "image/emulator.ld": emulator_layout(core),
        **{f"test/{name}": (here / "test" / name).read_text() for name in ("check.c", "emulated.h", "semihosting.h")},
    }


def placed(region: Region) -> tuple[int, int]:
    """Address and bytes of a memory."""
    return (_PLACE[region.kind] if region.address is None else region.address), region.size


def _vectors(plan: Plan, vectors: Vectors) -> str:
    """Inputs and outputs as they lie in RAM."""
    from nascompile.deploy.literals import constants

    allowed = constants(np.array([vectors.allowed], np.float32))[0].rstrip(",")
    rows = ['#include "network.h"', "", f"#define NC_VECTORS {len(vectors.inputs)}",
f"#define NC_ALLOWED {allowed} /* an output may be so far off */", ""]  # fmt: skip
    for word, size, values, shape in (
        ("inputs", "NC_INPUT_SIZE", vectors.inputs, plan.input),
        ("outputs", "NC_OUTPUT_SIZE", vectors.outputs, plan.output),
    ):
        rows.append(f"static const nc_value nc_{word}[NC_VECTORS][{size}] = {{")
        for value in values:
            rows += ["    {", *constants(in_memory(value, shape)), "    },"]
        rows += ["};", ""]
    return "\n".join(rows)


def in_memory(value: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """A tensor of one example as it lies in RAM: rows, columns, channels, flat.

    Example:
        >>> in_memory(np.arange(4).reshape(2, 1, 2), Shape(2, 1, 2)).tolist()
        [0, 2, 1, 3]
    """
    return np.asarray(value).reshape(shape).transpose(1, 2, 0).reshape(-1)
