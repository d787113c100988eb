"""Tables at any width: what does not fit beside each other comes beneath, and no word is broken."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from nascompile.cli.output import out, table

__all__ = ["print_table"]

#: The column that goes into lines of its own where it does not fit.
_NAMES = "candidate"
#: Characters that a column of words is given before others go beneath.
_WORDS = 24


def print_table(rows: Table, console: Console = out) -> None:
    """Print a table of `output.table`.

    Where it is wider than the terminal, candidates follow in lines of their own, under the same numbers; and where that
    does not suffice, the columns come in several tables, each with those that say what a row is.
    """
    width = console.width
    if _least(console, rows) > width:
        names = next((c for c in rows.columns if _title(c) == _NAMES), None)
        if names is not None:
            _print_apart(rows, names, console)
            return
        for k, part in enumerate(_parts(rows, console, width)):
            console.print(end="\n" if k else "")
            _print(part, console)
        return
    _print(rows, console)


def _print_apart(rows: Table, names: Column, console: Console) -> None:
    """The table without its candidates, then these."""
    others = [c for c in rows.columns if c is not names]
    if rows.columns[0] is names:
        others.insert(0, _numbers(rows.row_count))
    print_table(_of(others), console)
    console.print()
    numbers = [str(cell) for cell in others[0].cells]
    longest = max(map(len, [*numbers, _title(others[0])]))
    console.print(f"{_title(others[0]):>{longest}}  {_NAMES}", style="bold", soft_wrap=True)
    for number, cell in zip(numbers, names.cells, strict=True):
        console.print(f"{number:>{longest}}  {cell}", soft_wrap=True)


def _parts(rows: Table, console: Console, width: int) -> list[Table]:
    """The columns in as many tables as it takes, in order."""
    keys, rest = _keys(rows.columns)
    result: list[list[Column]] = []
    for column in rest:
        if result and _least(console, _of([*keys, *result[-1], column])) <= width:
            result[-1].append(column)
        else:
            result.append([column])
    return [_of([*keys, *columns]) for columns in result] or [rows]


def _keys(columns: Sequence[Column]) -> tuple[list[Column], list[Column]]:
    """Those that say what a row is, the first and the words behind it; and the rest."""
    count = 1
    while count < len(columns) - 1 and columns[count].justify == "left":
        count += 1
    return list(columns[:count]), list(columns[count:])


def _numbers(count: int) -> Column:
    made = table(">#")
    for number in range(1, count + 1):
        made.add_row(str(number))
    return made.columns[0]


def _of(columns: Sequence[Column]) -> Table:
    """A table of these columns of others."""
    wide = ["~" * (not c.no_wrap) for c in columns]
    titles = [_title(c) for c in columns]
    made = table(*(f"{'>' * (c.justify == 'right')}{w}{t}" for c, w, t in zip(columns, wide, titles, strict=True)))
    for cells in zip(*(c.cells for c in columns), strict=True):
        made.add_row(*cells)
    return made


def _least(console: Console, rows: Table) -> int:
    """The characters that a table takes at least: columns of words may wrap, but for candidates."""
    saved = 0
    for column in rows.columns:
        if not column.no_wrap and _title(column) != _NAMES:
            own = max((Measurement.get(console, console.options, cell).maximum for cell in column.cells), default=0)
            saved += max(0, own - _WORDS)
    unlimited = console.options.update(max_width=10_000, width=10_000)
    return Measurement.get(console, unlimited, rows).maximum - saved


def _title(column: Column) -> str:
    return str(column.header)


def _print(rows: Table, console: Console) -> None:
    """Without the blanks at the ends of lines where it is no terminal that shows them."""
    if console.is_terminal:
        console.print(rows)
        return
    with console.capture() as captured:
        console.print(rows)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=console.file)
