"""Numbers, several labels, classes of different sizes, and trainings that run away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nascompile.data.dataset import Dataset, Part, Task
from nascompile.training import Recipe, TrainingError, train
from nascompile.training.balance import drawing_weights, loss_weights
from tests.training.examples import blobs, same_weights, small_network
from tests.training.test_checkpoint import StoppedError, stopping_after

FAST = Recipe(lr=0.01, batch=32, epochs=12)


def dense(outputs: int, seed: int = 1) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, outputs))


def vectors(task: Task, seed: int = 0) -> Dataset:
    """Of `regression` two numbers, of `multi-label` three labels, one of them rare."""
    rng = np.random.default_rng(seed)

    def part(n: int) -> Part:
        x = rng.normal(size=(n, 5)).astype(np.float32)
        if task == "multi-label":
            return Part(x, (x[:, :3] > [0, 0.3, 1.6]).astype(np.float32))
        return Part(x, np.stack([x[:, 0] - x[:, 1], np.abs(x[:, 2]) - 0.8], axis=1), (10.0, 1.0))

    return Dataset(task, part(300), part(80), part(80), ("a", "b", "c")[: 3 if task == "multi-label" else 2])


def lopsided() -> Dataset:
    """Ten of the first class to one of the second, which overlap."""
    rng = np.random.default_rng(0)

    def part(n: int) -> Part:
        y = (np.arange(n) % 11 == 0).astype(np.int64)
        return Part((rng.normal(size=(n, 5)) + 0.7 * y[:, None]).astype(np.float32), y)

    return Dataset("classification", part(440), part(220), part(220), ("often", "rare"))


def test_numbers_are_learnt() -> None:
    found = train(dense(2), vectors("regression"), FAST).valid
    assert found["r2"] > 0.85
    assert 0 < found["mae"] < found["rmse"] < 5


def test_labels_are_learnt() -> None:
    found = train(dense(3), vectors("multi-label"), FAST).valid
    assert found["auc"] > 0.95
    assert found["f1"] > 0.7


@pytest.mark.parametrize("balance", ["weights", "batches"])
def test_balance_finds_the_rare_class(balance: str) -> None:
    plain = train(dense(2), lopsided(), FAST).valid
    balanced = train(dense(2), lopsided(), replace(FAST, balance=balance)).valid
    assert balanced["balanced_accuracy"] > plain["balanced_accuracy"] + 0.1


@pytest.mark.parametrize("balance", ["weights", "batches"])
@pytest.mark.parametrize("task", ["classification", "multi-label"])
def test_a_balanced_training_goes_on_exactly(balance: str, task: Task, tmp_path: Path) -> None:
    data = lopsided() if task == "classification" else vectors(task)
    recipe = replace(FAST, epochs=4, balance=balance)
    first = dense(len(data.classes))
    whole = train(first, data, recipe)
    with pytest.raises(StoppedError):
        train(first, data, recipe, checkpoint=tmp_path / "c", progress=stopping_after(2))
    resumed = train(first, data, recipe, checkpoint=tmp_path / "c")
    assert same_weights(whole.network, resumed.network)
    assert whole.history == resumed.history


def test_how_much_examples_count() -> None:
    data = lopsided().train
    y: Any = np.asarray(data.y)
    weights = loss_weights(data, "classification").numpy()
    assert (weights[0] * (y == 0).sum()) == pytest.approx(weights[1] * (y == 1).sum())
    assert weights[y].mean() == pytest.approx(1)
    drawn = drawing_weights(data, "classification").numpy()
    assert drawn[y == 0].sum() == pytest.approx(drawn[y == 1].sum())
    labels = vectors("multi-label").train
    often, some, rare = loss_weights(labels, "multi-label").tolist()
    assert 0.7 < often < some < 3 < 10 < rare


@pytest.mark.parametrize("metric", ["balanced_accuracy", "f1", "auc"])
def test_the_metric_chooses_the_epoch(metric: str) -> None:
    trained = train(dense(2), lopsided(), replace(FAST, metric=metric))
    best = max(range(FAST.epochs), key=lambda k: (trained.history[k].valid[metric], -trained.history[k].valid["loss"]))
    assert trained.best == best


def test_errors_choose_the_epoch_in_which_they_are_least() -> None:
    trained = train(dense(2), vectors("regression"), replace(FAST, metric="mae"))
    assert trained.valid["mae"] == min(epoch.valid["mae"] for epoch in trained.history)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("lr", [30.0, 3e4, 1e8])
def test_weights_that_run_away_are_no_result(lr: float, optimiser: Any) -> None:
    with pytest.raises(TrainingError, match="has diverged"):
        train(small_network(), blobs(), Recipe(optimiser=optimiser, lr=lr, epochs=3))


def test_a_large_loss_that_tells_the_classes_is_one() -> None:
    assert train(small_network(), blobs(), Recipe(lr=1.0, epochs=3)).valid["accuracy"] > 0.6


@pytest.mark.parametrize(
    ("network", "data", "recipe", "text"),
    [
        (dense(3), vectors("regression"), FAST, "gives 3, and the data have 2 targets"),
        (dense(2), vectors("multi-label"), FAST, "gives 2, and the data have 3 labels"),
        (dense(1), lopsided(), FAST, "gives 1, and the data have 2 classes"),
        (dense(2), vectors("regression"), replace(FAST, balance="weights"), "no classes to balance"),
        (dense(2), vectors("regression"), replace(FAST, metric="f1"), "has no metric `f1`"),
        (dense(2), replace(lopsided(), valid=Part(np.zeros((3, 5), np.float32), np.zeros(3, np.int64))),
         replace(FAST, metric="auc"), "validation part has no `auc`"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained(network: nn.Module, data: Dataset, recipe: Recipe, text: str) -> None:
    with pytest.raises(TrainingError, match=text):
        train(network, data, recipe)
