"""From sound to the input of a network: log-mel energies and MFCCs.

The formula is that of MLPerf Tiny's keyword spotting (Banbury et al., 2021), which is `tf.signal`'s: frames under a
periodic Hann window, zero-padded to a power of two; the magnitude |X| of their Fourier transform; `bins` triangles,
equally spaced on the mel scale m(f) = 1127 ln(1 + f / 700), straight in mel; E = ln(triangles . |X| + 1e-6); and for
MFCCs the cosine transform c[k] = sqrt(2 / bins) sum_j E[j] cos(pi k (2 j + 1) / (2 bins)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["AudioFeatures"]

_FLOOR = 1e-6
_BLOCK = 256


@dataclass(frozen=True)
class AudioFeatures:
    """The parameters of a spectral feature; one second gives 49 frames of 10 coefficients by default.

    Windows of 30 ms every 20 ms are those of MLPerf Tiny's script; Hello Edge (Zhang et al., 2017), from which its
    network comes, has `window_ms=40`, which gives 49 frames, too.

    Args:
        kind: `mfcc`, or `log-mel` for the energies themselves.
        window_ms: length of a frame in milliseconds.
        stride_ms: from frame to frame, in milliseconds.
        bins: triangles on the mel scale.
        lower_hz: where the first triangle begins.
        upper_hz: where the last one ends; at most half the sampling rate, whatever is given.
        coefficients: how many of an MFCC's are kept, from the first.

    Example:
        >>> tone = np.sin(np.arange(16_000, dtype=np.float32) * 0.1)[None]
        >>> AudioFeatures().of(tone, rate=16_000).shape
        (1, 49, 10)
        >>> AudioFeatures("log-mel").of(tone, rate=16_000).shape
        (1, 49, 40)
    """

    kind: Literal["mfcc", "log-mel"] = "mfcc"
    window_ms: float = 30.0
    stride_ms: float = 20.0
    bins: int = 40
    lower_hz: float = 20.0
    upper_hz: float = 4000.0
    coefficients: int = 10

    @property
    def width(self) -> int:
        """Numbers per frame."""
        return self.coefficients if self.kind == "mfcc" else self.bins

    def problem(self, rate: int) -> str:
        """Why these parameters cannot be at a sampling rate; empty where they can."""
        window, stride = self.sizes(rate)
        if self.kind not in ("mfcc", "log-mel"):
            return f"`kind` is `{self.kind}`, not `mfcc` or `log-mel`"
        if window < 3 or stride < 1:
            return f"`window_ms` {self.window_ms:g} and `stride_ms` {self.stride_ms:g} are too short at {rate} Hz"
        if not 1 <= self.coefficients <= self.bins:
            return f"`coefficients` {self.coefficients} is not from 1 to `bins` {self.bins}"
        if not 0 <= self.lower_hz < min(self.upper_hz, rate / 2):
            return f"`lower_hz` {self.lower_hz:g} is not below `upper_hz` {self.upper_hz:g} and {rate / 2:g} Hz"
        return ""

    def frames(self, samples: int, rate: int) -> int:
        """Number of whole frames in so many samples."""
        window, stride = self.sizes(rate)
        return 1 + (samples - window) // stride if samples >= window else 0

    def samples(self, frames: int, rate: int) -> int:
        """Fewest samples that hold so many frames.

        Example:
            15840
            15840
        """
        window, stride = self.sizes(rate)
        return window + (frames - 1) * stride

    def of(self, signals: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        """The features of some clips of equal length.

        Args:
            signals: [n, samples], from -1 to 1.
            rate: samples per second.

        Returns:
            [n, frames, width].
        """
        window, stride = self.sizes(rate)
        size = 1 << (window - 1).bit_length()
        hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
        mel = self.mel_weights(size, rate).astype(np.float32)
        cosine = self.cosine().astype(np.float32) if self.kind == "mfcc" else None
        out = np.empty((len(signals), self.frames(signals.shape[1], rate), self.width), np.float32)
        for start in range(0, len(signals), _BLOCK):
            block = signals[start : start + _BLOCK].astype(np.float32, copy=False)
            frames = np.lib.stride_tricks.sliding_window_view(block, window, axis=1)[:, ::stride]
            energies = np.log(np.abs(np.fft.rfft(frames * hann, size)) @ mel + np.float32(_FLOOR))
            out[start : start + _BLOCK] = energies if cosine is None else energies @ cosine
        return out

    def sizes(self, rate: int) -> tuple[int, int]:
        """Window and stride in samples."""
        return int(rate * self.window_ms / 1000), int(rate * self.stride_ms / 1000)

    def mel_places(self, size: int, rate: int) -> NDArray[np.float64]:
        """Where the frequencies of a Fourier transform lie among the edges of the triangles.

        Triangle j rises from edge j to edge j + 1, and falls to edge j + 2.

        Args:
            size: of the transform.
            rate: samples per second.

        Returns:
            [size // 2 + 1], in edges from the first; below 0 before it.
        """
        low, high = _mel(self.lower_hz), _mel(min(self.upper_hz, rate / 2))
        return (_mel(np.arange(size // 2 + 1) * rate / size) - low) * ((self.bins + 1) / (high - low))

    def mel_weights(self, size: int, rate: int) -> NDArray[np.float64]:
        """[size // 2 + 1, bins]: the triangles; nothing for the constant part of a frame."""
        place = self.mel_places(size, rate)[:, None] - np.arange(self.bins)
        weights = np.minimum(place, 2 - place).clip(0)
        weights[0] = 0
        return weights

    def cosine(self) -> NDArray[np.float64]:
        """[bins, coefficients]: the cosine transform of type II times 1 / sqrt(2 bins)."""
        j, k = np.arange(self.bins)[:, None], np.arange(self.coefficients)
        return np.sqrt(2 / self.bins) * np.cos(np.pi * k * (2 * j + 1) / (2 * self.bins))


def _mel(hertz: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127 * np.log1p(np.asarray(hertz, np.float64) / 700)
