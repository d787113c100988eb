"""What C has around a network, where data say how: raw samples become its input, its outputs an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from spaces.lanes import Number, largest

__all__ = ["CANDIDATES", "CANDIDATE_BYTES", "NOTHING", "Around", "candidates"]

#: Boxes that are compared with each other at most, as in `nascompile.training.detection.decode`; and bytes of each.
CANDIDATES, CANDIDATE_BYTES = 400, 8


@dataclass(frozen=True)
class Around:
    """What it takes.

    Args:
        rom: bytes of code and tables.
        before: bytes of RAM beside the input while it is made.
        boxes: classes of a detector, whose boxes are compared in RAM; 0 of all other networks.
        instructions: from raw samples to the input; None where nobody counted them.

    Example:
        >>> sound = Around(rom=3600, before=1184, instructions=1_700_000)
        >>> sound.beginning(490, align=4), sound.end(12, 10)
        (1676, 12)
    """

    rom: int = 0
    before: int = 0
    boxes: int = 0
    instructions: int | None = 0

    def beginning(self, nbytes: int, align: int) -> int:
        """Bytes of RAM while the input is made.

        Args:
            nbytes: of the input.
            align: every buffer takes a multiple of so many bytes.
        """
        return sum(-(-size // align) * align for size in (nbytes, self.before))

    def end(self, nbytes: Number, size: Number) -> Any:
        """Bytes of RAM while the output of a detection head is understood.

        Args:
            nbytes: of the output, a multiple of the alignment.
            size: its elements.

        Example:
            >>> Around(boxes=2).end(1344, 1344)
            4416
        """
        return nbytes + CANDIDATE_BYTES * candidates(size, self.boxes)

    @property
    def data(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Self:
        """What `data` gave.

        Raises:
            ValueError: it gave nothing like this.
        """
        numbers = [size for name, size in data.items() if name != "instructions" or size is not None]
        if data.keys() != NOTHING.data.keys() or not all(type(size) is int and size >= 0 for size in numbers):
            raise ValueError("no such fields")
        return cls(**data)


NOTHING = Around()


def candidates(size: Number, classes: int) -> Any:
    """Boxes of a detector that are compared with each other, at most.

    Args:
        size: elements of its output.
        classes: that it tells apart; 0 of all but detectors.
    """
    return -largest(-CANDIDATES, -(size // (5 + classes) * classes))
