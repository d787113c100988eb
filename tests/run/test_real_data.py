"""Small runs on real data: images, sound and series, from the command line to a network that has learnt something."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nascompile.deploy.core import CORES
from nascompile.deploy.toolchain import missing_tools
from tests.cli.conftest import Run, run

__all__ = ["run"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "datasets"
MISSING = [*missing_tools(), *missing_tools(CORES["Cortex-M4F"])]
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
SOUND = IMAGES.replace("height: 28, width: 28", "height: 49, width: 10").replace("digits", "spoken")
CHIP = ("--mcu", "stm32f412")
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
        (SOUND, "fsdd_8khz_1s_int16.npz", ("--rate", "8000", "--limit", "1500", "--epochs", "6", *CHIP), 0.5),
        (SERIES, "aeon_ucr_ts.tar.gz:ItalyPowerDemand", ("--epochs", "30"), 0.85),
    ],
    ids=["mnist", "spoken digits", "ItalyPowerDemand"],
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
    if space is SOUND and not MISSING:
        deployed_answers(run, best)


def deployed_answers(run: Run, row: dict[str, Any]) -> None:
    """From raw sound to the class, on the emulated core: the accuracy that the run's table states."""
    done = run("deploy", f"r#{row['number']}", "--verify", "--prefix", "digits", "-o", "c", "--json")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    found, sizes = told["raw_examples"], told["measured"]
    assert (found["exact"], found["understood"], found["different"]) == (True, True, [])
    assert found["steps"] <= 1
    assert found["apart"] < 1e-4 * found["inputs"]
    assert found["examples"] == 150
    assert found["metric"] == found["stated"] == row["test_int8"]
    # What makes the input counts in the search, too.
    assert (row["rom"], row["ram"]) == (told["predicted"]["rom"], told["predicted"]["ram"])
    assert told["predicted"]["ram"] == sizes["ram"]
    assert abs(told["predicted"]["rom"] / sizes["rom"] - 1) < 0.01
    assert abs(told["predicted"]["prepare"] / found["prepare"] - 1) < 0.01
    header = run.folder / "c/include/digits.h"
    assert "int digits_classify(const digits_raw *raw);" in header.read_text()
