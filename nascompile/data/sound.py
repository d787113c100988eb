"""Clips of sound as the input of a network: samples for a series, spectral features for an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.audio_features import AudioFeatures
from nascompile.data.examples import Decoded, Wanted, bad_data, input_hint, sides

__all__ = ["clip_samples", "scaled", "sound_features", "sound_input"]

_DEFAULTS = (AudioFeatures("mfcc"), AudioFeatures("log-mel"))


def sound_features(wanted: Wanted) -> AudioFeatures | None:
    """The features that a network's input asks for: those given, else the default MFCC for an image and none else."""
    return wanted.features or (AudioFeatures() if len(wanted.shape) == 3 else None)


def clip_samples(source: str, wanted: Wanted, rate: int, own: int) -> int:
    """How many samples fill the network's input.

    Args:
        source: of the clips, for messages.
        wanted: the network's input.
        rate: samples per second.
        own: samples of a clip as it is, from which a message says what input would take it.

    Raises:
        FileError: the input is none for sound, or the features cannot be.
    """
    shape, features = wanted.shape, sound_features(wanted)
    if features is None:
        if len(shape) == 2 and shape[0] != 1:
            message = f"`{source}` has sound, one channel, and the network's input is {sides(shape)}"
            like = [f"--features {one.kind}" for one in _DEFAULTS if one.width == shape[0]]
            raise bad_data(message, " or ".join([*like, input_hint((1, own), shape)]), "bad-shape")
        return shape[-1]
    if problem := features.problem(rate):
        hint = "check the samples per second (--rate), or give other `AudioFeatures` from Python"
        raise bad_data(f"sound features cannot be: {problem}", hint, "bad-features")
    frames, width, channels = {3: (shape[-2:]) + shape[:1], 2: (shape[-1], shape[0], 1)}.get(len(shape), (0, 0, 0))
    if (width, channels) != (features.width, 1):
        named = f"{features.kind} features of width {features.width}"
        message = f"`{source}` gives {named}, and the network's input is {sides(shape)}"
        like = [f"--features {one.kind}" for one in _DEFAULTS if one.width == width and channels == 1]
        hint = input_hint(_shape(features, features.frames(own, rate), shape), shape)
        raise bad_data(message, " or ".join([*like, hint]), "bad-shape")
    return features.samples(frames, rate)


def sound_input(source: str, signals: NDArray[np.float32], wanted: Wanted, rate: int) -> Decoded:
    """Clips [n, samples] as inputs.

    Samples for the inputs (1, length) and (length,); features for (1, frames, width), and for (width, frames) where
    `features` are given; for these the samples of which they are made, where they are wanted `raw`.

    Raises:
        FileError: the clips have another length than the input.
    """
    features, samples = sound_features(wanted), signals.shape[1]
    needed = clip_samples(source, wanted, rate, samples)
    if features is None:
        if samples != needed:
            message = f"the clips of `{source}` have {samples} samples, the network's input has {needed}"
            raise bad_data(message, input_hint((1, samples)[-len(wanted.shape) :], wanted.shape), "bad-shape")
        return Decoded(signals[:, None], notes={"rate": rate})
    frames = features.frames(samples, rate)
    if frames != features.frames(needed, rate):
        message = (
            f"the clips of `{source}` make {frames} frames ({samples} samples at {rate} Hz), the network's input is "
            f"{sides(wanted.shape)}"
        )
        hint = input_hint(_shape(features, frames, wanted.shape), wanted.shape)
        if not frames:
            hint = "give longer clips, or check the samples per second (--rate)"
        raise bad_data(message, hint, "bad-shape")
    if wanted.raw:
        return Decoded(signals[:, None, :needed], notes={"rate": rate})
    result = features.of(signals, rate)
    # Coefficients differ in scale by orders of magnitude: each is normalised by itself, as a channel would be.
    if len(wanted.shape) == 2:
        return Decoded(result.transpose(0, 2, 1), notes={"rate": rate})
    return Decoded(result[:, None], axis=3, notes={"rate": rate})


def scaled(signal: NDArray[Any]) -> NDArray[np.float32]:
    """Samples of any type between -1 and 1; floats are taken as they are.

    Example:
        >>> scaled(np.array([-32768, 16384], np.int16)).tolist()
        [-1.0, 0.5]
    """
    if signal.dtype.kind == "f":
        return signal.astype(np.float32)
    middle = 2.0 ** (8 * signal.dtype.itemsize - 1)
    shift = middle if signal.dtype.kind == "u" else 0.0
    return (signal.astype(np.float32) - np.float32(shift)) / np.float32(middle)


def _shape(features: AudioFeatures, frames: int, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The input that takes features of so many frames."""
    return (features.width, frames) if len(wanted) == 2 else (1, frames, features.width)
