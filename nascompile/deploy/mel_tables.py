"""The tables by which `nc_mel.c` computes spectral features of sound, as `AudioFeatures.of` defines them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascompile.data.audio_features import AudioFeatures

__all__ = ["FULL_SCALE", "MelTables"]

#: What a sample of 1.0 is in int16.
FULL_SCALE = 32768


@dataclass(frozen=True, eq=False)
class MelTables:
    """The fields of `nc_mel`, see `nc_mel.h`.

    Args:
        window: samples of a frame.
        stride: samples from frame to frame.
        bits: the Fourier transform has 2^bits samples.
        bins: triangles.
        width: numbers of a frame.
        lowest: the first frequency that lies in a triangle.
        hann: float32 [window // 2 + 1], from int16 to -1 to 1 as well.
        sine: float32 [2^bits / 4 + 1].
        edges: uint16 [bins + 1], frequencies between an edge of a triangle and the next.
        rise: float32 [sum of edges].
        cosine: float32 [(bins + 1) // 2, width]; empty for log-mel energies.
    """

    window: int
    stride: int
    bits: int
    bins: int
    width: int
    lowest: int
    hann: NDArray[np.float32]
    sine: NDArray[np.float32]
    edges: NDArray[np.uint16]
    rise: NDArray[np.float32]
    cosine: NDArray[np.float32]

    @classmethod
    def of(cls, features: AudioFeatures, rate: int) -> MelTables:
        """The tables of some features.

        Args:
            features: fit for the sampling rate.
            rate: samples per second.

        Example:
            >>> tables = MelTables.of(AudioFeatures(), rate=8000)
            >>> tables.window, tables.stride, tables.bits, int(tables.edges.sum()), tables.nbytes
            (240, 160, 8, 127, 2136)
        """
        window, stride = features.sizes(rate)
        bits = (window - 1).bit_length()
        places = features.mel_places(1 << bits, rate)
        # The constant part of a frame is in no triangle.
        within = np.flatnonzero((places >= 0) & (places < features.bins + 1) & (np.arange(len(places)) > 0))
        interval = places[within].astype(int)
        angle = 2 * np.pi * np.arange((1 << bits) // 4 + 1) / (1 << bits)
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window // 2 + 1) / window)
        cosine = features.cosine()[: (features.bins + 1) // 2] if features.kind == "mfcc" else np.zeros((0, 0))
        return cls(
            window, stride, bits, features.bins, features.width, lowest=int(within[0]) if len(within) else 1,
            hann=(hann / FULL_SCALE).astype(np.float32), sine=np.sin(angle).astype(np.float32),
            edges=np.bincount(interval, minlength=features.bins + 1).astype(np.uint16),
            rise=(places[within] - interval).astype(np.float32), cosine=cosine.astype(np.float32),
        )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """Of all tables; each begins at a multiple of four."""
        tables = (self.hann, self.sine, self.edges, self.rise, self.cosine)
        return sum(-(-table.nbytes // 4) * 4 for table in tables)

    @property
    def room(self) -> int:
        """Bytes that a frame needs while it is computed."""
        return 4 * ((1 << self.bits) + self.bins)
