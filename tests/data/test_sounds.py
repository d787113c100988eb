"""Folders of .wav files."""

import numpy as np
import pytest

from nascompile.data import AudioFeatures, load_dataset
from nascompile.data.sound import scaled

rng = np.random.default_rng(0)
RATE = 2000


def clips(as_wav, n=10, samples=RATE, prefix="", kind=np.int16):
    top = np.iinfo(kind).max if np.dtype(kind).kind != "f" else 1
    return {
        f"{prefix}{name}/{k}.wav": as_wav(RATE, (rng.uniform(0, 1, samples) * top).astype(kind))
        for name in ("no", "yes")
        for k in range(n)
    }


@pytest.mark.parametrize("root", ["folder", "a.tar.gz"])
def test_clips_become_features(root, tmp_path, write, as_wav):
    files = clips(as_wav, 160)
    data = load_dataset(write(tmp_path / root, files), (1, 49, 10), classes=2)
    assert data.train.x.shape == (224, 1, 49, 10)
    assert data.prepared["features"]["coefficients"] == 10
    assert data.prepared["rate"] == RATE
    # By their own path, in blocks of another order: the features of the clips, normalised.
    from io import BytesIO

    from scipy.io import wavfile

    signals = np.stack([scaled(wavfile.read(BytesIO(files[name]))[1]) for name in sorted(files)])
    features = AudioFeatures().of(signals, RATE)
    n = data.prepared["normalisation"]
    normalised = (features - n["mean"]) / n["deviation"]
    rows = np.concatenate([p.x[:, 0] for p in (data.train, data.valid, data.test)])
    order = np.lexsort(rows.reshape(320, -1).T), np.lexsort(normalised.reshape(320, -1).T)
    np.testing.assert_allclose(rows[order[0]], normalised[order[1]], atol=1e-3)


def test_short_clips_are_padded_and_long_ones_cut(tmp_path, write, as_wav):
    files = clips(as_wav, 8) | {"no/8.wav": as_wav(RATE, np.full(10, 16384, np.int16))}
    files |= {f"yes/{k}.wav": as_wav(RATE, np.full(3000, 16384, np.int16)) for k in (8, 9)}
    data = load_dataset(write(tmp_path / "a", files), (1, RATE))
    assert data.prepared["padded with silence"] == 1
    assert data.prepared["cut"] == 2
    n = data.prepared["normalisation"]
    back = np.concatenate([p.x[:, 0] for p in (data.train, data.valid, data.test)]) * n["deviation"] + n["mean"]
    short = np.abs(back[:, 10:]).max(1) < 1e-4
    assert short.sum() == 1
    np.testing.assert_allclose(back[short][0, :10], 0.5, atol=1e-4)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32])
def test_sample_types(kind):
    top = {np.uint8: 192, np.int16: 16384, np.int32: 2**30, np.float32: 0.5}[kind]
    assert scaled(np.array([top], kind)).tolist() == [0.5]
    assert scaled(np.array([128 if kind is np.uint8 else 0], kind)).tolist() == [0]


def test_channels_are_averaged(tmp_path, write, as_wav):
    stereo = np.stack([np.full(RATE, 8192), np.full(RATE, 24576)], 1).astype(np.int16)
    files = clips(as_wav, 4) | {f"yes/{k}.wav": as_wav(RATE, stereo) for k in range(4)}
    data = load_dataset(write(tmp_path / "a", files), (1, RATE))
    n = data.prepared["normalisation"]
    np.testing.assert_allclose(data.test.x[data.test.y == 1] * n["deviation"] + n["mean"], 0.5, atol=1e-4)


def test_the_lists_of_speech_commands(tmp_path, write, as_wav):
    files = clips(as_wav, 6) | {
        "_background_noise_/hum.wav": as_wav(RATE, np.zeros(9, np.int16)),
        "testing_list.txt": b"no/0.wav\nyes/0.wav\n",
        "validation_list.txt": b"no/1.wav\nyes/1.wav\n",
    }
    data = load_dataset(write(tmp_path / "a", files), (1, 49, 10))
    assert [len(p) for p in (data.train, data.valid, data.test)] == [8, 2, 2]
    assert data.prepared["left out"] == {"_background_noise_": 1}


@pytest.mark.parametrize(
    ("name", "content", "shape", "code", "text"),
    [
        ("no/3.wav", b"no sound", (1, 49, 10), "bad-data", "no/3.wav"),
        ("no/3.wav", b"", (1, 49, 10), "bad-data", "no/3.wav"),
        ("no/3.wav", "cut", (1, 49, 10), "bad-data", "no/3.wav"),
        ("no/3.wav", "none", (1, 49, 10), "bad-data", "no samples"),
        ("no/3.wav", "rate", (1, 49, 10), "bad-rate", "4000 samples per second"),
        ("no/3.wav", "nan", (1, 49, 10), "not-finite", "no/3.wav"),
        ("x.md", b"", (1, 49, 12), "bad-shape", "mfcc features of width 10"),
        ("x.md", b"", (2, 2000), "bad-shape", "one channel"),
    ],
)
def test_refusals(name, content, shape, code, text, tmp_path, write, as_wav, error):
    made = {
        "cut": as_wav(RATE, np.zeros(500, np.int16))[:-100],
        "none": as_wav(RATE, np.zeros(0, np.int16)),
        "rate": as_wav(4000, np.zeros(500, np.int16)),
        "nan": as_wav(RATE, np.full(500, np.nan, np.float32)),
    }
    files = clips(as_wav, 6) | {name: made.get(content, content) if isinstance(content, str) else content}
    found, message = error(load_dataset, write(tmp_path / "a", files), shape)
    assert found == code
    assert text in message


def test_features_that_cannot_be(tmp_path, write, as_wav, error):
    path = write(tmp_path / "a", clips(as_wav, 6))
    code, text = error(load_dataset, path, (1, 49, 10), features=AudioFeatures(lower_hz=1500))
    assert code == "bad-features"
    assert "`lower_hz`" in text


@pytest.mark.parametrize("keywords", [False, True])
def test_copies_with_background_noise(keywords, tmp_path, write, as_wav, error):
    # Clips are 0.25 throughout, each recording of noise has values of its own: both can be told from the sum.
    files = {f"{w}/{k}.wav": as_wav(100, np.full(100, 8192, np.int16)) for w in ("no", "yes") for k in range(20)}
    files |= {
        "_background_noise_/hum.wav": as_wav(100, np.linspace(8000, 32000, 9000).astype(np.int16)),
        "_background_noise_/high/hiss.wav": as_wav(200, np.full(120, -16384, np.int16)),
        "_background_noise_/README.md": b"",
    }
    path, how = write(tmp_path / "a", files), {"rate": 100} | ({"keywords": ("yes", "no")} if keywords else {})
    plain = load_dataset(path, (1, 100), **how)
    data = load_dataset(path, (1, 100), noise=2, noise_volume=0.5, **how)
    n = len(plain.train)
    assert len(data.train) == 3 * n
    assert data.prepared["noise"] == {"copies": 2, "volume": 0.5, "clips": 2 * n, "recordings": 2}
    assert not data.prepared["left out"]
    assert sum(data.prepared["class counts"]["train"].values()) == data.prepared["sizes"]["train"] == 3 * n

    def back(part, of):
        normalised = of.prepared["normalisation"]
        return part.x[:, 0] * normalised["deviation"] + normalised["mean"]

    for name in ("valid", "test"):
        np.testing.assert_allclose(back(getattr(data, name), data), back(getattr(plain, name), plain), atol=1e-5)
    clean, copies = back(data.train, data)[:n], back(data.train, data)[n:]
    np.testing.assert_allclose(clean, back(plain.train, plain), atol=1e-5)
    np.testing.assert_array_equal(data.train.y, np.tile(plain.train.y, 3))
    added = copies - np.tile(clean, (2, 1))
    words = data.train.y[n:] < 2
    assert np.abs(added[words]).max() <= 0.5
    assert np.unique(added[words].mean(1).round(5)).size > n
    if keywords:
        # Only pieces that are learnt as silence: how steep one is says where it begins.
        silence, noise = clean[plain.train.y == 2], added[words]
        learnt, found = ((rows[:, -1] / rows[:, 0])[rows[:, 0] > 0.002] for rows in (silence, noise))
        assert found.size > 10
        assert np.abs(found[:, None] - learnt).min(1).max() < 1e-4
    else:
        assert (added.mean(1) < -1e-4).any()
        assert (added.mean(1) > 1e-4).any()

    assert load_dataset(path, (1, 100), noise=2, noise_volume=0.5, **how).digests == data.digests
    archive = load_dataset(write(tmp_path / "a.zip", files), (1, 100), noise=2, noise_volume=0.5, **how)
    assert archive.digests == data.digests
    others = load_dataset(path, (1, 100), noise=2, noise_volume=0.4, **how).digests
    assert others["train"] != data.digests["train"]
    assert {**others, "train": data.digests["train"]} == data.digests


def test_noise_that_cannot_be_mixed_in(tmp_path, write, as_wav, error):
    path = write(tmp_path / "a", clips(as_wav, 6))

    def refused(*, of=path, noise=1, **more):
        return error(load_dataset, of, (1, RATE), noise=noise, **more)

    assert refused()[0] == "no-noise"
    assert "no folder `_background_noise_`" in refused()[1]
    np.savez(tmp_path / "a.npz", x=np.ones((20, RATE), np.int16), y=np.arange(20) % 2, rate=RATE)
    assert "--noise is for files of sound" in refused(of=tmp_path / "a.npz")[1]
    assert refused(noise_volume=1.5)[0] == refused(noise=-1)[0] == "bad-option"
    hum = path / "_background_noise_" / "hum.wav"
    hum.parent.mkdir()
    for content, text in ((b"", "is no .wav file"), (as_wav(RATE, np.full(9, np.nan, np.float32)), "NaN")):
        hum.write_bytes(content)
        assert f"hum.wav` {text.removeprefix('NaN')}" in refused()[1]
        assert text in refused()[1]
