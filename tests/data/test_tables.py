"""Windows of sensors in tables: wide, long, in folders, as .parquet; and tables that list files."""

import io
import re

import numpy as np
import pyarrow as arrow
import pytest
import soundfile
from pyarrow import parquet

from nascompile.data import load_dataset
from nascompile.data.columns import Columns

RNG = np.random.default_rng(0)
PEOPLE, WINDOWS, ROWS = 8, 6, 4
#: [window, row, channel], of eight people who each do two things.
X = RNG.normal(size=(PEOPLE * WINDOWS, ROWS, 2)).round(4).astype(np.float32)
Y = ["walk" if k % WINDOWS < 3 else "run" for k in range(len(X))]
WHO = [f"p{k // WINDOWS}" for k in range(len(X))]


def text(rows, separator=","):
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def wide(separator=","):
    names = [f"{c}_{k}" for k in range(ROWS) for c in ("ax", "ay")]
    return text([[*names, "label", "who"], *([*x.ravel(), y, w] for x, y, w in zip(X, Y, WHO, strict=True))], separator)


def long(header=("time", "ax", "ay", "label", "who"), start=0.0):
    moments = [
        [round(start + 0.02 * (ROWS * (k % WINDOWS) + r), 2), *X[k, r], Y[k], WHO[k]]
        for k in range(len(X))
        for r in range(ROWS)
    ]
    return text([header, *moments])


def as_parquet(columns):
    buffer = io.BytesIO()
    parquet.write_table(arrow.table(columns), buffer)
    return buffer.getvalue()


def folders(n=10):
    head = [["time", "ax", "ay"]]
    return {
        f"{y}/{k}.csv": text(head + [[r, *X[(k * ROWS + r) % len(X), 0]] for r in range(2 * ROWS)]).encode()
        for y in ("walk", "run")
        for k in range(n)
    }


def back(data):
    """All inputs as they were, in an order of their own."""
    n = data.prepared["normalisation"]
    x = np.concatenate([part.x for part in (data.train, data.valid, data.test)])
    shape = [-1 if i == n["axis"] else 1 for i in range(x.ndim)]
    x = x * np.reshape(n["deviation"], shape) + np.reshape(n["mean"], shape)
    return x[np.lexsort(x.reshape(len(x), -1).T)]


def test_one_set_in_every_form(tmp_path, write):
    """Wide, long, with other separators, marks and decimals, as .parquet: the same inputs, parts and digests."""
    lists = {"ax": list(X[:, :, 0]), "ay": list(X[:, :, 1]), "label": Y, "who": WHO}
    columns = {f"{c}_{k}": X[:, k, j] for j, c in enumerate(("ax", "ay")) for k in range(ROWS)}
    forms = {
        "wide.csv": wide().encode(),
        "mark.csv": b"\xef\xbb\xbf" + wide(";").replace(".", ",").replace("\n", "\r\n").encode(),
        "wide.tsv": wide("\t").encode("utf-16"),
        "index.csv": "".join(f"{k or ''},{line}\n" for k, line in enumerate(wide().splitlines())).encode(),
        "long.csv": long().encode(),
        "dates.csv": re.sub(r"^0\.(\d+)", r"2026-11-30T12:00:00.\1Z", long(), flags=re.M).encode(),
        "wide.parquet": as_parquet(columns | {"label": Y, "who": WHO}),
        "lists.parquet": as_parquet(lists),
    }
    path, first = write(tmp_path / "a", forms), None
    for name in forms:
        window = {"window": ROWS, "step": ROWS} if name in ("long.csv", "dates.csv") else {}
        data = load_dataset(path / name, (2, ROWS), classes=2, columns=Columns(group="who", **window))
        assert data.classes == ("run", "walk")
        assert data.prepared["group"] == {"by": "who", "groups": {"train": 5, "valid": 1, "test": 2}}
        first = first or data
        assert data.digests == first.digests, name
        np.testing.assert_array_equal(data.train.x, first.train.x)
    wanted = X.transpose(0, 2, 1)
    np.testing.assert_allclose(back(first), wanted[np.lexsort(wanted.reshape(len(X), -1).T)], atol=1e-6)
    assert load_dataset(path / "wide.csv", (2, ROWS), columns=Columns(group="who"), seed=1).digests != first.digests
    # The same as an image, and as a vector, whose features are each normalised by themselves.
    image = load_dataset(path / "wide.csv", (1, ROWS, 2), columns=Columns(group="who"))
    np.testing.assert_array_equal(image.train.x[:, 0], first.train.x.transpose(0, 2, 1))
    vector = load_dataset(path / "wide.csv", (2 * ROWS,), columns=Columns(group="who"))
    assert np.abs(vector.train.x.mean(0)).max() < 1e-6


def test_windows_are_cut_where_nothing_changes(tmp_path):
    """Not over a change of label or group, nor over a gap in time, nor where it begins anew."""
    path = tmp_path / "a.csv"
    rows = [[t, t, "on" if t < 20 else "off", "train"] for t in range(40)]
    rows += [[t + 100, -t, "off", "test"] for t in range(8)] + [[t, t + 100, "on", "test"] for t in range(9)]
    path.write_text(text([["time", "x", "label", "split"], *rows]))
    data = load_dataset(path, (1, 4), columns=Columns(window=4, step=2))
    assert data.prepared["windows"] == {"rows": 57, "window": 4, "step": 2, "rows in none": 1}
    windows = back(data)[:, 0]
    assert len(windows) == 9 + 9 + 3 + 3
    assert set(np.abs(np.diff(windows.round(3), axis=1)).round(3).ravel()) == {1}
    assert len(data.test) == 6
    (row,) = [w for w in windows.round().astype(int).tolist() if w[0] == 24]
    assert row == [24, 25, 26, 27]
    # A number to predict is that of a window's last moment.
    path.write_text(text([["x", "force"], *([t, t / 2] for t in range(80))]))
    data = load_dataset(path, (1, 4), task="regression", columns=Columns(label=("force",), window=4))
    n, scale = data.prepared["normalisation"], data.prepared["targets"]
    last = data.train.x[:, 0, -1] * n["deviation"] + n["mean"]
    np.testing.assert_allclose(data.train.y[:, 0] * scale["deviation"] + scale["mean"], last / 2, atol=1e-3)


def test_files_in_folders_of_classes(tmp_path, write):
    path = write(tmp_path / "a", folders() | {"NOTES.txt": b""})
    whole = load_dataset(path, (2, 2 * ROWS))
    assert (len(whole.train), len(whole.valid), len(whole.test)) == (14, 2, 4)
    data = load_dataset(path, (2, ROWS), columns=Columns(group="file", window=ROWS, step=2))
    assert sum(data.prepared["sizes"].values()) == 20 * 3
    assert data.prepared["group"]["groups"] == {"train": 14, "valid": 2, "test": 4}
    # Of unequal length, the shorter are padded.
    (path / "run" / "0.csv").write_bytes(folders()["run/0.csv"].rsplit(b"\n", 3)[0] + b"\n")
    assert load_dataset(path, (2, 2 * ROWS)).prepared["padded"].endswith("from lengths 6 to 8")
    # Files whose names are parts, each with a column of labels.
    parts = write(tmp_path / "b", {f"my_{part}.csv": wide().encode() for part in ("train", "test")})
    data = load_dataset(parts, (2, ROWS), columns=Columns(inputs=INPUTS))
    assert (len(data.test), len(data.train) + len(data.valid)) == (48, 48)


def test_numbers_and_labels_to_learn(tmp_path):
    path = tmp_path / "a.csv"
    rows = RNG.normal(size=(60, 4))
    path.write_text(text([["a", "b", "force", "angle"], *rows]))
    data = load_dataset(path, (2,), task="regression", columns=Columns(label=("force", "angle")))
    assert (data.classes, data.train.y.shape) == (("force", "angle"), (42, 2))
    path.write_text(text([["a", "b", "hot", "wet"], *([x, y, int(x > 0), int(y > 0)] for x, y, *_ in rows)]))
    data = load_dataset(path, (2,), columns=Columns(label=("hot", "wet")))
    assert (data.task, data.classes) == ("multi-label", ("hot", "wet"))
    # No header: columns are called by their numbers. One-hot labels are labels.
    path.write_text(text([[x, y, int(x > 0), int(x <= 0)] for x, y, *_ in rows]))
    data = load_dataset(path, (2,), columns=Columns(label=("2", "3")))
    assert (data.task, data.classes) == ("classification", ("2", "3"))


@pytest.mark.parametrize("kind", ["images", "sounds"])
def test_a_table_that_lists_files(kind, tmp_path, write, as_png, as_wav, error):
    names = [f"data/{k % 3}/{k}.{'png' if kind == 'images' else 'wav'}" for k in range(24)]
    files = {
        name: as_png(np.full((4, 4, 3), k, np.uint8)) if kind == "images" else as_wav(100, np.full(50, k + 1, np.int16))
        for k, name in enumerate(names)
    }
    rows = [[name, "ab"[k % 2], ("train", "val", "test")[k % 3], f"p{k // 6}"] for k, name in enumerate(names[:-1])]
    table = text([["path", "label", "split", "who"], *rows])
    path = write(tmp_path / "a", files | {"meta.csv": table.encode(), "data/x.txt": b""})
    shape = (3, 4, 4) if kind == "images" else (1, 50)
    data = load_dataset(path, shape, classes=2)
    assert data.prepared["sizes"] == {"train": 8, "valid": 8, "test": 7}
    assert data.prepared["not read"][names[-1][-4:]] == {"files": 1, "first": names[-1]}
    assert data.prepared["listed in"] == "meta.csv"
    assert load_dataset(path / "meta.csv", shape).digests == data.digests
    # Without its parts, by person; and its numbers.
    lines = [line.split(",") for line in table.splitlines()]
    (path / "meta.csv").write_text(text([[a, b, d] for a, b, _, d in lines]))
    grouped = load_dataset(path, shape, columns=Columns(group="who"))
    assert grouped.prepared["group"]["groups"] == {"train": 2, "valid": 1, "test": 1}
    (path / "meta.csv").write_text(text([["path", "y"], *([name, k / 7] for k, name in enumerate(names))]))
    assert load_dataset(path, shape, task="regression").train.y.shape == (17, 1)
    for change, code, wanted in (
        ([["path", "label"], [names[0], "a"], [names[0], "b"]], "twice", "line 3 .* lists .*, and so does line 2"),
        ([["path", "label"], [names[0], "a"], ["no.wav", "b"]], "no-file", "line 3 .* has no file of this path"),
        ([["path", "label"], [names[0], ""]], "no-label", "line 2 .* has nothing in column `label`"),
        ([["path", "label", "split"], [names[0], "a", "3"]], "bad-table", "line 2 .* has `3` in column `split`"),
    ):
        (path / "meta.csv").write_text(text(change))
        assert_error(error, path, shape, {}, code, wanted)


def assert_error(error, path, shape, columns, code, wanted, **options):
    found, message = error(load_dataset, path, shape, columns=Columns(**columns), **options)
    assert found == code, message
    assert re.search(wanted, message, re.S), message


INPUTS = tuple(f"{c}_{k}" for k in range(ROWS) for c in ("ax", "ay"))
LINES = wide().splitlines()
CUT = {"window": ROWS}


@pytest.mark.parametrize(
    ("content", "columns", "code", "wanted"),
    [
        ("", {}, "no-data", "has no rows"),
        (LINES[0], {}, "no-data", "has no rows"),
        ("\n".join(LINES)[:-30], {}, "bad-table", "line 49 of .* has [0-9] values, and there are 10 columns.*cut off"),
        ("\n".join([*LINES[:7], LINES[7] + ",9"]), {}, "bad-table", "line 8 of .* has 11 values"),
        (wide().replace(",", ":"), {}, "no-column", "separated by|called label"),
        (wide().replace("label", '"label', 1), {}, "bad-table", "cannot be read"),
        (wide().replace("label", "ax_0", 1), {}, "bad-table", "two columns called `ax_0`"),
        (wide().replace("label", "name", 1), {}, "no-column", "none of the columns .* is called label.*--label"),
        (wide(), {"label": ("lable",)}, "no-column", "no column `lable` .--label.*did you mean `label`"),
        (wide(), {"group": "whom"}, "no-column", "no column `whom` .--group"),
        (wide(), {}, "bad-table", "line 2 of .*: `p0` in column `who` is no number.*--group 'who'"),
        (wide().replace(LINES[5].split(",")[3], "oops"), {"group": "who"}, "bad-table", "line 6 of .*`oops` in column"),
        (wide().replace(LINES[5].split(",")[3], ""), {"group": "who"}, "not-finite", "line 6 of .* NaN"),
        (wide().replace(LINES[5].split(",")[3], "inf"), {"group": "who"}, "not-finite", "line 6 of .* NaN"),
        (wide().replace("walk", ""), {"group": "who"}, "no-label", "line 2 of .* has nothing in column `label`"),
        (wide().replace("p1", ""), {"group": "who"}, "no-label", "line 8 of .* has nothing in column `who`"),
        (wide().replace("walk", "jump", 3), {"group": "who"}, "few-groups", "class `jump` is in 1 group, and no draw"),
        ("\n".join([*LINES, LINES[1].replace("walk", "jump")]), {"inputs": INPUTS}, "few-examples", "`jump` has 1 ex"),
        (wide(), {"inputs": ("ax_0", "ax_1")}, "bad-shape", "are 1x2, the network's input is 2x4.*--window ROWS"),
        (wide().encode() + b"\xff\xfe", {}, "bad-table", "line 50 of .* is no text in UTF-8"),
        (b"PK\x03\x04" + bytes(40), {}, "(bad-table|no-column|no-data)", "a.csv"),
        (long(), {"window": 5, "group": "who"}, "bad-shape", "--window is 5, .* 4 moments.*input.length=5"),
        (long(), {**CUT, "group": "who", "time": "label"}, "bad-table", "`label` .* is no time"),
        (
            "\n".join([*long().splitlines(), "9,0,0,jump,p9"]),
            {**CUT, "group": "who"},
            "few-examples",
            "`jump` has 1 rows",
        ),
        (long(), {"group": "who"}, "bad-shape", "--window ROWS cuts some"),
    ],
)
def test_odd_tables(content, columns, code, wanted, tmp_path, error):
    path = tmp_path / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found, message = error(load_dataset, path, (2, ROWS), columns=Columns(**columns))
    assert re.fullmatch(code, found), message
    assert re.search(wanted, message, re.S), message


def test_odd_parquet_and_options(tmp_path, write, error):
    good = as_parquet({"x": [[1.0, 2.0]] * 20, "y": ["a", "b"] * 10})
    path = tmp_path / "a.parquet"
    for content, code, wanted in (
        (good[:-20], "unreadable", "cannot be read"),
        (b"", "unreadable", "cannot be read"),
        (as_parquet({"x": [[1.0, 2.0]], "y": ["a"]}), "few-classes", "one class only"),
        (as_parquet({"x": [[1.0, 2.0], [3.0]], "y": ["a", "b"]}), "few-examples", "class `a` has 1 example"),
        (as_parquet({"x": [[1.0, 2.0], None], "y": ["a", "b"]}), "bad-table", "row 1 of .* no list of numbers"),
        (as_parquet({"x": [1.0, None] * 9, "z": [0.0, 1.0] * 9, "y": ["a", "b"] * 9}), "not-finite", "row [0-9]+ of"),
        (as_parquet({"x": [[1.0, 2.0]], "z": [1.0], "y": ["a"]}), "bad-table", "single numbers in `z`"),
        (as_parquet({"x": [[1.0, 2.0]], "z": [[1.0]], "y": ["a"]}), "bad-table", "row 0 of .* differ in length"),
        (as_parquet({"x": ["u", "v"], "y": ["a", "b"]}), "bad-table", "column `x` .* has no numbers"),
    ):
        path.write_bytes(content)
        assert_error(error, path, (1, 2), {}, code, wanted)
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    assert_error(error, tmp_path / "a.npz", (ROWS, 2), {"group": "who"}, "bad-option", "--group is for tables")
    two = write(tmp_path / "b", {"1.csv": wide().encode(), "2.csv": wide().replace("ay_1", "az_1").encode()})
    assert_error(error, two, (2, ROWS), {"group": "who"}, "no-column", "2.csv` has no column `ay_1`, and .*1.csv")
    assert_error(error, tmp_path / "b/1.csv", (2, ROWS), {"group": "who"}, "bad-option", "anomaly", task="anomaly",
                 normal="run")  # fmt: skip


def test_pairs_of_npy_files(tmp_path, error):
    for name, array in {"X_train": X[:40], "y_train": Y[:40], "X_test": X[40:], "y_test": Y[40:]}.items():
        np.save(tmp_path / f"{name}.npy", array)
    data = load_dataset(tmp_path, (ROWS, 2))
    assert len(data.test) == 8
    assert load_dataset(tmp_path / "X_train.npy", (ROWS, 2)).digests == data.digests
    (tmp_path / "y_train.npy").write_bytes((tmp_path / "y_train.npy").read_bytes()[:90])
    assert_error(error, tmp_path, (ROWS, 2), {}, "unreadable", "y_train.npy` cannot be read")
    (tmp_path / "y_train.npy").unlink()
    assert_error(error, tmp_path, (ROWS, 2), {}, "bad-data", "name the files x.npy and y.npy")


def sound(rate, samples, kind):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=kind)
    return buffer.getvalue()


def test_sounds_of_any_kind_at_one_rate(tmp_path, write, as_wav, error):
    """A tone of 440 Hz is one whatever it was stored as and at which rate."""
    kinds = [("wav", 16_000), ("flac", 16_000), ("ogg", 44_100), ("mp3", 32_000), ("wav", 8_000)]
    files = {}
    for k in range(30):
        kind, rate = kinds[k % 5]
        tone = 0.5 * np.sin(np.arange(rate // 2) * (2 * np.pi * (440 if k % 2 else 880) / rate))
        files[f"{'low' if k % 2 else 'high'}/{k}.{kind}"] = sound(rate, tone, kind.upper())
    path = write(tmp_path / "a", files | {"low/readme.txt": b"", "high/x.aac": b"?"})
    data = load_dataset(path, (1, 4000), rate=8000)
    assert data.prepared["resampled"] == {"16000 Hz": 12, "44100 Hz": 6, "32000 Hz": 6}
    assert data.prepared["not read"][".aac"] == {"files": 1, "first": "high/x.aac"}
    x = back(data)[:, 0, 1000:3000]
    loudest = np.abs(np.fft.rfft(x, axis=1)).argmax(1) * 4
    assert sorted(loudest.tolist()) == [440] * 15 + [880] * 15
    np.testing.assert_allclose(np.abs(x).max(1), 0.5, atol=0.03)
    assert_error(error, path, (1, 4000), {}, "bad-rate", "samples per second, .*add --rate 16000")
    flac = files["high/6.flac"]
    for damaged in (flac[:40], b"", b"fLaC" + bytes(60)):
        (path / "high/6.flac").write_bytes(damaged)
        assert_error(error, path, (1, 4000), {}, "bad-data", "6.flac` is no .flac file", rate=8000)
    np.savez(tmp_path / "a.npz", x=np.stack([np.sin(np.arange(800) / (k + 3)) for k in range(20)]), y=np.arange(20) % 2,
             rate=1600)  # fmt: skip
    assert load_dataset(tmp_path / "a.npz", (1, 400), rate=800).train.x.shape == (14, 1, 400)


@pytest.mark.parametrize("lists", [True, False])
def test_keywords_and_what_is_none(lists, tmp_path, write, as_wav, error):
    words = ("yes", "no", "bird", "cat", "bed")
    files = {f"{w}/{k}.wav": as_wav(100, np.full(100, 1 + k, np.int16)) for w in words for k in range(20)}
    files["_background_noise_/hum.wav"] = as_wav(100, RNG.integers(-3000, 3000, 9000).astype(np.int16))
    if lists:
        for name, first in (("testing_list.txt", 0), ("validation_list.txt", 4)):
            files[name] = "".join(f"{w}/{k}.wav\n" for w in words for k in range(first, first + 4)).encode()
    path = write(tmp_path / "a", files)
    data = load_dataset(path, (1, 100), classes=4, keywords=("yes", "no"))
    assert data.classes == ("yes", "no", "unknown", "silence")
    counts = {p: set(data.prepared["class counts"][p].values()) for p in ("train", "valid", "test")}
    assert counts == (
        {"train": {12}, "valid": {4}, "test": {4}} if lists else {"train": {14}, "valid": {2}, "test": {4}}
    )
    assert "left out" not in data.prepared or not data.prepared["left out"]
    # No piece of noise is in two parts.
    n, pieces = data.prepared["normalisation"], []
    for part in (data.train, data.valid, data.test):
        x = part.x[part.y == 3, 0] * n["deviation"] + n["mean"]
        pieces.append({tuple(np.round(row / np.abs(row).max(), 3)) for row in x})
    assert not pieces[0] & (pieces[1] | pieces[2])
    assert load_dataset(path, (1, 100), keywords=("yes", "no")).digests == data.digests
    assert_error(error, path, (1, 100), {}, "bad-option", "no class `yess` .*did you mean `yes`", keywords=("yess",))


def test_axes_called_x_y_and_z(tmp_path, write, error):
    rows = lambda: text([["x", "y", "z"], *RNG.normal(size=(32, 3)).round(3)])  # noqa: E731
    path = write(tmp_path / "a", {f"{way}/{k}.csv": rows().encode() for way in ("up", "down") for k in range(8)})
    data = load_dataset(path, (3, 8), columns=Columns(window=8, group="file"))
    assert data.train.x.shape[1:] == (3, 8)
    assert data.classes == ("down", "up")
    (tmp_path / "one.csv").write_text(rows())
    assert_error(error, tmp_path / "one.csv", (2,), {}, "bad-data", "line 2 of .* in column `y`, .*--label COLUMN")
