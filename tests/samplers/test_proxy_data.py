"""Data that proxies see, read from files good and bad; and what listing proxies loads."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samplers.proxies.data import Data
from spaces.errors import FileError

GENERATOR = np.random.default_rng(0)
BYTES = GENERATOR.integers(0, 256, (20, 3, 4, 5), dtype=np.uint8)
LABELS = np.arange(20) % 7


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def test_floats_are_taken_as_they_are(tmp_path: Path) -> None:
    x = GENERATOR.normal(size=(20, 3, 4, 5))
    data = Data.load(saved(tmp_path, x=x, y=LABELS), (3, 4, 5), n=8, seed=1)
    assert (data.images.dtype, data.labels.dtype, len(data)) == (torch.float32, torch.int64, 8)
    rows = [int(np.flatnonzero((x.astype(np.float32) == image).all((1, 2, 3)))[0]) for image in data.images.numpy()]
    assert len(set(rows)) == 8
    assert data.labels.tolist() == LABELS[rows].tolist()
    assert "8 of 20 examples" in data.source


def test_bytes_are_standardised(tmp_path: Path) -> None:
    BYTES[:, 1] = 9
    data = Data.load(saved(tmp_path, x=BYTES, y=LABELS.astype(np.uint8)), (3, 4, 5), n=20)
    assert torch.allclose(data.images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-6)
    assert torch.allclose(data.images.std(dim=(0, 2, 3), correction=0), torch.tensor([1.0, 0.0, 1.0]), atol=1e-5)


def test_the_seed_decides(tmp_path: Path) -> None:
    path = saved(tmp_path, x=BYTES, y=LABELS)
    first, same, other = (Data.load(path, (3, 4, 5), n=5, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.images, same.images)
    assert not torch.equal(first.images, other.images)
    assert torch.equal(Data.gaussian((2,), 3, 9, 1).images, Data.gaussian((2,), 3, 9, 1).images)
    assert not torch.equal(Data.gaussian((2,), 3, 9, 1).images, Data.gaussian((2,), 3, 9, 2).images)


FLOATS = np.zeros((20, 3, 4, 5), np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": BYTES}, "no array `y`, only x"),
        ({"x": BYTES.transpose(0, 2, 3, 1), "y": LABELS}, r"are 4x5x3, the input is 3x4x5(.|\n)*numpy.moveaxis"),
        ({"x": BYTES[:, :1], "y": LABELS}, "are 1x4x5, the input is 3x4x5"),
        ({"x": BYTES.astype(np.int64), "y": LABELS}, "of type int64"),
        ({"x": FLOATS, "y": LABELS[:5]}, "labels of .* are 5 of type int64"),
        ({"x": FLOATS, "y": LABELS / 2}, "labels of .* are 20 of type float64"),
        ({"x": FLOATS, "y": LABELS - 1}, "has the label -1"),
        ({"x": FLOATS[:3], "y": LABELS[:3]}, "has 3 examples, 4 are wanted"),
        ({"x": FLOATS * np.nan, "y": LABELS}, "not finite"),
        ({"x": np.array([{}] * 20), "y": LABELS}, "cannot be read"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(FileError, match=message):
        Data.load(saved(tmp_path, **arrays), (3, 4, 5), n=4)


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read"):
        Data.load(tmp_path / "none.npz", (3, 4, 5), n=4)
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(FileError, match="cannot be read"):
        Data.load(tmp_path / "text.npz", (3, 4, 5), n=4)
    whole = saved(tmp_path, x=BYTES, y=LABELS).read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileError, match="cannot be read"):
        Data.load(tmp_path / "half.npz", (3, 4, 5), n=4)
    np.save(tmp_path / "one.npy", BYTES)
    with pytest.raises(FileError, match="a single array"):
        Data.load(tmp_path / "one.npy", (3, 4, 5), n=4)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, save: Callable[..., None]) -> None:
    path, draw = tmp_path / "data.npz", random.Random(0)
    save(path, x=BYTES, y=LABELS)
    whole = path.read_bytes()
    for _ in range(300):
        bits = bytearray(whole)
        bits[draw.randrange(len(bits))] ^= 1 << draw.randrange(8)
        path.write_bytes(bits)
        with suppress(FileError):
            Data.load(path, (3, 4, 5), n=4)


def test_listing_proxies_loads_no_torch() -> None:
    code = "import samplers.proxies.base, samplers.proxies.ranking, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
