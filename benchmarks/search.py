"""The whole method on real data: the networks that are kept, before and after int8, against uniform sampling.

    python benchmarks/search.py ../shared/data --reduced --only power,mnist -o runs     # minutes
    python benchmarks/search.py ../shared/data --seeds 3 --jobs 2 -o runs               # hours; resumable

Every problem is a command line of `nascompile search`, printed before it runs, once with its sampler and once with
`uniform`, with the same number of trainings and the same seeds. A run that is there is not repeated, and one that was
killed goes on. `--reduced` has fewer networks, epochs and examples: figures of another size, in minutes.

Columns: the best test accuracy (of `detection` mAP50) among the kept networks, in floating point and in int8 (mean and
standard deviation over seeds); of all trained; FLOPs of the cheapest and of the dearest kept; the share of time outside
training and scoring.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from made_detection import write_shapes

__all__ = ["main"]


@dataclass(frozen=True)
class Problem:
    """A space, data and how to search.

    Args:
        search: space, overrides, budgets, as the command line has them.
        data: below the folder of data, or `MADE`.
        sampler: with its options.
        full: options of the full setting.
        reduced: and of the reduced one.
    """

    search: tuple[str, ...]
    data: str
    sampler: tuple[str, ...]
    full: tuple[str, ...]
    reduced: tuple[str, ...]


#: In place of data below the folder: 2,000 images of shapes, drawn beside the runs.
MADE = "made shapes"
PROTOTYPE = ("--sampler", "pareto", "--recipe", "prototypenas", "--sparsity", "S")
PROBLEMS = {
    "digits": Problem(
        ("dscnn", "network.4.linear.units=10", "--mcu", "stm32f412", "--rate", "8000", "--train", "batch=16",
         "--train", "augment=shift", "--train", "schedule=cosine"),
        "datasets/fsdd_8khz_1s_int16.npz", ("--sampler", "entropy"),
        ("--samples", "20", "--epochs", "20", "--quantise", "ptq"),
        ("--samples", "3", "--epochs", "5", "--quantise", "ptq", "--limit", "1500"),
    ),
    "mnist": Problem(
        ("dscnn", "network.4.linear.units=10", "input.height=28", "input.width=28", "choices.M.start=8",
         "choices.M.stop=32", "choices.M.step=8", "network.2.repeat=[2,3]", "dtype=int8", "--rom", "20000",
         "--ram", "16KiB", "--train", "schedule=cosine"),
        "datasets/mnist.npz", ("--sampler", "adaptive"),
        ("--samples", "40", "--epochs", "10"),
        ("--samples", "6", "--epochs", "4", "--limit", "4000", "--qat-epochs", "3"),
    ),
    "cifar10": Problem(
        ("convmixer", "network.1.repeat=[7]", "--mcu", "stm32f412", "--train", "augment=crop-flip",
         "--train", "schedule=cosine"),
        "datasets/cifar10_jpeg.tar.gz", ("--sampler", "entropy"),
        ("--samples", "20", "--epochs", "100", "--quantise", "ptq"),
        ("--samples", "2", "--epochs", "2", "--limit", "1500", "--quantise", "ptq"),
    ),
    "cifar10-prototype": Problem(
        ("prototype_image", "input.height=32", "input.width=32", "--mcu", "stm32f746", "--train", "augment=crop-flip"),
        "datasets/cifar10_jpeg.tar.gz", PROTOTYPE,
        ("--trials", "500", "--samples", "5", "--epochs", "100"),
        ("--trials", "20", "--batch", "16", "--samples", "2", "--epochs", "5", "--limit", "1500", "--qat-epochs", "1"),
    ),
    "power": Problem(
        ("prototype_timeseries", "input.length=24", "choices.classes.options=[2]", "--mcu", "stm32f746",
         "--train", "batch=16", "--train", "lr=0.01"),
        "datasets/aeon_ucr_ts.tar.gz:ItalyPowerDemand", PROTOTYPE,
        ("--trials", "500", "--batch", "16", "--samples", "5", "--epochs", "100"),
        ("--trials", "40", "--batch", "16", "--samples", "3", "--epochs", "20", "--qat-epochs", "5"),
    ),
    "bearings": Problem(
        ("prototype_timeseries", "input.length=1024", "choices.classes.options=[12]", "--mcu", "stm32f746",
         "--train", "lr=0.01"),
        "datasets/cwru_de12k_1024.npz", PROTOTYPE,
        ("--trials", "500", "--samples", "5", "--epochs", "50"),
        ("--trials", "20", "--batch", "16", "--samples", "2", "--epochs", "5", "--limit", "1200", "--qat-epochs", "1"),
    ),
    "detection": Problem(
        ("prototype_detection", "input.height=64", "input.width=64", "choices.classes.options=[3]",
         "--mcu", "stm32f746", "--flops", "5000000", "--train", "lr=0.02", "--train", "batch=16",
         "--train", "schedule=cosine", "--train", "augment=flip"),
        MADE, ("--sampler", "entropy"),
        ("--samples", "20", "--epochs", "100", "--sparsity", "S"),
        ("--samples", "4", "--epochs", "15", "--limit", "800", "--quantise", "ptq"),
    ),
}  # fmt: skip


def command(given: argparse.Namespace, name: str, uniform: bool, seed: int) -> tuple[list[str], Path]:
    """A command line, and the folder of its run."""
    problem = PROBLEMS[name]
    how = problem.reduced if given.reduced else problem.full
    sampler = problem.sampler
    if uniform:
        # What is only pareto's own goes; the training stays.
        own = {"--trials", "--batch"}
        how = tuple(w for k, w in enumerate(how) if w not in own and (k == 0 or how[k - 1] not in own))
        sampler = ("--sampler", "uniform", *sampler[2:])
    out = given.out / f"{name}-{'uniform' if uniform else sampler[1]}-{'reduced-' if given.reduced else ''}{seed}"
    data = shapes(given.out) if problem.data == MADE else given.data / problem.data
    where = ("--data", str(data.absolute()), "--jobs", str(given.jobs), "--seed", str(seed))
    words = ["nascompile", "search", *problem.search, *sampler, *how, "--select", "5", *where, "--out", str(out)]
    return words, out


def shapes(out: Path) -> Path:
    """The folder of the made images, which are drawn if they are not there."""
    folder = out / "shapes"
    return folder if (folder / "annotations.json").exists() else write_shapes(folder, 2000)


def run(words: list[str], out: Path) -> dict[str, Any]:
    """The results of a run, made if they are not there, with the seconds that they took."""
    clock = out / "seconds.json"
    if not clock.exists():
        print(" ".join(words), file=sys.stderr)
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", *words, "--json"], check=True, stdout=subprocess.DEVNULL)
        clock.write_text(json.dumps(time.monotonic() - start))
    found = json.loads((out / "results.json").read_text())
    trained = sum(json.loads(path.read_text())["seconds"] for path in out.glob("networks/*/*.json"))
    return {**found, "seconds": json.loads(clock.read_text()), "trained": trained}


def line(name: str, sampler: str, runs: list[dict[str, Any]], jobs: int) -> str:
    kept = [[row for row in one["networks"] if row["chosen"]] for one in runs]
    best = [max(row["test"] for row in rows) for rows in kept]
    int8 = [max(row.get("test_int8", 0.0) for row in rows) for rows in kept]
    of_all = [max(row.get("test", 0.0) for row in one["networks"]) for one in runs]
    flops = [row["flops"] for rows in kept for row in rows]
    outside = mean(1 - one["trained"] / jobs / one["seconds"] for one in runs)
    cells = [f"{100 * mean(v):6.2f} ± {100 * pstdev(v):4.2f}" for v in (best, int8, of_all)]
    trainings = len(runs[0]["networks"])
    return (f"{name:18}{sampler:10}{len(runs):>6}{trainings:>10}" + "".join(f"{c:>17}" for c in cells)
            + f"{min(flops) / 1e6:>9.2f} - {max(flops) / 1e6:.2f}{100 * outside:>9.1f} %")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with datasets/")
    parser.add_argument("--only", default=",".join(PROBLEMS), help=f"problems (default {','.join(PROBLEMS)})")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="networks trained at a time")
    parser.add_argument("--reduced", action="store_true", help="fewer networks, epochs and examples")
    parser.add_argument("-o", "--out", type=Path, default=Path("runs"), help="folder of the runs")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{'problem':18}{'sampler':10}{'seeds':>6}{'trained':>10}{'kept, test %':>17}{'in int8':>17}{'of all':>17}"
          f"{'MFLOPs kept':>18}{'outside':>11}")  # fmt: skip
    for name in given.only.split(","):
        for uniform in (False, True):
            runs = [run(*command(given, name, uniform, seed)) for seed in range(given.seeds)]
            sampler = "uniform" if uniform else PROBLEMS[name].sampler[1]
            print(line(name, sampler, runs, given.jobs), flush=True)


if __name__ == "__main__":
    main()
