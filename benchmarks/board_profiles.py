"""Fit the latency profiles of runtimes that others measured, several boards together, and write them to the library.

    python benchmarks/board_profiles.py ../shared/data/mcu            # a minute

Reads `mlperf_tiny.csv` (four networks on each board) and `stm32_anchors.csv` (one board of ST's model zoo, networks
whose architecture is published), and writes `spaces/latency_profiles/RUNTIME-CORE.yaml` with the errors on boards left
out. `benchmarks/latency.py --boards` prints the same errors as a table.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from boards import rebuilt

import nascompile as nc
import spaces
from nascompile.latency.boards import Measured, fit_boards, network_counts
from spaces.costs.latency import LatencyProfile, StatedError
from spaces.costs.latency_file import write_profile
from spaces.program.candidate import parse_candidate

__all__ = ["RUNTIMES", "Ours", "errors", "left_out", "main", "read_rows"]

FOLDER = Path(spaces.__file__).parent / "latency_profiles"
#: Whose settings the profiles have: those of MLPerf Tiny's submissions.
PUBLISHER = "MLPerf Tiny"
CORES = {"Cortex-M0+": "m0plus", "Cortex-M33": "m33", "Cortex-M4F": "m4", "Cortex-M7": "m7"}
#: A chip with an accelerator, which its core says nothing of.
ACCELERATED = ("xG24",)


@dataclass(frozen=True)
class Ours:
    """How a runtime of the file is called here.

    Args:
        runtime: its name, and that of its version where versions differ in kind.
        version: what was measured.
        shipped: the cores of the library's profiles; the others only tell how cores compare.
    """

    runtime: str
    version: str
    shipped: tuple[str, ...] = ()


_M = ("Cortex-M33", "Cortex-M4F", "Cortex-M7")
#: How the framework begins in the file -> its runtime.
RUNTIMES = {
    "TensorFlow Lite": Ours("tflite-micro", "2.3.1", ("Cortex-M4F",)),
    "X-CUBE-AI": Ours("x-cube-ai", "8.1", _M),
    "Bosch": Ours("hale", "1.0", ("Cortex-M0+", *_M)),
    "Plumerai Inference Engine 2023": Ours("plumerai", "2023.05", _M),
    "Plumerai": Ours("plumerai-2022", "MLPerf Tiny 0.7 and 1.0"),
    "ONNC": Ours("onnc", "MLPerf Tiny 1.1"),
    "microTVM": Ours("microtvm", "MLPerf Tiny 1.0 and 1.1"),
}


def read_rows(data: Path) -> list[Measured]:
    """All rows of both files."""
    return [*_mlperf(data / "mlperf_tiny.csv"), *_zoo(data / "stm32_anchors.csv")]


def _mlperf(path: Path) -> Iterator[Measured]:
    programs = {name: nc.compile(f"mlperf_{name}", tables=False) for name in ("kws", "ic", "vww", "ad")}
    counts = {name: network_counts(parse_candidate(program, "")) for name, program in programs.items()}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if any(name in row["board"] for name in ACCELERATED):
                continue
            ours = next(one for begin, one in RUNTIMES.items() if row["framework"].startswith(begin))
            kernels = "-cmsis-nn" if "cmsis" in row["system"].lower() else ""
            core = {"Cortex-M4": "Cortex-M4F"}.get(row["core"], row["core"])
            board = row["board"].upper().replace("_", "-")
            cycles = float(row["latency_ms"]) * float(row["freq_mhz"]) * 1e3
            yield Measured(
                ours.runtime + kernels, core, board, PUBLISHER, row["network"],
                counts=counts[row["network"]], cycles=cycles,
            )  # fmt: skip


def _zoo(path: Path) -> Iterator[Measured]:
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            side, _, colours = map(int, row["resolution"].split("x"))
            if found := rebuilt(row["model"], side, colours, int(float(row["macs"]))):
                yield Measured(
                    "x-cube-ai", "Cortex-M7", "STM32H747I-DISCO", "stm32ai-modelzoo",
                    f"{row['model']} {row['resolution']}", counts=network_counts(found),
                    cycles=float(row["inference_ms"]) * float(row["freq_mhz"]) * 1e3,
                )  # fmt: skip


def left_out(rows: Sequence[Measured], runtime: str, core: str) -> tuple[list[Measured], np.ndarray]:
    """The rows of a runtime's boards of a core, and what they are predicted to take without them, in cycles.

    Each board is left out in turn, under every runtime of the same name; what no other board ran is left out network
    by network.
    """
    told: list[Measured] = []
    predicted: list[float] = []
    alone = len({(r.core, r.board) for r in rows if r.runtime == runtime}) == 1 or core == "Cortex-M0+"
    mine = [r for r in rows if (r.runtime, r.core, r.publisher) == (runtime, core, PUBLISHER)]
    for name in dict.fromkeys(r.network if alone else r.board for r in mine):
        out = [r for r in mine if (r.network if alone else r.board) == name]
        model = fit_boards([r for r in rows if r not in out])
        told += out
        predicted += model.cycles(out).tolist()
    return told, np.array(predicted)


def errors(told: Sequence[Measured], predicted: np.ndarray) -> tuple[float, float, float]:
    """Median and 90th percentile of the error, in percent, and the rank correlation."""
    from scipy.stats import spearmanr

    measured = np.array([row.cycles for row in told])
    percent = 100 * np.abs(predicted / measured - 1)
    rank = float(spearmanr(predicted, measured).statistic)  # type: ignore[union-attr]
    return float(np.median(percent)), float(np.quantile(percent, 0.9)), rank


def profile(rows: Sequence[Measured], ours: Ours, core: str) -> LatencyProfile:
    """The profile of a runtime on a core, with its errors on boards that were left out of the fit."""
    told, predicted = left_out(rows, ours.runtime, core)
    boards = list(dict.fromkeys(r.board for r in told))
    fitted = {(r.core, r.board) for r in rows if r.runtime == ours.runtime}
    median, p90, rank = errors(told, predicted)
    one = f"one board: its {len(told)} networks, each predicted by the others"
    left = f"each board left out in turn, of {len(fitted)} of this runtime fitted together with other runtimes"
    alone = len(fitted) == 1 or core == "Cortex-M0+"
    stated = StatedError(round(median, 1), round(p90, 1), round(rank, 3), len(told), one if alone else left)
    zoo = ", one with 24 networks of stm32ai-modelzoo" if ours.runtime == "x-cube-ai" else ""
    source = f"MLPerf Tiny v0.5 to v1.1, closed division: {', '.join(boards)}"
    source += f"; kinds of operators from {len(fitted)} boards of the runtime{zoo}" if len(fitted) > 1 else ""
    empty = LatencyProfile(
        f"{ours.runtime}-{CORES[core]}", "int8", core, 0, source, error=stated, runtime=ours.runtime,
        version=ours.version, boards=len(boards),
    )  # fmt: skip
    return fit_boards(rows).profile(empty, PUBLISHER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with mlperf_tiny.csv and stm32_anchors.csv")
    rows = read_rows(parser.parse_args().data)
    for ours in RUNTIMES.values():
        for core in ours.shipped:
            made = profile(rows, ours, core)
            write_profile(made, FOLDER / f"{made.name}.yaml")
            assert made.error is not None
            e = made.error
            print(f"{made.name:18} {e.rows:3} rows, left out: median {e.median:5.1f} %, 90th percentile {e.p90:5.1f} %")


if __name__ == "__main__":
    main()
