"""Metrics of all tasks against scikit-learn, and what they are when something is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics as reference

from nascompile.data.dataset import Part
from nascompile.training.errors import TrainingError
from nascompile.training.metrics import guess, metrics
from nascompile.training.objective import METRICS, better, check_metric, gain

rng = np.random.default_rng(0)


def part(y: Any, units: tuple[float, ...] = ()) -> Part:
    return Part(np.zeros((len(y), 1), np.float32), y, units)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_classes(classes: int) -> None:
    y: Any = np.concatenate([np.arange(classes), rng.integers(0, classes, 80) ** 2 % classes])
    logits = rng.normal(size=(len(y), classes)) + 1.5 * np.eye(classes)[y] * rng.integers(0, 2, (len(y), 1))
    found = metrics(logits, part(y), "classification")
    taken, shares = logits.argmax(1), softmax(logits, axis=1)
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(y, taken))
    assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(y, taken))
    assert found["f1"] == pytest.approx(reference.f1_score(y, taken, average="macro"))
    assert found["loss"] == pytest.approx(reference.log_loss(y, shares))
    scores = shares[:, 1] if classes == 2 else shares
    assert found["auc"] == pytest.approx(reference.roc_auc_score(y, scores, multi_class="ovr"))


def test_a_class_that_is_not_there_is_no_part_of_the_means() -> None:
    y = np.array([0, 0, 1, 1])
    logits = np.eye(3)[[0, 1, 1, 1]]
    found = metrics(logits, part(y), "classification")
    assert found["balanced_accuracy"] == pytest.approx(0.75)
    assert found["f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert "auc" not in metrics(logits, part(y * 0), "classification")


def test_numbers_in_their_own_unit() -> None:
    y, found = rng.normal(size=(2, 50, 2))
    units = (10.0, 0.1)
    result = metrics(found, part(y.astype(np.float32), units), "regression")
    truth, own = y * units, found * units
    assert result["mae"] == pytest.approx(reference.mean_absolute_error(truth, own), rel=1e-5)
    assert result["rmse"] == pytest.approx(reference.mean_squared_error(truth, own) ** 0.5, rel=1e-5)
    assert result["r2"] == pytest.approx(reference.r2_score(truth, own), rel=1e-5)
    assert result["loss"] == pytest.approx(np.square(y - found).mean(), rel=1e-5)


def test_labels() -> None:
    y = (rng.random((60, 4)) < [0.1, 0.3, 0.5, 0.9]).astype(np.float32)
    found = rng.normal(size=(60, 4)) + y
    result = metrics(found, part(y), "multi-label")
    assert result["f1"] == pytest.approx(reference.f1_score(y, found > 0, average="macro"))
    assert result["map"] == pytest.approx(reference.average_precision_score(y, found, average="macro"))
    assert result["auc"] == pytest.approx(reference.roc_auc_score(y, found, average="macro"))
    none = metrics(found, part(y * 0), "multi-label")
    assert none.keys() == {"loss", "f1"}


def test_what_guessing_reaches() -> None:
    y = np.array([0, 1, 1, 2, 1])
    assert guess(part(y), part(y), "classification")["accuracy"] == 0.6
    numbers = rng.normal(size=(40, 1)).astype(np.float32)
    numbers = (numbers - numbers.mean()) / numbers.std()
    assert guess(part(numbers), part(numbers), "regression")["r2"] == pytest.approx(0, abs=1e-6)
    held = (rng.random((40, 2)) < 0.3).astype(np.float32)
    assert guess(part(held), part(held), "multi-label")["auc"] == 0.5


def test_what_is_no_number_is_not_counted_as_good() -> None:
    y = np.array([0, 1])
    found = metrics(np.full((2, 2), np.nan), part(y), "classification")
    assert np.isnan(found["loss"])
    sound = {"accuracy": 0.1, "loss": 9.0}
    assert better(sound, found, "accuracy")
    assert not better(found, sound, "accuracy")


def test_the_better_one() -> None:
    assert better({"mae": 1.0, "loss": 2.0}, {"mae": 2.0, "loss": 1.0}, "mae")
    assert better({"f1": 0.5, "loss": 2.0}, {"f1": 0.4, "loss": 1.0}, "f1")
    assert not better({"f1": 0.5, "loss": 2.0}, {"f1": 0.4, "loss": 1.0}, None)
    assert gain({"rmse": 3.0}, "rmse") == -3


def test_which_metrics_there_are() -> None:
    assert [check_metric(task, None) for task in METRICS] == ["accuracy", "auc", "map50", "r2", "f1"]  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match=r"`regression` has no metric `accuracy`"):
        check_metric("regression", "accuracy")
    with pytest.raises(TrainingError, match="cannot train the task `ranking`"):
        check_metric("ranking", None)  # type: ignore[arg-type]
