"""A run's own file repeats it, says what is otherwise, and has no password; nor has anything else that a run writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nascompile.run import config as run_config
from nascompile.run.folder import RunFolder
from spaces.language.source import read_yaml
from tests.cli.conftest import Run
from tests.run.examples import SPACE, data_file

QUICK = ("--samples", "2", "--select", "1", "--epochs", "1", "--quantise", "ptq", "--train", "lr=0.02")
SEARCH = ("search", "nine.yaml", "dtype=int8", "--data", "halves.npz", "--rom", "1MB", *QUICK)


@pytest.fixture(autouse=True)
def files(run: Run) -> None:
    (run.folder / "nine.yaml").write_text(SPACE)
    data_file(run.folder)


def networks(done: str) -> list[dict[str, object]]:
    timeless = []
    for row in json.loads(done)["networks"]:
        timeless.append({name: value for name, value in row.items() if not name.startswith("seconds")})
    return timeless


def test_the_file_of_a_run_repeats_it_from_anywhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(*SEARCH, "--out", "one", "--json")
    assert first.code == 0, first.stderr
    data = read_yaml(Path("one/config.yaml").read_text(), "x").data
    assert data["space"] == str(run.folder / "nine.yaml")
    assert (data["overrides"], data["samples"], data["train"], data["seed"]) == (["dtype=int8"], 2, ["lr=0.02"], 0)
    assert data["run"]["command"] == "nascompile " + " ".join((*SEARCH, "--out", "one", "--json"))
    assert data["run"]["budgets"] == {"rom": 1_000_000}
    assert data["run"]["torch"].startswith("2.")
    assert data["run"]["set"] == RunFolder(Path("one")).fs.digest
    assert data["settings"]["recipe"]["lr"] == 0.02
    elsewhere = run.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    again = run("search", "--file", "../one/config.yaml", "--out", "again", "--json")
    assert again.code == 0, again.stderr
    assert networks(again.stdout) == networks(first.stdout)
    assert "not as before" not in again.stderr
    more = run("search", "--file", "../one/config.yaml", "--out", "more", "--json", "--samples", "3")
    assert len(networks(more.stdout)) == 3


def test_what_is_otherwise_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions at `resume`; versions and set where a run is repeated."""
    run(*SEARCH, "--out", "one")
    monkeypatch.setattr(run_config, "versions", lambda: {"nascompile": "9.9", "torch": "8.8"})
    said = run("resume", "one").stderr
    assert "nascompile is 9.9, and was " in said
    assert "torch is 8.8, and was " in said
    Path("nine.yaml").write_text(SPACE.replace("[2, 4, 6]", "[2, 4]"))
    again = run("search", "--file", "one/config.yaml", "--out", "two")
    assert again.code == 0
    assert "not as before: torch is 8.8" in again.stderr
    assert "not as before: the set is another one: 4 networks, and not 9" in again.stderr


def test_a_damaged_file_without_its_copy_is_no_run(run: Run) -> None:
    run(*SEARCH, "--out", "one")
    folder = RunFolder(Path("one"))
    text = folder.config.read_text()
    folder._copy.unlink()
    for damaged in (text[:200], text.replace("settings:", "setings:"), text[:-40], text + "\tx", ""):
        folder.config.write_text(damaged)
        done = run("resume", "one")
        assert done.code == 2
        assert "config.yaml:1:1: this file does not hold the settings of a run" in done.stderr


def test_no_password_is_in_a_message_or_file(run: Run) -> None:
    """Of a database that is not there; of one that is, see `tests/run/test_database.py`."""
    done = run(*SEARCH, "--out", "one", "--storage", "postgresql://me:pass%2Fw%40rd@localhost:1/none")
    assert done.code == 2
    assert "postgresql://me@localhost:1/none" in done.stderr
    for shown in ("pass%2Fw%40rd", "pass/w@rd"):
        assert shown not in done.stderr + done.stdout
        assert all(shown not in path.read_text(errors="ignore") for path in run.folder.rglob("*") if path.is_file())
    file = run("search", "mlp2", "--storage", "postgresql://me:pass%2Fw%40rd@localhost:1/none", "--init").stdout
    assert "postgresql://me@localhost:1/none" in file
    worker = run("worker", "--storage", "postgresql//me:pass%2Fw%40rd@localhost:1/none", "--run", "one")
    assert worker.code == 2
    assert "pass" not in worker.stderr.replace("user:password@host", "").replace("keeps no password", "")


def test_resume_and_worker_take_the_url_anew(run: Run) -> None:
    assert run(*SEARCH, "--out", "one", "--storage", "sqlite:///trials.db").code == 0
    assert 'storage: "sqlite:///trials.db"' in Path("one/config.yaml").read_text()
    assert run("resume", "one", "--storage", "sqlite:///trials.db").code == 0
    other = run("resume", "one", "--storage", "sqlite:///other.db")
    assert other.code == 2
    assert "the trials of `one` are in `sqlite:///trials.db`" in other.stderr
    run(*SEARCH, "--out", "two")
    assert "a file of the folder" in run("resume", "two", "--storage", "sqlite:///trials.db").stderr


def test_the_data_may_not_be_others_unsaid(run: Run) -> None:
    run(*SEARCH, "--out", "one")
    x = np.random.default_rng(1).normal(size=(60, 1, 8, 8)).astype(np.float32)
    np.savez("halves.npz", x=x, y=np.arange(60) % 2)
    again = run("search", "--file", "one/config.yaml", "--out", "two")
    assert again.code == 0, again.stderr
    assert "not as before: the data are others" in again.stderr
