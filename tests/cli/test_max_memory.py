"""`--max-memory`, `ulimit -v`, and memory that ends all the same: one message, and exit code 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from solvers import diagram
from tests.cli.conftest import Run

TIGHT = """\
space: tight
input: {channels: 1, height: 16, width: 16}
choices:
  M: {start: 1, stop: 64, step: 1}
network:
  - conv: {filters: M}
    repeat: 8
  - global_avg_pool
  - linear: {units: 2}
"""


@pytest.mark.parametrize("command", ["count", "reduce"])
def test_what_is_too_large_is_refused_before_it_is_made(run: Run, command: str) -> None:
    (run.folder / "tight.yaml").write_text(TIGHT)
    code, out, err = run(command, "tight.yaml", "--rom", "80kB", "--max-memory", "10MiB", "--solver", "diagram")
    assert (code, out) == (2, "")
    assert "of memory or more; 10 MiB are allowed [too-large]" in err
    assert err.count("error:") == 1
    assert "--max-memory" in err


def test_a_size_that_cannot_be_read(run: Run) -> None:
    code, _, err = run("count", "mlp2", "--max-memory", "4G")
    assert code == 2
    assert "`4G` is ambiguous" in err


def test_it_does_not_change_a_set_that_is_made(run: Run) -> None:
    assert run("reduce", "mlp2", "--rom", "13600", "-o", "m.nasset", "--max-memory", "4GiB").code == 0
    assert run("count", "m.nasset", "--max-memory", "4GiB")[:2] == (0, "14\n")


def test_under_a_limit_of_the_system(tmp_path: Path) -> None:
    """What `ulimit -v` allows is seen, so that the process ends with a message, not for want of memory."""
    (tmp_path / "tight.yaml").write_text(TIGHT)
    command = f"ulimit -v 600000; {sys.executable} -m nascompile reduce tight.yaml --rom 80kB --solver diagram"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "; 352 MiB are allowed [too-large]" in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr


def test_memory_that_ends_all_the_same(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def solve(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(diagram, "solve", solve)
    code, out, err = run("reduce", "mlp2", "--solver", "diagram")
    assert (code, out) == (2, "")
    assert err.startswith("out of memory; ")
    assert err.count("\n") == 1
