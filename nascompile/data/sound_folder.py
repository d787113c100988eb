"""Clips of sound in files: in folders of classes, or listed in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from nascompile.data.digest import content_digest
from nascompile.data.examples import Decoded, Examples, Wanted, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.listing import Listing, Piece
from nascompile.data.noise import recordings
from nascompile.data.sound import clip_samples, sound_input
from nascompile.data.sound_file import read_sound, resampled

__all__ = ["sound_examples"]

_BLOCK = 256


def sound_examples(tree: FileTree, listing: Listing, wanted: Wanted) -> Examples:
    """The clips of a listing.

    Channels are averaged. With `wanted.rate`, files of another rate are resampled. A clip shorter than the network's
    input is padded with silence at its end, a longer one is cut; how many were is recorded.

    Raises:
        FileError: as `read` of the examples: a file is broken, or of another sampling rate than the others.
    """

    def items(chosen: NDArray[np.intp]) -> list[_Item]:
        return [(listing.names[i], listing.pieces.get(i)) for i in map(int, chosen)]

    def read(chosen: NDArray[np.intp]) -> Decoded:
        return _Clips(tree, wanted).decoded(items(chosen))

    def noisy(chosen: NDArray[np.intp], volume: float, rng: np.random.Generator, rate: int) -> Decoded:
        # Where pieces of noise are examples, those of other parts are not for this one.
        there = sorted({(listing.names[i], listing.pieces[i].start) for i in map(int, chosen) if i in listing.pieces})
        pieces = there or [(name, None) for name in sorted(noises)]
        clips = _Clips(tree, replace(wanted, rate=rate))
        signals = clips.recorded({name for name, _ in pieces})
        clips.noise = _Noise(signals, pieces, rng.random((len(chosen), 3)), volume)
        return replace(clips.decoded(items(chosen)), notes={"recordings": len(signals)})

    noises = recordings(tree)
    return Examples(
        "sounds", "audio", where=lambda i: tree.place(listing.names[i]), read=read, noisy=noisy if noises else None,
        notes=listing.notes, **listing.learnt(),
    )  # fmt: skip


#: A file, and the piece of it that is meant, where not all of it.
_Item = tuple[str, Piece | None]


@dataclass(frozen=True)
class _Noise:
    """Noise to be mixed into clips.

    Args:
        signals: file -> its digest and samples, at the rate of the clips.
        pieces: (file, first second; None: anywhere), one of which is taken.
        drawn: [clips, 3], from 0 to 1: which piece, from where on, how loud.
        volume: the loudest.
    """

    signals: Mapping[str, tuple[bytes, NDArray[np.float32]]]
    pieces: Sequence[tuple[str, float | None]]
    drawn: NDArray[np.float64]
    volume: float

    def mixed(
        self, position: int, clip: NDArray[np.float32], digest: bytes, rate: int
    ) -> tuple[NDArray[np.float32], bytes]:
        """A clip with noise, and what tells it from others."""
        which, place, share = self.drawn[position].tolist()
        name, second = self.pieces[int(which * len(self.pieces))]
        own, signal = self.signals[name]
        room = max(0, len(signal) - len(clip))
        start = int(place * (room + 1)) if second is None else int(second * rate)
        volume = np.float32(share * self.volume)
        # A recording that is shorter than a clip begins anew.
        noise = np.take(signal, np.arange(start, start + len(clip)), mode="wrap")
        return (clip + volume * noise).clip(-1, 1), content_digest(digest + own + f"{start} {volume}".encode())


class _Clips:
    """Clips on their way to inputs.

    Args:
        tree: where they are.
        wanted: the network's input.
    """

    def __init__(self, tree: FileTree, wanted: Wanted) -> None:
        self.tree, self.wanted = tree, wanted
        self.first, self.rate, self.samples = "", 0, 0
        self.padded = self.cut = 0
        self.others = Counter[int]()
        self.digests: dict[int, bytes] = {}
        self.noise: _Noise | None = None

    def decoded(self, items: Sequence[_Item]) -> Decoded:
        """Inputs made block by block, because clips are many times larger than their features.

        Args:
            items: files, and which piece of them.
        """
        clips = self._clips(items)
        x, axis = np.empty((0,), np.float32), 1
        while block := list(islice(clips, _BLOCK)):
            inputs = sound_input(self.tree.source, np.stack([clip for _, clip in block]), self.wanted, self.rate)
            if not x.size:
                x, axis = np.empty((len(items), *inputs.x.shape[1:]), np.float32), inputs.axis
            x[[position for position, _ in block]] = inputs.x
        notes: dict[str, object] = {
            "rate": self.rate,
            "clip samples": self.samples,
            "padded with silence": self.padded,
            "cut": self.cut,
        }
        if self.others:
            notes["resampled"] = {f"{own} Hz": count for own, count in self.others.most_common()}
        return Decoded(x, axis, notes=notes, digests=[self.digests[i] for i in range(len(items))])

    def _clips(self, items: Sequence[_Item]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Position and samples of each, at one rate and of one length, file by file."""
        positions: dict[str, list[int]] = {}
        for position, (name, _) in enumerate(items):
            positions.setdefault(name, []).append(position)
        for name, content in self.tree.contents(positions):
            digest = content_digest(content)
            signal = self._at_rate(name, *read_sound(name, self.tree.place(name), content))
            self.samples = self.samples or clip_samples(self.tree.source, self.wanted, self.rate, len(signal))
            for position in positions[name]:
                piece = items[position][1]
                self.digests[position] = content_digest(digest + repr(piece).encode()) if piece else digest
                start = int(piece.start * self.rate) if piece else 0
                own = signal[start : start + self.samples] * np.float32(piece.gain if piece else 1)
                self.padded += len(own) < self.samples
                self.cut += piece is None and len(signal) > self.samples
                clip = np.pad(own, (0, self.samples - len(own)))
                if self.noise:
                    clip, self.digests[position] = self.noise.mixed(position, clip, self.digests[position], self.rate)
                yield position, clip

    def recorded(self, names: Iterable[str]) -> dict[str, tuple[bytes, NDArray[np.float32]]]:
        """Digest and samples of whole files, at the rate that is wanted."""
        result = {}
        for name, content in self.tree.contents(names):
            signal = self._at_rate(name, *read_sound(name, self.tree.place(name), content))
            if not np.isfinite(signal).all():
                raise bad_data(f"`{self.tree.place(name)}` has NaN or infinity", "replace or remove it", "not-finite")
            result[name] = content_digest(content), signal
        return result

    def _at_rate(self, name: str, own: int, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raises unless a file has the sampling rate of all others, or is to be resampled."""
        if not self.rate:
            self.first, self.rate = name, self.wanted.rate or own
        if own != self.rate and self.wanted.rate is None:
            message = f"`{self.tree.place(name)}` has {own} samples per second, `{self.first}` has {self.rate}"
            raise bad_data(message, f"add --rate {min(own, self.rate)}, to which all are resampled", "bad-rate")
        self.others.update([own] if own != self.rate else [])
        return resampled(signal, own, self.rate)
