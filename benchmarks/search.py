"""The whole method on real data, sampler against sampler, and with halving against without.

    python benchmarks/search.py ../shared/data -o runs                        # 48 runs; resumable
    python benchmarks/search.py ../shared/data --only power --seeds 1 -o runs # minutes
    python benchmarks/search.py ../shared/data --halving -o runs              # what halving saves, and what it costs

A run is a command line of `nascompile search`, printed before it begins: a small space, the budgets of a small device,
int8, few examples, so that it takes minutes of one core, and the best network is hard to find. One that is there is not
repeated, and one that was killed goes on.

Columns: of the networks that are kept, test accuracy of the one with the best validation and of the best and the mean
of all kept, each in int8, in percent: mean and standard error over the seeds; CPU seconds of a run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

__all__ = ["main"]

SAMPLERS = ("entropy", "adaptive", "uniform", "tpe")
COMPARED = ("digits", "mnist", "power", "gunpoint")

IMAGES = """\
space: digit_images
input: {channels: 1, height: 28, width: 28}
dtype: int8
choices:
  M: [2, 4, 6, 8, 12, 16]
  K: [3, 5]
network:
  - conv: {filters: M, kernel: K, stride: 2, activation: relu}
  - ds_conv: {filters: M, kernel: K, stride: 2}
  - ds_conv: {filters: M, kernel: K}
    repeat: [1, 2, 3]
  - global_avg_pool
  - linear: {units: 10}
"""
SOUND = """\
space: spoken_digits
input: {channels: 1, height: 49, width: 10}
dtype: int8
choices:
  M: [4, 8, 12, 16, 24]
network:
  - conv: {filters: M, kernel: [10, 4], stride: 2}
  - ds_conv: {filters: M}
    repeat: [1, 2, 3]
  - global_avg_pool
  - linear: {units: 10}
"""
KEYWORDS = """\
space: keywords
input: {channels: 1, height: 49, width: 10}
dtype: int8
choices:
  M: [8, 16, 24]
network:
  - conv: {filters: M, kernel: [10, 4], stride: 2}
  - ds_conv: {filters: M}
    repeat: [1, 2]
  - global_avg_pool
  - linear: {units: 10}
"""
SERIES = """\
space: series
input: {channels: 1, length: LENGTH}
dtype: int8
choices:
  M: [2, 4, 8, 12, 16]
  K: [3, 5, 9]
network:
  - conv1d: {filters: M, kernel: K, stride: 2, activation: relu}
  - conv1d: {filters: M, kernel: K, activation: relu}
    repeat: [1, 2, 3]
  - global_avg_pool
  - linear: {units: 2}
"""


@dataclass(frozen=True)
class Problem:
    """A space, its budgets and data, and how networks are trained.

    Args:
        space: its text.
        data: below the folder of data.
        how: options of `nascompile search`.
    """

    space: str
    data: str
    how: tuple[str, ...]


def _recipe(epochs: int, lr: float, batch: int) -> tuple[str, ...]:
    words = ("schedule=cosine", f"lr={lr}", f"batch={batch}")
    return ("--epochs", str(epochs), *(word for what in words for word in ("--train", what)))


PROBLEMS = {
    "digits": Problem(
        SOUND, "datasets/fsdd_8khz_1s_int16.npz",
        ("--rom", "12000", "--ram", "16KiB", "--rate", "8000", "--limit", "1000", *_recipe(8, 0.005, 32)),
    ),
    "keywords": Problem(
        KEYWORDS, "datasets/fsdd_8khz_1s_int16.npz",
        ("--ram", "16KiB", "--rate", "8000", "--limit", "1000", *_recipe(20, 0.005, 32)),
    ),
    "mnist": Problem(
        IMAGES, "datasets/mnist.npz",
        ("--rom", "6000", "--ram", "8KiB", "--limit", "3000", *_recipe(8, 0.01, 64)),
    ),
    "power": Problem(
        SERIES.replace("LENGTH", "24"), "datasets/aeon_ucr_ts.tar.gz:ItalyPowerDemand",
        ("--rom", "6000", "--ram", "4KiB", "--split", "40/40/20", *_recipe(24, 0.01, 16)),
    ),
    "gunpoint": Problem(
        SERIES.replace("LENGTH", "150"), "datasets/aeon_ucr_ts.tar.gz:GunPoint",
        ("--rom", "6000", "--ram", "8KiB", "--split", "40/40/20", *_recipe(40, 0.01, 16)),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Search:
    """One run.

    Args:
        name: its folder below that of all runs.
        problem: its name.
        how: options beside those of the problem.
    """

    name: str
    problem: str
    how: tuple[str, ...]

    def result(self, given: argparse.Namespace) -> dict[str, Any]:
        """What came out, with the CPU seconds that it took; run now where it is not there."""
        out: Path = given.out / self.name
        clock = given.out / f"{self.name}.cpu.json"
        if not clock.exists():
            words = self.words(given, out)
            print("nascompile", *words, file=sys.stderr)
            process = subprocess.Popen([sys.executable, "-m", "nascompile", *words], stdout=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise SystemExit(f"exit code {process.returncode}")
            clock.write_text(json.dumps(used.ru_utime + used.ru_stime))
        return {**json.loads((out / "results.json").read_text()), "cpu": json.loads(clock.read_text())}

    def words(self, given: argparse.Namespace, out: Path) -> list[str]:
        """The command line; a run that was begun goes on."""
        if (out / "config.yaml").exists():
            return ["resume", str(out), "--jobs", "1"]
        problem = PROBLEMS[self.problem]
        space = given.out / f"{self.problem}.yaml"
        space.write_text(problem.space)
        data = (given.data / problem.data).absolute()
        return ["search", str(space), "--data", str(data), *problem.how, *self.how, "--jobs", "1", "--out", str(out)]


def kept(found: dict[str, Any]) -> tuple[float, float, float]:
    """Test accuracies in int8, in percent: of the kept network with the best validation, the best kept, the mean."""
    rows = [row for row in found["networks"] if row["chosen"]]
    test = [100 * row["test_int8"] for row in rows]
    return 100 * max(rows, key=lambda row: row["valid_int8"])["test_int8"], max(test), mean(test)


def line(name: tuple[str, str], runs: list[dict[str, Any]]) -> str:
    columns = zip(*map(kept, runs), strict=True)
    cells = "".join(f"{spread(values):>16}" for values in columns)
    return f"{name[0]:10}{name[1]:10}{len(runs):>6}{cells}{spread([one['cpu'] for one in runs]):>16}"


def spread(values: Any) -> str:
    """Mean and standard error."""
    values = list(values)
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{mean(values):.2f} ± {error:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with datasets/")
    parser.add_argument("--only", default=",".join(COMPARED), help=f"problems (default {','.join(COMPARED)})")
    parser.add_argument("--samplers", default=",".join(SAMPLERS), help=f"default {','.join(SAMPLERS)}")
    parser.add_argument("--samples", type=int, default=24, help="networks of a run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--halving", action="store_true", help="spoken digits, 16 networks, with halving and without")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs"), help="folder of the runs")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    heads = ("best by valid", "best kept", "mean kept", "CPU s")
    print(f"{'problem':10}{'how':10}{'seeds':>6}" + "".join(f"{head:>16}" for head in heads))
    for name, kinds in rows(given).items():
        print(line(name, [one.result(given) for one in kinds]), flush=True)


def rows(given: argparse.Namespace) -> dict[tuple[str, str], list[Search]]:
    """The runs of each line of the table, one a seed."""
    seeds = range(given.seeds)
    if given.halving:
        how = ("--sampler", "uniform", "--samples", "16")
        return {
            ("keywords", pruner): [
                Search(f"keywords-{pruner}-{seed}", "keywords", (*how, "--seed", str(seed), "--pruner", pruner))
                for seed in seeds
            ]
            for pruner in ("halving", "none")
        }
    return {
        (problem, sampler): [
            Search(
                f"{problem}-{sampler}-{given.samples}-{seed}", problem,
                ("--sampler", sampler, "--samples", str(given.samples), "--seed", str(seed)),
            )
            for seed in seeds
        ]
        for problem in given.only.split(",")
        for sampler in given.samplers.split(",")
    }  # fmt: skip


if __name__ == "__main__":
    main()
