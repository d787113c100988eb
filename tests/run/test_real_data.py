"""Small runs on real data: images and series, from the command line to a network that has learnt something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run, run

__all__ = ["run"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "datasets"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the data of ../shared")

IMAGES = """\
space: digits
input: {channels: 1, height: 28, width: 28}
dtype: int8
choices:
  M: [8, 12, 16]
network:
  - conv: {filters: M, kernel: 3, stride: 2, activation: relu}
  - ds_conv: {filters: M, stride: 2}
  - global_avg_pool
  - linear: {units: 10}
"""
SERIES = """\
space: power
input: {channels: 1, length: 24}
dtype: int8
choices:
  M: [4, 8, 12]
network:
  - conv1d: {filters: M, kernel: 5, activation: relu}
  - conv1d: {filters: M, kernel: 3, activation: relu}
  - global_avg_pool
  - linear: {units: 2}
"""


@pytest.mark.parametrize(
    ("space", "data", "options", "least"),
    [
        (IMAGES, "mnist.npz", ("--limit", "3000", "--epochs", "5"), 0.6),
        (SERIES, "aeon_ucr_ts.tar.gz:ItalyPowerDemand", ("--epochs", "30"), 0.85),
    ],
    ids=["mnist", "ItalyPowerDemand"],
)
def test_it_learns(run: Run, space: str, data: str, options: tuple[str, ...], least: float) -> None:
    (run.folder / "s.yaml").write_text(space)
    done = run(
        "search", "s.yaml", "--ram", "16KiB", "--data", str(DATA / data), "--samples", "2", "--select", "1",
        "--train", "lr=0.02", "--train", "batch=32", "--train", "schedule=cosine", "--quantise", "ptq", "--json",
        "--out", "r", *options,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    networks = json.loads(done.stdout)["networks"]
    best = max(networks, key=lambda row: row["test"])
    assert best["test"] > least
    assert best["test_int8"] > best["test"] - 0.05
    assert all(row["ram"] <= 16384 for row in networks)
