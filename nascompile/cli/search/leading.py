"""What the command that leads a run says around it: how far it is, a journal that was mended, Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nascompile.cli.output import Interrupted, say, working
from solvers.base import Progress

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder

__all__ = ["leading"]


@contextmanager
def leading(folder: RunFolder, what: str, so_far: Callable[[], str]) -> Iterator[Progress]:
    """Lead a run, and say so.

    Args:
        folder: of the run.
        what: is done to its networks, such as `training`.
        so_far: after Ctrl-C, how far the run is.

    Raises:
        RunError: another process leads it.
        Interrupted: by Ctrl-C.
    """
    try:
        with folder.led() as lost, working(f"{what} {folder.fs.program.space.name}") as progress:
            if lost:
                say(f"journal.log had {lost:,} damaged records, and is mended: what they told is looked for again")
            yield progress
    except KeyboardInterrupt:
        say(f"interrupted: {so_far()}; `nascompile resume {folder.path}` goes on")
        raise Interrupted from None
