"""What is known before the first epoch is an error there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import nascompile as nc
from nascompile.data.dataset import Dataset, Part
from nascompile.run.preflight import check_candidates, check_measurable, check_settings
from nascompile.run.settings import DataSettings, RunSettings
from nascompile.training.recipes import Recipe
from spaces.errors import NascompileError
from spaces.program.candidate import Candidate

SETTINGS = RunSettings("entropy", {}, 4, 2, 0, DataSettings("none.npz"), Recipe(epochs=5), quantise="none")
HEAD = "space: s\ninput: {channels: 1, height: 8, width: 8}\n"
TAIL = "  - global_avg_pool\n  - linear: {units: 3}\n"
ONE_CHANNEL = f"""{HEAD}choices:
  S: {{options: [0, 0.5], shared: true}}
network:
  - conv: {{filters: "8 * (1 - S)"}}
  - conv: {{filters: 1}}
  - conv: {{filters: "8 * (1 - S)"}}
{TAIL}"""
GROUPED = f"""{HEAD}choices:
  S: {{options: [0, 0.5], shared: true}}
  G: {{options: [1, 2], shared: true}}
network:
  - conv: {{filters: "8 * (1 - S)"}}
  - conv: {{filters: "8 * (1 - S)", groups: G}}
{TAIL}"""
TINY_MAP = f"""{HEAD}choices:
  K: {{options: [3, 8], shared: true}}
network:
  - conv: {{filters: 4, kernel: K, stride: 1, padding: valid}}
{TAIL}"""
LONG = """space: s
input: {channels: 1, length: 600}
choices:
  K: {options: [3, 70_001], shared: true}
network:
  - conv1d: {filters: 4, kernel: K, stride: 5}
  - global_avg_pool
  - linear: {units: 3}
"""


def members(text: str, folder: Path) -> list[Candidate]:
    (folder / "s.yaml").write_text(text)
    fs = nc.reduce(folder / "s.yaml")
    return list(fs.outer.at(range(fs.between[1])))


def data(y: np.ndarray, shape: tuple[int, ...] = (1, 8, 8), task: str = "classification", **parts: Part) -> Dataset:
    part = Part(np.zeros((len(y), *shape), np.float32), y)
    every = {"train": part, "valid": part, "test": part, **parts}
    return Dataset(task, **every, classes=("a", "b", "c"))  # type: ignore[arg-type]


DATA = data(np.array([0, 1, 2, 0, 1, 2]))


@pytest.mark.parametrize("epochs", [1, 4])
def test_too_few_epochs_to_prune_in(epochs: int) -> None:
    pruned = replace(SETTINGS, sparsity="S", recipe=Recipe(epochs=epochs))
    with pytest.raises(NascompileError, match=rf"4 steps of pruning in {epochs} epoch[\s\S]*5 epochs or more"):
        check_settings(pruned)
    check_settings(replace(pruned, recipe=Recipe(epochs=5)))
    check_settings(replace(pruned, sparsity=None))


def test_what_can_be_pruned_passes(tmp_path: Path) -> None:
    check_candidates(members(ONE_CHANNEL, tmp_path), replace(SETTINGS, sparsity="S"), DATA)


def test_grouped_convolutions_that_cannot_be_pruned_are_named(tmp_path: Path) -> None:
    pruned, found = replace(SETTINGS, sparsity="S"), members(GROUPED, tmp_path)
    with pytest.raises(NascompileError, match=r"convolution of 2 groups cannot be pruned; .* 1 of the 4 .*s: ") as info:
        check_candidates(found, pruned, DATA)
    (bad,) = [candidate for candidate in found if f"`{candidate}`" in str(info.value)]
    check_candidates([candidate for candidate in found if candidate is not bad], pruned, DATA)
    check_candidates(found, SETTINGS, DATA)


def test_batches_of_one_and_maps_of_one(tmp_path: Path) -> None:
    single, found = replace(SETTINGS, recipe=Recipe(batch=1)), members(TINY_MAP, tmp_path)
    with pytest.raises(NascompileError, match=r"1 of the 2 [\s\S]*--train batch=8"):
        check_candidates(found, single, DATA)
    check_candidates(found, SETTINGS, DATA)


def test_what_no_c_can_be_written_of(tmp_path: Path) -> None:
    found, series = members(LONG, tmp_path), data(np.arange(6) % 3, (1, 600))
    check_candidates(found, SETTINGS, series)
    with pytest.raises(NascompileError, match=r"`kernel_w` of kernel 0, `conv`, is 70,001; .* 1 of the 2 "):
        check_candidates(found, replace(SETTINGS, deploy=True), series)


@pytest.mark.parametrize(
    ("found", "recipe", "text"),
    [
        (DATA, Recipe(metric="r2"), "`classification` has no metric `r2`"),
        (data(np.zeros((6, 2), np.float32), task="regression"), Recipe(balance="weights"), "no classes to balance"),
        (data(np.arange(6), test=Part(np.zeros((2, 1, 8, 8), np.float32), np.array([1, 1]))), Recipe(metric="auc"),
         "the test part has no `auc`"),
        (data(np.array([0, 0, 1]), task="anomaly", valid=Part(np.zeros((2, 1, 8, 8), np.float32), np.array([0, 0]))),
         Recipe(), "the valid part has no `auc`"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured(found: Dataset, recipe: Recipe, text: str) -> None:
    with pytest.raises(NascompileError, match=text):
        check_measurable(found, replace(SETTINGS, recipe=recipe))
    check_measurable(DATA, replace(SETTINGS, recipe=Recipe(metric="f1", balance="batches")))
