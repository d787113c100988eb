"""What is missing is named with the line that installs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import system_tools
from tests.system_tools import TOOLS, missing, needs


def test_a_test_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "make").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    mark = needs("make", "cc", "dot")
    assert (mark.args, mark.kwargs) == ((True,), {"reason": "needs cc, dot: apt-get install gcc libc6-dev graphviz"})
    assert needs("make").args == (False,)


def test_a_compiler_needs_a_c_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = tmp_path / "arm-none-eabi-gcc"
    compiler.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for code in (1, 0):
        compiler.write_text(f"#!/bin/sh\nexit {code}\n")
        assert bool(missing(compiler.name)) == bool(code)


def test_ci_is_told_all_packages_before_any_is_installed(tmp_path: Path) -> None:
    command = [sys.executable, "-S", str(system_tools.__file__)]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True)
    wanted = {package for tool, names in TOOLS.items() if tool != "postgres" for package in names.split()}
    assert set(done.stdout.split()) - {"postgresql"} == wanted
