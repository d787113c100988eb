"""Tables at 80 columns and in a log: no candidate is broken, nothing is cut off, no blanks at the ends of lines."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from nascompile.cli.output import table
from nascompile.cli.tables import print_table

LONG = "prototype_image/resnet: 84-112-168-252-280-84-112-168-252-280-84-112-168-252-280-84-112"


def printed(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, terminal: bool = False) -> list[str]:
    made = table(*columns)
    for row in rows:
        made.add_row(*row)
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False, no_color=True)
    print_table(made, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


RUN = (">#", "~candidate", ">ROM", ">RAM", ">valid")
ROWS = [[str(n), f"{LONG}-{n}", f"{n:,} B", f"{n + 1:,} B", "93.20 %"] for n in (7, 12_345)]


def test_what_fits_is_one_table() -> None:
    lines = printed(RUN, ROWS, 200)
    assert [line.split()[0] for line in lines] == ["#", "7", "12345"]
    assert f"{LONG}-7 " in lines[1]


def test_candidates_that_do_not_fit_come_beneath_under_the_same_numbers() -> None:
    lines = printed(RUN, ROWS, 80)
    assert [line.split() for line in lines] == [
        ["#", "ROM", "RAM", "valid"],
        ["7", "7", "B", "8", "B", "93.20", "%"],
        ["12345", "12,345", "B", "12,346", "B", "93.20", "%"],
        [],
        ["#", "candidate"],
        ["7", *f"{LONG}-7".split()],
        ["12345", *f"{LONG}-12345".split()],
    ]


def test_rows_without_numbers_get_some() -> None:
    lines = printed(RUN[1:], [row[1:] for row in ROWS], 80)
    assert [line.split()[0] for line in lines if line] == ["#", "1", "2", "#", "1", "2"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_columns_that_do_not_fit_come_in_tables_of_their_own(width: int) -> None:
    names = [f"proxy_{k}" for k in range(9)]
    lines = printed([">#", "limit", *(f">{name}" for name in names)], [["1", "rom", *map(str, range(9))]], width)
    assert all(len(line) <= width for line in lines)
    lines = [line for line in lines if line]
    heads = [line.split() for line in lines[::2]]
    assert [name for head in heads for name in head[2:]] == names
    assert all(head[:2] == ["#", "limit"] for head in heads)
    assert [cell for line in lines[1::2] for cell in line.split()[2:]] == [str(k) for k in range(9)]


def test_words_wrap_where_they_may() -> None:
    lines = printed(["variant", "~why"], [["6", "a reason of so many words " * 6]], 80)
    assert all(len(line) <= 80 for line in lines)
    assert " ".join(" ".join(lines[1:]).split()) == "6 " + ("a reason of so many words " * 6).strip()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_of_a_log_ends_with_blanks(width: int) -> None:
    assert all(
        line == line.rstrip() for line in printed(["limit", "verdict"], [["rom", "fits"], ["ram", "too tight"]], width)
    )


def test_a_terminal_shows_the_same() -> None:
    plain = [line.split() for line in printed(RUN, ROWS, 80)]
    seen = [
        line.replace("\x1b[1m", "").replace("\x1b[0m", "").split() for line in printed(RUN, ROWS, 80, terminal=True)
    ]
    assert seen == plain
