"""The fast features against the formula, written out one number at a time."""

import math

import numpy as np
import pytest
from scipy.fft import dct

from nascompile.data import AudioFeatures


def slow_log_mel(signal, rate, features):
    """[frames][bins]: a direct Fourier sum per frame and frequency, triangles on the mel scale, logarithms."""
    window, stride = int(rate * features.window_ms / 1000), int(rate * features.stride_ms / 1000)
    size = 2 ** math.ceil(math.log2(window))
    mel = lambda f: 1127 * math.log(1 + f / 700)  # noqa: E731
    low, high = mel(features.lower_hz), mel(min(features.upper_hz, rate / 2))
    edges = [low + (high - low) * k / (features.bins + 1) for k in range(features.bins + 2)]
    rows = []
    for start in range(0, len(signal) - window + 1, stride):
        frame = [signal[start + i] * (0.5 - 0.5 * math.cos(2 * math.pi * i / window)) for i in range(window)]
        magnitudes = []
        for k in range(size // 2 + 1):
            angle = [-2 * math.pi * k * i / size for i in range(window)]
            real = sum(v * math.cos(a) for v, a in zip(frame, angle, strict=True))
            imaginary = sum(v * math.sin(a) for v, a in zip(frame, angle, strict=True))
            magnitudes.append(math.hypot(real, imaginary))
        row = []
        for left, centre, right in zip(edges, edges[1:], edges[2:], strict=False):
            energy = 0.0
            for k in range(1, size // 2 + 1):
                m = mel(k * rate / size)
                energy += magnitudes[k] * max(0, min((m - left) / (centre - left), (right - m) / (right - centre)))
            row.append(math.log(energy + 1e-6))
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize(
    ("rate", "options"),
    [
        (1000, {}),
        (2000, {"window_ms": 30, "bins": 12, "coefficients": 5}),
        (1600, {"window_ms": 20, "stride_ms": 10, "lower_hz": 100, "upper_hz": 500, "bins": 6, "coefficients": 6}),
    ],
)
def test_features_equal_the_formula(rate, options):
    rng = np.random.default_rng(0)
    signal = (rng.normal(size=int(0.09 * rate)) * 0.3).astype(np.float32)
    slow = slow_log_mel(signal.astype(float), rate, AudioFeatures("log-mel", **options))
    fast = AudioFeatures("log-mel", **options).of(signal[None], rate)
    np.testing.assert_allclose(fast[0], slow, atol=2e-4)
    mfcc = AudioFeatures(**options)
    # `tf.signal` scales the unnormalised transform by 1 / sqrt(2 bins).
    reference = dct(slow, type=2, axis=-1)[:, : mfcc.coefficients] / np.sqrt(2 * mfcc.bins)
    np.testing.assert_allclose(mfcc.of(signal[None], rate)[0], reference, atol=1e-3)


@pytest.mark.parametrize("window_ms", [30, 40])
@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_one_second_makes_49_frames(rate, window_ms):
    features = AudioFeatures(window_ms=window_ms)
    assert features.frames(rate, rate) == 49
    assert features.of(np.zeros((2, rate), np.float32), rate).shape == (2, 49, 10)
    assert features.frames(features.samples(49, rate), rate) == 49
    assert features.frames(features.samples(49, rate) - 1, rate) == 48


def test_the_upper_edge_is_at_most_the_nyquist_frequency():
    signal = np.random.default_rng(0).normal(size=(1, 4000)).astype(np.float32)
    wide, own = AudioFeatures(upper_hz=4000), AudioFeatures(upper_hz=2000)
    assert (wide.of(signal, 4000) == own.of(signal, 4000)).all()
    assert (wide.of(signal, 8000) != own.of(signal, 8000)).any()


def test_many_clips_are_as_each_alone():
    """More clips than one block holds."""
    signals = np.random.default_rng(1).normal(size=(300, 400)).astype(np.float32)
    features = AudioFeatures(bins=8, coefficients=4)
    together = features.of(signals, 2000)
    np.testing.assert_allclose(together[[0, 255, 256, 299]], features.of(signals[[0, 255, 256, 299]], 2000), rtol=1e-5)


def test_a_clip_shorter_than_a_frame_makes_none():
    assert AudioFeatures().frames(479, 16_000) == 0


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"kind": "plp"}, "`kind`"),
        ({"stride_ms": 0}, "`stride_ms`"),
        ({"coefficients": 41}, "`coefficients`"),
        ({"lower_hz": 5000.0}, "`lower_hz`"),
    ],
)
def test_parameters_that_cannot_be(wrong, word):
    assert word in AudioFeatures(**wrong).problem(16_000)
    assert not AudioFeatures().problem(16_000)
