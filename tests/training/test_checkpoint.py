"""Stopping and going on: bit for bit what an uninterrupted training gives, wherever it was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from nascompile.training import Epoch, Recipe, TrainingError, train
from nascompile.training.loop import _layout
from nascompile.training.tensor_file import read_tensors
from spaces.errors import FileError
from tests.training.examples import blobs, depthwise_network, same_weights, small_network

DATA = blobs()
RECIPES = {
    "adam": Recipe(lr=0.01, batch=16, epochs=4, augment="jitter", schedule="cosine", patience=3),
    "sgd": Recipe(optimiser="sgd", lr=0.05, batch=16, epochs=4, weight_decay=1e-3),
}


class StoppedError(Exception):
    pass


def stopping_after(epoch: int, error: type[BaseException] = StoppedError):
    def stop(done: Epoch) -> None:
        if done.number == epoch:
            raise error

    return stop


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("after", range(4))
def test_stopped_after_any_epoch(tmp_path: Path, settings: Recipe, after: int) -> None:
    whole = train(small_network(), DATA, settings)
    file = tmp_path / "run.safetensors"
    with pytest.raises(StoppedError):
        train(small_network(), DATA, settings, checkpoint=file, progress=stopping_after(after))
    done: list[int] = []
    resumed = train(small_network(), DATA, settings, checkpoint=file, progress=lambda e: done.append(e.number))
    assert done == list(range(after + 1, 4))
    assert resumed.history == whole.history
    assert resumed.best == whole.best
    assert same_weights(resumed.network, whole.network)


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("make", [small_network, depthwise_network])
def test_from_rung_to_rung(tmp_path: Path, settings: Recipe, make: Callable[[], nn.Module]) -> None:
    """As an uninterrupted training, whatever lies how in memory; and what is asked for once more is left alone."""
    settings = replace(settings, patience=0)
    whole, file = train(make(), DATA, settings), tmp_path / "run.safetensors"
    for until in (1, 1, 3, 2, 4):
        part = train(make(), DATA, settings, checkpoint=file, until=until)
        assert part.history[:until] == whole.history[:until]
    assert part.history == whole.history
    assert same_weights(part.network, whole.network)


def test_maps_have_their_channels_last_where_that_is_faster() -> None:
    assert _layout(depthwise_network(), (9, 1, 8, 6)) == torch.channels_last
    assert _layout(small_network(), (9, 1, 8, 6)) == torch.contiguous_format
    assert all(p.is_contiguous() for p in train(depthwise_network(), DATA, RECIPES["sgd"]).network.parameters())


def test_interrupted_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    settings = RECIPES["sgd"]
    batches = 0

    def interrupt(x: torch.Tensor) -> torch.Tensor:
        nonlocal batches
        batches += 1
        if batches == 20:
            raise KeyboardInterrupt
        return x

    file = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train(small_network(), DATA, replace(settings, augment=interrupt), checkpoint=file)
    assert read_tensors(file, "training checkpoint")[1]["history"][-1]["number"] == 1
    resumed = train(small_network(), DATA, replace(settings, augment=interrupt), checkpoint=file)
    assert same_weights(resumed.network, train(small_network(), DATA, settings).network)


_CHILD = """
import sys
sys.path.insert(0, ".")
from pathlib import Path
from tests.training.examples import blobs, small_network
from nascompile.training import Recipe, train
recipe = Recipe(optimiser="sgd", lr=0.05, batch=16, epochs=200)
def told(epoch):
    print(epoch.number, flush=True)
train(small_network(), blobs(), recipe, checkpoint=Path(sys.argv[1]), progress=told)
"""


def test_killed(tmp_path: Path) -> None:
    """SIGKILL, most likely while a checkpoint is written: what is on disk is whole, and training goes on from it."""
    file = tmp_path / "run.safetensors"
    settings = Recipe(optimiser="sgd", lr=0.05, batch=16, epochs=200)
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(file)],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
    ) as child:
        assert child.stdout
        for line in child.stdout:
            if int(line) >= 3:
                break
        child.send_signal(signal.SIGKILL)
    reached = read_tensors(file, "training checkpoint")[1]["history"][-1]["number"]
    assert reached >= 3
    whole = train(small_network(), blobs(), replace(settings, epochs=reached + 3))
    resumed: list[Epoch] = []

    def told(epoch: Epoch) -> None:
        resumed.append(epoch)
        stopping_after(reached + 2)(epoch)

    with pytest.raises(StoppedError):
        train(small_network(), blobs(), settings, checkpoint=file, progress=told)
    assert tuple(resumed) == whole.history[-2:]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_cut_off_file_is_one_clear_error(tmp_path: Path, share: float) -> None:
    settings = replace(RECIPES["sgd"], epochs=1)
    file = tmp_path / "run.safetensors"
    train(small_network(), DATA, settings, checkpoint=file)
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(FileError, match=r"run\.safetensors:1:1: this file is cut off or damaged"):
        train(small_network(), DATA, settings, checkpoint=file)


def test_a_flipped_bit_is_seen(tmp_path: Path) -> None:
    settings = replace(RECIPES["sgd"], epochs=1)
    file = tmp_path / "run.safetensors"
    train(small_network(), DATA, settings, checkpoint=file)
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    with pytest.raises(FileError, match="damaged"):
        train(small_network(), DATA, settings, checkpoint=file)


@pytest.mark.parametrize(
    ("name", "change"), [("lr", {"lr": 0.02}), ("epochs", {"epochs": 9}), ("augment", {"augment": "jitter"})]
)
def test_other_recipe_is_refused_by_name(tmp_path: Path, name: str, change: dict[str, object]) -> None:
    settings = replace(RECIPES["sgd"], epochs=1)
    file = tmp_path / "run.safetensors"
    train(small_network(), DATA, settings, checkpoint=file)
    with pytest.raises(TrainingError, match=f"another training: its `{name}` differs"):
        train(small_network(), DATA, replace(settings, **change), checkpoint=file)


def test_other_network_or_data_is_refused(tmp_path: Path) -> None:
    settings = replace(RECIPES["sgd"], epochs=1)
    file = tmp_path / "run.safetensors"
    train(small_network(), DATA, settings, checkpoint=file)
    with pytest.raises(TrainingError, match="`network` differs"):
        train(small_network(seed=2), DATA, settings, checkpoint=file)
    with pytest.raises(TrainingError, match="`train` differs"):
        train(small_network(), blobs(seed=3), settings, checkpoint=file)


def test_unwritable_place_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot write"):
        train(small_network(), DATA, RECIPES["sgd"], checkpoint=tmp_path / "nowhere" / "run.safetensors")
