"""Keywords among other sounds, as Speech Commands has them: some classes, `unknown` for all others, and `silence`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nascompile.data.examples import Wanted, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.listing import Listing, Piece
from nascompile.data.noise import recordings, without_noise
from nascompile.data.sound import clip_samples
from nascompile.data.sound_file import read_sound
from spaces.errors import did_you_mean

__all__ = ["with_keywords"]

_UNKNOWN, _SILENCE = "unknown", "silence"
#: Which stretch of a recording of noise is for which part, where the data give parts.
_STRETCHES = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}


def with_keywords(tree: FileTree, listing: Listing, wanted: Wanted) -> Listing:
    """A listing of the keywords, of as many clips `unknown` as a keyword has, and of pieces of noise, `silence`.

    Both are there only where there are other classes, or a folder `_background_noise_`. Pieces of noise have a gain
    between 0 and 1 (Warden, 2018), and overlap, where they are few, within one part only.

    Args:
        tree: where the files are.
        listing: of all classes.
        wanted: the keywords, and the network's input.

    Raises:
        FileError: a keyword is no class, or a file of noise is broken.
    """
    if not wanted.keywords:
        return listing
    labels = [str(label) for label in listing.labels]
    for word in wanted.keywords:
        if word not in labels:
            message = f"`{tree.source}` has no class `{word}` (--keywords)"
            raise bad_data(message, did_you_mean(word, sorted(set(labels))), "bad-option")
    rng = np.random.default_rng(0)
    kept = [i for i, label in enumerate(labels) if label in wanted.keywords]
    counts = Counter(listing.parts[i] for i in kept)
    share = {part: max(1, round(count / len(wanted.keywords))) for part, count in counts.items()}
    for part, count in share.items():
        others = [i for i, own in enumerate(listing.parts) if own == part and labels[i] not in wanted.keywords]
        kept += rng.permutation(np.array(others, np.intp))[:count].tolist()
    kept.sort()
    names, parts = [listing.names[i] for i in kept], [listing.parts[i] for i in kept]
    found = [label if (label := labels[i]) in wanted.keywords else _UNKNOWN for i in kept]
    silence = _silence(tree, share, wanted, rng)
    order = [*wanted.keywords, *([_UNKNOWN] if _UNKNOWN in found else []), *([_SILENCE] if silence else [])]
    groups = [listing.groups[i] for i in kept] + [name for name, _, _ in silence] if listing.groups else []
    left_out = without_noise(listing.notes.get("left out", {}))
    return replace(
        listing,
        names=names + [name for name, _, _ in silence],
        labels=found + [_SILENCE] * len(silence),
        parts=parts + [part for _, part, _ in silence],
        groups=groups,
        order=tuple(order),
        pieces={len(names) + k: piece for k, (_, _, piece) in enumerate(silence)},
        notes={**listing.notes, "left out": left_out},
    )


def _silence(
    tree: FileTree, share: dict[str, int], wanted: Wanted, rng: np.random.Generator
) -> list[tuple[str, str, Piece]]:
    """File, part and piece of each example of silence."""
    seconds: dict[str, float] = {}
    clip = 1.0
    for name, content in tree.contents(recordings(tree)):
        rate, signal = read_sound(name, tree.place(name), content)
        seconds[name] = len(signal) / rate
        clip = clip_samples(tree.source, wanted, wanted.rate or rate, len(signal)) / (wanted.rate or rate)
    result = []
    for part, count in share.items():
        first, last = _STRETCHES.get(part, (0.0, 1.0))
        room = {name: (last - first) * length - clip for name, length in seconds.items()}
        room = {name: max(0.0, left) for name, left in sorted(room.items()) if left > -0.5 * clip}
        for name, left in room.items():
            wished = count // len(room) + (list(room).index(name) < count % len(room))
            # Parts that are drawn later must not share a sound: there pieces do not overlap.
            starts = _starts(left, wished if part else min(wished, int(left // clip) + 1))
            for start in (first * seconds[name] + starts).tolist():
                result.append((name, part, Piece(round(start, 6), round(float(rng.uniform()), 6))))
    return result


def _starts(left: float, count: int) -> NDArray[np.float64]:
    return np.linspace(0, left, count) if count > 1 else np.zeros(count)
