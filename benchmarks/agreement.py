"""Do zero-cost proxies agree? Kendall's tau between them over the trials of a search (PrototypeNAS Fig. 4).

    python benchmarks/agreement.py ../shared/data -o agreement    # half an hour; the same command goes on

Runs `nascompile search prototype_image --sampler pareto --mcu imxrt1062 --trials 500` on CIFAR-10 images enlarged to
the space's 128 x 128 pixels, and prints tau of every pair of objectives: over all trials, and as the mean over the
architectures of tau among the trials of one. By chance alone, tau of n trials has the standard deviation
sqrt(2 (2 n + 5) / (9 n (n - 1))): 0.03 for 500.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
from cifar import decoded
from PIL import Image

OBJECTIVES = ("flops", "meco", "zico", "naswot", "snip")
SIDE = 128


def enlarge(archive: Path, path: Path, n: int) -> None:
    """Write n images, enlarged by bicubic interpolation, with their labels."""
    with np.load(decoded(archive)) as found:
        x, y = found["x"][:n], found["y"][:n]
    small = (Image.fromarray(np.moveaxis(image, 0, -1)) for image in x)
    large = np.stack([np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for image in small])
    np.savez(path, x=np.moveaxis(large, -1, 1), y=y)


def search(given: argparse.Namespace, data: Path, trials: Path) -> None:
    """The command as a user types it."""
    command = [
        "nascompile", "search", "prototype_image", "--sampler", "pareto", "--mcu", "imxrt1062",
        "--trials", given.trials, "--batch", given.batch, "--objectives", ",".join(OBJECTIVES),
        "--data", data, "--log", trials.with_suffix(".jsonl"), "-o", trials,
    ]  # fmt: skip
    if given.jobs:
        command += ["--jobs", given.jobs]
    print(" ".join(map(str, command)), file=sys.stderr)
    subprocess.run([sys.executable, "-m", *map(str, command)], check=True, stdout=sys.stderr)


def taus(values: np.ndarray) -> np.ndarray:
    """[trials, objectives] -> [objectives, objectives]."""
    from scipy.stats import kendalltau

    return np.array([[kendalltau(a, b).statistic for b in values.T] for a in values.T])


def report(path: Path) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    values = np.array([[float(row[name]) for name in OBJECTIVES] for row in rows])
    kinds = np.array([row["candidate"].split(":")[0].split("/")[1] for row in rows])
    n = len(rows)
    print(f"tau over all {n} trials; by chance {np.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))):.3f}")
    show(taus(values))
    names, counts = np.unique(kinds, return_counts=True)
    print(f"\nmean of tau within an architecture: {', '.join(f'{c} {k}' for k, c in zip(names, counts, strict=True))}")
    show(np.mean([taus(values[kinds == kind]) for kind in names], axis=0))


def show(table: np.ndarray) -> None:
    print(f"{'':8}" + "".join(f"{name:>8}" for name in OBJECTIVES))
    for name, line in zip(OBJECTIVES, table, strict=True):
        print(f"{name:8}" + "".join(f"{value:8.2f}" for value in line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with datasets/")
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--batch", type=int, default=32, help="images per batch")
    parser.add_argument("--jobs", type=int, help="processes; default: up to one per core")
    parser.add_argument("-o", "--out", type=Path, default=Path("agreement"), help="folder")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    images = given.out / "images.npz"
    if not images.exists():
        enlarge(given.data / "datasets/cifar10_jpeg.tar.gz", images, 512)
    trials = given.out / "trials.csv"
    search(given, images, trials)
    report(trials)


if __name__ == "__main__":
    main()
