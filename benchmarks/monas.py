"""MONAS on NAS-Bench-201: accuracy by table look-up at budgets of live MACs, beside the optimum.

    python benchmarks/monas.py DATA --seeds 10 --jobs 2 -o monas.csv

DATA is a folder with `nb201/` and `datasets/`. Networks are measured on CIFAR-10 images, once for all searches: their
scores are in `monas.scores.*.csv` beside the table, with the CPU seconds that each took, and the seconds of a search
are those of its networks and its own. The drawn halves of all seeds come from one pool per budget, `--pool` different
networks, so that there are not too many to measure; neighbours do not. Rows are written as searches end; the same
command continues.
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
from samplers.base import Run
from samplers.monas.sampler import MonasSampler, best_first, ranked
from samplers.scores.scoring import batched, score
from solvers.sets.feasible_set import FeasibleSet
from spaces.program.candidate import Candidate

FIELDS = ("budget", "seed", "search", "index", "accuracy", "macs", "feasible", "networks", "seconds")
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


class Pooled(MonasSampler):
    """Draws from a pool, the same for all seeds; see the module."""

    pool = 0

    def _drawn(self, run: Run, turn: int) -> Iterator[int]:
        if not hasattr(self, "ranks_"):
            several = MonasSampler(trials=2 * self.pool)
            drawn = [run.fs.index(candidate) for candidate in several.ask(run.fs, self.pool)]
            self.ranks_ = random.Random(self.seed).sample(drawn, len(drawn))
        yield from (rank for rank in self.ranks_ if rank not in run.asked)


class Scores:
    """The scores of networks, each measured once and kept in a file.

    Args:
        data: folder with the images.
        out: of the table of searches; this process adds to one file beside it, and reads those of others, too.
        part: the number of this process.
    """

    def __init__(self, data: Path, out: Path, part: int) -> None:
        self.path = out.with_suffix(f".scores.{part}.csv")
        self.proxies = batched(["default"])
        self.names = [p.name for p in self.proxies]
        self.known: dict[int, dict[str, float]] = {}
        for path in sorted(out.parent.glob(f"{out.stem}.scores.*.csv")):
            with path.open(newline="") as file:
                for line in csv.DictReader(file):
                    self.known[int(line["index"])] = {name: float(line[name]) for name in (*self.names, "seconds")}
        self.images = cifar10(data / "datasets/cifar10_jpeg.tar.gz", 64, 0)
        self.asked: list[Candidate] = []
        self.found = score(iter(self.asked.pop, None), self.proxies, self.images)

    def __call__(self, candidate: Candidate) -> dict[str, float]:
        """The scores of a network, and the seconds that they took."""
        index = candidate.number
        assert index is not None
        if index not in self.known:
            self.asked.append(candidate)
            start = time.process_time()
            scores = dict(next(self.found).scores)
            self.known[index] = {**scores, "seconds": round(time.process_time() - start, 3)}
            new = not self.path.exists()
            with self.path.open("a", newline="") as file:
                writer = csv.DictWriter(file, ("index", *self.names, "seconds"))
                if new:
                    writer.writeheader()
                writer.writerow({"index": index, **self.known[index]})
        return self.known[index]


def searches(data: Path, budget: str, seed: int, scores: Scores, pool: int, draws: bool) -> Iterator[Row]:
    """The rows of one seed: the search, and with `--draws` as many draws of the pool, ranked by the same proxies."""
    fs, start = feasible(budget), time.process_time()
    before = sum(known["seconds"] for known in scores.known.values())
    sampler = Pooled(trials=TRIALS, seed=seed)
    sampler.pool = pool
    seconds = 0.0
    for candidate in sampler.ask(fs, TRIALS):
        found = scores(candidate)
        seconds += found["seconds"]
        sampler.tell_scores(candidate, found)
    own = time.process_time() - start - (sum(known["seconds"] for known in scores.known.values()) - before)
    yield row(data, budget, seed, "monas", sampler.best(), fs, len(sampler.run_.asked), seconds + max(own, 0.0))
    if not draws:
        return
    drawn = [fs[rank] for rank in random.Random(seed).sample(sampler.ranks_, min(TRIALS, len(sampler.ranks_)))]
    measured = [scores(candidate) for candidate in drawn]
    best = drawn[best_first(measured, ranked())[0]]
    yield row(data, budget, seed, "random", best, fs, len(drawn), sum(one["seconds"] for one in measured))


def row(
    data: Path, budget: str, seed: int, search: str, cell: Candidate, fs: FeasibleSet, n: int, seconds: float
) -> Row:
    values = (
        budget, seed, search, cell.number, accuracies(data)[cell.number], cell.costs["macs"], cell in fs, n,
        round(seconds, 1),
    )  # fmt: skip
    return dict(zip(FIELDS, values, strict=True))


def run(data: Path, budgets: list[str], seeds: int, out: Path, *, pool: int, draws: bool, part: int) -> None:
    torch.set_num_threads(1)
    scores = Scores(data, out, part)
    for seed in range(seeds):
        for budget in budgets:
            with out.open(newline="") as file:
                done = {(r["budget"], int(r["seed"])) for r in csv.DictReader(file)}
            if (budget, seed) in done:
                continue
            rows = list(searches(data, budget, seed, scores, pool=pool, draws=draws))
            with out.open("a", newline="") as file:
                csv.DictWriter(file, FIELDS).writerows(rows)


def report(data: Path, rows: list[Row]) -> None:
    accuracy = accuracies(data)
    macs = {c.number: c.costs["macs"] for c in feasible("none")}
    sizes = np.array([macs[k] for k in range(len(accuracy))])
    print(f"{'MMACs':>8}{'search':>8}{'runs':>5}{'accuracy %':>16}{'worst':>7}{'optimum':>9}{'found MMACs':>15}"
          f"{'networks':>10}{'CPU s':>7}{'at most':>9}  paper")  # fmt: skip
    for budget, name in dict.fromkeys((r["budget"], r["search"]) for r in rows):
        mine = [r for r in rows if (r["budget"], r["search"]) == (budget, name)]
        a, m, n, s = (np.array([float(r[k]) for r in mine]) for k in ("accuracy", "macs", "networks", "seconds"))
        optimum = accuracy[sizes <= (np.inf if budget == "none" else float(budget) * 1e6)].max()
        paper = f"{PUBLISHED[budget]:.2f}" if budget in PUBLISHED else ""
        spread = f"{a.mean():>9.2f} ± {a.std():<4.2f}{a.min():>7.2f}{optimum:>9.2f}"
        costs = f"{m.mean() / 1e6:>9.1f} ± {m.std() / 1e6:<4.1f}{n.mean():>9.0f}{s.mean():>7.0f}{s.max():>9.0f}"
        print(f"{budget:>8}{name:>8}{len(mine):>5}{spread}{costs}  {paper}")
    print(f"infeasible results: {sum(r['feasible'] not in (True, 'True') for r in rows)} of {len(rows)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with nb201/ and datasets/")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--pool", type=int, default=72, help="different networks per budget that are drawn from")
    parser.add_argument("--draws", action="store_true", help="also as many draws alone; the pool should be larger")
    parser.add_argument("--paper", action="store_true", help="the sizes of MONAS Table 2 instead")
    parser.add_argument("--jobs", type=int, default=1, help="budgets searched at a time")
    parser.add_argument("--report", action="store_true", help="search nothing, print what is there")
    parser.add_argument("-o", "--out", type=Path, default=Path("monas.csv"))
    given = parser.parse_args()
    if not given.out.exists():
        given.out.write_text(",".join(FIELDS) + "\n")
    budgets = PAPER if given.paper else BUDGETS
    if not given.report:
        with ProcessPoolExecutor(given.jobs) as pool:
            parts = [list(budgets[k :: given.jobs]) for k in range(given.jobs)]
            tasks = [
                pool.submit(run, given.data, part, given.seeds, given.out, pool=given.pool, draws=given.draws, part=k)
                for k, part in enumerate(parts)
            ]
            for task in tasks:
                task.result()
    with given.out.open(newline="") as file:
        report(given.data, list(csv.DictReader(file)))


if __name__ == "__main__":
    main()
