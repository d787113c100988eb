"""What is installed, and the line that installs the rest."""

from __future__ import annotations

import json
import re
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from nascompile.cli import doctor
from tests.cli.conftest import Run


def test_all_extras_are_known() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    extras = {
        extra: tuple(re.split(r"[^a-z-]", line)[0] for line in lines)
        for extra, lines in project["optional-dependencies"].items()
        if extra != "dev"
    }
    assert {extra: names for extra, (names, _) in doctor.EXTRAS.items()} == extras


def test_what_is_missing_has_its_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("doctor", "--json")
    assert code == 0
    parts = {part["name"]: part for part in json.loads(out)["parts"]}
    assert parts["numpy"]["required"]
    assert all(parts[name]["found"] for name in ("numpy", "torch", "pyarrow", "soundfile"))
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None if name == "dot" else f"/bin/{name}")

    def version(name: str) -> str:
        if name in ("ray", "pyarrow", "scipy"):
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(doctor, "version", version)
    code, out, _ = run("doctor")
    assert code == 1
    assert "missing: scipy, pyarrow, ray, dot; to install:" in out
    assert "  pip install scipy 'nascompile[parquet,ray]'\n  sudo apt-get install graphviz\n" in out
    monkeypatch.setattr(doctor, "version", lambda name: "1.0")
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/bin/{name}")
    assert run("doctor").stdout.endswith("nothing is missing\n")
