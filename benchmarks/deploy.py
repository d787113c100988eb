"""Deployment measured: the DS-CNN of MLPerf Tiny, and random networks of every space, predicted against built.

    python benchmarks/deploy.py                           # 100 networks; half an hour on two cores
    python benchmarks/deploy.py --networks 50 --types int8
    python benchmarks/deploy.py --networks 13             # one of each space that has several

Needs make, gcc, gcc-arm-none-eabi and qemu-system-arm. Every network is drawn at random among those that fit the chip,
written as C in int8 and, alternately, in float32, linked at the chip's addresses, and, where one inference has at most
--most million multiply-accumulates, run on the emulated core. Errors are those of the prediction, from the space alone,
against the image and the run; `even/odd` are EBS's even and odd buffers against the RAM of the image.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import nascompile as nc
from nascompile.deploy.core import CORES
from nascompile.deploy.deploy import deploy, verify
from nascompile.deploy.deployable import untrained
from nascompile.deploy.deployed import Deployed
from nascompile.deploy.toolchain import build_image
from spaces.language.library import library
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.compile import compile_space
from spaces.program.graph import Program
from spaces.targets.catalogue import load_target
from spaces.targets.target import Target
from spaces.tensors import Infeasible

__all__ = ["main"]

DS_CNN = """
space: ds_cnn
input: {channels: 1, height: 49, width: 10}
dtype: int8
bias: true
network:
  - conv: {filters: 64, kernel: [10, 4], stride: [2, 2]}
  - ds_conv: {filters: 64}
  - ds_conv: {filters: 64}
  - ds_conv: {filters: 64}
  - ds_conv: {filters: 64}
  - global_avg_pool
  - linear: {units: 12}
"""
#: Data type -> chip: the larger type has the larger one.
CHIPS = {"int8": "stm32f412", "float32": "stm32h743"}


@dataclass(frozen=True)
class Built:
    """A network, predicted and built."""

    space: str
    dtype: str
    rom: float
    ram: int
    pingpong: float
    seconds: float
    each: float
    counted: float
    stack: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--most", type=float, default=100.0, help="million multiply-accumulates to run (default 100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--types", default=",".join(CHIPS), help=f"data types (default {','.join(CHIPS)})")
    given = parser.parse_args()
    types = given.types.split(",")
    if unknown := [one for one in types if one not in CHIPS]:
        parser.error(f"there is no type `{unknown[0]}`; there are {', '.join(CHIPS)}")
    with tempfile.TemporaryDirectory() as folder:
        ds_cnn(Path(folder))
        rows = list(built(given.networks, types, given.most * 1e6, given.seed, Path(folder) / "network"))
    summary(rows)


def ds_cnn(folder: Path) -> None:
    """The table of one network that others have deployed too."""
    program = compile_space(read_space(DS_CNN))
    candidate = candidate_of(program, 0, [])
    print(f"DS-CNN, 64 channels x 5\n\n{'':22}{'RAM':>9}{'ROM':>9}{'predicted':>11}{'instructions':>14}{'stack':>7}")
    for core, mcu in (("M4", "stm32f412"), ("M7", "stm32h743")):
        for dtype in ("int8", "float32"):
            made = deploy(untrained(candidate, dtype), load_target(mcu), folder / f"{core}-{dtype}")
            shown = verify(made)
            assert shown.passed
            assert shown.sizes
            assert shown.core
            print(f"{core + ', ' + dtype:22}{shown.sizes.ram:>9,}{shown.sizes.rom:>9,}{made.predicted['rom']:>11,}"
                  f"{shown.core.instructions:>14,}{shown.core.stack:>7,}", flush=True)  # fmt: skip
    print()


def built(count: int, types: list[str], most: float, seed: int, folder: Path) -> Iterator[Built]:
    """Random networks, space after space in turn; of one network nothing is random."""
    generator, programs, made = random.Random(seed), {}, 0
    spaces = [space for space in library() if nc.compile(space, tables=False).size > 1]
    print(f"{'space':24}{'type':9}{'RAM':>9}{'ROM':>11}{'error':>9}{'even/odd':>10}{'build':>8}{'per MAC':>9}"
          f"{'error':>9}{'stack':>7}")  # fmt: skip
    while made < count:
        for space in spaces:
            dtype = types[made // len(spaces) % len(types)]
            key = (space, dtype)
            if key not in programs:
                programs[key] = program_of(space, dtype)
            candidate = drawn(programs[key], generator)
            if candidate is None or made == count:
                continue
            made += 1
            yield one(space, dtype, candidate, load_target(CHIPS[dtype]), most, folder)


def program_of(space: str, dtype: str) -> Program:
    """A space in a data type, under the budgets of its chip, by the runtime."""
    target = load_target(CHIPS[dtype])
    return nc.compile(space, mcu=target, runtime="nascompile-c", overrides=[f"dtype={dtype}"])


def drawn(program: Program, generator: random.Random) -> Candidate | None:
    """A random network within the budgets, if a thousand draws find one."""
    for _ in range(1000):
        position = generator.randrange(len(program.variants))
        decisions = program.variants[position].decisions
        try:
            candidate = candidate_of(program, position, [generator.randrange(len(d.options)) for d in decisions])
            costs = candidate.costs
        except (Infeasible, nc.NascompileError):
            continue
        if all(costs[name] <= budget for name, budget in program.budgets.items()):
            return candidate
    return None


def one(space: str, dtype: str, candidate: Candidate, target: Target, most: float, folder: Path) -> Built:
    """Deploy, build and, unless it is too large, run a network."""
    shutil.rmtree(folder, ignore_errors=True)
    made: Deployed = deploy(untrained(candidate, dtype), target, folder)
    start = time.perf_counter()
    sizes = build_image(folder, CORES[target.core])
    seconds = time.perf_counter() - start
    each, counted, stack = float("nan"), float("nan"), 0
    if made.predicted["macs"] <= most:
        shown = verify(made)
        assert shown.passed, candidate
        assert shown.core
        each, stack = shown.core.instructions / max(1, made.predicted["macs"]), shown.core.stack
        counted = made.predicted["instructions"] / shown.core.instructions - 1
    assert made.predicted == {**made.predicted, **costs_of(candidate)}, candidate
    row = Built(
        space, dtype, made.predicted["rom"] / sizes.rom - 1, made.predicted["ram"] - sizes.ram,
        made.predicted["ram_pingpong"] / sizes.ram - 1, seconds, each, counted, stack,
    )  # fmt: skip
    print(f"{space:24}{dtype:9}{sizes.ram:>9,}{sizes.rom:>11,}{100 * row.rom:>8.3f}%{100 * row.pingpong:>9.1f}%"
          f"{seconds:>7.2f}s{each:>9.2f}{100 * counted:>8.3f}%{stack:>7}", flush=True)  # fmt: skip
    return row


def costs_of(candidate: Candidate) -> dict[str, int]:
    """What the compiled tables say; the prediction walks the network."""
    return {name: int(candidate.costs[name]) for name in ("rom", "ram")}


def summary(rows: list[Built]) -> None:
    """Largest and median errors."""
    roms, rams = [abs(row.rom) for row in rows], [abs(row.ram) for row in rows]
    print(f"\n{len(rows)} networks: ROM predicted within {100 * max(roms):.3f} % (median {100 * median(roms):.3f} %), "
          f"RAM within {max(rams)} B, stack up to {max(row.stack for row in rows)} B; "
          f"{median(row.seconds for row in rows):.2f} s to build one")  # fmt: skip
    for dtype in CHIPS:
        found = [row.each for row in rows if row.dtype == dtype and row.each == row.each]
        if found:
            errors = [abs(row.counted) for row in rows if row.dtype == dtype and row.each == row.each]
            print(f"instructions per multiply-accumulate, {dtype}: {min(found):.2f} to {max(found):.2f}, "
                  f"median {median(found):.2f} of {len(found)}; predicted within {100 * max(errors):.3f} % "
                  f"(median {100 * median(errors):.3f} %)")  # fmt: skip
    print(f"\n{'even and odd buffers':24}{'too low by':>12}{'too high by':>13}{'median':>9}   (of the image's RAM)")
    for space in dict.fromkeys(row.space for row in rows):
        difference = [row.pingpong for row in rows if row.space == space]
        low, high = max(0.0, -min(difference)), max(0.0, *difference)
        print(f"{space:24}{100 * low:>11.1f}%{100 * high:>12.1f}%{100 * median(difference):>8.1f}%")


if __name__ == "__main__":
    main()
