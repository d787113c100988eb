"""A target: a microcontroller or a board, with the memories that bound a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal

from spaces.errors import TargetError

__all__ = ["Region", "Target", "part_pattern", "plain_name"]

#: Cores that run what is compiled for another; Debian's gcc 12.2 knows no Cortex-M85.
_BUILT_AS = {"Cortex-M85": "Cortex-M55"}
_PUNCTUATION = re.compile(r"[-_ .:]")


@dataclass(frozen=True)
class Region:
    """A memory without gaps.

    Args:
        name: as the data sheet calls it.
        kind: `ram` or `flash`.
        size: bytes; 0 of an external memory, until someone says how large it is.
        activations: whether feature maps may lie in it.
        source: the document that gives the size.
        address: where it starts, if known.
        external: whether it is none of the chip's, and every board has another.
    """

    name: str
    kind: Literal["ram", "flash"]
    size: int
    activations: bool
    source: str = ""
    address: int | None = None
    external: bool = False


@dataclass(frozen=True)
class Target:
    """A microcontroller, or a board that carries one.

    Args:
        name: the name it is asked for by.
        title: the name it is shown with.
        core: of the processor that runs the network.
        clock_hz: its highest clock, in hertz.
        regions: its memories.
        parts: part numbers, as prefixes in which `?` stands for any one character.
        boards: names of boards.
        source: the document behind the figures.
        runtime: code bytes per operator kind, 0 where not given.
        boot: what its boot ROM wants before a program, besides the vector table and `header`; empty where nothing.
        header: words behind the vector table, by which its boot ROM knows a program.

    Example:
        >>> sram, ccm = Region("SRAM", "ram", 131_072, True), Region("CCM", "ram", 65_536, True)
        >>> target = Target("f4", "F4", "Cortex-M4F", 10**8, (Region("flash", "flash", 2**20, False), sram, ccm))
        >>> target.ram, target.rom
        (131072, 1048576)
    """

    name: str
    title: str
    core: str
    clock_hz: int
    regions: tuple[Region, ...]
    parts: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    source: str = ""
    runtime: Mapping[str, int] = field(default_factory=dict, hash=False)
    boot: str = ""
    header: tuple[int, ...] = ()

    @property
    def ram_region(self) -> Region:
        """The largest region that may hold activations."""
        return max((r for r in self.regions if r.activations), key=lambda r: r.size)

    @property
    def rom_region(self) -> Region:
        """The largest flash region."""
        return max((r for r in self.regions if r.kind == "flash"), key=lambda r: r.size)

    @property
    def ram(self) -> int:
        """Bytes for activations: one region, since a buffer cannot lie in two."""
        return self.ram_region.size

    @property
    def rom(self) -> int:
        """Bytes for weights and code.

        Raises:
            TargetError: the chip has no flash of its own, and nobody said how much its board has.
        """
        if not self.rom_region.size:
            message = f"{self.title} has no flash of its own: how much a program may take is the board's to say"
            hint = "give --rom, for example --rom 2MiB; or a target file of your own, with its flash"
            raise TargetError.of("no-flash", message, hint)
        return self.rom_region.size

    @property
    def asks_rom(self) -> bool:
        """Whether the board says how much flash there is."""
        return self.rom_region.external

    def with_rom(self, size: int | None) -> Target:
        """The same with so many bytes for weights and code; itself where nobody says how many.

        Example:
            >>> flash = Region("XSPI", "flash", 0, False, external=True)
            >>> bare = Target("n6", "N6", "Cortex-M55", 10**9, (flash,))
            >>> bare.with_rom(2**20).rom, bare.with_rom(2**20).asks_rom
            (1048576, True)
            >>> bare.rom
            Traceback (most recent call last):
            spaces.errors.TargetError: N6 has no flash of its own: how much a program may take is the ... [no-flash]
              give --rom, for example --rom 2MiB; or a target file of your own, with its flash
        """
        if size is None:
            return self
        flash = self.rom_region
        return replace(self, regions=tuple(replace(r, size=size) if r == flash else r for r in self.regions))

    @property
    def built_as(self) -> str:
        """The core for which its code is compiled, and on which that was measured.

        Example:
            >>> flash = Region("flash", "flash", 2**20, False)
            >>> Target("ra8", "RA8", "Cortex-M85", 10**9, (flash,)).built_as
            'Cortex-M55'
        """
        return _BUILT_AS.get(self.core, self.core)

    def answers_to(self, name: str) -> bool:
        """Whether `name` is this target's name, a board or a part number; case and punctuation do not matter.

        Example:
            >>> flash = Region("flash", "flash", 2**20, False)
            >>> target = Target("f4", "F4", "Cortex-M4F", 10**8, (flash,), ("STM32F412?G",), ("NUCLEO-F412ZG",))
            >>> [target.answers_to(name) for name in ("F4", "STM32F412ZGT6", "STM32F412ZET6", "nucleo f412zg")]
            [True, True, False, True]
        """
        plain = plain_name(name)
        return plain in map(plain_name, (self.name, *self.boards)) or any(
            part_pattern(p).fullmatch(plain) for p in self.parts
        )


def plain_name(name: str) -> str:
    """A name without what people write differently: case, dashes, underscores, spaces, dots, colons.

    Example:
        >>> plain_name("NUCLEO-F412ZG"), plain_name("i.MX RT1062")
        ('nucleof412zg', 'imxrt1062')
    """
    return _PUNCTUATION.sub("", name).lower()


@cache
def part_pattern(part: str) -> re.Pattern[str]:
    """The plain names of chips whose part number begins so; `?` stands for any one character."""
    return re.compile(re.escape(plain_name(part)).replace(r"\?", ".") + "[a-z0-9]{0,12}")
