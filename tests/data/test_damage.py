"""Whatever bytes of a file are damaged, it is read or refused: no other error, from no library."""

import io
import random
from collections import Counter

import numpy as np
import pyarrow as arrow
import pytest
from PIL import Image
from pyarrow import parquet

from nascompile.data import load_dataset
from spaces.errors import FileError

RNG = np.random.default_rng(0)
ROUNDS = 40


def image_bytes(kind):
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def damaged(content, draw):
    """A few bytes changed, lost, doubled, or all after one lost."""
    changed = bytearray(content)
    kind = draw.choice(["change", "cut", "lose", "double"])
    for _ in range(draw.choice([1, 1, 3, 10])):
        at = draw.randrange(len(changed)) if changed else 0
        if kind == "change" and changed:
            changed[at] = draw.randrange(256)
        elif kind == "cut":
            del changed[at:]
        elif kind == "lose":
            del changed[at : at + draw.randrange(1, 9)]
        else:
            changed[at:at] = changed[at : at + draw.randrange(1, 30)]
    return bytes(changed)


def outcome(path, shape):
    try:
        load_dataset(path, shape)
    except FileError as error:
        return error.diagnostics[0].code
    return "read"


@pytest.mark.parametrize("name", ["a.npz", "a.zip", "a.tar", "a.tar.gz"])
def test_damaged_containers(name, tmp_path, write, as_png):
    path, draw = tmp_path / name, random.Random(name)
    if name == "a.npz":
        np.savez_compressed(path, x=RNG.normal(size=(20, 4)).astype(np.float32), y=np.arange(20) % 2)
    else:
        write(path, {f"{c}/{k}.png": as_png(np.full((8, 8, 3), k, np.uint8)) for c in "ab" for k in range(4)})
    whole = path.read_bytes()
    seen = Counter()
    for _ in range(ROUNDS):
        path.write_bytes(damaged(whole, draw))
        seen[outcome(path, (4,) if name == "a.npz" else (3, 8, 8))] += 1
    assert seen["unreadable"] > ROUNDS / 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "gif", "webp", "ppm", "tiff"])
def test_damaged_images(kind, tmp_path, write):
    draw, whole = random.Random(kind), image_bytes(kind)
    path = write(tmp_path / "a", {f"{c}/{k}.png": whole for c in "ab" for k in range(4)})
    assert outcome(path, (3, 8, 8)) == "read"
    seen = Counter()
    for _ in range(ROUNDS):
        (path / "a" / "0.png").write_bytes(damaged(whole, draw))
        seen[outcome(path, (3, 8, 8))] += 1
    assert set(seen) == {"read", "bad-data"}


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_damaged_tables(name, tmp_path):
    draw, path, columns = random.Random(name), tmp_path / name, {"x": RNG.normal(size=60), "label": ["a", "b"] * 30}
    if name == "a.csv":
        rows = "".join(f"{x:.4f},{label}\n" for x, label in zip(*columns.values(), strict=True))
        path.write_text("x,label\n" + rows)
    else:
        parquet.write_table(arrow.table(columns), path)
    whole = path.read_bytes()
    assert outcome(path, (1,)) == "read"
    seen = Counter()
    for _ in range(ROUNDS):
        path.write_bytes(damaged(whole, draw))
        seen[outcome(path, (1,))] += 1
    assert seen["bad-table" if name == "a.csv" else "unreadable"] > ROUNDS / 2


def test_damaged_clips(tmp_path, write, as_wav):
    draw, whole = random.Random(0), as_wav(1000, RNG.integers(-99, 99, 300).astype(np.int16))
    path = write(tmp_path / "a", {f"{c}/{k}.wav": whole for c in "ab" for k in range(4)})
    seen = Counter()
    for _ in range(ROUNDS):
        (path / "a" / "0.wav").write_bytes(damaged(whole, draw))
        seen[outcome(path, (1, 49, 10))] += 1
    assert set(seen) <= {"read", "bad-data", "bad-rate"}
    assert seen["bad-data"] > ROUNDS / 4
