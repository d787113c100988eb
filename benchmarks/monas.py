"""MONAS on NAS-Bench-201: accuracy by table look-up, FLOPs, latency and time, beside random search and the optimum.

    python benchmarks/monas.py ../shared/data --seeds 5 --jobs 2 -o monas.csv

Every search starts from real CIFAR-10 images. Rows are written as searches end; the same command continues.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cifar import cifar10

import nascompile as nc
from samplers.monas.indicators import Indicators
from samplers.monas.rules import ranks
from samplers.monas.sampler import MonasSampler, found_cell
from solvers.sets.feasible_set import FeasibleSet

FIELDS = ("search", "weight", "seed", "index", "accuracy", "macs", "latency_ms", "feasible", "evaluations", "seconds")
#: The paper tries those from 0.5 up.
WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
MCU = "stm32f746"
EVALUATIONS = 84
#: MONAS Table 2: setting -> MFLOPs (multiply-accumulates), CIFAR-10 accuracy.
PAPER = {
    "no budget": (149.34, 94.08), "lambda 0.7": (58.90, 92.31), "mu 0.5": (121.82, 93.88), "mu 0.6": (121.82, 93.88),
    "mu 0.7": (117.88, 93.72), "mu 0.8": (51.04, 92.67),
}  # fmt: skip

Row = dict[str, Any]


@cache
def accuracies(data: Path) -> np.ndarray:
    with gzip.open(data / "nb201/nb201_cifar10.csv.gz", "rt") as file:
        return np.array([float(row["c10_test_200"]) for row in csv.DictReader(file)])


@cache
def feasible(budgets: bool) -> FeasibleSet:
    if budgets:
        return nc.reduce("nasbench201", mcu=MCU, latency_profile="auto")
    return nc.reduce("nasbench201")


def settings() -> list[tuple[str, str, dict[str, float]]]:
    """(search, weight, arguments)."""
    found: list[tuple[str, str, dict[str, float]]] = [("no budget", "", {}), ("budget", "", {})]
    found += [("mu", f"{w}", {"mu": w}) for w in WEIGHTS] + [("lambda", f"{w}", {"lam": w}) for w in WEIGHTS]
    return found


def searches(data: Path, seed: int, done: set[tuple[str, str, str]], paper: bool) -> Iterator[Row]:
    """The rows of one seed. Searches that differ in weights share measurements; the first ones pay for them."""
    torch.set_num_threads(1)
    images = cifar10(data / "datasets/cifar10_jpeg.tar.gz", 32, seed).images
    known: dict[bool, Indicators] = {}
    for name, weight, arguments in settings():
        if (name, weight, str(seed)) in done:
            continue
        fs = feasible(name != "no budget")
        sampler = MonasSampler(seed=seed, **arguments)
        shared = known.setdefault(name != "no budget", sampler.indicators(fs, images))
        before, start = len(shared.known), time.perf_counter()
        cell = found_cell(fs, list(sampler.search_with(fs, shared)))
        yield row(data, name, weight, seed, cell, fs, len(shared.known) - before, time.perf_counter() - start)
    if ("random", "", str(seed)) not in done:
        yield random_search(
            data, seed, known.setdefault(True, MonasSampler(seed=seed).indicators(feasible(True), images))
        )
    if paper and ("paper rule", "", str(seed)) not in done:
        fs, sampler = feasible(True), MonasSampler(rule="paper", seed=seed)
        own, start = sampler.indicators(fs, images), time.perf_counter()
        cell = found_cell(fs, list(sampler.search_with(fs, own)))
        yield row(data, "paper rule", "", seed, cell, fs, len(own.known), time.perf_counter() - start)


def random_search(data: Path, seed: int, indicators: Indicators) -> Row:
    """As many feasible cells as MONAS measures, drawn uniformly; the best by the same three indicators."""
    fs, start, before = feasible(True), time.perf_counter(), len(indicators.known)
    cells = list(fs.at(random.Random(seed).sample(range(fs.size), EVALUATIONS)))
    found = [indicators.measure({label: (name,) for label, name in c.values.items() if "[" in label}) for c in cells]
    score = ranks(-np.array([m.k for m in found])) + ranks(np.array([m.regions for m in found]))
    score += ranks(np.array([m.meco for m in found]))
    best = cells[int(np.argmax(score))]
    return row(data, "random", "", seed, best, fs, len(indicators.known) - before, time.perf_counter() - start)


def row(
    data: Path, name: str, weight: str, seed: int, cell: Any, fs: FeasibleSet, evaluations: int, seconds: float
) -> Row:
    costs = cell.costs
    values = (
        name, weight, seed, cell.number, accuracies(data)[cell.number], costs["macs"],
        costs.get("latency", 0) / 1e6, cell in fs, evaluations, round(seconds, 1),
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


def run(data: Path, seed: int, done: set[tuple[str, str, str]], paper: bool, out: str) -> None:
    for found in searches(data, seed, done, paper):
        with open(out, "a", newline="") as file:
            csv.DictWriter(file, FIELDS).writerow(found)


def report(data: Path, rows: list[Row]) -> None:
    accuracy = accuracies(data)
    indices = np.array([c.number for c in feasible(True)])
    best = indices[np.argmax(accuracy[indices])]
    print(f"optimum under the budgets of {MCU}: {accuracy[best]:.2f} %, index {best}; of all: {accuracy.max():.2f} %")
    macs = {c.number: c.costs["macs"] for c in feasible(False)}
    sizes = np.array([macs[k] for k in range(len(accuracy))])
    fits = np.isin(np.arange(len(accuracy)), indices)
    titles = ("accuracy %", 16), ("best of size", 14), ("MMACs", 15), ("latency ms", 12), ("cells", 7), ("s", 6)
    print(f"{'search':12}{'weight':>7}{'runs':>5}" + "".join(f"{t:>{n}}" for t, n in titles) + "  paper")
    for name, weight in dict.fromkeys((r["search"], r["weight"]) for r in rows):
        mine = [r for r in rows if (r["search"], r["weight"]) == (name, weight)]
        a, m, t, e, s = (
            np.array([float(r[k]) for r in mine]) for k in ("accuracy", "macs", "latency_ms", "evaluations", "seconds")
        )
        paper = PAPER.get(f"{name} {weight}".strip())
        beside = f"{paper[1]:.2f} % at {paper[0]} M" if paper else ""
        allowed = np.ones_like(fits) if name == "no budget" else fits
        # The best that a search could have found among the cells that are no larger than what it found.
        best = np.mean([accuracy[allowed & (sizes <= size)].max() for size in m])
        spread = f"{a.mean():>9.2f} ± {a.std():<4.2f}{best:>14.2f}{m.mean() / 1e6:>9.1f} ± {m.std() / 1e6:<4.1f}"
        means = f"{t.mean():>10.0f}{e.mean():>8.0f}{s.mean():>6.0f}"
        print(f"{name:12}{weight:>7}{len(mine):>5}{spread}{means}  {beside}")
    print(f"infeasible results: {sum(r['feasible'] not in (True, 'True') for r in rows)} of {len(rows)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with nb201/ and datasets/")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="seeds searched at a time")
    parser.add_argument("--paper", action="store_true", help="also the published rule; some minutes a seed")
    parser.add_argument("-o", "--out", default="monas.csv")
    given = parser.parse_args()
    if not Path(given.out).exists():
        Path(given.out).write_text(",".join(FIELDS) + "\n")
    with open(given.out, newline="") as file:
        done = {(r["search"], r["weight"], r["seed"]) for r in csv.DictReader(file)}
    with ProcessPoolExecutor(given.jobs) as pool:
        for future in [pool.submit(run, given.data, s, done, given.paper, given.out) for s in range(given.seeds)]:
            future.result()
    with open(given.out, newline="") as file:
        report(given.data, list(csv.DictReader(file)))


if __name__ == "__main__":
    main()
