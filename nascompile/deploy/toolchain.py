"""The tools that build and run the C: found where they are, asked for by name where they are not."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.deploy.core import Core
from nascompile.deploy.errors import DeployError
from nascompile.deploy.naming import PREFIX

__all__ = [
    "Checked",
    "Sizes",
    "build_image",
    "host_library",
    "make",
    "missing_tools",
    "run_check",
    "run_examples",
    "run_host",
    "tools_error",
]

_HOST = ("make", "cc")
#: Seconds that a build or a run in the emulator may take.
_PATIENCE = 600


@dataclass(frozen=True)
class Sizes:
    """What an image takes.

    Args:
        rom: bytes of flash: code, constants, initial values.
        ram: bytes of `.data` and `.bss`.
    """

    rom: int
    ram: int


@dataclass(frozen=True)
class Checked:
    """What a run on the emulated core said.

    Args:
        wrong: outputs that differ from the reference.
        difference: the largest difference.
        instructions: of one call, rounded to the emulator's five.
        stack: bytes.
    """

    wrong: int
    difference: float
    instructions: int
    stack: int


def missing_tools(core: Core | None = None) -> list[str]:
    """Tools that are needed and not there.

    Args:
        core: to build for and to emulate; None for this computer.
    """
    return [tool for tool in (core.tools.programs if core else _HOST) if shutil.which(tool) is None]


def build_image(folder: Path, core: Core) -> Sizes:
    """Link the firmware at the chip's addresses.

    Args:
        folder: of the project.
        core: that it was written for.

    Raises:
        DeployError: a tool is missing, or the network does not fit the chip; the linker's own words say by how much.
    """
    make(folder, "image", core)
    text = _run([f"{core.tools.cross}size", "-A", f"build/{core.name}/image.elf"], folder)
    sizes = {m[1]: int(m[2]) for m in re.finditer(r"^(\.\w+)\s+(\d+)", text, re.M)}
    data = sizes.get(".data", 0)
    return Sizes(sizes[".text"] + data, sizes.get(".bss", 0) + data)


def run_check(folder: Path, core: Core) -> Checked:
    """Run the network on its test vectors on the emulated core.

    Args:
        folder: of the project.
        core: that it was written for.

    Raises:
        DeployError: a tool is missing, or the run fails; outputs that differ are no failure.
    """
    if missing := missing_tools(core):
        raise tools_error(f"the C in `{folder}`", missing, core)
    command = ["make", "-s", "check"]
    done = _done(command, folder)
    found = re.search(r"nc ((?:[0-9a-f]{8} ){4})", done.stdout + done.stderr)
    if not found:
        _judged(done, command, folder)
        raise DeployError.of("check-failed", f"the check in `{folder}` said nothing", "`make check` there shows why")
    wrong, bits, ticks, stack = (int(word, 16) for word in found[1].split())
    (difference,) = struct.unpack("<f", struct.pack("<I", bits))
    return Checked(wrong, difference, round(ticks * core.per_tick), stack)


def host_library(folder: Path, name: str = "network") -> Path:
    """Build the network for this computer.

    Args:
        folder: of the project.
        name: of the library.

    Raises:
        DeployError: a tool is missing, or the C does not compile.
    """
    make(folder, "host")
    return folder / "build" / "host" / f"lib{name}.so"


def run_host(library: Path, inputs: NDArray[Any], outputs: int, prefix: str = PREFIX) -> NDArray[Any]:
    """What the C network makes of inputs, on this computer.

    Args:
        library: see `host_library`.
        inputs: [n, size], as they lie in RAM, int8 or float32.
        outputs: elements of an output.
        prefix: of the library's functions.

    Returns:
        [n, outputs], as they lie in RAM.
    """
    # A process loads a file once, even if another has taken its place since: so each time one of its own.
    with tempfile.TemporaryDirectory() as folder:
        network = ctypes.CDLL(shutil.copy(library, folder))
    inputs = np.ascontiguousarray(inputs)
    result = np.zeros((len(inputs), outputs), inputs.dtype)
    run = network[f"{prefix}_run"]
    for x, y in zip(inputs, result, strict=True):
        run(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
    return result


def run_examples(folder: Path, raw: bytes, core: Core | None) -> tuple[bytes, tuple[int, int]]:
    """What the C makes of raw examples.

    Args:
        folder: of the project.
        raw: the examples, one after another, as arrays of `nc_raw`.
        core: that it was written for, to be emulated; None: on this computer.

    Returns:
        What `test/examples.c` writes; ticks of making an input, and of all from raw samples to the answer, 0 here.

    Raises:
        DeployError: a tool is missing, or the run fails.
    """
    (folder / "build").mkdir(exist_ok=True)
    (folder / "build" / "examples.raw").write_bytes(raw)
    said = make(folder, "emulated" if core else "examples", core)
    found = re.search(r"nc ([0-9a-f]{8}) ([0-9a-f]{8})", said)
    if core and not found:
        raise DeployError.of("check-failed", f"raw examples in `{folder}` failed", "`make emulated` there shows why")
    ticks = (int(found[1], 16), int(found[2], 16)) if found else (0, 0)
    return (folder / "build" / "examples.found").read_bytes(), ticks


def tools_error(what: str, missing: Sequence[str], core: Core | None = None) -> DeployError:
    """The error that tools are missing.

    Args:
        what: cannot be built.
        missing: see `missing_tools`.
        core: it was to be built for; None for this computer.
    """
    names = " and ".join(f"`{tool}`" for tool in dict.fromkeys(missing))
    install = (
        f"on Debian and Ubuntu: apt-get install {' '.join(['make gcc', *([core.tools.packages] if core else [])])}"
    )
    return DeployError.of("no-toolchain", f"cannot build {what}: there is no {names}", install)


def make(folder: Path, goal: str, core: Core | None = None) -> str:
    """Run make in a project; all that it says.

    Args:
        folder: of the project.
        goal: of its Makefile.
        core: for which it builds; None for this computer.

    Raises:
        DeployError: a tool is missing, or the goal fails.
    """
    if missing := missing_tools(core):
        raise tools_error(f"the C in `{folder}`", missing, core)
    return _run(["make", "-s", goal], folder)


def _run(command: list[str], folder: Path) -> str:
    return _judged(_done(command, folder), command, folder)


def _done(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # What the linker says is read, so it must be in English.
    english = {**os.environ, "LC_ALL": "C"}
    started = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=english, process_group=0
    )
    with started:
        try:
            said, complaint = started.communicate(timeout=_PATIENCE)
        except BaseException as error:
            # With make ends what it started: an emulator would go on for good.
            os.killpg(started.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            message = f"`{' '.join(command)}` in `{folder}` took more than {_PATIENCE} s"
            raise DeployError.of("too-slow", message, "run it there yourself") from None
    return subprocess.CompletedProcess(command, started.returncode, said, complaint)


def _judged(done: subprocess.CompletedProcess[str], command: list[str], folder: Path) -> str:
    """What a command said, unless it failed."""
    if done.returncode:
        overflow = re.findall(r"region `(\w+)' overflowed by (\d+) bytes", done.stderr)
        if overflow:
            whose = "chip" if "image" in command else "emulator"
            where = " and ".join(f"{region} by {int(n):,} B" for region, n in overflow)
            raise DeployError.of(
                "does-not-fit", f"the network overflows the {whose}'s {where}", "`nascompile reduce` first"
            )
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        first = next((line for line in lines if "error" in line), lines[-1])
        raise DeployError.of("build-failed", f"`{' '.join(command)}` in `{folder}` failed: {first}", "run it there")
    return done.stdout + done.stderr
