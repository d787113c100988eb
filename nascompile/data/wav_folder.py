"""Clips of sound in folders of classes, as .wav files."""

from __future__ import annotations

import io
import struct
import warnings
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from nascompile.data.class_folders import class_folders
from nascompile.data.digest import content_digest
from nascompile.data.examples import Decoded, Examples, Wanted, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.sound import clip_samples, scaled, sound_input

__all__ = ["read_wav_folder"]

_BLOCK = 256
# The last is what scipy raises for a file without samples' own chunk.
_BROKEN = (ValueError, EOFError, OSError, ArithmeticError, MemoryError, struct.error, UnboundLocalError)


def read_wav_folder(tree: FileTree, wanted: Wanted) -> Examples:
    """The clips of a tree `[train|valid|test/]CLASS/FILE.wav`.

    Channels are averaged. A clip shorter than the network's input is padded with silence at its end, a longer one is
    cut; how many were is recorded.

    Raises:
        FileError: the layout is another, or a file is broken or of another sampling rate.
    """
    result = class_folders(tree, (".wav",))

    def read(chosen: NDArray[np.intp]) -> Decoded:
        return _read(tree, [result.names[i] for i in chosen], wanted)

    return Examples(
        "wav",
        "audio",
        result.labels,
        result.parts,
        lambda i: tree.place(result.names[i]),
        read=read,
        notes=result.notes,
    )


def _read(tree: FileTree, names: list[str], wanted: Wanted) -> Decoded:
    """Inputs made block by block, because clips are many times larger than their features."""
    position = {name: i for i, name in enumerate(names)}
    contents = tree.contents(names)
    x = np.empty((0,), np.float32)
    padded = cut = axis = samples = rate = 0
    first, digests = "", dict[str, bytes]()
    while block := list(islice(contents, _BLOCK)):
        signals = []
        for name, content in block:
            own, signal = _decoded(tree.place(name), content)
            digests[name] = content_digest(content)
            if not rate:
                first, rate, samples = name, own, clip_samples(tree.source, wanted, own, len(signal))
            _check_rate(tree, name, own, first, rate, wanted=wanted)
            signals.append(signal)
        clips = np.zeros((len(signals), samples), np.float32)
        for clip, signal in zip(clips, signals, strict=True):
            clip[: len(signal)] = signal[:samples]
        padded += sum(len(signal) < samples for signal in signals)
        cut += sum(len(signal) > samples for signal in signals)
        inputs = sound_input(tree.source, clips, wanted, rate)
        if not x.size:
            x, axis = np.empty((len(names), *inputs.x.shape[1:]), np.float32), inputs.axis
        x[[position[name] for name, _ in block]] = inputs.x
    notes = {"rate": rate, "clip samples": samples, "padded with silence": padded, "cut": cut}
    return Decoded(x, axis, notes=notes, digests=[digests[name] for name in names])


def _check_rate(tree: FileTree, name: str, own: int, first: str, rate: int, wanted: Wanted) -> None:
    """Raises unless a file has the sampling rate of all others, and the one that was said."""
    if wanted.rate not in (None, own):
        message = f"`{tree.place(name)}` has {own} samples per second, --rate says {wanted.rate}"
        raise bad_data(message, "leave --rate out: the files say it", "bad-rate")
    if own != rate:
        message = f"`{tree.place(name)}` has {own} samples per second, `{first}` has {rate}"
        raise bad_data(message, "resample all files to one rate", "bad-rate")


def _decoded(place: str, content: bytes) -> tuple[int, NDArray[np.float32]]:
    """Sampling rate and samples of one file, its channels averaged."""
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            # The one warning that means lost samples.
            warnings.filterwarnings("error", "Reached EOF prematurely", wavfile.WavFileWarning)
            rate, signal = wavfile.read(io.BytesIO(content))
    except (*_BROKEN, wavfile.WavFileWarning) as error:
        raise bad_data(f"`{place}` is no .wav file that can be read: {error}", "replace or remove it") from error
    if not signal.size:
        raise bad_data(f"`{place}` has no samples", "replace or remove it")
    values = scaled(signal)
    return int(rate), values if values.ndim == 1 else values.mean(1, dtype=np.float32)
