"""What commands print: data on stdout, talk on stderr, JSON where asked, and a sign of life on anything slow."""

from __future__ import annotations

import json
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from nascompile.start import Interrupted
from spaces.units import FORMATS

if TYPE_CHECKING:
    from solvers.base import Progress

__all__ = [
    "Interrupted", "emit_json", "out", "quantity", "say", "say_next", "share", "span_text", "table", "two_digits",
    "typed_limit", "working",
]  # fmt: skip

_PATIENCE = 1.5


def _width(piped: int | None) -> int | None:
    """How wide to print; None to ask the terminal, or COLUMNS, where 0 says that nobody knows."""
    columns = os.environ.get("COLUMNS")
    if columns is None:
        return piped
    return 80 if columns.isdigit() and int(columns) == 0 else None


class _Console(Console):
    """One that leaves it to the command line what becomes of a pipe without a reader."""

    def on_broken_pipe(self) -> None:
        """Rich's own way ends with 1."""
        raise BrokenPipeError


#: Data. A pipe or a file has no width; then nothing should wrap.
out = _Console(highlight=False, width=_width(None if sys.stdout.isatty() else 200))
#: Talk.
err = Console(stderr=True, highlight=False, soft_wrap=True, width=_width(None))


def say(text: str) -> None:
    """A remark to the person at the terminal."""
    err.print(text, style="dim", markup=False)


def say_next(*words: str) -> None:
    """The next command to type: the end of what is printed for a person.

    Args:
        words: of it, as a shell gives them to the program.
    """
    out.print(f"next: {shlex.join(words)}", soft_wrap=True, markup=False)


def emit_json(data: Any) -> None:
    """Print data as JSON on stdout; counts beyond 2^53 stay exact integers."""
    print(json.dumps(data, indent=2, default=_plain, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def table(*columns: str, title: str = "") -> Table:
    """A table in the house style: columns that start with `>` are numbers, on the right; one with `~` may wrap."""
    made = Table(
        title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0)
    )
    for column in columns:
        justify = "right" if column.startswith(">") else "left"
        made.add_column(column.lstrip(">~"), justify=justify, no_wrap=not column.startswith("~"), overflow="fold")
    return made


def share(part: float, whole: float) -> str:
    """A percentage that never rounds something to nothing or to everything."""
    if not whole:
        return "-"
    if part == whole:
        return "100 %"
    percent = 100 * part / whole
    if part and percent < 0.01:
        return f"{percent:.1e} %"
    text = f"{percent:.3g}" if percent < 99.95 else f"{percent:.2f}" if percent < 100 else f"{percent:.4g}"
    return "< 100 %" if part < whole and float(text) >= 100 else f"{text} %"


def quantity(metric: str, value: int | float) -> str:
    """A cost with its unit: bytes for memories, plain counts else."""
    if metric in FORMATS:
        return FORMATS[metric](int(value))
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,} B" if metric.startswith(("rom", "ram")) else f"{value:,}"


def typed_limit(metric: str, value: int) -> str:
    """A limit as an option takes it, exactly.

    Example:
        >>> typed_limit("latency", 79_491_502), typed_limit("energy", 5_000_000), typed_limit("rom", 262_144)
        ('79.491502ms', '5mJ', '262144')
    """
    return FORMATS[metric](value).replace(" ", "") if metric in FORMATS else str(value)


def two_digits(value: float) -> str:
    """A measured number to two digits, never with an exponent.

    Example:
        >>> [two_digits(seconds) for seconds in (0.000_021_4, 0.53, 99.7, 1_134)]
        ['0.000021', '0.53', '100', '1,100']
    """
    return f"{Decimal(f'{value:.2g}'):,f}"


def span_text(labels: dict[str, str]) -> str:
    """Ranges of decisions in one line, neighbours with equal ranges joined: `M1=84..112, M2-6=84..280`."""
    parts: list[tuple[str, str, str]] = []
    for label, text in labels.items():
        name, _, index = label.partition("[")
        index = index.rstrip("]")
        if parts and index and (parts[-1][0], parts[-1][2]) == (name, text):
            first = parts[-1][1].split("-")[0]
            parts[-1] = (parts[-1][0], f"{first}-{index}", text)
        else:
            parts.append((name, index, text))
    return ", ".join(f"{name}{index}={text}" for name, index, text in parts)


@contextmanager
def working(what: str) -> Iterator[Progress]:
    """Show a sign of life on stderr once something takes longer than a moment.

    Yields:
        A function to report progress with: what is being done, and how much of it is done.
    """
    state = {"text": what, "said": time.monotonic()}
    start = time.monotonic()
    status = err.status(what)
    # A terminal gets a spinner that turns by itself; a log file, or whoever reads TERM=dumb aloud, a line now and then.
    spins = err.is_terminal and not err.is_dumb_terminal
    timer = threading.Timer(_PATIENCE, status.start) if spins else None
    if timer:
        timer.daemon = True
        timer.start()

    def progress(doing: str, done: int) -> None:
        now = time.monotonic()
        state["text"] = f"{what}: {doing}" + (f", {done:,}" if done else "") + f" ({now - start:.0f} s)"
        if spins:
            status.update(state["text"])
        elif now - max(start, state["said"]) > 5:
            state["said"] = now
            print(state["text"], file=sys.stderr, flush=True)

    try:
        yield progress
    finally:
        if timer:
            timer.cancel()
            timer.join()
        status.stop()
