"""Uniform draws from dscnn with 16 layers, as option indices, as option values and as Candidate objects.

    python benchmarks/draws.py                  # 10,000 draws, median of 15 runs; ten seconds
    python benchmarks/draws.py --number 100000 --runs 5

Timed: the draw of the ranks and whatever makes members of them. Not timed: solving the space and counting its members.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from statistics import median

import nascompile as nc
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.ranking import distinct_draws


def ways(fs: FeasibleSet, n: int) -> dict[str, Callable[[int], object]]:
    """What is timed: name -> function of the seed."""

    def ranks(seed: int) -> list[int]:
        return distinct_draws(fs.size, n, random.Random(seed))

    return {
        "ranks": ranks,
        "option indices (rows)": lambda seed: list(fs.rows(ranks(seed))),
        "option values (to_numpy)": lambda seed: fs.to_numpy(ranks(seed)),
        "candidates (sample)": lambda seed: fs.sample(n, seed),
    }


def seconds(function: Callable[[int], object], runs: int) -> list[float]:
    """Wall-clock seconds of each run; the first call is not counted."""
    function(-1)
    found = []
    for seed in range(runs):
        start = time.perf_counter()
        function(seed)
        found.append(time.perf_counter() - start)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=10_000, help="draws per run")
    parser.add_argument("--runs", type=int, default=15)
    given = parser.parse_args()
    fs = nc.reduce("dscnn", rom=3_000_000, overrides=["network.2.repeat=14"])
    print(f"{fs.size:,} members; {given.number:,} draws, {given.runs} runs")
    print(f"{'made':26}{'median s':>10}{'least s':>10}{'most s':>10}{'draws/s':>12}")
    for name, function in ways(fs, given.number).items():
        found = seconds(function, given.runs)
        middle = median(found)
        print(f"{name:26}{middle:10.4f}{min(found):10.4f}{max(found):10.4f}{given.number / middle:12,.0f}")


if __name__ == "__main__":
    main()
