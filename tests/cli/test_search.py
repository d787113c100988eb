"""`nascompile search --sampler monas`: networks within hard limits, a log that continues, and clear mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Run
from tests.samplers.test_monas import SPACE

RANKS = ("search", "tiny.yaml", "--sampler", "monas", "--latency-profile", "stm32h747", "--trials", "10", "--jobs", "1")
SEARCH = ("search", "tiny.yaml", "--sampler", "monas", "--rule", "paper", "--repeats", "1",
          "--latency-profile", "stm32h747")  # fmt: skip


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
    lines = Path("tiny-monas-paper-0.jsonl").read_text().splitlines()
    assert len(lines) == 1 + len(found["rounds"])
    assert "round 1" in done.stderr
    assert "cell[3]" in done.stderr


def test_an_interrupted_search_goes_on_to_the_same_end(run: Run) -> None:
    whole = json.loads(run(*SEARCH, "--json").stdout)
    log = Path("tiny-monas-paper-0.jsonl")
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
    assert "tiny-monas-paper-0.jsonl:1:1: this is the log of another search: its `sampler` differs" in other.stderr
    assert run(*SEARCH, "--lambda", "0.5", "--force").code == 0


def test_for_a_person(run: Run) -> None:
    done = run(*SEARCH, "--mu", "0.5")
    assert done.stdout.startswith("tiny: |")
    assert "estimates by the profile stm32h747" in done.stdout
    assert "No network was trained" in done.stdout


def test_the_best_within_each_limit_of_a_front(run: Run) -> None:
    """One set of measurements, in a log that continues, and a table; the weights are limits."""
    front = (*RANKS, "--front", "macs=9k,30k", "--rom", "4000")
    found = json.loads(run(*front, "--json", "-o", "t.csv").stdout)
    assert [one["limit"] for one in found["best"]] == [{"macs": 9000}, {"macs": 30000}]
    for one in found["best"]:
        assert one["costs"]["macs"] <= one["limit"]["macs"]
        assert one["costs"]["rom"] <= 4000
    log = Path("tiny-monas-0.jsonl")
    whole = log.read_text()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 1 + found["trials"] > 6
    log.write_text("".join(lines[:6]))
    done = run(*front, "-o", "t.csv")
    assert "5 of 10 trials are in tiny-monas-0.jsonl already" in done.stderr
    assert log.read_text() == whole
    assert "macs <= 9,000" in done.stdout
    assert found["best"][0]["candidate"] in done.stdout
    assert f"{found['trials']} networks measured" in done.stdout
    assert len(Path("t.csv").read_text().splitlines()) == len(lines)
    weighed = run(*RANKS, "--mu", "0.5", "--force")
    assert "mu = 0.5 is a limit here, latency <= " in weighed.stdout
    assert "50% of the way from the dearest feasible network to the cheapest" in weighed.stdout
    assert "estimates by the profile stm32h747" in weighed.stdout


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
        (("--rule", "ranks", "--repeats", "1"), "--repeats is no option of the sampler `monas`"),
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--front", "macs=1"), "no network of `tiny` has macs <= 1"),
        (("--front", "params"), "`params` cannot be limited"),
        (("--front", "macs="), "names no limit"),
        (("--front", "macs=9k", "--mu", "0.5"), "a weight and a front are two sets of limits"),
        (("--objectives", "zenn"), "did you mean `zen`"),
        (("--batch", "zico=4"), "a batch is given for `zico`"),
        (("--rom", "10"), "no network of `tiny` fits"),
    ],
)
def test_mistakes_in_limits(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*RANKS, *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_chains_without_images_and_missing_profiles(run: Run) -> None:
    found = json.loads(run("search", "mlp2", "--sampler", "monas", "--trials", "6", "--jobs", "1", "--json").stdout)
    assert run("check", "mlp2", found["best"][0]["candidate"]).code == 0
    assert "`mlp2` has other decisions" in run("search", "mlp2", "--sampler", "monas", "--rule", "paper").stderr
    done = run("search", "tiny.yaml", "--sampler", "monas", "--mcu", "esp32", "--mu", "0.5")
    assert done.code == 2
    assert "needs a latency profile" in done.stderr
