"""A small run: nine tiny networks, two classes that even these tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import nascompile as nc
from nascompile.run.settings import DataSettings, RunSettings
from nascompile.training.recipes import recipe
from solvers.sets.feasible_set import FeasibleSet

__all__ = ["SPACE", "data_file", "settings", "small_set"]

SPACE = """\
space: nine
input: {channels: 1, height: 8, width: 8}
dtype: int8
choices:
  M: [2, 4, 6]
network:
  - conv: {filters: M, kernel: 3, stride: 2, activation: relu}
  - conv: {filters: M, kernel: 3, activation: relu}
  - global_avg_pool
  - linear: {units: 2}
"""


def small_set(folder: Path) -> FeasibleSet:
    """All nine networks."""
    (folder / "nine.yaml").write_text(SPACE)
    return nc.reduce(folder / "nine.yaml")


def data_file(folder: Path, examples: int = 120) -> Path:
    """Images whose left or right half is a little brighter, with noise that no network sees through altogether."""
    rng = np.random.default_rng(0)
    y = np.arange(examples) % 2
    x = rng.normal(size=(examples, 1, 8, 8)).astype(np.float32)
    x[y == 0, :, :, :4] += 0.7
    x[y == 1, :, :, 4:] += 0.7
    np.savez(folder / "halves.npz", x=x, y=y)
    return folder / "halves.npz"


def settings(data: Path, **changes: object) -> RunSettings:
    """Few epochs; any field may be another."""
    given: dict[str, object] = {
        "sampler": "entropy", "parameters": {}, "samples": 4, "select": 2, "seed": 0, "data": DataSettings(str(data)),
        "recipe": recipe("ebs", lr=0.02, batch=16, epochs=3), "quantise": "ptq",
    }  # fmt: skip
    return RunSettings(**{**given, **changes})  # type: ignore[arg-type]
