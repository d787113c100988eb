"""What networks take once they are on the chip: columns of tables, and plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nascompile.cli.output import quantity, share
from spaces.program.candidate import Candidate
from spaces.program.shipping import Shipping, Takes

__all__ = ["TakesColumns", "takes_data"]


def takes_data(shipping: Shipping, takes: Takes) -> dict[str, Any]:
    """What a network takes as plain data: see `Takes`; and `of_chip`, the shares of ROM and RAM."""
    of_chip = {name: getattr(takes, name) / most for name, most in shipping.memories.items() if most}
    return {**takes._asdict(), "of_chip": of_chip}


class TakesColumns:
    """ROM and RAM with their shares of the chip; the latency where there is a profile, else instructions; the energy.

    Where data say how, there are the instructions, too, that make the input of raw samples.

    Args:
        shipping: how the networks ship.
        candidates: the networks, one per row.

    Example:
        >>> import nascompile as nc
        >>> program = nc.compile("dscnn", mcu="stm32f412", tables=False)
        >>> network = nc.parse_candidate(program, "84-112-84-84-84-196")
        >>> columns = TakesColumns(Shipping.of(program, "int8"), [network])
        >>> columns.titles
        ['>ROM (of chip)', '>RAM (of chip)', '>instructions']
        >>> columns.cells(0)[1]
        '42,588 B (16.2 %)'
    """

    def __init__(self, shipping: Shipping, candidates: Sequence[Candidate]) -> None:
        self.shipping = shipping
        self.takes = [shipping.takes(candidate) for candidate in candidates]
        known = [n for n in ("latency", "energy", "instructions") if all(getattr(t, n) is not None for t in self.takes)]
        self._counts = known if known == ["instructions"] else [name for name in known if name != "instructions"]
        self._prepares = any(t.prepare for t in self.takes)

    @property
    def titles(self) -> list[str]:
        """As `output.table` has them."""
        of = " (of chip)" if self.shipping.target else " (of budget)"
        memories = [f">{name.upper()}{of if name in self.shipping.memories else ''}" for name in ("rom", "ram")]
        prepare = [">to make the input"] if self._prepares else []
        return [*memories, *(f">{name}" for name in self._counts), *prepare]

    def cells(self, row: int) -> list[str]:
        """The cells of a row."""
        takes, most = self.takes[row], self.shipping.memories
        result = []
        for name in ("rom", "ram"):
            size = getattr(takes, name)
            part = f" ({share(size, most[name])})" if most.get(name) else ""
            result.append(f"{size:,} B{part}")
        counts = [quantity(name, getattr(takes, name)) for name in self._counts]
        prepare = [quantity("instructions", takes.prepare or 0)] if self._prepares else []
        return [*result, *counts, *prepare]
