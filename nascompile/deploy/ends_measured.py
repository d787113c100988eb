"""Measure what the ends of a network take: images linked with and without them, instructions in the emulator."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.data.audio_features import AudioFeatures
from nascompile.data.dataset import Task
from nascompile.deploy.calls import Plan, planned
from nascompile.deploy.core import CORES
from nascompile.deploy.ends import Alarm, Ends
from nascompile.deploy.ends_costs import EndsCosts, mel_loops
from nascompile.deploy.float_network import FloatNetwork, FloatOp
from nascompile.deploy.project import Vectors, write_project
from nascompile.deploy.toolchain import build_image, run_examples
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.targets.target import Region, Target
from spaces.tensors import Shape

__all__ = ["measured_ends", "sample_ends"]

_REGIONS = (Region("flash", "flash", 2**20, False), Region("RAM", "ram", 2**18, True))
#: Rows of 10 numbers go in, 8 numbers come out.
_IN, _OUT = Shape(1, 40, 10), 8
#: The features that are counted: every loop is longer in one than in another.
_FEATURES = (
    AudioFeatures(),
    AudioFeatures(window_ms=20),
    AudioFeatures(window_ms=32, bins=64),
    AudioFeatures(window_ms=40),
    AudioFeatures(window_ms=64, bins=20),
    AudioFeatures(bins=80),
    AudioFeatures(upper_hz=1000, bins=16),
    AudioFeatures("log-mel", bins=10),
    AudioFeatures("log-mel", bins=10, window_ms=60, upper_hz=2000),
    AudioFeatures(window_ms=16, bins=12),
)
_RATE = 8000


def sample_ends(task: Task = "classification", kind: str = "float32", features: AudioFeatures | None = None) -> Ends:
    """The ends of a network of ten channels."""
    targets = ((0.0, 1.0),) * _OUT if task == "regression" else ()
    names = {"detection": "abc", "regression": "", "anomaly": ""}.get(task, "abcdefgh")
    return Ends(
        task, tuple(names), kind, 1.0, mean=np.arange(10.0), deviation=np.ones(10), features=features, rate=_RATE,
        targets=targets,
        anchors=((0.25, 0.5),) if task == "detection" else (), alarm=Alarm(1.0, 1, 0, 0, 0),
    )  # fmt: skip


def measured_ends(core: str, dtype: str, folder: Path) -> EndsCosts:
    """What ends take on a core.

    Args:
        core: as targets name it.
        dtype: of the network.
        folder: for what is built.
    """
    builder = _Builder(core, dtype, folder)
    bare = builder.rom(None)
    plain = {kind: sample_ends(kind=kind) for kind in ("int16", "uint8", "float32")}
    made = {way: builder.rom(ends) - bare - ends.nbytes for way, ends in plain.items()}
    told = {"classification": 0}
    tasks: tuple[Task, ...] = ("multi-label", "regression", "detection", "anomaly")
    for task in tasks:
        ends = sample_ends(task)
        told[task] = builder.rom(ends) - bare - ends.nbytes - made["float32"]
    element = {way: builder.instructions(ends) / _IN.size for way, ends in plain.items()}
    heard = [sample_ends(kind="int16", features=features) for features in _FEATURES]
    made["mel"] = builder.rom(heard[0]) - bare - heard[0].nbytes
    frames = [builder.instructions(ends) / _IN.height for ends in heard]
    loops = [mel_loops(ends) for ends in heard]
    found = np.linalg.lstsq(np.array([list(row.values()) for row in loops], float), np.array(frames), rcond=None)[0]
    mel = {name: round(float(value), 3) for name, value in zip(loops[0], found, strict=True)}
    element = {way: round(value, 3) for way, value in element.items()}
    return EndsCosts(core, dtype, made, told, element={**element, "mel": 0.0}, mel=mel)


class _Builder:
    """Images of one network with various ends."""

    def __init__(self, core: str, dtype: str, folder: Path) -> None:
        self.core, self.dtype, self.folder = core, dtype, folder
        self.target = Target("any", "any", core, 0, _REGIONS)

    def written(self, ends: Ends | None) -> Plan:
        plan = _plan(self.dtype, ends)
        kind = np.int8 if self.dtype == "int8" else np.float32
        sample = Vectors(np.zeros((1, *_IN), kind), np.zeros((1, _OUT, 1, 1), kind))
        write_project(self.folder, plan, self.target, sample, name="four layers", readme="", ends=ends)
        return plan

    def rom(self, ends: Ends | None) -> int:
        self.written(ends)
        return build_image(self.folder, CORES[self.core]).rom

    def instructions(self, ends: Ends) -> float:
        """Of making an input of a tone in noise."""
        self.written(ends)
        size = ends.raw_size(_IN.size)
        noise = np.random.default_rng(0).normal(size=size)
        signal = 8000 * np.sin(np.arange(size) * 0.3) + 2000 * noise
        raw = signal.astype(np.int16) if ends.kind == "int16" else (signal / 100 + 128).clip(0, 255).astype(ends.kind)
        ticks = run_examples(self.folder, raw.tobytes(), CORES[self.core])[1]
        return ticks[0] * CORES[self.core].per_tick


def _plan(dtype: str, ends: Ends | None) -> Plan:
    """Four convolutions with weights of 0; of fewer the compiler makes less than it makes of others."""
    channels = (1, 8, 12, 12, _OUT)
    shapes = [*(_IN._replace(channels=n) for n in channels[:-1]), Shape(_OUT)]
    strides = ((1, 1), (1, 1), (1, 1), (_IN.height, _IN.width))
    layers = [
        (np.zeros((n, before, 1, 1), np.int8), n, stride)
        for (before, n), stride in zip(pairwise(channels), strides, strict=True)
    ]
    rooms = ends.rooms(_OUT) if ends else (0, 0)
    if dtype == "int8":
        ops = [
            QuantisedOp(
                "conv", (k,), stride=stride, weights=weights, biases=np.zeros(n, np.int32),
                multipliers=np.zeros(n, np.int32), shifts=np.zeros(n, np.int8),
            )
            for k, (weights, n, stride) in enumerate(layers)
        ]  # fmt: skip
        tensors = tuple(QuantisedTensor(shape, 0.05, 3) for shape in shapes)
        return planned(QuantisedNetwork("four layers", tuple(_IN), tensors, tuple(ops)), rooms=rooms)
    floats = [
        FloatOp("conv", (k,), stride=stride, weights=weights.astype(np.float32), biases=np.zeros(n, np.float32))
        for k, (weights, n, stride) in enumerate(layers)
    ]
    return planned(FloatNetwork("four layers", tuple(_IN), tuple(shapes), tuple(floats)), rooms=rooms)
