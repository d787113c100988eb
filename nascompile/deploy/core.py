"""The processor cores for which C can be built here, and the machine that emulates each."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from spaces.targets.target import Target

__all__ = ["ARM", "CORES", "RISCV", "Core", "Tools", "core_of"]


@dataclass(frozen=True)
class Tools:
    """What builds for an architecture, and emulates it.

    Args:
        cross: with what the names of the compiler's programs begin.
        emulator: QEMU's program.
        packages: Debian's, that hold them.
        compile: flags for every file.
        link: more flags for a firmware.
        icount: how the emulator counts instructions.
        startup: our file that starts a firmware.
    """

    cross: str
    emulator: str
    packages: str
    compile: str
    link: str
    icount: str
    startup: str

    def filled(self, text: str, core: Core) -> str:
        """A Makefile with what it takes from these tools and a core."""
        words = {
            "@CROSS@": self.cross, "@EMULATOR@": self.emulator, "@COMPILE@": f" {self.compile}" if self.compile else "",
            "@LINK@": self.link, "@ICOUNT@": self.icount, "@CORE@": core.name, "@CPU@": core.flags,
            "@MACHINE@": core.machine, "@PER_TICK@": str(Fraction(core.per_tick)),
        }  # fmt: skip
        for word, own in words.items():
            text = text.replace(word, own)
        return text

    @property
    def programs(self) -> tuple[str, ...]:
        """Those that have to be there."""
        return ("make", f"{self.cross}gcc", f"{self.cross}size", self.emulator)


ARM = Tools(
    "arm-none-eabi-", "qemu-system-arm", "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm",
    compile="", link="-nostartfiles --specs=nano.specs -Wl,--gc-sections", icount="shift=3,align=off,sleep=off",
    startup="startup.c",
)  # fmt: skip
#: Without what a linker would shorten and a small-data area, code is as large in an image as it was compiled.
RISCV = Tools(
    "riscv64-unknown-elf-", "qemu-system-riscv32",
    "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc",
    compile="--specs=picolibc.specs -mno-relax -msmall-data-limit=0",
    link="-nostartfiles -Wl,--gc-sections,--no-relax", icount="shift=0",
    startup="startup_riscv.c",
)  # fmt: skip


@dataclass(frozen=True)
class Core:
    """A core.

    Args:
        name: for gcc.
        flags: for gcc.
        machine: for the emulator, that runs what this core runs.
        flash: where that machine's programs lie.
        ram: where its data lie; both have room for 4 MiB.
        vectors: where that machine looks for its vector table; None for the beginning of `flash`.
        per_tick: instructions of a tick of its SysTick, at 8 ns an instruction: 5 at 25 MHz; 1 where they are counted.
        tools: of its architecture.
    """

    name: str
    flags: str
    machine: str
    flash: int = 0x00000000
    ram: int = 0x20000000
    vectors: int | None = None
    per_tick: float = 5.0
    tools: Tools = ARM


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
    **{
        f"RISC-V {isa.upper()}": Core(
            isa, f"-march={isa} -mabi=ilp32 -misa-spec=2.2", "virt -bios none",
            flash=0x80000000, ram=0x80400000, per_tick=1.0, tools=RISCV,
        )
        for isa in ("rv32imc", "rv32imac")
    },
}  # fmt: skip


def core_of(target: Target) -> Core | None:
    """The core of a target, or None where neither gcc can build for it.

    Example:
        >>> from spaces.targets.catalogue import load_target
        >>> core_of(load_target("stm32f412")).name, core_of(load_target("ra8m1")).name
        ('cortex-m4', 'cortex-m55')
    """
    return CORES.get(target.built_as)
