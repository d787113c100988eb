"""Many networks in processes of their own: the same as one after another."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nascompile.training import Recipe, TrainingError, train, train_many
from tests.training.examples import blobs, same_weights, small_network


def test_processes_train_what_train_does(tmp_path: Path) -> None:
    data, settings = blobs(60), Recipe(lr=0.01, batch=16, epochs=2)
    networks = [small_network(seed) for seed in range(3)]
    files = [tmp_path / f"{k}.safetensors" for k in range(3)]
    together = list(train_many(networks, data, settings, jobs=2, checkpoints=files))
    for network, trained in zip(networks, together, strict=True):
        alone = train(network, data, settings)
        assert trained.history == alone.history
        assert same_weights(trained.network, alone.network)
    assert all(file.exists() for file in files)


def test_checkpoints_as_many_as_networks(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="1 `checkpoints` for 2 networks"):
        next(train_many([small_network()] * 2, blobs(), Recipe(), jobs=1, checkpoints=[tmp_path / "a"]))


def test_recipes_load_no_torch() -> None:
    code = "import sys, nascompile.training as t; t.recipe('ebs'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
