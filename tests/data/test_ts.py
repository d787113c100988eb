"""The .ts format."""

import numpy as np
import pytest

from nascompile.data import load_dataset

HEADER = "#comment\n@problemName X\n@univariate {}\n@classLabel true {}\n@data\n"


def ts(series, labels, classes):
    lines = [
        ":".join([",".join(f"{v:.6f}" for v in channel) for channel in channels] + [label])
        for channels, label in zip(series, labels, strict=True)
    ]
    return (HEADER.format("true", " ".join(classes)) + "\n".join(lines) + "\n").encode()


def made(n, channels=1, length=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, channels, length))


def pair(name="Walk", n=12, channels=1, length=5):
    labels = ["b", "a", "c"] * (n // 3)
    return {
        f"{name}_TRAIN.ts": ts(made(n, channels, length), labels, "bac"),
        f"{name}_TEST.ts": ts(made(6, channels, length, 1), labels[:6], "bac"),
    }


@pytest.mark.parametrize("root", ["folder", "a.tar.gz", "a.zip"])
def test_a_pair_of_files(root, tmp_path, write):
    data = load_dataset(write(tmp_path / root, pair(channels=2)), (2, 5), classes=3)
    assert data.classes == ("b", "a", "c")
    assert [len(p) for p in (data.train, data.valid, data.test)] == [9, 3, 6]
    n = data.prepared["normalisation"]
    back = data.test.x * np.array(n["deviation"])[:, None] + np.array(n["mean"])[:, None]
    np.testing.assert_allclose(back, made(6, 2, 5, 1), atol=1e-5)
    assert data.test.y.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.prepared["official parts"] == ["test", "train"]


def test_one_of_the_pair_means_both_and_a_single_file_is_split(tmp_path, write):
    path = write(tmp_path / "a", pair() | pair("Run", 15) | {"Alone.ts": pair()["Walk_TRAIN.ts"]})
    assert load_dataset(path / "Walk_TEST.ts", (1, 5)).prepared["sizes"] == {"train": 9, "valid": 3, "test": 6}
    assert load_dataset(path / "Alone.ts", (1, 5)).prepared["sizes"] == {"train": 6, "valid": 3, "test": 3}
    assert load_dataset(f"{path}:Run", (1, 5)).prepared["sizes"]["train"] == 12


def test_which_of_several_sets(tmp_path, write, error):
    path = write(tmp_path / "a.tar.gz", pair() | pair("Run"))
    code, text = error(load_dataset, path, (1, 5))
    assert code == "which-set"
    assert f"`{path}:Run`: Run, Walk" in text
    code, text = error(load_dataset, f"{path}:Wlak", (1, 5))
    assert "did you mean `walk`" in text.lower()


def test_unequal_lengths_are_padded_with_the_mean(tmp_path, write):
    rng = np.random.default_rng(0)
    series = [rng.normal(5, 2, (2, length)) for length in [3, 4, 5, 6, 7, 3, 4, 5, 6, 7] * 3]
    labels = ["a", "b"] * 15
    path = write(
        tmp_path / "a", {"W_TRAIN.ts": ts(series, labels, "ab"), "W_TEST.ts": ts(series[:4], labels[:4], "ab")}
    )
    data = load_dataset(path, (2, 8))
    assert data.train.x.shape == (26, 2, 8)
    assert (data.test.x[0, :, 3:] == 0).all()
    assert (data.test.x[0, :, :3] != 0).all()
    n = data.prepared["normalisation"]
    back = [(x * np.array(n["deviation"])[:, None] + np.array(n["mean"])[:, None]) for x in data.train.x]
    lengths = (data.train.x != 0).all(1).sum(1)
    values = np.concatenate([b[:, :length] for b, length in zip(back, lengths, strict=True)], 1)
    np.testing.assert_allclose(values.mean(1), n["mean"], rtol=1e-5)
    np.testing.assert_allclose(values.std(1), n["deviation"], rtol=1e-5)
    assert "lengths 3 to 7" in data.prepared["padded"]


def test_a_vector_takes_a_series_of_one_channel(tmp_path, write):
    path = write(tmp_path / "a", pair())
    flat, series = load_dataset(path, (5,)), load_dataset(path, (1, 5))
    assert (flat.train.x == series.train.x[:, 0]).all()


@pytest.mark.parametrize(
    ("old", "new", "code", "text"),
    [
        ("@classLabel true b a c", "@classLabel true b a", "bad-series", "`c` is none of the classes b, a"),
        ("@classLabel true b a c", "@classLabel false", "bad-series", "`b` is none of the classes"),
        ("@univariate true", "@timeStamps true", "bad-series", "`@timeStamps true` are not read"),
        ("@univariate true", "@targetLabel true", "bad-series", "says twice"),
        ("@univariate true", "1,2,3:a", "bad-series", "no line of a header"),
        ("@data", "@dato", "bad-series", "no line of a header"),
        (":b\n", ":2\n", "bad-series", "`2` is none of the classes"),
        ("@classLabel true b a c", "@targetLabel true", "bad-series", "`b` is no number"),
        ("0.", "?0.", "bad-series", "a value is no number"),
        (",", ",?,", "bad-shape", "1x5 to 6"),
    ],
)
def test_malformed_files(old, new, code, text, tmp_path, write, error):
    files = pair()
    files["Walk_TRAIN.ts"] = files["Walk_TRAIN.ts"].decode().replace(old, new, 1).encode()
    found, message = error(load_dataset, write(tmp_path / "a", files), (1, 5))
    assert found == code
    assert text in message
    if code == "bad-series":
        assert "Walk_TRAIN.ts:" in message


def test_missing_values(tmp_path, write, error):
    files = pair()
    lines = files["Walk_TEST.ts"].decode().splitlines()
    lines[-1] = "1,2,?,4,5:c"
    files["Walk_TEST.ts"] = "\n".join(lines).encode()
    code, text = error(load_dataset, write(tmp_path / "a", files), (1, 5))
    assert code == "not-finite"
    assert "series 6 of" in text
    assert "Walk_TEST.ts" in text


def test_truncated_and_lonely_files(tmp_path, write, error):
    files = pair()
    files["Walk_TRAIN.ts"] = files["Walk_TRAIN.ts"][:60]
    assert error(load_dataset, write(tmp_path / "a", files), (1, 5))[0] == "bad-series"
    lonely = {"Walk_TEST.ts": pair()["Walk_TEST.ts"]}
    assert "no part to learn from" in error(load_dataset, write(tmp_path / "b", lonely), (1, 5))[1]


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [
        ((2, 5), "add to the command: input.channels=1"),
        *(((1, length), "add to the command: input.length=5") for length in (4, 6)),
        ((1, 1, 5), "take a space whose input is a series, such as 1x5"),
        ((6,), "input.channels=5"),
    ],
)
def test_shapes_that_do_not_fit(shape, remedy, tmp_path, write, error):
    code, text = error(load_dataset, write(tmp_path / "a", pair()), shape)
    assert code == "bad-shape"
    assert remedy in text


def test_a_declared_class_without_examples(tmp_path, write, error):
    files = {name: content.replace(b"b a c", b"b a c d") for name, content in pair().items()}
    code, text = error(load_dataset, write(tmp_path / "a", files), (1, 5))
    assert code == "few-examples"
    assert "class `d`" in text
