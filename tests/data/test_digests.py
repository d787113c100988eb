"""Digests of parts: the same wherever the data lie and however they are packed, another where one example differs."""

import tarfile
import wave

import numpy as np
import pytest

from nascompile.data import load_dataset

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3, 4)).astype(np.float32), np.arange(60) % 3


def digests(path, x=X, y=Y, **options):
    np.savez(path, x=x, y=y)
    return load_dataset(path, (3, 4), **options).digests


def test_arrays_under_other_names_in_another_file_are_the_same(tmp_path):
    first = digests(tmp_path / "a.npz")
    assert set(first) == {"train", "valid", "test"}
    np.savez_compressed(tmp_path / "moved.npz", images=X, labels=Y)
    assert load_dataset(tmp_path / "moved.npz", (3, 4)).digests == first


def test_another_number_changes_the_digest_of_its_part_alone(tmp_path):
    first, changed = digests(tmp_path / "a.npz"), set()
    for row in range(0, 60, 5):
        x = X.copy()
        x[row, 0, 0] = np.nextafter(x[row, 0, 0], 9, dtype=np.float32)
        other = digests(tmp_path / "b.npz", x)
        (part,) = (name for name in first if first[name] != other[name])
        changed.add(part)
    assert changed == {"train", "valid", "test"}


@pytest.mark.parametrize(
    "options", [{"seed": 1}, {"limit": 40}, {"split": (0.6, 0.2, 0.2)}, {"y": np.array(["a", "b", "c"] * 20)}]
)
def test_other_parts_or_classes_are_other_data(options, tmp_path):
    assert digests(tmp_path / "a.npz", **options)["train"] != digests(tmp_path / "a.npz")["train"]


def test_a_folder_its_archive_and_features(tmp_path):
    for k in range(30):
        place = tmp_path / "clips" / "ab"[k % 2]
        place.mkdir(parents=True, exist_ok=True)
        with wave.open(str(place / f"{k}.wav"), "wb") as file:
            file.setparams((1, 2, 1000, 1000, "NONE", ""))
            file.writeframes(RNG.integers(-9999, 9999, 1000, dtype=np.int16).tobytes())
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "clips", "clips")
    first = load_dataset(tmp_path / "clips", (1, 49, 10)).digests
    assert load_dataset(tmp_path / "packed.tar.gz", (1, 49, 10)).digests == first
    assert load_dataset(tmp_path / "clips", (1, 49, 40), features="log-mel").digests != first
