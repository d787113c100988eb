"""A network that predicts numbers: in floating point and in integers; in C see `test_ends`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nascompile.compression import evaluate_int8, quantise_after_training, quantise_in_training
from nascompile.data import load_dataset
from nascompile.deploy.deploy import deploy
from nascompile.deploy.deployable import float_deployable
from nascompile.training import Recipe, train
from spaces.networks.network import Network
from tests.compression.networks import only
from tests.deploy.tools import any_chip

SPACE = """
space: numbers
input: {channels: 1, height: 6, width: 6}
bias: true
network:
  - conv: {filters: 6}
  - conv: {filters: 6, stride: 2}
  - linear: {units: 2, activation: none}
"""


def test_a_network_of_numbers_is_quantised(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1, 6, 6))
    y = np.stack([1000 + 5 * x[:, 0, 0, :3].sum(1), 0.01 * x[:, 0, 3:, 0].sum(1)], axis=1)
    np.savez(tmp_path / "a.npz", x=x, y=y)
    data = load_dataset(tmp_path / "a.npz", (1, 6, 6), task="regression", classes=2)
    candidate, recipe = only(SPACE), Recipe(lr=0.01, batch=32, epochs=8)
    trained = train(candidate.build(seed=1, batch_norm="kept"), data, recipe)
    network = trained.network
    assert isinstance(network, Network)
    assert trained.valid["r2"] > 0.8
    after = quantise_after_training(network, data)
    assert after.valid["r2"] > trained.valid["r2"] - 0.1
    longer = quantise_in_training(network, data, replace(recipe, lr=0.002), epochs=2)
    assert longer.valid["r2"] > after.valid["r2"] - 0.05
    assert evaluate_int8(after.network, data.test, "regression")["r2"] > 0.7


def test_other_tasks_have_none_of_it(tmp_path: Path) -> None:
    candidate = only(SPACE)
    network = candidate.build(seed=1).eval()
    made = deploy(float_deployable(candidate, network, trained=False), any_chip("cortex-m4"), tmp_path / "p")
    assert "NC_TARGET" not in (made.folder / "include/network.h").read_text()
