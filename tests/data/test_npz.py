"""Arrays: names, layouts, labels, parts, normalisation, and every refusal."""

import json
import re

import numpy as np
import pytest

from nascompile.data import AudioFeatures, load_dataset

rng = np.random.default_rng(0)


@pytest.fixture
def save(tmp_path):
    def saved(**arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return tmp_path / "a.npz"

    return saved


def images(n=60, side=6, channels=3):
    return rng.integers(0, 256, (n, channels, side, side), dtype=np.uint8)


def labels(n=60, classes=3):
    return np.arange(n) % classes


def test_parts_are_disjoint_complete_and_normalised_by_the_training_part(save):
    x = images(300)
    data = load_dataset(save(x=x, y=labels(300)), (3, 6, 6), classes=3, seed=7)
    assert [len(p) for p in (data.train, data.valid, data.test)] == [210, 30, 60]
    mean, deviation = (np.array(data.prepared["normalisation"][k]).reshape(3, 1, 1) for k in ("mean", "deviation"))
    back = [np.rint((p.x * deviation + mean) * 255).astype(np.uint8) for p in (data.train, data.valid, data.test)]
    rows = {row.tobytes(): k for k, row in enumerate(x)}
    places = [[rows[r.tobytes()] for r in part] for part in back]
    assert sorted(k for place in places for k in place) == list(range(300))
    for part, place in zip((data.train, data.valid, data.test), places, strict=True):
        assert (part.y == labels(300)[place]).all()
    train = x[places[0]] / 255
    np.testing.assert_allclose(mean[:, 0, 0], train.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(deviation[:, 0, 0], train.std((0, 2, 3)), rtol=1e-12)


def test_the_test_part_changes_nothing_of_the_others(save):
    x, y = images(100).astype(np.float32), labels(100)
    arrays = {"x_train": x[:80], "y_train": y[:80], "y_test": y[80:]}
    one = load_dataset(save(**arrays, x_test=x[80:]), (3, 6, 6))
    two = load_dataset(save(**arrays, x_test=x[80:] * 9 + 5), (3, 6, 6))
    assert one.prepared["normalisation"] == two.prepared["normalisation"]
    assert (one.train.x == two.train.x).all()
    assert (one.test.x != two.test.x).any()


def test_the_seed_decides_alone(save):
    path = save(x=images(), y=labels())
    one, same, other = (load_dataset(path, (3, 6, 6), seed=s) for s in (1, 1, 2))
    assert (one.train.x == same.train.x).all()
    assert one.prepared == same.prepared
    assert (one.train.x != other.train.x).any()


@pytest.mark.parametrize(
    ("x", "shape", "kind"),
    [
        (images(), (3, 6, 6), "image"),
        (np.moveaxis(images(), 1, -1), (3, 6, 6), "image"),
        (images()[:, 0], (1, 6, 6), "image"),
        (images()[:, 0], (36,), "table"),
        (rng.normal(size=(60, 9)), (9,), "table"),
        (rng.normal(size=(60, 9)).astype(np.float16), (1, 9), "series"),
        (rng.normal(size=(60, 2, 9)), (2, 9), "series"),
        (rng.normal(size=(60, 9, 2)), (2, 9), "series"),
    ],
)
def test_layouts(x, shape, kind, save):
    data = load_dataset(save(x=x, y=labels()), shape)
    assert data.train.x.shape == (42, *shape)
    assert data.train.x.dtype == np.float32
    assert data.train.x.flags.c_contiguous
    assert data.prepared["kind"] == kind
    assert abs(data.train.x.mean()) < 1e-5
    assert json.loads(json.dumps(data.prepared)) == data.prepared


def test_channels_last_are_moved_not_reshaped(save):
    x, y = images(), labels()
    first = load_dataset(save(x=x, y=y), (3, 6, 6))
    last = load_dataset(save(x=np.moveaxis(x, 1, -1), y=y), (3, 6, 6))
    assert (first.test.x == last.test.x).all()


def test_a_flat_image_is_normalised_as_one_channel(save):
    x, y = images()[:, 0], labels()
    flat, square = (load_dataset(save(x=x, y=y), shape) for shape in ((36,), (1, 6, 6)))
    assert (flat.train.x == square.train.x.reshape(-1, 36)).all()


@pytest.mark.parametrize(("x", "y"), [("x", "label"), ("images", "labels"), ("data", "target"), ("X", "targets")])
def test_names_of_arrays(x, y, save):
    data = load_dataset(save(**{x: images(), y: labels()}), (3, 6, 6))
    assert len(data.train) == 42


def test_names_of_official_parts(save):
    x, y = images(90), labels(90)
    path = save(
        train_images=x[:60], train_labels=y[:60, None], val_images=x[60:75], val_labels=y[60:75, None],
        test_images=x[75:], test_labels=y[75:, None],
    )  # fmt: skip
    data = load_dataset(path, (3, 6, 6))
    assert [len(p) for p in (data.train, data.valid, data.test)] == [60, 15, 15]
    assert (data.test.y == y[75:]).all()
    assert data.prepared["official parts"] == ["test", "train", "valid"]


def test_is_test_marks_the_official_part(save):
    x, y, is_test = images(), labels(), np.arange(60) >= 45
    data = load_dataset(save(x=x, y=y, is_test=is_test), (3, 6, 6))
    assert (data.test.y == y[45:]).all()
    assert len(data.train) + len(data.valid) == 45


@pytest.mark.parametrize(
    ("y", "classes", "mapping"),
    [
        (np.array([0, 1, 2] * 20), ("0", "1", "2"), "as in the data"),
        (np.array([10, 2, 7] * 20), ("2", "7", "10"), {"2": 0, "7": 1, "10": 2}),
        (np.array([-1.0, 1.0] * 30), ("-1", "1"), {"-1": 0, "1": 1}),
        (np.array([True, False] * 30), ("0", "1"), "as in the data"),
        (np.array(["b", "a"] * 30), ("a", "b"), {"a": 0, "b": 1}),
        (np.array([b"b", b"a"] * 30), ("a", "b"), {"a": 0, "b": 1}),
    ],
)
def test_labels_become_numbers_from_0(y, classes, mapping, save):
    data = load_dataset(save(x=images(), y=y), (3, 6, 6))
    assert data.classes == classes
    assert data.prepared["labels"] == mapping
    assert data.train.y.dtype == np.int64
    assert set(data.train.y) == set(range(len(classes)))


def test_a_limit_is_a_stratified_subset(save):
    x, y = images(600), np.repeat([0, 1], [400, 200])
    data = load_dataset(save(x=x, y=y), (3, 6, 6), limit=60)
    counts = data.prepared["class counts"]
    assert sum(map(len, (data.train, data.valid, data.test))) == 60
    assert sum(c["0"] for c in counts.values()) == 40
    assert len(load_dataset(save(x=x, y=y), (3, 6, 6), limit=10_000).train) == 420


def test_anomalies(save):
    x, y = images(100), np.repeat(["normal", "crack", "dent"], [60, 20, 20])
    data = load_dataset(save(x=x, y=y), (3, 6, 6), task="anomaly")
    assert data.task == "anomaly"
    assert data.classes == ("normal", "anomaly")
    assert data.prepared["normal"] == "normal"
    assert not data.train.y.any()
    assert [int(p.y.sum()) for p in (data.valid, data.test)] == [14, 26]
    other = load_dataset(save(x=x, y=y), (3, 6, 6), task="anomaly", normal="dent")
    assert other.prepared["sizes"]["train"] == 14


def test_sound_needs_a_rate_and_becomes_features(save, error):
    clips = rng.integers(-30_000, 30_000, (30, 2000), dtype=np.int16)
    code, text = error(load_dataset, save(x=clips, y=labels(30)), (1, 49, 10))
    assert code == "no-rate"
    assert "--rate 2000, if a clip lasts 1 s" in text
    data = load_dataset(save(x=clips, y=labels(30)), (1, 49, 10), rate=2000)
    assert data.prepared["features"]["kind"] == "mfcc"
    assert len(data.prepared["normalisation"]["mean"]) == 10
    np.testing.assert_allclose(data.train.x.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(data.train.x.std((0, 1, 2)), 1, atol=1e-4)
    said = load_dataset(save(x=clips, y=labels(30), sample_rate=2000), (1, 49, 40), features="log-mel")
    assert said.train.x.shape[1:] == (1, 49, 40)
    series = load_dataset(save(x=clips, y=labels(30), rate=2000), (10, 49), features=AudioFeatures())
    np.testing.assert_allclose(series.train.x, data.train.x[:, 0].transpose(0, 2, 1), atol=1e-5)
    raw = load_dataset(save(x=clips, y=labels(30), rate=2000), (1, 2000))
    assert raw.prepared["features"] is None
    assert raw.train.x.shape[1:] == (1, 2000)


NAN = np.where(np.arange(60)[:, None] == 41, np.nan, rng.normal(size=(60, 9)))


@pytest.mark.parametrize(
    ("arrays", "shape", "options", "code", "text"),
    [
        ({"x": images()}, (3, 6, 6), {}, "bad-data", "no array `y`, only x"),
        ({"a": images()}, (3, 6, 6), {}, "bad-data", "no array `x`, only a"),
        ({"x": images(), "y": labels(59)}, (3, 6, 6), {}, "bad-data", "60 inputs and labels of the shape 59"),
        ({"x": images(), "y": labels() + 0.5}, (3, 6, 6), {}, "bad-data", "labels of .* of type float64"),
        ({"x": images().astype(str), "y": labels()}, (3, 6, 6), {}, "bad-data", "of type <U"),
        (
            {"x": images(), "y": labels()},
            (3, 8, 8),
            {},
            "bad-shape",
            "are 3x6x6, .* is 3x8x8(.|\n)*command: input.height=6 input.width=6",
        ),
        ({"x": images(), "y": labels()}, (3, 6, 6), {"classes": 10}, "bad-classes", "3 classes .*0, 1, 2.* 10 apart"),
        ({"x": images(), "y": labels() * 0}, (3, 6, 6), {}, "few-classes", "one class only, `0`"),
        ({"x": NAN, "y": labels()}, (9,), {}, "not-finite", "row 41 of .*NaN"),
        ({"x": np.full((60, 9), 1e300), "y": labels()}, (9,), {}, "not-finite", "row 0 of .*infinite"),
        ({"x": images(4), "y": labels(4)}, (3, 6, 6), {}, "few-examples", "class `0` has 2 examples, too few"),
        ({"x": images(), "y": labels()}, (3, 6, 6), {"rate": 8000}, "bad-option", "--rate is for sound"),
        ({"x": images(), "y": labels()}, (3, 6, 6), {"features": "mfcc"}, "bad-option", "--features is for sound"),
        (
            {"x": images(), "y": labels()},
            (3, 6, 6),
            {"features": "plp"},
            "bad-option",
            "--features mfcc or --features log-mel",
        ),
        ({"x": images(), "y": labels()}, (3, 6, 6), {"task": "detection"}, "bad-option", "for classification"),
        ({"x": images(), "y": labels()}, (3, 6, 6), {"task": "anomaly"}, "which-normal", "one of 0, 1, 2"),
        ({"x": images(), "y": labels()}, (3, 6, 6), {"task": "anomaly", "normal": "7"}, "which-normal", "class `7`"),
        ({"x": images(), "y": labels()}, (3, 6, 6), {"normal": "1"}, "bad-option", "--task anomaly"),
        (
            {"x": images(), "y": labels()},
            (3, 6, 6),
            {"task": "anomaly", "normal": "1", "classes": 2},
            "bad-option",
            "`classes`",
        ),
        ({"x": images(), "y": labels(), "is_test": np.arange(60)}, (3, 6, 6), {}, "bad-data", "`is_test`"),
        (
            {"x_train": images(9), "y_train": labels(9), "x_test": images(9, 7), "y_test": labels(9)},
            (3, 6, 6),
            {},
            "bad-data",
            "different shapes",
        ),
        (
            {"x_train": images(9), "y_train": labels(9, 2), "x_test": images(9), "y_test": labels(9, 3)},
            (3, 6, 6),
            {},
            "few-examples",
            "class `2` .* no examples in the training part",
        ),
        ({"x": np.zeros((0, 9)), "y": labels(0)}, (9,), {}, "no-data", "no examples"),
        (
            {"x": NAN, "y": labels(), "rate": 100},
            (1, 8),
            {},
            "bad-shape",
            "have 9 samples, .* has 8(.|\n)*input.length=9",
        ),
        (
            {"x": NAN, "y": labels(), "rate": 100},
            (1, 49, 10),
            {},
            "bad-shape",
            "make 4 frames(.|\n)*command: input.height=4",
        ),
        (
            {"x": NAN, "y": labels(), "rate": 100},
            (3, 32, 32),
            {},
            "bad-shape",
            "mfcc features of width 10(.|\n)*input.channels=1 input.height=4 input.width=10",
        ),
    ],
)
def test_refusals(arrays, shape, options, code, text, save, error):
    found, message = error(load_dataset, save(**arrays), shape, **options)
    assert found == code
    assert re.search(text, message), message
    assert "a.npz" in message or code in ("bad-option", "few-examples")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "pickle", "npy"])
def test_broken_files(damage, save, tmp_path, error):
    path = save(x=images(), y=labels())
    whole = path.read_bytes()
    if damage == "pickle":
        np.savez(path, x=np.array([{}], dtype=object), y=labels(1))
    elif damage == "npy":
        with path.open("wb") as file:
            np.save(file, images())
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}[damage])
    code, text = error(load_dataset, path, (3, 6, 6))
    assert code == ("bad-data" if damage in ("npy", "pickle") else "unreadable")
    assert "a.npz" in text
    assert "numpy.array(labels, str)" in text or damage != "pickle"


def test_a_path_that_is_not_there(tmp_path, error):
    assert error(load_dataset, tmp_path / "no.npz", (9,))[0] == "no-data"
    (tmp_path / "a.csv").write_text("1,2")
    code, text = error(load_dataset, tmp_path / "a.csv", (9,))
    assert code == "no-data"
    assert "a.csv" in text
