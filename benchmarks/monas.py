"""MONAS on NAS-Bench-201: accuracy by table look-up at budgets of live MACs, beside the optimum.

    python benchmarks/monas.py DATA --seeds 10 -o monas.csv

DATA is a folder with `nb201/` and `datasets/`. Every seed has its own draws, first weights and CIFAR-10 images, and
searches every budget by itself, 84 networks each. So that this can be had in minutes a seed, the searches of one seed
share what they measure, in `monas.scores.csv` beside the table: a network is measured once, with the CPU seconds it
takes, and the order of the draws does not depend on the budget (within each budget they are uniform all the same). The
seconds of a search are those of all its networks, measured by itself or not, and what it takes to propose. Rows are
written as searches end; the same command continues.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cifar import cifar10

import nascompile as nc
from samplers.base import Run
from samplers.monas.sampler import MonasSampler
from samplers.scores.scoring import batched, score
from solvers.sets.feasible_set import FeasibleSet
from spaces.program.candidate import Candidate
from spaces.program.network_keys import NetworkKeys

FIELDS = ("budget", "seed", "index", "accuracy", "macs", "feasible", "networks", "seconds")
#: Millions of live MACs: those that are to be reached, and the sizes of MONAS Table 2.
BUDGETS = ("none", "120", "60", "30")
PAPER = ("149.34", "121.82", "117.88", "58.9", "51.04")
PUBLISHED = dict(zip(PAPER, (94.08, 93.88, 93.72, 92.31, 92.67), strict=True))
TRIALS = 84

Row = dict[str, Any]


@cache
def accuracies(data: Path) -> np.ndarray:
    with gzip.open(data / "nb201/nb201_cifar10.csv.gz", "rt") as file:
        return np.array([float(row["c10_test_200"]) for row in csv.DictReader(file)])


@cache
def feasible(budget: str) -> FeasibleSet:
    return nc.reduce("nasbench201") if budget == "none" else nc.reduce("nasbench201", macs=int(float(budget) * 1e6))


@cache
def cells() -> list[Candidate]:
    """All cells by their numbers."""
    return sorted(feasible("none"), key=lambda cell: cell.number or 0)


@cache
def shuffled(seed: int) -> list[Candidate]:
    """All cells in the order in which a seed draws them."""
    return random.Random(seed).sample(cells(), len(cells()))


@dataclass
class InOrder(MonasSampler):
    """Draws the first of `shuffled` that a budget leaves, so that searches with other budgets draw the same."""

    def _drawn(self, run: Run, turn: int) -> Iterator[int]:
        ranks = (run.fs.index(cell) for cell in shuffled(self.seed) if cell in run.fs)
        yield from (rank for rank in ranks if run.is_new(rank))


class Scores:
    """The scores of networks, each measured once a seed and kept in a file.

    Args:
        data: folder with the images.
        path: of the file.
        seed: of images and first weights.
    """

    def __init__(self, data: Path, path: Path, seed: int) -> None:
        self.path, self.seed = path, seed
        self.proxies = batched(["default"])
        self.names = [p.name for p in self.proxies]
        self.keys = NetworkKeys(feasible("none").program)
        self.known: dict[Any, dict[str, float]] = {}
        for line in self._lines():
            found = {name: float(line[name]) for name in (*self.names, "seconds")}
            self.known[self.keys.of(cells()[int(line["index"])])] = found
        self.asked: list[Candidate] = []
        images = cifar10(data / "datasets/cifar10_jpeg.tar.gz", 64, seed)
        self.found = score(iter(self.asked.pop, None), self.proxies, images, seed)

    def _lines(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return [line for line in csv.DictReader(file) if int(line["seed"]) == self.seed]

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """The scores of a network, and the seconds that they took."""
        key = self.keys.of(candidate)
        if key not in self.known:
            self.asked.append(candidate)
            start = time.process_time()
            scores = dict(next(self.found).scores)
            self.known[key] = {**scores, "seconds": round(time.process_time() - start, 3)}
            new = not self.path.exists()
            with self.path.open("a", newline="") as file:
                writer = csv.DictWriter(file, ("seed", "index", *self.names, "seconds"))
                if new:
                    writer.writeheader()
                writer.writerow({"seed": self.seed, "index": candidate.number, **self.known[key]})
        return self.known[key]


def search(data: Path, budget: str, seed: int, scores: Scores) -> Row:
    """The row of one search."""
    fs, seconds = feasible(budget), 0.0
    sampler = InOrder(trials=TRIALS, seed=seed)
    start = time.process_time()
    asked = sampler.ask(fs, TRIALS)
    while (candidate := next(asked, None)) is not None:
        seconds += time.process_time() - start
        found = scores(candidate)
        seconds += found["seconds"]
        start = time.process_time()
        sampler.tell_scores(candidate, found)
    assert sampler.run_
    best, networks = sampler.best(), len(sampler.run_.asked)
    values = (
        budget, seed, best.number, accuracies(data)[best.number], best.costs["macs"], best in fs, networks,
        round(seconds, 1),
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


def run(data: Path, budgets: tuple[str, ...], seeds: int, out: Path) -> None:
    torch.set_num_threads(1)
    with out.open(newline="") as file:
        done = {(row["budget"], int(row["seed"])) for row in csv.DictReader(file)}
    for seed in range(seeds):
        left = [budget for budget in budgets if (budget, seed) not in done]
        scores = Scores(data, out.with_suffix(".scores.csv"), seed) if left else None
        for budget in left:
            assert scores
            # What is made once for all searches is not of their time.
            feasible(budget), shuffled(seed)
            found = search(data, budget, seed, scores)
            with out.open("a", newline="") as file:
                csv.DictWriter(file, FIELDS).writerow(found)


def report(data: Path, rows: list[Row]) -> None:
    accuracy = accuracies(data)
    sizes = np.array([cell.costs["macs"] for cell in cells()])
    print(f"{'MMACs':>8}{'runs':>5}{'accuracy %':>16}{'worst':>7}{'optimum':>9}{'found MMACs':>15}"
          f"{'networks':>10}{'CPU s: median':>15}{'at most':>9}  paper")  # fmt: skip
    for budget in dict.fromkeys(row["budget"] for row in rows):
        mine = [row for row in rows if row["budget"] == budget]
        a, m, n, s = (np.array([float(row[k]) for row in mine]) for k in ("accuracy", "macs", "networks", "seconds"))
        optimum = accuracy[sizes <= (np.inf if budget == "none" else float(budget) * 1e6)].max()
        paper = f"{PUBLISHED[budget]:.2f}" if budget in PUBLISHED else ""
        spread = f"{a.mean():>9.2f} ± {a.std():<4.2f}{a.min():>7.2f}{optimum:>9.2f}"
        costs = f"{m.mean() / 1e6:>9.1f} ± {m.std() / 1e6:<4.1f}{n.mean():>9.0f}{np.median(s):>15.1f}{s.max():>9.1f}"
        print(f"{budget:>8}{len(mine):>5}{spread}{costs}  {paper}")
    print(f"infeasible results: {sum(row['feasible'] != 'True' for row in rows)} of {len(rows)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with nb201/ and datasets/")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--paper", action="store_true", help="the sizes of MONAS Table 2, too")
    parser.add_argument("--report", action="store_true", help="search nothing, print what is there")
    parser.add_argument("-o", "--out", type=Path, default=Path("monas.csv"))
    given = parser.parse_args()
    if not given.out.exists():
        given.out.write_text(",".join(FIELDS) + "\n")
    if not given.report:
        run(given.data, (*BUDGETS, *PAPER) if given.paper else BUDGETS, given.seeds, given.out)
    with given.out.open(newline="") as file:
        report(given.data, list(csv.DictReader(file)))


if __name__ == "__main__":
    main()
