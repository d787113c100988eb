"""Clips of sound in files: in folders of classes, or listed in a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from nascompile.data.digest import content_digest
from nascompile.data.examples import Decoded, Examples, Wanted, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.listing import Listing, Piece
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

    def read(chosen: NDArray[np.intp]) -> Decoded:
        items = [(listing.names[int(i)], listing.pieces.get(int(i))) for i in chosen]
        return _Clips(tree, wanted).decoded(items)

    return Examples(
        "sounds", "audio", where=lambda i: tree.place(listing.names[i]), read=read, notes=listing.notes,
        **listing.learnt(),
    )  # fmt: skip


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

    def decoded(self, items: Sequence[tuple[str, Piece | None]]) -> Decoded:
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

    def _clips(self, items: Sequence[tuple[str, Piece | None]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
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
                yield position, np.pad(own, (0, self.samples - len(own)))

    def _at_rate(self, name: str, own: int, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raises unless a file has the sampling rate of all others, or is to be resampled."""
        if not self.rate:
            self.first, self.rate = name, self.wanted.rate or own
        if own != self.rate and self.wanted.rate is None:
            message = f"`{self.tree.place(name)}` has {own} samples per second, `{self.first}` has {self.rate}"
            raise bad_data(message, f"add --rate {min(own, self.rate)}, to which all are resampled", "bad-rate")
        self.others.update([own] if own != self.rate else [])
        return resampled(signal, own, self.rate)
