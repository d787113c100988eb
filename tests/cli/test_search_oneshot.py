"""`nascompile search --sampler oneshot`: what is judged, what goes on, what is trained of it, and clear mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Run

SEARCH = ("search", "mlp2", "--sampler", "oneshot", "--parameter", "epochs=2", "--parameter", "batch=16")


@pytest.fixture
def data(run: Run) -> tuple[str, str]:
    """Twelve classes that can be told apart."""
    source = np.random.default_rng(0)
    y = np.arange(240) % 12
    x = source.normal(size=(240, 18)) + 2 * np.eye(12, 18)[y]
    np.savez(run.folder / "d.npz", x=x.astype(np.float32), y=y)
    return "--data", "d.npz"


def trials(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def test_networks_are_judged_and_the_best_are_trained(run: Run, data: tuple[str, str]) -> None:
    done = run(*SEARCH, *data, "--trials", "5", "-o", "t.csv", "--json")
    assert done.code == 0, done.stderr
    found, log = json.loads(done.stdout), run.folder / "mlp2-oneshot-0.jsonl"
    first = trials(log)
    shared = {one["candidate"]: one["scores"]["shared"] for one in first}
    assert len(shared) == 5
    assert [one["shared"] for one in found["best"]] == sorted(shared.values(), reverse=True)
    assert {one["candidate"]: one["shared"] for one in found["best"]} == shared
    assert (run.folder / "t.csv").read_text().startswith("candidate,shared,rom,ram,macs,params\n")

    # More of them, by the weights that are there, and by weights that are made again.
    kept = run.folder / "mlp2-oneshot-0.super.pt"
    before = kept.stat().st_mtime_ns
    assert run(*SEARCH, *data, "--trials", "6").code == 0
    assert kept.stat().st_mtime_ns == before
    kept.unlink()
    done = run(*SEARCH, *data, "--trials", "7")
    assert "7 networks judged" in done.stdout
    assert "a super-network learnt from 168 training examples of d.npz, judged by 24 validation examples" in done.stdout
    assert trials(log)[:5] == first

    # A run judges the same networks alike, and trains the best.
    how = ("--samples", "2", "--select", "1", "--epochs", "1", "--quantise", "none", "--jobs", "1", "--out", "r")
    done = run(*SEARCH, *data, "--trials", "7", *how, "--json")
    assert done.code == 0, done.stderr
    scores = {one["candidate"]: one["scores"]["shared"] for one in trials(run.folder / "r" / "trials.jsonl")}
    assert scores == {one["candidate"]: one["scores"]["shared"] for one in trials(log)}
    best = sorted(scores, key=lambda line: -scores[line])[:2]
    assert [one["candidate"] for one in json.loads(done.stdout)["networks"]] == best


def test_what_cannot_be_learnt_is_refused(run: Run) -> None:
    done = run(*SEARCH)
    assert done.code == 2
    assert "learns from your data, and there are none [no-data]" in done.stderr
    x = np.random.default_rng(0).normal(size=(60, 18)).astype(np.float32)
    np.savez(run.folder / "r.npz", x=x, y=(x[:, :12] > 0).astype(np.uint8))
    for more in ((), ("--samples", "2")):
        done = run(*SEARCH, "--data", "r.npz", *more)
        assert done.code == 2
        assert "shared weights are for classification, and this is `multi-label`" in done.stderr
