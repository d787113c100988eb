"""Two commands on one file: the second is refused at its start, readers are not, and after a kill the next goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.samplers.test_monas import SPACE

#: The file that each writes where nobody names another.
COMMANDS = {
    "mlp2-pareto-0.jsonl": (
        "search", "mlp2", "--sampler", "pareto", "--objectives", "snip,macs", "--batch", "8", "--jobs", "1",
        "--trials", "200", "-o", "t.csv",
    ),
    "tiny-monas-0.jsonl": ("search", "tiny.yaml", "--sampler", "monas", "--batch", "8", "--jobs", "1"),
    "s.csv": ("score", "mlp2", "--proxies", "snip", "--batch", "8", "--samples", "200", "--jobs", "1", "-o", "s.csv"),
}  # fmt: skip


@contextmanager
def stopped(folder: Path, arguments: tuple[str, ...], path: Path, lines: int) -> Iterator[None]:
    """A command that has written so many lines and stands still; killed at the end."""
    command = [sys.executable, "-c", "from nascompile.cli import main; main()", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not path.exists() or path.read_bytes().count(b"\n") < lines:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGSTOP)
        yield
        process.kill()


@pytest.mark.parametrize("name", COMMANDS)
def test_one_writes_others_read_and_after_a_kill_it_goes_on(name: str, run: Run) -> None:
    (run.folder / "tiny.yaml").write_text(SPACE)
    path, command = run.folder / name, COMMANDS[name]
    processes = ("--jobs", "2") if name == "s.csv" else ()  # which outlive a killed command for a moment
    with stopped(run.folder, (*command, *processes), path, 3):
        written = {file: (run.folder / file).read_bytes() for file in (name, "t.csv") if (run.folder / file).exists()}
        for again in (command, (*command, "--force"), (*command, "--seed", "1", *_named(name))):
            done = run(*again)
            assert (done.code, done.stdout) == (2, "")
            first, hint = done.stderr.splitlines()[-2:]
            assert first in (f"error: {file}:1:1: another process is writing this file [busy-file]" for file in written)
            assert hint == "  wait for it, or write to another file"
        table = "t.csv" if "t.csv" in written else name
        if table in ("t.csv", "s.csv") and written[table].count(b"\n") > 1:
            assert run("select", table, "-k", "1", "--objectives", "snip:max,macs").code == 0
        assert {file: (run.folder / file).read_bytes() for file in written} == written
    assert path.read_bytes().count(b"\n") >= 3
    assert run(*command).code == 0
    whole = {file: (run.folder / file).read_bytes() for file in written}
    assert run(*command, "--force").code == 0
    assert {file: (run.folder / file).read_bytes() for file in written} == whole


def _named(name: str) -> tuple[str, ...]:
    """The file as an option, for a command that would write another one."""
    return () if name == "s.csv" else ("--log", name)


@pytest.mark.parametrize("option", ["--log", "-o"])
def test_a_file_that_is_named_is_refused_before_the_work(option: str, run: Run) -> None:
    """Nobody reduces a space for weeks to be told then."""
    search = ("search", "mlp2", "--sampler", "pareto", "--objectives", "params,macs", "--log", "x.csv", "-o", "y.csv")
    name = {"--log": "x.csv", "-o": "y.csv"}[option]
    with stopped(run.folder, (*search, "--trials", "1000000"), run.folder / name, 2):
        done = run("search", "dscnn", "choices.M.step=1", "--sampler", "pareto", option, name)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {name}:1:1: another process is writing this file [busy-file]\n")
