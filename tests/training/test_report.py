"""A network in detail, against scikit-learn and statsmodels' numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from nascompile.data.dataset import Dataset, Part
from nascompile.training.report import report, small_validation, wilson
from tests.training.test_metrics import part

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    # statsmodels.stats.proportion.proportion_confint(round(share * n), n, method="wilson")
    [(0.9, 10, 0.5958, 0.9821), (0.0, 20, 0.0, 0.1611), (1.0, 20, 0.8389, 1.0), (0.5, 1000, 0.4691, 0.5309)],
)
def test_intervals(share: float, n: int, low: float, high: float) -> None:
    assert wilson(share, n) == pytest.approx((low, high), abs=1e-4)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    found = rng.binomial(60, 0.9, 4000) / 60
    covered = np.mean([low <= 0.9 <= high for low, high in (wilson(share, 60) for share in found)])
    assert 0.93 < covered < 0.98


def test_classes() -> None:
    y = np.concatenate([np.arange(4), rng.integers(0, 4, 60)])
    logits = rng.normal(size=(64, 5)) + 2 * np.eye(5)[y]
    some = part(y)
    found = report(logits, some, Dataset("classification", some, some, some, ("a", "b", "c", "d", "never")))
    taken = logits.argmax(1)
    theirs: Any = reference.precision_recall_fscore_support
    precision, recall, f1, support = theirs(y, taken, labels=range(5), zero_division=np.nan)
    assert found["confusion"] == reference.confusion_matrix(y, taken, labels=range(5)).tolist()
    for k, one in enumerate(found["classes"][:4]):
        assert [one["precision"], one["recall"], one["f1"]] == pytest.approx([precision[k], recall[k], f1[k]])
        assert one["examples"] == support[k]
    assert found["classes"][4]["recall"] is None
    low, high = found["interval"]
    assert low < found["metrics"]["accuracy"] < high
    assert found["guess"]["accuracy"] == np.bincount(y).max() / 64


def test_labels_and_numbers() -> None:
    y = (rng.random((50, 3)) < 0.4).astype(np.float32)
    some, names = part(y), ("a", "b", "c")
    found = report(y - 0.5, some, Dataset("multi-label", some, some, some, names))
    assert [one["f1"] for one in found["classes"]] == [1, 1, 1]
    assert [one["examples"] for one in found["classes"]] == y.sum(0).tolist()
    truth = rng.normal(size=(50, 2)).astype(np.float32)
    numbers = part(truth, (10.0, 1.0))
    data = Dataset("regression", numbers, numbers, numbers, ("x", "y"))
    found = report(truth + np.array([0.1, 0.2]), numbers, data)
    assert [one["mae"] for one in found["outputs"]] == pytest.approx([1.0, 0.2], rel=1e-4)
    assert found["metrics"]["mae"] == pytest.approx(0.6, rel=1e-4)


def test_a_remark_only_where_the_part_is_too_small() -> None:
    assert "60 validation examples" in small_validation(60, [0.9, 0.95, 0.93])
    assert not small_validation(60_000, [0.9, 0.95, 0.93])
    assert not small_validation(10, [0.9])


def test_anomalies_have_no_classes() -> None:
    x = rng.normal(size=(20, 3)).astype(np.float32)
    some = Part(x, np.arange(20) % 2)
    found = report(np.zeros((20, 3)), some, Dataset("anomaly", some, some, some, ("normal", "anomaly")))
    assert found.keys() == {"examples", "metrics", "guess"}
