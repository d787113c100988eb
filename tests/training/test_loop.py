"""The training loop: it learns, it is deterministic, it chooses by validation, and it leaves everything else alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nascompile.data.dataset import Dataset, Part
from nascompile.training import Epoch, Recipe, TrainingError, evaluate, recipe, train
from spaces.errors import NascompileError
from tests.training.examples import autoencoder, blobs, ramps, same_weights, small_network

DATA = blobs()
QUICK = Recipe(lr=0.01, batch=16, epochs=4)


@pytest.mark.parametrize(
    "settings",
    [
        Recipe(lr=0.01, batch=16, epochs=5),
        Recipe(optimiser="sgd", lr=0.05, batch=16, epochs=6, schedule="cosine", weight_decay=1e-4),
    ],
)
def test_learns_what_can_be_learnt(settings: Recipe) -> None:
    trained = train(small_network(), DATA, settings)
    before = evaluate(small_network(), DATA.test, "classification")
    after = evaluate(trained.network, DATA.test, "classification")
    assert after["accuracy"] > 0.9 > before["accuracy"]
    assert after["loss"] < before["loss"]
    assert not trained.network.training


def test_autoencoder_tells_what_is_not_normal() -> None:
    data = ramps()
    trained = train(autoencoder(), data, Recipe(lr=0.02, batch=16, epochs=15))
    found = evaluate(trained.network, data.test, "anomaly")
    assert found["auc"] > 0.95 > evaluate(autoencoder(), data.test, "anomaly")["auc"]
    assert trained.valid == evaluate(trained.network, data.valid, "anomaly") == {"loss": trained.valid["loss"]}


def test_same_seed_same_weights_other_seed_others() -> None:
    first, again = train(small_network(), DATA, QUICK), train(small_network(), DATA, QUICK)
    assert same_weights(first.network, again.network)
    assert first.history == again.history
    other = train(small_network(), DATA, replace(QUICK, seed=1))
    assert other.history != first.history


@pytest.mark.parametrize("change", [{"augment": "shift"}, {"augment": "jitter"}, {"weight_decay": 0.1}, {"batch": 8}])
def test_every_setting_changes_training(change: dict[str, object]) -> None:
    plain = train(small_network(), DATA, replace(QUICK, epochs=1))
    assert train(small_network(), DATA, replace(QUICK, epochs=1, **change)).history != plain.history


def test_own_augmentation_is_applied() -> None:
    met: list[torch.Size] = []

    def seen(x: torch.Tensor) -> torch.Tensor:
        met.append(x.shape)
        return x

    train(small_network(), DATA, replace(QUICK, epochs=1, augment=seen))
    assert sum(shape[0] for shape in met) == len(DATA.train)


def test_cosine_ends_near_nought() -> None:
    rates = [e.lr for e in train(small_network(), DATA, replace(QUICK, schedule="cosine")).history]
    assert rates == [0.01 * (1 + np.cos(np.pi * k / 4)) / 2 for k in range(4)]


def test_best_epoch_is_kept_and_patience_ends_training() -> None:
    # A rate so high that the loss soon stops falling.
    trained = train(small_network(), DATA, Recipe(lr=0.3, batch=16, epochs=30, patience=3))
    assert len(trained.history) < 30
    assert len(trained.history) == trained.best + 4
    best = max((e.valid["accuracy"], -e.valid["loss"]) for e in trained.history)
    assert (trained.valid["accuracy"], -trained.valid["loss"]) == best
    assert evaluate(trained.network, DATA.valid, "classification") == trained.valid


def test_leaves_network_threads_and_generator_alone() -> None:
    network, untouched = small_network(), small_network()
    torch.manual_seed(7)
    expected = torch.rand(2)
    torch.manual_seed(7)
    train(network, DATA, replace(QUICK, epochs=1, threads=2))
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == 1
    assert same_weights(network, untouched)
    assert network.training


def test_one_example_left_over_meets_a_batch_norm() -> None:
    part = Part(DATA.train.x[:17], np.asarray(DATA.train.y)[:17])
    pooled = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, (8, 6)), torch.nn.BatchNorm2d(3), torch.nn.Flatten()
    )  # one value per channel and example
    history = train(pooled, replace(DATA, train=part), Recipe(batch=16, epochs=1)).history
    assert np.isfinite(history[0].loss)


def test_auc_is_that_of_sorted_pairs() -> None:
    data = ramps()
    network = autoencoder()
    y = np.asarray(data.test.y)
    with torch.no_grad():
        errors = ((network(torch.from_numpy(data.test.x)).numpy() - data.test.x) ** 2).mean(1)
    pairs = errors[y == 1][:, None] > errors[y == 0]
    assert evaluate(network, data.test, "anomaly")["auc"] == pytest.approx(pairs.mean())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"lr": 0.0}, "`lr`"),
        ({"epochs": 0}, "`epochs`"),
        ({"optimiser": "adma"}, "did you mean `adam`"),
        ({"mixed_precision": True}, "CUDA only"),
        ({"patience": -1}, "`patience`"),
        ({"batch": 1.5}, "`batch` is 1.5"),
        ({"learning_rate": 1}, "no `learning_rate`"),
    ],
)
def test_a_recipe_that_cannot_be(change: dict[str, object], text: str) -> None:
    with pytest.raises(TrainingError, match=text):
        recipe("ebs", **change)


def test_unknown_recipe_and_augmentation() -> None:
    with pytest.raises(TrainingError, match="did you mean `ebs`"):
        recipe("esb")
    with pytest.raises(NascompileError, match="there is no augmentation `flipp`"):
        train(small_network(), DATA, replace(QUICK, augment="flipp"))


def test_divergence_is_one_clear_error() -> None:
    with pytest.raises(TrainingError, match="diverged"):
        train(small_network(), DATA, replace(QUICK, lr=1e30, optimiser="sgd"))


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(TrainingError, match="no device `cdua`"):
        train(small_network(), DATA, replace(QUICK, device="cdua"))
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="`cuda:7` is not there"):
            train(small_network(), DATA, replace(QUICK, device="cuda:7", mixed_precision=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("mixed", [False, True])
def test_learns_on_a_gpu_and_goes_on(tmp_path: Path, mixed: bool) -> None:
    settings = replace(QUICK, device="cuda", mixed_precision=mixed, epochs=6)
    file = tmp_path / "run.safetensors"

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_network(), DATA, settings, checkpoint=file, progress=stop)
    resumed = train(small_network(), DATA, settings, checkpoint=file)
    assert len(resumed.history) == 6
    assert evaluate(resumed.network, DATA.test, "classification")["accuracy"] > 0.9


def test_unknown_tasks_and_empty_parts_are_refused() -> None:
    with pytest.raises(TrainingError, match="cannot train the task `segmentation`"):
        train(small_network(), replace(DATA, task="segmentation"), QUICK)
    with pytest.raises(TrainingError, match="cannot be decoded without `anchors`"):
        train(small_network(), replace(DATA, task="detection"), QUICK)
    none = Part(DATA.train.x[:0], np.zeros(0, np.int64))
    for broken in (replace(DATA, train=none), replace(DATA, valid=none)):
        with pytest.raises(TrainingError, match="examples"):
            train(small_network(), broken, QUICK)
    with pytest.raises(TrainingError, match="no example"):
        evaluate(small_network(), none, "classification")
    data: Dataset = ramps()
    odd = Part(data.valid.x, np.ones(len(data.valid), np.int64))
    with pytest.raises(TrainingError, match="no normal example"):
        train(autoencoder(), replace(data, valid=odd), QUICK)
