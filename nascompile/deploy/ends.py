"""What lies before and behind a network: how raw samples become its input, and what its outputs say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nascompile.data.anchors import Anchors
from nascompile.data.audio_features import AudioFeatures
from nascompile.data.dataset import Dataset, Task
from nascompile.deploy.mel_tables import FULL_SCALE, MelTables
from spaces.runtimes.around import CANDIDATE_BYTES, candidates

__all__ = ["FALSE_ALARMS", "Alarm", "Ends"]

#: Share of what is normal that may be taken for an anomaly.
FALSE_ALARMS = 0.05


@dataclass(frozen=True)
class Alarm:
    """From which error of reconstruction on an example is an anomaly, chosen on the validation part.

    Args:
        threshold: errors above are anomalies.
        normal: normal examples by which it was chosen.
        false: how many of them are above.
        anomalies: anomalous ones of the same part.
        found: how many of these are above.
    """

    threshold: float
    normal: int
    false: int
    anomalies: int
    found: int

    @classmethod
    def chosen(cls, errors: NDArray[np.floating[Any]], y: NDArray[Any], share: float = FALSE_ALARMS) -> Alarm | None:
        """The least threshold with so few false alarms; None where nothing is normal.

        Args:
            errors: [n], the mean squared error of each example's reconstruction.
            y: [n], 0 for normal.
            share: of normal examples that may be above.

        Example:
            >>> Alarm.chosen(np.array([1.0, 3.0, 2.0, 9.0]), np.array([0, 0, 0, 1]), share=0.4)
            Alarm(threshold=2.0, normal=3, false=1, anomalies=1, found=1)
        """
        normal, others = np.sort(errors[y == 0]), errors[y != 0]
        if not len(normal):
            return None
        threshold = float(np.float32(normal[max(0, ceil(len(normal) * (1 - share)) - 1)]))
        # In float32, as the chip compares.
        false, found = (int((np.float32(some) > np.float32(threshold)).sum()) for some in (normal, others))
        return cls(threshold, len(normal), false, len(others), found)


@dataclass(frozen=True, eq=False)
class Ends:
    """Both ends of a trained network.

    Args:
        task: what it has learnt.
        classes: names of classes or labels, in the order of outputs; none for other tasks.
        kind: of a raw sample: `int16` of sound, `uint8` of pixels, else `float32`.
        scale: from a raw sample to what is normalised.
        mean: [channels]; element i of an input, as it lies in RAM, is normalised by number i % channels.
        deviation: [channels].
        features: of sound.
        rate: samples of sound per second.
        targets: mean and deviation of each number that the network predicts.
        anchors: of a detector, as shares of the image.
        alarm: of a detector of anomalies; None where its data were not at hand.
    """

    task: Task
    classes: tuple[str, ...]
    kind: str
    scale: float
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    features: AudioFeatures | None = None
    rate: int = 0
    targets: tuple[tuple[float, float], ...] = ()
    anchors: Anchors = ()
    alarm: Alarm | None = field(default=None)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """By what a run keeps of its data.

        Args:
            record: `data.json`.

        Raises:
            KeyError: something is missing: the run is older than what it should say.

        Example:
            >>> normal = {"axis": 1, "scale": 1 / 255, "mean": [0.5], "deviation": [0.25]}
            >>> record = {"task": "classification", "classes": ["a", "b"], "kind": "image", "normalisation": normal}
            >>> Ends.of_record({**record, "features": None}).kind
            'uint8'
        """
        normal, features, targets = record["normalisation"], record["features"], record.get("targets")
        kind, scale = ("uint8" if normal["scale"] != 1 else "float32"), float(normal["scale"])
        if record["kind"] == "audio":
            kind, scale = "int16", 1.0 if features else 1 / FULL_SCALE
        named = record["task"] in ("classification", "multi-label", "detection")
        return cls(
            record["task"], tuple(record["classes"]) if named else (), kind, scale,
            mean=np.array(normal["mean"], np.float64), deviation=np.array(normal["deviation"], np.float64),
            features=AudioFeatures(**features) if features else None, rate=int(record.get("rate", 0)),
            targets=tuple(zip(targets["mean"], targets["deviation"], strict=True)) if targets else (),
            anchors=tuple((float(w), float(h)) for w, h in record.get("anchors", ())),
        )  # fmt: skip

    @classmethod
    def of_data(cls, data: Dataset) -> Self | None:
        """Those of networks that learn a data set; None where it does not say how it was made."""
        try:
            return cls.of_record({"task": data.task, "classes": list(data.classes), **data.prepared})
        except KeyError:
            return None

    @cached_property
    def mel(self) -> MelTables | None:
        """The tables of the features."""
        return MelTables.of(self.features, self.rate) if self.features else None

    def raw_size(self, size: int) -> int:
        """Raw samples of an input.

        Args:
            size: elements of the input.
        """
        return self.features.samples(size // self.features.width, self.rate) if self.features else size

    def rooms(self, outputs: int) -> tuple[int, int]:
        """Bytes that making an input takes beside it, and understanding the outputs beside them.

        Args:
            outputs: elements of the output.
        """
        before = self.mel.room if self.mel else 0
        # To tell an anomaly the input is made once more.
        behind = CANDIDATE_BYTES * self.candidates(outputs) if self.task == "detection" else 0
        return before, before if self.task == "anomaly" else behind

    def candidates(self, outputs: int) -> int:
        """Boxes of a detector that are compared with each other, at most.

        Args:
            outputs: elements of the output.
        """
        return candidates(outputs, len(self.classes))

    @property
    def nbytes(self) -> int:
        """Of the constants in flash, without names, which an image has if it asks for them."""
        mel = self.mel.nbytes if self.mel else 0
        return mel + 8 * (len(self.mean) + len(self.anchors) + len(self.targets))

    def steps(self, scale: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Factors and offsets, [channels] each, from a sample to steps of the input.

        Args:
            scale: of an int8 input; 1 for floating point.
        """
        return (
            (self.scale / self.deviation / scale).astype(np.float32),
            (-self.mean / self.deviation / scale).astype(np.float32),
        )

    def samples(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Decoded examples as the chip has them.

        Args:
            raw: [n, ...], see `nascompile.data.raw.load_raw`.
        """
        if np.isnan(raw).any():  # padding, which is 0 after normalisation
            raw = np.where(np.isnan(raw), self.mean.reshape(-1, *[1] * (raw.ndim - 2)).astype(np.float32), raw)
        if self.kind == "int16":
            return np.clip(np.rint(raw * np.float32(FULL_SCALE)), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
        return raw.astype(self.kind, copy=False)
