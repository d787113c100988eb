"""Real data sets, with the sizes that are known of them."""

import numpy as np
import pytest

from nascompile.data import load_dataset

ARCHIVE = "aeon_ucr_ts.tar.gz"
#: Channels, length, classes, size of the official training and test part (the archive's own tables).
SERIES = {
    "ArrowHead": (1, 251, 3, 36, 175),
    "GunPoint": (1, 150, 2, 50, 150),
    "ItalyPowerDemand": (1, 24, 2, 67, 1029),
    "OSULeaf": (1, 427, 6, 200, 242),
    "ACSF1": (1, 1460, 10, 100, 100),
    "BasicMotions": (6, 100, 4, 40, 40),
    "JapaneseVowels": (12, 29, 9, 270, 370),
}


@pytest.mark.parametrize("name", SERIES)
def test_ucr_and_uea(name, real):
    channels, length, classes, train, test = SERIES[name]
    data = load_dataset(f"{real(ARCHIVE)}:{name}", (channels, length), classes=classes)
    assert len(data.test) == test
    assert len(data.train) + len(data.valid) == train
    assert data.train.x.shape[1:] == (channels, length)
    assert ("padded" in data.prepared) == (name == "JapaneseVowels")


def test_the_archive_lists_its_sets(real, error):
    code, text = error(load_dataset, real(ARCHIVE), (1, 24))
    assert code == "which-set"
    assert all(name in text for name in SERIES)


def test_mnist(real):
    data = load_dataset(real("mnist.npz"), (1, 28, 28), classes=10)
    assert [len(p) for p in (data.train, data.valid, data.test)] == [52_500, 7_500, 10_000]
    assert np.bincount(data.test.y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # Of all 60,000 training images 0.1307 and 0.3081 are known; the part leaves out 7,500 of them.
    assert data.prepared["normalisation"]["mean"][0] == pytest.approx(0.1307, abs=5e-4)
    assert data.prepared["normalisation"]["deviation"][0] == pytest.approx(0.3081, abs=5e-4)


def test_spoken_digits(real):
    path = real("fsdd_8khz_1s_int16.npz")
    data = load_dataset(path, (1, 49, 10), classes=10, rate=8000, limit=600)
    assert sum(data.prepared["sizes"].values()) == 600
    assert data.prepared["class counts"]["test"] == {str(k): 6 for k in range(10)}
    np.testing.assert_allclose(data.train.x.std((0, 1, 2)), 1, atol=1e-3)


def test_bearings(real):
    data = load_dataset(real("cwru_de12k_1024.npz"), (1, 1024), classes=12)
    assert sum(data.prepared["sizes"].values()) == 5_450
    assert "Normal" in data.classes
    watch = load_dataset(real("cwru_de12k_1024.npz"), (1, 1024), task="anomaly")
    assert watch.prepared["normal"] == "Normal"
    assert not watch.train.y.any()


def test_cifar10(real):
    data = load_dataset(real("cifar10_jpeg.tar.gz"), (3, 32, 32), classes=10, limit=600)
    assert data.classes[0] == "airplane"
    assert data.classes[-1] == "truck"
    assert len(data.test) == 100
    assert data.prepared["normalisation"]["mean"] == pytest.approx([0.491, 0.482, 0.447], abs=0.03)
