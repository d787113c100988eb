"""How far a call is, for people: a line that changes in a notebook or a terminal, now and then a line in a log.

Rich, which the command line has, shows nothing that changes in a notebook without ipywidgets; a display of IPython's
own, under the cell and updated, needs nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nascompile.run.schedule import Stage

__all__ = ["Shown", "show_progress"]

_Write = Callable[[str, bool], None]

#: Seconds between two changes of a line, and between two lines of a log.
_CHANGE, _LINE = 0.2, 5.0


class Shown:
    """What `progress=` takes of `reduce`, and of `search`.

    Args:
        title: what is being done.
        write: shows a text, in the place of the one before where that is possible, and whether it is the last.
        every: seconds between two texts.
    """

    def __init__(self, title: str, write: _Write, every: float) -> None:
        self._title, self._write, self._every = title, write, every
        self._start = self._said = time.monotonic()

    def __call__(self, what: str | Stage, done: int = 0) -> None:
        """Say what is being done, and how much of it is done."""
        now = time.monotonic()
        if now - self._said < self._every:
            return
        self._said = now
        if isinstance(what, str):
            text = f"{what}, {done:,}" if done else what
        else:
            text = f"{what.done:,} of {what.total:,}, {what.what}"
        self._write(f"{self._title}: {text} ({now - self._start:.0f} s)", False)

    def end(self, how: str) -> None:
        """Say that it is over, and how."""
        self._write(f"{self._title}: {how} ({time.monotonic() - self._start:.0f} s)", True)


@contextmanager
def show_progress(title: str) -> Iterator[Shown]:
    """Show how far a call is, in a notebook under its cell, elsewhere on stderr.

    Args:
        title: what is being done.

    Yields:
        What `progress=` takes of `nascompile.reduce` and `nascompile.search`.

    Example:
        >>> import nascompile as nc
        >>> with nc.show_progress("reducing") as progress:
        ...     fs = nc.reduce("mlp2", rom="13 kB", progress=progress)
        >>> len(fs)
        13
    """
    write, every = _notebook() or _terminal()
    shown = Shown(title, write, every)
    try:
        yield shown
    except BaseException as error:
        shown.end("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    else:
        shown.end("done")


def _notebook() -> tuple[_Write, float] | None:
    """Into the output of a cell; None where there is no notebook."""
    # Whoever runs in a kernel has loaded both; nobody else has to have them.
    if "ipykernel" not in sys.modules or "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython  # pyright: ignore[reportMissingImports]
    from IPython.display import display  # pyright: ignore[reportMissingImports]

    if get_ipython() is None:
        return None
    handles: list[Any] = []

    def write(text: str, _last: bool) -> None:
        content = {"text/plain": text}
        if handles:
            handles[0].update(content, raw=True)
        else:
            handles.append(display(content, raw=True, display_id=True))

    return write, _CHANGE


def _terminal() -> tuple[_Write, float]:
    """On stderr: over the line before in a terminal, line after line elsewhere."""
    if not sys.stderr.isatty():
        return lambda text, last: print(text, file=sys.stderr, flush=True), _LINE

    def write(text: str, last: bool) -> None:
        print(f"\r\x1b[K{text}", end="\n" if last else "", file=sys.stderr, flush=True)

    return write, _CHANGE
