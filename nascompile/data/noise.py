"""Background noise as augmentation: copies of training clips with recordings of noise mixed in, before the features.

As in Speech Commands (Warden, 2018), a copy is c + v n, cut to -1 to 1: of the clip c, a piece n of a recording in the
folder `_background_noise_`, and a volume v, which is drawn from 0 to the loudest. What is validated and tested is never
changed, and none of it is mixed in: where pieces of noise are a class of their own, copies take those of its training
part only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from nascompile.data.assignment import Assignment
from nascompile.data.class_folders import with_suffix
from nascompile.data.examples import Decoded, Examples, bad_data
from nascompile.data.file_tree import FileTree
from nascompile.data.sound_file import SOUNDS

__all__ = ["BACKGROUND", "Noise", "recordings", "without_noise"]

#: The folder of the recordings.
BACKGROUND = "_background_noise_"


@dataclass(frozen=True)
class Noise:
    """How much noise.

    Args:
        copies: with noise, of each clip of the training part, which itself stays in it; 0 for none.
        volume: by which a piece of noise is multiplied at the most; 0.1 in Speech Commands.
    """

    copies: int = 0
    volume: float = 0.1

    def check(self, source: str, found: Examples) -> None:
        """Raises unless it can be mixed into these examples."""
        if self.copies < 0:
            raise bad_data(f"`noise` is {self.copies} copies", "give 0, or how many there shall be", "bad-option")
        if not 0 < self.volume <= 1:
            message = f"the volume of noise is {self.volume:g}"
            raise bad_data(message, "give one above 0 and up to 1, such as 0.1", "bad-option")
        if not self.copies or found.noisy is not None:
            return
        if found.format != "sounds":
            message = f"--noise is for files of sound, and `{source}` has none"
            raise bad_data(message, "leave --noise out", "bad-option")
        message = f"`{source}` has no folder `{BACKGROUND}` with recordings of noise (--noise)"
        raise bad_data(message, "put some there, one is enough, or leave --noise out", "no-noise")

    def added(self, found: Examples, plan: Assignment, decoded: Decoded, seed: int) -> tuple[Assignment, Decoded]:
        """The examples with the copies, which stand at the end of the training part.

        Args:
            found: all of them.
            plan: which are in what part.
            decoded: inputs of `plan.kept`.
            seed: decides which noise, from where on and how loud.

        Raises:
            FileError: a recording of noise is broken.
        """
        if not self.copies or found.noisy is None:
            return plan, decoded
        train, valid, test = plan.members
        chosen = np.tile(plan.kept[train], self.copies)
        rng = np.random.default_rng([seed, 3])
        noisy = found.noisy(chosen, self.volume, rng, decoded.notes["rate"])
        new = len(plan.kept) + np.arange(len(chosen))
        members = np.concatenate([train, new]), valid, test
        about = {"copies": self.copies, "volume": self.volume, "clips": len(chosen), **noisy.notes}
        left_out = {"left out": without_noise(found.notes["left out"])} if "left out" in found.notes else {}
        return replace(plan, kept=np.concatenate([plan.kept, chosen]), members=members), replace(
            decoded, x=np.concatenate([decoded.x, noisy.x]), notes={**decoded.notes, "noise": about, **left_out},
            digests=[*decoded.digests, *noisy.digests],
        )  # fmt: skip


def without_noise(left_out: Mapping[str, int]) -> dict[str, int]:
    """Folders that are left out, but not that of noise."""
    return {name: count for name, count in left_out.items() if BACKGROUND not in name.split("/")}


def recordings(tree: FileTree) -> list[str]:
    """The files of noise in a tree."""
    return [name for name in with_suffix(tree.names, SOUNDS) if BACKGROUND in name.split("/")[:-1]]
