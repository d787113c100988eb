"""What the networks of a run take once they are on the chip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from nascompile.cli.takes import TakesColumns
from spaces.program.candidate import parse_candidate
from spaces.program.shipping import Shipping

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder

__all__ = ["run_takes"]


def run_takes(folder: RunFolder, candidates: Iterable[str]) -> TakesColumns:
    """As `deploy` writes the networks that the run keeps, with both of their ends, whatever its set counts.

    Args:
        folder: of the run.
        candidates: lines of networks of its space, one per row.
    """
    from nascompile.deploy.ends_costs import around_of
    from nascompile.run.deployment import run_ends

    program = folder.fs.program
    dtype = "float32" if folder.settings.quantise == "none" else "int8"
    shipping = Shipping.of(program, dtype)
    if ends := run_ends(folder):
        core = shipping.target.built_as if shipping.target else ""
        shipping = replace(shipping, around=around_of(ends, core, dtype, program.space.input.shape.size))
    return TakesColumns(shipping, [parse_candidate(program, line) for line in candidates])
