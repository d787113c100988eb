"""Fit the latency profiles of runtimes that others measured, several boards together, and write them to the library.

    python benchmarks/board_profiles.py ../shared/data/mcu            # a minute or two

Reads `mlperf_tiny.csv` (four networks on each board) and `stm32_anchors.csv` (one board of ST's model zoo, networks
whose architecture is published), and writes `spaces/latency_profiles/RUNTIME-CORE.yaml`, fitted to all rows with the
spreads that `nascompile.latency.spreads` chooses from all. The errors are those on boards left out, with spreads chosen
without them. `benchmarks/latency.py --boards` prints the same as a table.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from boards import rebuilt

import nascompile as nc
import spaces
from nascompile.latency.boards import Measured, Spread, fit_boards, network_counts
from nascompile.latency.spreads import chosen_spread
from spaces.costs.latency import LatencyProfile
from spaces.costs.latency_file import write_profile
from spaces.costs.prices import StatedError
from spaces.program.candidate import parse_candidate

__all__ = ["PUBLISHER", "RUNTIMES", "LeftOut", "Ours", "alone", "left_out", "main", "read_rows"]

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


def read_rows(data: Path) -> tuple[Measured, ...]:
    """All rows of both files."""
    return (*_mlperf(data / "mlperf_tiny.csv"), *_zoo(data / "stm32_anchors.csv"))


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


def alone(rows: Sequence[Measured], runtime: str, core: str) -> bool:
    """Whether a runtime's boards of a core have no others to be predicted from, of the runtime and of the core."""
    others = {(r.runtime == runtime, r.core == core) for r in rows if (r.runtime == runtime) != (r.core == core)}
    return len(others) < 2


class LeftOut(NamedTuple):
    """Rows to be predicted, and what they are predicted from.

    Args:
        board: what was left out: a board, or a network of the only one.
        rows: its rows.
        rest: all others.
        spread: chosen from the rest.
    """

    board: str
    rows: list[Measured]
    rest: list[Measured]
    spread: Spread


def left_out(rows: tuple[Measured, ...], runtime: str, core: str) -> tuple[LeftOut, ...]:
    """The boards of a runtime and a core, each left out in turn; where nothing else tells of them, each network.

    Neither the model nor its spreads see what is left out.
    """
    mine = [r for r in rows if (r.runtime, r.core, r.publisher) == (runtime, core, PUBLISHER)]
    by = "network" if alone(rows, runtime, core) else "board"
    found = []
    for name in dict.fromkeys(getattr(r, by) for r in mine):
        out = [r for r in mine if getattr(r, by) == name]
        rest = [r for r in rows if r not in out]
        found.append(LeftOut(name, out, rest, chosen_spread(rest)))
    return tuple(found)


def errors(told: Sequence[Measured], predicted: Sequence[float]) -> tuple[float, float, float]:
    """Median and 90th percentile of the error, in percent, and the rank correlation."""
    from scipy.stats import spearmanr

    measured = np.array([row.cycles for row in told])
    percent = 100 * np.abs(np.array(predicted) / measured - 1)
    rank = float(spearmanr(predicted, measured).statistic)  # type: ignore[union-attr]
    return float(np.median(percent)), float(np.quantile(percent, 0.9)), rank


def profile(rows: tuple[Measured, ...], ours: Ours, core: str, spread: Spread) -> LatencyProfile:
    """The profile of a runtime on a core, with its errors on boards that were left out of the fit."""
    parts = left_out(rows, ours.runtime, core)
    told = [row for part in parts for row in part.rows]
    predicted = [x for part in parts for x in fit_boards(part.rest, part.spread).cycles(part.rows)]
    boards = list(dict.fromkeys(r.board for r in told))
    fitted = {(r.core, r.board) for r in rows if r.runtime == ours.runtime}
    median, p90, rank = errors(told, predicted)
    one = f"one board: its {len(told)} networks, each predicted by the others"
    left = f"each board left out in turn, of {len(fitted)} of this runtime fitted together with other runtimes"
    how = one if alone(rows, ours.runtime, core) else left
    stated = StatedError(
        round(median, 1), round(p90, 1), round(rank, 3), len(told), f"{how}; spreads chosen without it"
    )
    zoo = ", one with 24 networks of stm32ai-modelzoo" if ours.runtime == "x-cube-ai" else ""
    source = f"MLPerf Tiny v0.5 to v1.1, closed division: {', '.join(boards)}"
    source += f"; kinds of operators from {len(fitted)} boards of the runtime{zoo}" if len(fitted) > 1 else ""
    empty = LatencyProfile(
        f"{ours.runtime}-{CORES[core]}", "int8", core, 0, source, error=stated, runtime=ours.runtime,
        version=ours.version, boards=len(boards),
    )  # fmt: skip
    return fit_boards(rows, spread).profile(empty, PUBLISHER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with mlperf_tiny.csv and stm32_anchors.csv")
    rows = read_rows(parser.parse_args().data)
    spread = chosen_spread(rows)
    print(spread)
    for ours in RUNTIMES.values():
        for core in ours.shipped:
            made = profile(rows, ours, core, spread)
            write_profile(made, FOLDER / f"{made.name}.yaml")
            assert made.error is not None
            e = made.error
            print(f"{made.name:18} {e.rows:3} rows, left out: median {e.median:5.1f} %, 90th percentile {e.p90:5.1f} %")


if __name__ == "__main__":
    main()
