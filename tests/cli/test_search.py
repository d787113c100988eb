"""`nascompile search`: a feasible cell, a log that continues, and clear mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.samplers.test_monas import SPACE

SEARCH = ("search", "tiny.yaml", "--sampler", "monas", "--cells", "4", "--latency-profile", "stm32h747")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SPACE)


def test_it_finds_a_feasible_cell_and_keeps_every_round(run: Run) -> None:
    done = run(*SEARCH, "--rom", "1000", "--json")
    found = json.loads(done.stdout)
    assert found["costs"]["rom"] <= 1000
    assert run("check", "tiny.yaml", found["candidate"], "--rom", "1000").code == 0
    assert "seeded Gaussian" in found["data"] or "Gaussian" in found["data"]
    lines = Path("tiny-monas-0.jsonl").read_text().splitlines()
    assert len(lines) == 1 + len(found["rounds"])
    assert "round 1" in done.stderr
    assert "cell[3]" in done.stderr


def test_an_interrupted_search_goes_on_to_the_same_end(run: Run) -> None:
    whole = json.loads(run(*SEARCH, "--json").stdout)
    log = Path("tiny-monas-0.jsonl")
    lines = log.read_text().splitlines(keepends=True)
    # Two rounds done, the third cut off in the middle of a line.
    log.write_text("".join(lines[:3]) + lines[3][:20])
    again = run(*SEARCH, "--json")
    assert json.loads(again.stdout)["rounds"] == whole["rounds"]
    assert "continuing after round 2" in again.stderr
    assert log.read_text() == "".join(lines)


def test_the_log_of_another_search_is_not_continued(run: Run) -> None:
    run(*SEARCH)
    other = run(*SEARCH, "--lambda", "0.5")
    assert other.code == 2
    assert "tiny-monas-0.jsonl:1:1: this is the log of another search: its `sampler` differs" in other.stderr
    assert run(*SEARCH, "--lambda", "0.5", "--force").code == 0


def test_for_a_person(run: Run) -> None:
    done = run(*SEARCH, "--mu", "0.5")
    assert done.stdout.startswith("tiny: |")
    assert "estimates by the profile stm32h747" in done.stdout
    assert "No network was trained" in done.stdout


def test_own_examples(run: Run) -> None:
    np.savez("mine.npz", x=np.random.default_rng(0).normal(size=(40, 2, 8, 8)).astype(np.float32), y=np.arange(40) % 4)
    found = json.loads(run(*SEARCH, "--data", "mine.npz", "--json").stdout)
    assert "mine.npz" in found["data"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sampler", "monos"), "there is no sampler `monos`"),
        (("--lambda", "1"), "the weights lambda = 1 and mu = 0 cannot be"),
        (("--lambda", "0.5", "--mu", "0.5"), "give one of them"),
        (("--rule", "best"), "there is no rule `best`"),
        (("--prune", "0"), "whole numbers from 1 up"),
        (("--rom", "10"), "no network of `tiny` is feasible"),
        (("--data", "none.npz"), "none.npz"),
        (("--thin", "choices.Q.options=[1]"), "choices.Q"),
        (("--log", "no/such/folder.jsonl"), "cannot write the log"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*SEARCH, *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_other_spaces_and_missing_profiles(run: Run) -> None:
    assert "`mlp2` has other decisions" in run("search", "mlp2", "--sampler", "monas").stderr
    done = run("search", "tiny.yaml", "--sampler", "monas", "--mcu", "esp32", "--mu", "0.5")
    assert done.code == 2
    assert "the weight mu needs a latency profile" in done.stderr
