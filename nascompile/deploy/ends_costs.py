"""What the ends of a network take on a chip: bytes of flash and RAM, and instructions, before there is any C."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from nascompile.data.dataset import Dataset
from nascompile.deploy.ends import Ends
from spaces.runtimes.around import Around
from spaces.runtimes.base import Runtime
from spaces.runtimes.nascompile_c import NascompileC

__all__ = ["FILE", "EndsCosts", "around_of", "costs_text", "mel_loops", "surrounded"]

#: Measurements of the C of `ends_source` and of `c/raw`; made by `benchmarks/ends_profile.py`.
FILE = Path(__file__).with_name("ends-costs.json")


@dataclass(frozen=True)
class EndsCosts:
    """As measured with one compiler on one core.

    Args:
        core: of the processor, as targets name it.
        dtype: of the network.
        made: bytes of code by which an input is made of `int16`, `uint8`, `float32`, or of `mel` features, and a class
            told of the outputs.
        told: how many more it takes to tell what another task wants than to tell a class.
        element: instructions for an element of an input, by the same names as `made`.
        mel: instructions for an iteration of each of the loops of `mel_loops`.
    """

    core: str
    dtype: str
    made: Mapping[str, int] = field(hash=False)
    told: Mapping[str, int] = field(hash=False)
    element: Mapping[str, float] = field(hash=False)
    mel: Mapping[str, float] = field(hash=False)

    @classmethod
    def find(cls, core: str, dtype: str) -> EndsCosts | None:
        """As it was measured on a core; None where it was not.

        Example:
            >>> EndsCosts.find("Cortex-M4F", "int8").told["classification"]
            0
        """
        return next((one for one in _measured() if (one.core, one.dtype) == (core, dtype)), None)

    def rom(self, ends: Ends) -> int:
        """Bytes of flash beside those of the network alone."""
        return self.made[_way(ends)] + self.told[ends.task] + ends.nbytes

    def instructions(self, ends: Ends, size: int) -> int:
        """Instructions from raw samples to the input; where anomalies are told it is made twice.

        Args:
            ends: of the network.
            size: elements of an input.
        """
        total = self.element[_way(ends)] * size
        if ends.mel:
            loops = mel_loops(ends)
            total += size // ends.mel.width * sum(self.mel[name] * count for name, count in loops.items())
        return round(total)


def around_of(ends: Ends, core: str, dtype: str, size: int) -> Around:
    """What the ends of networks take of a chip, as the costs of networks count it.

    Args:
        ends: of the networks.
        core: of the processor.
        dtype: of the networks.
        size: elements of their input.
    """
    before, _ = ends.rooms(0)
    boxes = len(ends.classes) if ends.task == "detection" else 0
    costs = EndsCosts.find(core, dtype)
    if costs is None:
        return Around(0, before, boxes, None)
    return Around(costs.rom(ends), before, boxes, costs.instructions(ends, size))


def surrounded(runtime: Runtime, data: Dataset, size: int) -> Runtime:
    """A runtime that counts what our C has around networks of some data, too; as it is where it does not count our C.

    Args:
        runtime: of the networks alone.
        data: what they learn.
        size: elements of their input.
    """
    ends = Ends.of_data(data)
    if ends is None or not isinstance(runtime, NascompileC):
        return runtime
    return replace(runtime, around=around_of(ends, runtime.core, runtime.dtype, size))


def mel_loops(ends: Ends) -> dict[str, int]:
    """How often the loops of `nc_mel_frame` run for a frame.

    Example:
        >>> from nascompile.data.audio_features import AudioFeatures
        >>> import numpy as np
        >>> one = np.ones(1)
        >>> mel_loops(Ends("classification", (), "int16", 1.0, one, one, features=AudioFeatures(), rate=8000))
        {'frame': 1, 'sample': 240, 'pair': 128, 'butterfly': 448, 'frequency': 127, 'triangle': 40, 'cosine': 200}
    """
    mel = ends.mel
    assert mel is not None
    pairs = 1 << (mel.bits - 1)
    return {
        "frame": 1,
        "sample": mel.window,
        "pair": pairs,
        "butterfly": pairs // 2 * (mel.bits - 1),
        "frequency": int(mel.edges.sum()),
        "triangle": mel.bins,
        "cosine": mel.cosine.size,
    }


def _way(ends: Ends) -> str:
    return "mel" if ends.mel else ends.kind


def costs_text(costs: list[EndsCosts], compiler: str) -> str:
    """The file of measurements."""
    return json.dumps({"compiler": compiler, "measured": [asdict(one) for one in costs]}, indent=1) + "\n"


@cache
def _measured() -> tuple[EndsCosts, ...]:
    found: list[dict[str, Any]] = json.loads(FILE.read_text())["measured"]
    return tuple(EndsCosts(**one) for one in found)
