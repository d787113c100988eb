"""Files of sound: their samples, and these at another rate."""

from __future__ import annotations

import io
import struct
import warnings
from math import gcd
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import bad_data
from nascompile.data.sound import scaled

__all__ = ["SOUNDS", "read_sound", "resampled"]

SOUNDS = (".wav", ".flac", ".ogg", ".mp3")
# The last is what scipy raises for a file without samples' own chunk.
_BROKEN = (ValueError, EOFError, OSError, ArithmeticError, MemoryError, struct.error, UnboundLocalError)


def read_sound(name: str, place: str, content: bytes) -> tuple[int, NDArray[np.float32]]:
    """Sampling rate and samples of one file, from -1 to 1, its channels averaged.

    Args:
        name: of the file, whose ending says the format.
        place: of the file, for messages.
        content: its bytes.

    Raises:
        FileError: it is broken, or has no samples; soundfile is missing, which reads all but .wav.
    """
    suffix = PurePosixPath(name).suffix.lower()
    rate, signal = _wav(place, content) if suffix == ".wav" else _other(place, suffix, content)
    if not signal.size:
        raise bad_data(f"`{place}` has no samples", "replace or remove it")
    values = scaled(signal)
    return rate, values if values.ndim == 1 else values.mean(1, dtype=np.float32)


def resampled(signals: NDArray[np.float32], own: int, rate: int) -> NDArray[np.float32]:
    """Signals at another rate, by `scipy.signal.resample_poly`, which takes out what the new rate cannot have.

    Args:
        signals: [..., samples].
        own: samples per second.
        rate: those that are wanted.

    Example:
        >>> tone = np.sin(np.arange(16_000, dtype=np.float32) * (2 * np.pi * 440 / 16_000))
        >>> half = resampled(tone, 16_000, 8_000)
        >>> half.shape, bool(abs(half - tone[::2])[100:-100].max() < 0.01)
        ((8000,), True)
    """
    if own == rate:
        return signals
    from scipy.signal import resample_poly

    common = gcd(own, rate)
    return resample_poly(signals, rate // common, own // common, axis=-1).astype(np.float32)


def _wav(place: str, content: bytes) -> tuple[int, NDArray]:
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            # The one warning that means lost samples.
            warnings.filterwarnings("error", "Reached EOF prematurely", wavfile.WavFileWarning)
            rate, signal = wavfile.read(io.BytesIO(content))
    except (*_BROKEN, wavfile.WavFileWarning) as error:
        raise bad_data(f"`{place}` is no .wav file that can be read: {error}", "replace or remove it") from error
    return int(rate), signal


def _other(place: str, suffix: str, content: bytes) -> tuple[int, NDArray]:
    try:
        import soundfile
    except (ImportError, OSError):  # the latter where its library is missing
        raise bad_data(f"`{place}` needs soundfile", "pip install 'nascompile[sound]'", "no-soundfile") from None
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            signal, rate, wanted = file.read(dtype="float32"), file.samplerate, file.frames
    except (soundfile.LibsndfileError, *_BROKEN) as error:
        message = f"`{place}` is no {suffix} file that can be read: {error}"
        raise bad_data(message, "replace or remove it") from error
    if len(signal) < wanted:
        raise bad_data(f"`{place}` ends early: {len(signal)} of {wanted} samples", "replace or remove it")
    return int(rate), signal
