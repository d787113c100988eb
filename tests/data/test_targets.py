"""Numbers to predict, and labels of which several hold."""

import re

import numpy as np
import pytest

from nascompile.data import load_dataset
from nascompile.data.dataset import Part

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 6))
Y = np.stack([100 + 7 * X[:, 0], X[:, 1] / 50], axis=1)
LABELS = (X[:, :3] > [0, 0.5, 1.2]).astype(int)
SERIES = "@problemName X\n@targetLabel true\n@data\n"


@pytest.fixture
def save(tmp_path):
    def saved(**arrays):
        path = tmp_path / "a.npz"
        np.savez(path, **arrays)
        return path

    return saved


def in_units(part: Part, scale):
    return np.asarray(part.y) * scale["deviation"] + scale["mean"]


def test_numbers_are_learnt_at_mean_0_and_known_in_their_own_unit(save):
    data = load_dataset(save(x=X, y=Y), (6,), task="regression", classes=2)
    assert data.task == "regression"
    scale = data.prepared["targets"]
    np.testing.assert_allclose(data.train.y.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(data.train.y.std(0), 1, atol=1e-5)
    assert data.train.y.dtype == np.float32
    assert data.test.units == data.train.units == tuple(scale["deviation"])
    together = np.concatenate([in_units(part, scale) for part in (data.train, data.valid, data.test)])
    np.testing.assert_allclose(np.sort(together, axis=0), np.sort(Y, axis=0), atol=1e-3)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [56, 8, 16]
    other = load_dataset(save(x=X, y=Y), (6,), task="regression", seed=1)
    assert (other.train.x != data.train.x).any()


def test_whole_numbers_may_be_predicted_and_a_limit_holds(save):
    data = load_dataset(save(x=X, y=np.arange(80)), (6,), task="regression", limit=40)
    assert data.prepared["sizes"] == {"train": 28, "valid": 4, "test": 8}
    assert data.train.y.shape == (28, 1)


def test_labels_of_which_several_hold(save):
    data = load_dataset(save(x=X, y=LABELS), (6,), classes=3)
    assert data.task == "multi-label"
    assert data.classes == ("0", "1", "2")
    whole = np.concatenate([part.y for part in (data.train, data.valid, data.test)])
    assert whole.dtype == np.float32
    assert whole.sum(0).tolist() == LABELS.sum(0).tolist()
    assert data.prepared["class counts"]["test"] == dict(
        zip("012", data.test.y.sum(0).astype(int).tolist(), strict=True)
    )
    assert (data.test.y.sum(0) > 0).all()


def test_one_label_in_each_row_is_a_class_unless_it_is_said(save):
    one = np.eye(4, dtype=int)[rng.integers(0, 4, 80)]
    data = load_dataset(save(x=X, y=one), (6,), classes=4)
    assert data.task == "classification"
    assert data.train.y.dtype == np.int64
    assert load_dataset(save(x=X, y=one), (6,), task="multi-label").task == "multi-label"


@pytest.mark.parametrize(
    ("y", "options"),
    [(Y, {"task": "regression"}), (LABELS[:, :2], {}), (np.arange(80) % 2, {}), (["up", "down"] * 40, {})],
)
def test_names_of_what_is_learnt(y, options, save):
    data = load_dataset(save(x=X, y=y, label_names=["up", "down"]), (6,), **options)
    assert data.classes == tuple(data.prepared["class counts"]["train"]) == ("up", "down")
    if data.task == "classification":
        assert data.prepared["labels"] == {"up": 0, "down": 1}


def test_series_with_numbers(tmp_path):
    text = SERIES + "".join(f"{','.join(map(str, row))}:{y}\n" for row, y in zip(X, Y[:, 0], strict=True))
    (tmp_path / "A_TRAIN.ts").write_text(text)
    (tmp_path / "A_TEST.ts").write_text(SERIES + "1,2,3,4,5,6:107.5\n")
    data = load_dataset(tmp_path, (1, 6))
    assert data.task == "regression"
    np.testing.assert_allclose(in_units(data.test, data.prepared["targets"]), [[107.5]], atol=1e-4)
    assert len(data.train) + len(data.valid) == 80


@pytest.mark.parametrize(
    ("y", "options", "code", "text"),
    [
        (Y[:, 0], {}, "bad-data", "for the task `regression`"),
        (Y, {}, "bad-data", "not all 0 or 1"),
        (Y.astype(str), {"task": "regression"}, "bad-data", "targets of .* are of type <U"),
        (Y * 0 + 3, {"task": "regression"}, "few-classes", "target 0 of .* is 3 in all of the training part"),
        (np.where(np.arange(80)[:, None] == 7, np.nan, Y), {"task": "regression"}, "not-finite", "target of row 7"),
        (Y, {"task": "regression", "classes": 3}, "bad-classes", "2 numbers to predict .* has 3 outputs"),
        (LABELS, {"classes": 4}, "bad-classes", "3 labels .* has 4 outputs"),
        (LABELS, {"task": "anomaly"}, "bad-option", "for multi-label, not for anomaly"),
        (LABELS[:, 0], {"task": "multi-label"}, "bad-option", "as a table of 0 and 1"),
        (LABELS * [1, 1, 0], {}, "few-examples", "`2` of .* has no examples"),
        ({"y": LABELS, "label_names": ["a", "b"]}, {}, "bad-data", "3 labels and 2 names"),
        (
            {"y": np.arange(80) % 3, "class_names": ["a", "b"]},
            {},
            "bad-data",
            "2 names of classes, and none is of label 2",
        ),
        ({"y": LABELS, "label_names": ["a", "b", "b"]}, {}, "bad-data", "no words, or not all others"),
        (Y[:9], {"task": "regression"}, "bad-data", "80 inputs and labels of the shape 9x2"),
    ],
)
def test_refusals(y, options, code, text, save, error):
    found, message = error(load_dataset, save(x=X, **(y if isinstance(y, dict) else {"y": y})), (6,), **options)
    assert found == code
    assert re.search(text, message), message


def test_a_folder_of_images_has_no_numbers(tmp_path, write, as_png, error):
    files = {f"{k % 2}/{k}.png": as_png(rng.integers(0, 255, (4, 4, 3), np.uint8)) for k in range(20)}
    code, text = error(load_dataset, write(tmp_path / "a", files), (3, 4, 4), task="regression")
    assert code == "bad-option"
    assert "`@targetLabel true`" in text
