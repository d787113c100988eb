"""`nascompile search` on images with boxes, as a person sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from benchmarks.made_detection import write_shapes
from nascompile.deploy.core import CORES
from nascompile.deploy.toolchain import missing_tools
from nascompile.run.folder import RunFolder
from nascompile.run.networks import networks_so_far
from tests.cli.conftest import Run

SPACE = """\
space: boxes
input: {channels: 3, height: 32, width: 32}
dtype: int8
choices: {M: [8, 16]}
network:
  - conv: {filters: M, kernel: 3, stride: 2, activation: relu}
  - conv: {filters: 16, kernel: 3, stride: 4, activation: relu}
  - yolo_head: {classes: 2}
"""
SEARCH = ("search", "boxes.yaml", "--data", "shapes", "--samples", "2", "--select", "1", "--epochs", "2", "--train",
          "lr=0.01", "--train", "batch=16", "--quantise", "ptq")  # fmt: skip


@pytest.fixture(autouse=True)
def files(run: Run) -> None:
    (run.folder / "boxes.yaml").write_text(SPACE)
    write_shapes(run.folder / "shapes", 60, 32, classes=2)


def test_from_boxes_to_a_table(run: Run) -> None:
    done = run(*SEARCH, "--task", "detection", "--train", "augment=flip", "--mcu", "stm32f412", "--out", "found")
    assert done.code == 0, done.stderr
    assert "kept 1 of 2, by validation mAP50 against flops" in done.stdout
    assert "the best by validation is #" in done.stdout
    assert ": test mAP50 " in done.stdout
    data = json.loads(run("show", "found", "--json").stdout)
    assert data["metric"] == "map50"
    assert all(0 <= row[name] <= 1 for row in data["networks"] for name in ("valid", "test", "valid_int8", "test_int8"))
    (run.folder / "found/results.json").unlink()
    results = networks_so_far(RunFolder.open(run.folder / "found"))
    shown = run("show", "found").stdout
    assert all(f"{100 * result['float']['map50']:.2f} %" in shown for result in results.values())
    (row,) = [row for row in data["networks"] if row["chosen"]]
    deployed(run, row)


def deployed(run: Run, row: dict[str, Any]) -> None:
    """Boxes of raw images in the emulator are Python's, and the decoder has counted in the search."""
    words = () if missing_tools() or missing_tools(CORES["Cortex-M4F"]) else ("--verify",)
    done = run("deploy", f"found#{row['number']}", *words, "-o", "c", "--json")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (row["rom"], row["ram"]) == (told["predicted"]["rom"], told["predicted"]["ram"])
    assert "nc_detect(" in (run.folder / "c/include/network.h").read_text()
    if words:
        found = told["raw_examples"]
        assert (found["passed"], found["understood"], found["examples"]) == (True, True, 12)
        assert found["metric"] == pytest.approx(row["test_int8"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sampler", "pareto", "--trials", "2"), "proxies are for classification, and this is `detection`"),
        (("--train", "augment=shift"), "boxes cannot follow `shift`"),
        (("--task", "classification"), "shapes"),
        (("--task", "anomaly", "--normal", "disc"), "shapes"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], message: str) -> None:
    done = run(*SEARCH, *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
