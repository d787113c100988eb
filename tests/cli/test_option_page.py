"""`docs/options.md` names every command and option; it is made from the commands themselves, by this file.

`python -m tests.cli.test_option_page` writes it anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from nascompile.cli.app import COMMANDS, load

PAGE = Path(__file__).parents[2] / "docs" / "options.md"
HEAD = "# Commands and options\n\nWhat `nascompile COMMAND --help` says, in one page."
#: Options of so many commands are explained once.
SHARED = 4


def commands(command: TyperCommand | TyperGroup, context: typer.Context) -> Iterator[tuple[str, TyperCommand]]:
    """The commands of a group and of the groups within it, by the words that call them."""
    if isinstance(command, TyperCommand):
        yield context.command_path, command
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        yield from commands(inner, typer.Context(inner, context, name))


def names(parameter: TyperArgument | TyperOption) -> str:
    """`-o, --out FILE`."""
    if isinstance(parameter, TyperArgument):
        return str(parameter.metavar or parameter.name.upper())
    words = " / ".join(filter(None, (", ".join(parameter.opts), ", ".join(parameter.secondary_opts))))
    return f"{words} {parameter.metavar or ''}".strip()


def row(parameter: TyperArgument | TyperOption) -> str:
    """What an argument or option is called and is for, as a row of a table in Markdown."""
    plain = isinstance(parameter.default, str | int | float) and not isinstance(parameter.default, bool)
    default = f" [default: {parameter.default}]" if plain and parameter.default != "" else ""
    return "| `{}` | {} |".format(
        *(text.replace("|", "\\|") for text in (names(parameter), f"{parameter.help}{default}"))
    )


def page() -> str:
    loaded = {name: load(name) for name in COMMANDS}
    every = dict(one for name, c in loaded.items() for one in commands(c, typer.Context(c, None, f"nascompile {name}")))
    uses = Counter(row(parameter) for command in every.values() for parameter in command.params)
    shared = [one for one, count in uses.items() if count >= SHARED]
    lines = [HEAD, "", "## Of several commands", "", "| | |", "|---|---|", *shared]
    for name, command in every.items():
        lines += ["", f"## {name}", "", " ".join(cleandoc(command.help or "").split("\n\n")[0].split())]
        if own := [one for one in map(row, command.params) if one not in shared]:
            lines += ["", "| | |", "|---|---|", *own]
        if others := [f"`{names(p).split(' ')[0]}`" for p in command.params if row(p) in shared]:
            lines += ["", f"And {', '.join(others)}."]
    return "\n".join([*lines, ""])


def test_every_option_says_what_it_is_for() -> None:
    assert "| None" not in page()


def test_the_page_of_options_is_up_to_date() -> None:
    assert page() == PAGE.read_text()


if __name__ == "__main__":
    PAGE.write_text(page())
