"""Do instructions rank networks as milliseconds on a board do? Two boards that other runtimes were measured on.

    python benchmarks/boards.py ../shared/data/mcu

The nRF5340 (Cortex-M33) ran 110 cells of NAS-Bench-201 with TensorFlow Lite Micro, the STM32H747 (Cortex-M7) networks
of a model zoo with STM32Cube.AI. Those of the latter whose architecture is published are built here from blocks; one
counts only where its multiply-accumulates are exactly those of the zoo, for some number of classes. What is compared is
the prediction for our own C, another runtime, so ranks are to agree, and numbers need not.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import nascompile as nc
from spaces.costs.latency_profiles import load_profile
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate, candidate_of, parse_candidate
from spaces.program.compile import compile_space

#: Numbers of classes that the model zoo's data sets have.
CLASSES = (5, 10, 36, 39, 100, 101, 1000, 2, 62, 1001)


def mobilenet(width: float, side: int, colours: int = 3) -> str:
    """MobileNet v1 (Howard et al. 2017)."""
    rows = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    return _separable(32, rows, width, side, colours)


def fd_mobilenet(width: float, side: int, colours: int = 3) -> str:
    """FD-MobileNet (Qin et al. 2018): MobileNet whose strides come early."""
    rows = [(64, 2), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 4, (1024, 1)]
    return _separable(32, rows, width, side, colours)


def _separable(first: int, rows: Sequence[tuple[int, int]], width: float, side: int, colours: int) -> str:
    layers = [f"conv: {{filters: {int(first * width)}, stride: 2}}"]
    layers += [f"ds_conv: {{filters: {int(filters * width)}, stride: {stride}}}" for filters, stride in rows]
    return _text(side, colours, [*layers, "global_avg_pool"])


def mobilenet_v2(width: float, side: int, colours: int = 3) -> str:
    """MobileNetV2 (Sandler et al. 2018)."""
    rows = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    layers = [f"conv: {{filters: {_eighths(32 * width)}, stride: 2, activation: relu6}}"]
    for expansion, filters, repeats, stride in rows:
        for k in range(repeats):
            layers.append(
                f"inverted_residual: {{filters: {_eighths(filters * width)}, expansion: {expansion}, "
                f"stride: {stride if k == 0 else 1}}}"
            )
    last = "conv: {filters: 1280, kernel: 1, activation: relu6}"
    return _text(side, colours, [*layers, last, "global_avg_pool"])


def _eighths(channels: float) -> int:
    """To a multiple of eight, not below nine tenths."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def resnet(blocks: int, side: int, colours: int = 3) -> str:
    """ResNet v1 for small images (He et al. 2015): three stages."""
    rows = [(filters, 2 if k == 0 and filters > 16 else 1) for filters in (16, 32, 64) for k in range(blocks)]
    layers = ["conv: {filters: 16}"]
    layers += [f"residual: {{filters: {filters}, stride: {stride}}}" for filters, stride in rows]
    return _text(side, colours, [*layers, "global_avg_pool"])


def squeezenet(side: int, padding: str, colours: int = 3) -> str:
    """SqueezeNet v1.1 (Iandola et al. 2016)."""
    pool = f"max_pool: {{kernel: 3, stride: 2, padding: {padding}}}"
    fires = [(16, 64)] * 2, [(32, 128)] * 2, [(48, 192)] * 2 + [(64, 256)] * 2
    layers = [f"conv: {{filters: 64, stride: 2, padding: {padding}}}"]
    for group in fires:
        layers += [pool, *(f"fire: {{squeeze: {squeeze}, expand: {expand}}}" for squeeze, expand in group)]
    # The classifier is a convolution in front of the pooling.
    return _text(side, colours, [*layers, "conv: {filters: CLASSES, kernel: 1}", "global_avg_pool"], last="")


def _text(side: int, colours: int, layers: Sequence[str], last: str = "linear: {units: CLASSES}") -> str:
    rows = "".join(f"  - {layer}\n" for layer in [*layers, *filter(None, [last])])
    size = f"{{channels: {colours}, height: {side}, width: {side}}}"
    return f"space: rebuilt\ninput: {size}\ndtype: int8\nbias: true\nnetwork:\n{rows}"


def rebuilt(model: str, side: int, colours: int, macs: int) -> Candidate | None:
    """The network of a row of the model zoo, or None where its architecture is not known exactly."""
    for text in _texts(model, side, colours):
        for classes in CLASSES:
            program = compile_space(read_space(text.replace("CLASSES", str(classes))))
            found = candidate_of(program, 0, [0] * len(program.variants[0].decisions))
            if found.costs["macs"] == macs:
                return found
    return None


def _texts(model: str, side: int, colours: int) -> Iterator[str]:
    name = model.lower()
    if "ssd" in name:
        return
    if "fdmobilenet" in name:
        yield from (fd_mobilenet(width, side, colours) for width in (0.25, 0.35, 0.375, 0.5))
    elif "mobilenet v1" in name:
        yield mobilenet(0.5 if "0.5" in name else 0.25, side, colours)
    elif "mobilenet v2" in name:
        yield mobilenet_v2(0.35, side, colours)
    elif "resnet v1" in name:
        yield from (resnet(blocks, side, colours) for blocks in (1, 5))
    elif "squeezenet v1.1" in name:
        yield from (squeezenet(side, padding, colours) for padding in ("same", "valid"))


def zoo(path: Path) -> Iterator[tuple[Candidate, float]]:
    """Networks and milliseconds."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            side, _, colours = map(int, row["resolution"].split("x"))
            if found := rebuilt(row["model"], side, colours, int(float(row["macs"]))):
                yield found, float(row["inference_ms"])
            else:
                print(f"left out: {row['model']}, {row['resolution']}")


def cells(path: Path) -> Iterator[tuple[Candidate, float]]:
    """Networks and milliseconds; one network of each kind, some being the same function."""
    program = nc.compile("nasbench201", overrides=["dtype=int8"])
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            yield parse_candidate(program, row["arch"]), 1000 * float(row["latency_s"])


def report(name: str, rows: Sequence[tuple[Candidate, float]], profile_name: str) -> None:
    from scipy.stats import kendalltau, spearmanr

    measured = np.array([ms for _, ms in rows])
    profile = load_profile(profile_name).at_clock(10**9)
    ours = [sum(profile.layer_ns(s.ops, s.x.shape) for s in c.steps) for c, _ in rows]
    print(f"{name}: {len(rows)} networks, {profile_name}")
    for what, values in (("instructions", ours), ("MACs", [c.costs["macs"] for c, _ in rows])):
        predicted: Any = np.array(values, float)
        factor = float(np.median(measured / predicted))
        off = 100 * np.abs(factor * predicted / measured - 1)
        ranks = spearmanr(predicted, measured).statistic, kendalltau(predicted, measured).statistic
        print(
            f"  {what:13} Spearman {ranks[0]:.3f}, Kendall {ranks[1]:.3f}; "
            f"times one factor: median error {np.median(off):.1f} %, largest {off.max():.0f} %"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with nrf5340_nb201.csv and stm32_anchors.csv")
    given = parser.parse_args()
    report("nRF5340", list(cells(given.data / "nrf5340_nb201.csv")), "nascompile-c-m33-int8")
    report("STM32H747", list(zoo(given.data / "stm32_anchors.csv")), "nascompile-c-m7-int8")


if __name__ == "__main__":
    main()
