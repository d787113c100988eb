"""Estimated cycles: how often each instruction of a call runs, exactly, times what it takes by Arm's tables.

The emulator counts, by a plugin, the runs of every block and the branches that were taken; so all that is estimated is
the price of an instruction, `nascompile.deploy.core_costs`. Wait states, caches and buses are in none of it.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from nascompile.deploy.core import Core
from nascompile.deploy.core_costs import Costs, Instruction
from nascompile.deploy.errors import DeployError
from nascompile.deploy.toolchain import missing_tools, tools_error

__all__ = ["Counted", "counted_calls", "disassembled", "estimated_cycles"]

_LINE = re.compile(r"^ *([0-9a-f]+):\t([0-9a-f ]+?) *\t(\S+)(?:\t([^@;\n]*))?", re.M)
_FUNCTION = re.compile(r"^([0-9a-f]+) <(\S+)>:\n((?:.+\n)*)", re.M)


@dataclass(frozen=True)
class Counted:
    """What ran in one call of a function.

    Args:
        runs: address of an instruction -> how often it ran.
        taken: address of a branch -> how often it was taken.
    """

    runs: Mapping[int, int]
    taken: Mapping[int, int]

    @property
    def instructions(self) -> int:
        """How many ran."""
        return sum(self.runs.values())


def disassembled(image: Path) -> dict[int, Instruction]:
    """The instructions of an image, in the order of memory.

    Args:
        image: an ELF file for Arm.
    """
    text = _said("arm-none-eabi-objdump", "-d", str(image))
    return {int(at, 16): Instruction(name, operands.strip()) for at, _, name, operands in _LINE.findall(text)}


def counted_calls(image: Path, core: Core, function: str, folder: Path) -> list[Counted]:
    """Run an image in the emulator, and count what each call of one of its functions runs.

    Args:
        image: an ELF file that ends by itself.
        core: that it was built for.
        function: which returns by one instruction, or several.
        folder: for the plugin and what it writes.

    Raises:
        DeployError: a tool is missing, or the run fails.
    """
    if missing := [*missing_tools(core), *missing_tools()]:
        raise tools_error("what counts blocks of instructions", missing, core)
    code, (start, stops) = disassembled(image), _ends(image, function)
    plugin, out = folder / "blocks.so", folder / "blocks.txt"
    with as_file(files("nascompile.deploy") / "c" / "emulator" / "blocks.c") as source:
        _said("cc", "-O2", "-shared", "-fPIC", str(source), "-o", str(plugin))
    given = ",".join([str(plugin), f"out={out}", f"start={start}", *(f"stop={stop}" for stop in stops)])
    _said(
        "qemu-system-arm", "-M", core.machine, "-nographic", "-monitor", "none", "-serial", "none",
        "-semihosting-config", "enable=on,target=native", "-icount", "shift=3,align=off,sleep=off",
        "-plugin", given, "-kernel", str(image),
    )  # fmt: skip
    following = dict(zip(code, list(code)[1:], strict=False))
    return [_counted(text, following) for text in out.read_text().split("\n\n") if text.strip()]


def estimated_cycles(counted: Counted, code: Mapping[int, Instruction], costs: Costs) -> int:
    """Cycles of a call.

    Args:
        counted: what ran.
        code: the instructions.
        costs: of the core.

    Example:
        >>> from nascompile.deploy.core_costs import COSTS
        >>> load, other = Instruction("ldr", "r0, [r1]"), Instruction("ldr", "r2, [r1, #4]")
        >>> code = {0: load, 2: other, 4: Instruction("bx", "lr")}
        >>> estimated_cycles(Counted({0: 1, 2: 1, 4: 1}, {4: 1}), code, COSTS["Cortex-M4F"])
        6
    """
    total, before, last = 0, None, 0
    for address, one in code.items():
        if runs := counted.runs.get(address, 0):
            own, more = costs.of(one, before)
            came = counted.runs.get(last, 0) - counted.taken.get(last, 0)
            total += own * runs + more * min(runs, came) + costs.of_taken(one) * counted.taken.get(address, 0)
        before, last = one, address
    return total


def _counted(text: str, following: Mapping[int, int]) -> Counted:
    """A call as the plugin writes it: blocks, each of instructions that follow each other."""
    runs: Counter[int] = Counter()
    taken: Counter[int] = Counter()
    for line in text.strip().splitlines():
        address, instructions, times, branches = (int(word, 16) for word in line.split())
        last = address
        for _ in range(instructions):
            runs[address] += times
            last, address = address, following.get(address, 0)
        taken[last] += branches
    return Counted(runs, taken)


def _ends(image: Path, function: str) -> tuple[int, list[int]]:
    """Where a function begins, and the instructions by which it returns."""
    for start, name, body in _FUNCTION.findall(_said("arm-none-eabi-objdump", "-d", str(image)) + "\n"):
        if name == function:
            returns = [int(m[1], 16) for m in _LINE.finditer(body) if _returns(m[3], m[4] or "")]
            return int(start, 16), returns
    raise DeployError.of("run-failed", f"`{image}` has no function `{function}`", "build it anew")


def _returns(name: str, operands: str) -> bool:
    if name.startswith("bx"):
        return operands.strip() == "lr"
    return name.startswith(("pop", "ldm")) and "pc" in operands


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise DeployError.of("run-failed", f"`{command[0]}` failed: {lines[-1]}", "it is to count instructions")
    return done.stdout
