"""How far a call is: over one line in a terminal, line after line in a log, in a notebook below its cell."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import nascompile as nc
from nascompile import progress


def test_in_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    with nc.show_progress("quick") as shown:
        shown("sweeping", 12)
    assert capsys.readouterr().err == "quick: done (0 s)\n"  # a line every five seconds, and the end

    monkeypatch.setattr(progress, "_LINE", 0.0)
    with nc.show_progress("reducing") as shown:
        fs = nc.reduce("mlp2", rom="13 kB", progress=shown)
    with nc.show_progress("searching") as shown:
        nc.search(fs, evaluate=lambda c: {"width": sum(c["M"])}, metric="width", samples=3, select=1,
                  out=tmp_path / "r", progress=shown)  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("reducing: ")
    assert any(line.startswith("searching: 2 of 3, ") for line in lines)
    assert lines[-1].startswith("searching: done (")

    with pytest.raises(nc.NascompileError), nc.show_progress("wrong") as shown:
        nc.reduce("nothere", progress=shown)
    assert capsys.readouterr().err == "wrong: failed (0 s)\n"


def test_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = os.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(progress, "_CHANGE", 0.0)
        with nc.show_progress("a") as shown:
            shown("b", 1)
        said = b""
        while not said.endswith(b"\n"):
            said += os.read(leader, 99)
    assert said == b"\r\x1b[Ka: b, 1 (0 s)\r\x1b[Ka: done (0 s)\r\n"
    os.close(leader)


def test_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbclient
    import nbformat

    code = (
        "import nascompile as nc\nwith nc.show_progress('reducing') as p:\n    fs = nc.reduce('mlp2', progress=p)\nfs"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(book, timeout=120).execute()
    line, value = book.cells[0].outputs
    assert line["data"]["text/plain"].startswith("reducing: done (")
    assert "<table>" in value["data"]["text/html"]
