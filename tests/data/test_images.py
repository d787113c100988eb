"""Folders and archives of images."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from nascompile.data import load_dataset

rng = np.random.default_rng(0)


def picture(k, size=(8, 8)):
    """A grey level that tells the picture: 3 k + 1."""
    return np.full((*size, 3), 3 * k + 1, np.uint8)


def tree(as_png, prefix="", classes=("cat", "dog"), n=10, start=0):
    return {
        f"{prefix}{name}/{k}.png": as_png(picture(start + c * n + k))
        for c, name in enumerate(classes)
        for k in range(n)
    }


def levels(data, part):
    """Which pictures a part has."""
    n = data.prepared["normalisation"]
    x = part.x[:, 0].mean((1, 2)) * n["deviation"][0] + n["mean"][0]
    return (np.rint(x * 255).astype(int) - 1) // 3


@pytest.mark.parametrize("root", ["folder", "a.zip", "a.tar", "a.tar.gz"])
@pytest.mark.parametrize("prefix", ["", "wrapped/twice/"])
def test_classes_from_folders(root, prefix, tmp_path, write, as_png):
    extra = {"README.md": b"hello", ".DS_Store": b"", "__MACOSX/cat/._1.png": b"", f"{prefix}_more/cat.png": b"broken"}
    path = write(tmp_path / root, tree(as_png, prefix) | (extra if not prefix else {}))
    data = load_dataset(path, (3, 8, 8), classes=2)
    assert data.classes == ("cat", "dog")
    assert [len(p) for p in (data.train, data.valid, data.test)] == [14, 2, 4]
    everything = np.concatenate([levels(data, p) for p in (data.train, data.valid, data.test)])
    assert sorted(everything) == list(range(20))
    for part in (data.train, data.valid, data.test):
        assert (part.y == levels(data, part) // 10).all()


def test_all_containers_give_the_same(tmp_path, write, as_png):
    files = tree(as_png)
    sets = [load_dataset(write(tmp_path / root, files), (3, 8, 8)) for root in ("folder", "a.zip", "a.tar.gz")]
    for other in sets[1:]:
        assert (sets[0].train.x == other.train.x).all()
        assert (sets[0].train.y == other.train.y).all()


@pytest.mark.parametrize("valid", [None, "valid", "val"])
def test_official_parts(valid, tmp_path, write, as_png):
    files = tree(as_png, "train/") | tree(as_png, "test/", n=2, start=50)
    if valid:
        files |= tree(as_png, f"{valid}/", n=3, start=70)
    data = load_dataset(write(tmp_path / "a", files), (3, 8, 8))
    assert sorted(levels(data, data.test)) == [50, 51, 52, 53]
    if valid:
        assert sorted(levels(data, data.valid)) == list(range(70, 76))
        assert len(data.train) == 20
    else:
        assert set(levels(data, data.valid)) < set(range(20))
        # 0.1 / 0.8 of ten is 1.25.
        assert len(data.valid) == 2


def test_pixels_colours_and_orientation(tmp_path, write, as_png):
    """Grey is the luma, RGB keeps its channels, EXIF turns."""
    red = np.zeros((4, 6, 3), np.uint8)
    red[:, :, 0] = 200
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    half = np.zeros((6, 4, 3), np.uint8)
    half[:3] = 255
    Image.fromarray(half).save(turned, "png", exif=exif)
    kinds = {"red": as_png(red), "turned": turned.getvalue()}
    files = {f"train/{name}/{k}.png": content for name, content in kinds.items() for k in range(3)}
    files |= {f"test/{name}/0.png": content for name, content in kinds.items()}
    path = write(tmp_path / "a", files)
    for channels in (1, 3):
        data = load_dataset(path, (channels, 4, 6))
        n = data.prepared["normalisation"]
        mean, deviation = (np.array(n[k]).reshape(-1, 1, 1) for k in ("mean", "deviation"))
        x = np.rint((data.test.x * deviation + mean) * 255).astype(int)
        red_x, turned_x = x
        assert np.unique(red_x[0]).tolist() == ([60] if channels == 1 else [200])
        assert (turned_x[:, :, 3:] == 255).all()
        assert (turned_x[:, :, :3] == 0).all()
        assert data.prepared["colour"] == ("luma" if channels == 1 else "RGB")
        assert data.prepared["resized"] == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_twelve_bits_in_a_file_of_sixteen_stay_twelve(channels, tmp_path, write, as_png, error):
    grey = np.arange(0, 4096, 64, dtype=np.uint16).reshape(8, 8)
    files = {f"{name}/{k}.png": as_png(grey + k) for name in "ab" for k in range(4)}
    data = load_dataset(write(tmp_path / "a", files), (channels, 8, 8))
    n = data.prepared["normalisation"]
    assert n["scale"] == 1
    back = np.rint(data.train.x[0, -1] * n["deviation"][-1] + n["mean"][-1])
    assert len(np.unique(back)) == 64
    np.testing.assert_allclose(back - back[0, 0], grey)
    write(tmp_path / "a", {"a/9.png": as_png(np.zeros((8, 8), np.uint8))})
    code, text = error(load_dataset, tmp_path / "a", (channels, 8, 8))
    assert (code, "a/9.png` has 8 bits a pixel, and `a/0.png` more" in text) == ("bad-images", True)


def test_other_sizes_are_resized_as_pillow_does(tmp_path, write, as_png):
    pixels = rng.integers(0, 256, (12, 20, 3), dtype=np.uint8)
    files = {f"{name}/{k}.png": as_png(pixels if k else pixels[::-1]) for name in "ab" for k in range(4)}
    data = load_dataset(write(tmp_path / "a", files), (3, 5, 7))
    wanted = np.asarray(Image.fromarray(pixels).resize((7, 5), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    n = data.prepared["normalisation"]
    back = data.train.x * np.array(n["deviation"]).reshape(-1, 1, 1) + np.array(n["mean"]).reshape(-1, 1, 1)
    assert (np.rint(back * 255).astype(int) == wanted).all((1, 2, 3)).any()
    assert data.prepared["resized"] == 8
    assert data.prepared["from"] == "12x20"


def test_a_limit_is_taken_before_decoding(tmp_path, write, as_png):
    """Of twenty files fourteen are broken, and none of the six that the seed takes."""
    path = write(tmp_path / "a", tree(as_png))
    whole = load_dataset(path, (3, 8, 8), limit=6)
    kept = {k for p in (whole.train, whole.valid, whole.test) for k in levels(whole, p)}
    for k in set(range(20)) - kept:
        (path / ("cat", "dog")[k // 10] / f"{k % 10}.png").write_bytes(b"broken")
    again = load_dataset(path, (3, 8, 8), limit=6)
    assert (again.train.x == whole.train.x).all()


def test_a_folder_inside_an_archive(tmp_path, write, as_png):
    files = tree(as_png, "one/") | tree(as_png, "two/", n=5, start=60)
    path = write(tmp_path / "a.zip", files)
    data = load_dataset(f"{path}:two", (3, 8, 8))
    assert sum(data.prepared["sizes"].values()) == 10


def test_anomalies_beside_a_training_part_of_good_examples(tmp_path, write, as_png):
    """The layout of MVTec AD."""
    files = tree(as_png, "train/", ("good",)) | tree(as_png, "test/", ("good", "crack", "dent"), n=3, start=20)
    data = load_dataset(write(tmp_path / "a", files), (3, 8, 8), task="anomaly")
    assert data.prepared["normal"] == "good"
    assert sorted(data.test.y) == [0] * 3 + [1] * 6
    assert not data.train.y.any()
    assert not data.valid.y.any()


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"cat/3.png": b"no image"}, "bad-data", "cat/3.png"),
        ({"cat/3.png": None}, "bad-data", "cat/3.png"),
        ({"loose.png": b""}, "bad-data", "loose.png` lies in no folder of a class"),
        ({"cat/a.wav": b""}, "no-data", "20 images and 1 sounds"),
        ({"cat/notes.json": b"{"}, "unreadable", "notes.json"),
    ],
)
def test_broken_files(change, code, text, tmp_path, write, as_png, error):
    files = tree(as_png)
    cut = files["cat/3.png"][:-30]
    files |= {name: cut if content is None else content for name, content in change.items()}
    found, message = error(load_dataset, write(tmp_path / "a", files), (3, 8, 8))
    assert found == code
    assert text in message


@pytest.mark.parametrize(
    ("files", "shape", "options", "code", "text"),
    [
        (("cat",), (3, 8, 8), {}, "few-classes", "one class only, `cat`"),
        (("cat", "dog"), (3, 8, 8), {"classes": 3}, "bad-classes", "2 classes (cat, dog)"),
        (("cat", "dog"), (2, 8, 8), {}, "bad-shape", "input is 2x8x8"),
        (("cat", "dog"), (1, 64), {}, "bad-shape", "input is 1x64"),
        (("cat", "dog"), (3, 8, 8), {"task": "detection"}, "no-data", "no COCO annotations"),
        (("cat", "dog"), (3, 8, 8), {"rate": 8000}, "bad-option", "--rate is for sound"),
        ((), (3, 8, 8), {}, "no-data", "only .md files"),
    ],
)
def test_refusals(files, shape, options, code, text, tmp_path, write, as_png, error):
    path = write(tmp_path / "a", tree(as_png, classes=files) | {"x/README.md": b""})
    found, message = error(load_dataset, path, shape, **options)
    assert found == code
    assert text in message


def test_a_class_of_the_test_part_alone(tmp_path, write, as_png, error):
    files = tree(as_png, "train/") | tree(as_png, "test/", ("cat", "dog", "eel"), n=2)
    code, text = error(load_dataset, write(tmp_path / "a", files), (3, 8, 8))
    assert code == "few-examples"
    assert "class `eel`" in text


@pytest.mark.parametrize("name", ["../evil/1.png", "/evil/1.png", "cat/../../1.png"])
@pytest.mark.parametrize("root", ["a.zip", "a.tar.gz"])
def test_names_that_point_out_of_an_archive(name, root, tmp_path, write, as_png, error):
    path = write(tmp_path / root, tree(as_png) | {name: as_png(picture(1))})
    code, text = error(load_dataset, path, (3, 8, 8))
    assert code == "bad-archive"
    assert name in text


def test_links_in_archives(tmp_path, error):
    link = tarfile.TarInfo("cat/1.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(link)
    assert error(load_dataset, tmp_path / "a.tar", (3, 8, 8))[0] == "bad-archive"
    entry = zipfile.ZipInfo("cat/1.png")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert error(load_dataset, tmp_path / "a.zip", (3, 8, 8))[0] == "bad-archive"


@pytest.mark.parametrize("damage", ["header", "end"])
def test_a_tar_archive_is_not_read_in_part(damage, tmp_path, write, as_png, error):
    """Up to the damage it would be a smaller data set."""
    path = write(tmp_path / "a.tar", tree(as_png))
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as archive:
        member = archive.getmembers()[15]
    if damage == "header":
        content[member.offset + 150] ^= 1
    else:
        del content[member.offset :]
    path.write_bytes(content)
    code, text = error(load_dataset, path, (3, 8, 8))
    assert code == "unreadable"
    assert "dog/4.png" in text


@pytest.mark.parametrize("root", ["a.zip", "a.tar.gz", "a.tar"])
@pytest.mark.parametrize("keep", [0, 0.3, 0.8])
def test_truncated_archives(root, keep, tmp_path, write, as_png, error):
    path = write(tmp_path / root, tree(as_png))
    whole = path.read_bytes()
    # A tar archive ends in kilobytes of zeros.
    path.write_bytes(whole[: int(keep * len(whole.rstrip(b"\0")))])
    assert error(load_dataset, path, (3, 8, 8))[0] == "unreadable"
