"""Many small int8 networks in one image on an emulated core, each call watched: what it computes, where it writes."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from nascompile.deploy.c_source import _before, _row, constants
from nascompile.deploy.calls import Plan
from nascompile.deploy.core import Core
from nascompile.deploy.measure import FLAGS
from nascompile.deploy.project import emulator_layout
from tests.deploy.interpreter import may_write

__all__ = ["Case", "mistakes"]

#: A network, an input as it lies in RAM, and its output.
Case = tuple[Plan, Any, Any]

#: Bytes on either side of the arena that nobody may touch.
_AROUND = 32
_MAIN = """
#include "nc_kernels.h"

#define NC_WEIGHTS

typedef struct {
    const nc_op *ops;
    const uint16_t *const *may; /* of each call pairs of where it may write and how much; zeros behind them */
    uint32_t calls;
    const int8_t *x, *wanted;
    uint32_t size, in_at, in_size, out_at, out_size;
} test;

@TESTS@

static int8_t around[@SIZE@] __attribute__((aligned(16))), before[@SIZE@], mask[@SIZE@];

void nc_systick(void) {}

static void semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void say(const char *word, uint32_t number)
{
    char text[12] = "          \\n", *at = text + 9;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    semihosting(4, word);
    semihosting(4, text);
}

static int ran(const test *t)
{
    int8_t *const arena = around + @AROUND@;
    const uint32_t all = t->size + 2 * @AROUND@;
    /* What was in RAM before does not matter. */
    for (uint32_t k = 0, v = 1; k < all; k++, v = v * 1103515245u + 12345u)
        around[k] = (int8_t)(v >> 16);
    memcpy(arena + t->in_at, t->x, t->in_size);
    for (uint32_t j = 0; j < t->calls; j++) {
        memcpy(before, around, all);
        memset(mask, 0, all);
        for (const uint16_t *may = t->may[j]; may[1]; may += 2)
            memset(mask + @AROUND@ + may[0], 1, may[1]);
        t->ops[j].run(t->ops + j, arena);
        for (uint32_t k = 0; k < all; k++)
            if (around[k] != before[k] && !mask[k])
                return 1;
    }
    return memcmp(arena + t->out_at, t->wanted, t->out_size) != 0;
}

int main(void)
{
    for (uint32_t k = 0; k < sizeof(tests) / sizeof(tests[0]); k++)
        if (ran(tests + k))
            say("wrong ", k);
    say("ran ", sizeof(tests) / sizeof(tests[0]));
    semihosting(0x18, (const void *)0x20026);
}
"""


def mistakes(
    folder: Path, core: Core, cases: Sequence[Case], *flags: str, changes: Mapping[str, str] | None = None
) -> list[int]:
    """The numbers of the cases that give another output than wanted, or write where they may not.

    Args:
        folder: for the image.
        core: to run it on.
        cases: planned for this core.
        flags: more ones of the compiler.
        changes: pieces of the C, and what stands in their place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    here, met = files("nascompile.deploy") / "c", Counter[str]()
    for source in [*(here / "int8").iterdir(), here / "nc_compiler.h", here / "project" / "image" / "startup.c"]:
        text = source.read_text()
        for piece, other in (changes or {}).items():
            met[piece] += text.count(piece)
            text = text.replace(piece, other)
        (folder / source.name).write_text(text)
    assert met == Counter(list(changes or [])), met
    (folder / "image.ld").write_text(emulator_layout(core))
    size = max(plan.memory.size for plan, _, _ in cases) + 2 * _AROUND
    words = {"@TESTS@": "\n".join(_tests(cases)), "@SIZE@": str(size), "@AROUND@": str(_AROUND)}
    (folder / "main.c").write_text(re.sub("|".join(words), lambda found: words[found[0]], _MAIN))
    sources = sorted(path.name for path in folder.glob("*.c"))
    strict = ["-Wall", "-Wextra", *([] if changes else ["-Werror"])]
    _run(
        ["arm-none-eabi-gcc", *core.flags.split(), *FLAGS, *flags, *strict, "-nostartfiles", "--specs=nano.specs",
         "-Wl,--gc-sections", "-T", "image.ld", *sources, "-o", "image.elf"],
        folder,
    )  # fmt: skip
    said = _run(
        ["qemu-system-arm", "-M", core.machine, "-nographic", "-monitor", "none", "-serial", "none",
         "-semihosting-config", "enable=on,target=native", "-kernel", "image.elf"],
        folder,
    )  # fmt: skip
    assert re.search(rf"\bran +{len(cases)}\b", said), said
    return [int(number) for number in re.findall(r"wrong +(\d+)", said)]


def _tests(cases: Sequence[Case]) -> Iterable[str]:
    rows, numbers = [], count()
    for k, (plan, x, wanted) in enumerate(cases):
        ops, may = [], []
        for call in plan.calls:
            number = next(numbers)
            yield from _before("int8", number, call)
            ops.append(_row("int8", number, call))
            yield f"static const uint16_t may{number}[] = {{{_runs(may_write(call))}}};"
            may.append(f"may{number}")
        yield f"static const int8_t x{k}[] = {{"
        yield from [*constants(x), f"}}, wanted{k}[] = {{", *constants(wanted), "};"]
        yield f"static const nc_op ops{k}[] = {{"
        yield from [*ops, "};", f"static const uint16_t *const mays{k}[] = {{{', '.join(may)}}};"]
        memory = (plan.memory.size, plan.input_at, plan.input.size, plan.output_at, plan.output.size)
        rows.append(f"    {{ops{k}, mays{k}, {len(plan.calls)}, x{k}, wanted{k}, {', '.join(map(str, memory))}}},")
    yield from ["static const test tests[] = {", *rows, "};"]


def _runs(places: Any) -> str:
    """Where each run of places begins, and how long it is."""
    there = np.unique(places)
    parts = np.split(there, np.flatnonzero(np.diff(there) > 1) + 1)
    return ", ".join([*(f"{part[0]}, {len(part)}" for part in parts if len(part)), "0, 0"])


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout + done.stderr
