"""Running the command line in this process, in an empty folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from nascompile.cli import main, output


class Done(NamedTuple):
    """What a command did."""

    code: int
    stdout: str
    stderr: str


class Run:
    """Runs the command line in this process, in an empty folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.monkeypatch, self.capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)
        # As wide as a pipe: a test runner may pretend to a narrow terminal, where tables fold.
        monkeypatch.setattr(output.out, "width", 200)

    def __call__(self, *arguments: str) -> Done:
        self.monkeypatch.setattr(sys, "argv", ["nascompile", *arguments])
        self.capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = self.capsys.readouterr()
        return Done(code, out, err)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path, monkeypatch, capsys)
