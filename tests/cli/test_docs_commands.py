"""The commands that README and docs show: the command line takes all, and those that need nothing of yours run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import click

from nascompile.cli.app import COMMANDS, load
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
#: All but the tutorial, which `test_tutorial.py` walks through.
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").glob("*.md") if p.stem != "tutorial")]
#: They stand for something of the reader's, or for a word of a list.
PLACEHOLDERS = re.compile(r"\b(SPACE|RUN|SET|PATH|DATA|FILE|MCU|CANDIDATE|COMMAND|NAME|TABLE)\b|\.\.\.")
#: What trains, or takes a run, data or measurements.
OTHERS = re.compile(r"search|score|select|resume|worker|deploy|report|latency fit|my-board|--verify")
#: A command without anything is one where it needs nothing; else it is spoken of.
ALONE = ("spaces", "mcus", "schema", "doctor")


def shown(page: Path) -> Iterator[str]:
    """The commands of a page: in lines of their own, continued or not, and within backticks."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^(?:    |\$ )(nascompile .*)$", text, flags=re.MULTILINE)
    for command in [*lines, *re.findall(r"`(nascompile [^`\n]+)`", text)]:
        # `a\|b` in a table: any of them.
        words = [word.split("\\|") for word in re.split(r"\s+#|\s+>", command)[0].split(" ") if word]
        yield from (" ".join(choice) for choice in product(*words))


def whole(command: str) -> bool:
    """Whether it can be typed as it stands."""
    first, *rest = command.split()[1:]
    meant = bool(rest) and not rest[0].startswith("-")
    return not PLACEHOLDERS.search(command) and (meant or first in ALONE or first == "--help")


ALL = sorted({command for page in PAGES for command in shown(page) if whole(command)})


def test_the_command_line_takes_all_of_them() -> None:
    """Their options and arguments, without running any."""
    for command in ALL:
        name, *words = shlex.split(command)[1:]
        if name.startswith("-") or "--file" in words:
            continue
        assert name in COMMANDS, command
        found = load(name)
        if isinstance(found, click.Group):
            found = found.commands[words.pop(0)]
        found.make_context(name, words).close()


def test_those_that_need_nothing_of_yours_run(run: Run) -> None:
    """One after another, in one folder."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tiny = re.search(r"```yaml\n(space: tiny.*?)```", readme, re.DOTALL)
    assert tiny
    (run.folder / "tiny.yaml").write_text(tiny[1])
    assert run("reduce", "dscnn", "--mcu", "stm32f412").code == 0
    ran = [command for command in ALL if not OTHERS.search(command)]
    assert len(ran) > 25
    for command in ran:
        code, out, err = run(*shlex.split(command)[1:])
        # What does not fit, or differs, is an answer.
        assert code == 0 or (code == 1 and re.search(r" (check|explain|diff) ", command)), (command, err)
        assert out.strip() not in ("", "0") or " -o " in command, command
