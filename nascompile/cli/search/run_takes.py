"""What the networks of a run take once they are on the chip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from nascompile.cli.takes import TakesColumns
from spaces.program.candidate import parse_candidate
from spaces.program.shipping import Shipping

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder

__all__ = ["run_takes"]


def run_takes(folder: RunFolder, candidates: Iterable[str]) -> TakesColumns:
    """As `deploy` writes the networks that the run keeps, whatever its set counts.

    Args:
        folder: of the run.
        candidates: lines of networks of its space, one per row.
    """
    program = folder.fs.program
    dtype = "float32" if folder.settings.quantise == "none" else "int8"
    return TakesColumns(Shipping.of(program, dtype), [parse_candidate(program, line) for line in candidates])
