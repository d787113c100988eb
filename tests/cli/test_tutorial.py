"""`docs/tutorial.md`, typed: its files are saved, its commands run one after another, and print what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Run
from tests.system_tools import needs

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


@needs("arm-none-eabi-gcc", "make", "qemu-system-arm")
def test_the_tutorial(run: Run) -> None:
    page = PAGE.read_text()
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    for kind, file in (("python", "make.py"), ("yaml", "gestures.yaml")):
        (run.folder / file).write_text(next(text for name, text in blocks if name == kind))
    typed = [text.splitlines() for name, text in blocks if name == "console"]
    assert len(typed) == 6
    following = ""
    for line, *said in typed:
        words = shlex.split(line.removeprefix("$ "))
        if words[0] == "python":
            subprocess.run([sys.executable, *words[1:]], cwd=run.folder, check=True)
            continue
        # Which network is best may differ from machine to machine; the search names it.
        done = run(*(shlex.split(following) if words[1] == "deploy" else words)[1:])
        assert done.code == 0, done.stderr
        for part in said:
            assert part in done.stdout + done.stderr, (line, done.stdout, done.stderr)
        if words[1] == "search":
            following = done.stdout.splitlines()[-1].removeprefix("next: ")
            assert following.startswith("nascompile deploy 'run#")
