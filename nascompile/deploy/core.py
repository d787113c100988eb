"""The processor cores for which C can be built here, and the machine that emulates each."""

from __future__ import annotations

from dataclasses import dataclass

from spaces.targets.target import Target

__all__ = ["CORES", "Core", "core_of"]


@dataclass(frozen=True)
class Core:
    """A core.

    Args:
        name: for gcc.
        flags: for gcc.
        machine: for qemu-system-arm, that runs what this core runs.
        flash: where that machine's programs lie.
        ram: where its data lie; both have room for 4 MiB.
        vectors: where that machine looks for its vector table; None for the beginning of `flash`.
        per_tick: instructions of a tick of its SysTick, at 8 ns an instruction: 5 at 25 MHz.
    """

    name: str
    flags: str
    machine: str
    flash: int = 0x00000000
    ram: int = 0x20000000
    vectors: int | None = None
    per_tick: float = 5.0


#: By the core of a target. An M3 runs all that an M0+ does.
CORES = {
    "Cortex-M0+": Core("cortex-m0plus", "-mcpu=cortex-m0plus -mthumb -mfloat-abi=soft", "mps2-an385"),
    "Cortex-M4F": Core("cortex-m4", "-mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mthumb -mfloat-abi=hard", "mps2-an386"),
    "Cortex-M7": Core("cortex-m7", "-mcpu=cortex-m7 -mfpu=fpv5-d16 -mthumb -mfloat-abi=hard", "mps2-an500"),
    "Cortex-M33": Core(
        "cortex-m33", "-mcpu=cortex-m33 -mfpu=fpv5-sp-d16 -mthumb -mfloat-abi=hard", "mps2-an505",
        flash=0x10000000, ram=0x38000000, per_tick=6.25,
    ),
    # What is at 0 holds half a MiB; SysTick counts at 32 MHz.
    "Cortex-M55": Core(
        "cortex-m55", "-mcpu=cortex-m55 -mthumb -mfloat-abi=hard", "mps3-an547",
        flash=0x28000000, ram=0x60000000, vectors=0, per_tick=3.90625,
    ),
}  # fmt: skip


def core_of(target: Target) -> Core | None:
    """The core of a target, or None where gcc for Arm cannot build for it.

    Example:
        >>> from spaces.targets.catalogue import load_target
        >>> core_of(load_target("stm32f412")).name
        'cortex-m4'
    """
    return CORES.get(target.core)
