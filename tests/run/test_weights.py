"""Weights on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nascompile.run.evaluate import initial_network
from nascompile.run.weights import load_weights, save_weights
from nascompile.training.tensor_file import read_tensors, write_tensors
from spaces.errors import FileError
from tests.run.examples import small_set


def test_they_come_back_and_are_not_mixed_up(tmp_path: Path) -> None:
    fs, path = small_set(tmp_path), tmp_path / "w.safetensors"
    network = initial_network(fs[4], seed=1)
    save_weights(path, network, fs[4])
    again = load_weights(path, fs[4])
    assert all(p.equal(again.state_dict()[name]) for name, p in network.state_dict().items())
    x = torch.randn(3, 1, 8, 8)
    assert torch.equal(network.eval()(x), again(x))
    with pytest.raises(FileError, match="these are the weights of `nine: 4-4`, not of `nine: 2-2`"):
        load_weights(path, fs[0])
    arrays, about = read_tensors(path, "weights")
    write_tensors(path, {**arrays, "more": np.zeros(1)}, about)
    with pytest.raises(FileError, match=r"w.safetensors:1:1: these weights do not fit"):
        load_weights(path, fs[4])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(FileError, match="cut off or damaged"):
        load_weights(path, fs[4])
