"""Hypervolume subset selection: value and time of each method on the same fronts, in one run.

    python benchmarks/hypervolume.py                              # everything; about 40 minutes, a third per shape
    python benchmarks/hypervolume.py --shapes flat --limit 10     # one kind of front, a shorter evolution
    python benchmarks/hypervolume.py --points 100 --objectives 3,4

k = 5 of 100, 500 and 2,000 non-dominated points in 2 to 5 objectives, normalised, reference 1.1. The fronts are random
points on a surface: `flat` (Dirichlet), `concave` (the sphere, seen from its centre) and `convex` (the sphere, seen
from outside). `evolutionary` is the paper's algorithm with the paper's settings, stopped after `--limit` seconds, here
vectorised over the whole population; `branch_and_bound`, on 100 points only, is stopped after as long.

Columns: the hypervolume; its share of the best that any method found on that front; the seconds, all of a method's own
work and its upper bound included; their share of those of the evolution; and how good the method itself says that its
answer is. The last lines say whether `auto` is at least as good as the evolution everywhere, and how fast at worst.

One process, one thread; run it on an otherwise idle machine.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Iterator
from math import e

import numpy as np
from rich.console import Console
from rich.table import Table

from samplers.subset.hypervolume import HypervolumeSelector, Method, Subset

__all__ = ["main"]

K = 5
SHAPES = ("flat", "concave", "convex")
#: Rounding.
SLACK = 1e-9
OUT = Console(width=120, highlight=False)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Hypervolume subset selection: each method's value and time.")
    parser.add_argument("--points", default="100,500,2000", help="sizes of fronts (default 100,500,2000)")
    parser.add_argument("--objectives", default="2,3,4,5", help="numbers of objectives (default 2,3,4,5)")
    parser.add_argument("--shapes", default=",".join(SHAPES), help=f"kinds of fronts (default {','.join(SHAPES)})")
    parser.add_argument("--seeds", type=int, default=1, help="fronts of each kind (default 1)")
    parser.add_argument("--limit", type=float, default=60, help="seconds for the evolution (default 60)")
    return parser.parse_args()


def front(shape: str, n: int, objectives: int, seed: int) -> np.ndarray:
    """n mutually non-dominated points, to be minimised."""
    rng = np.random.default_rng([seed, n, objectives])
    if shape == "flat":
        return rng.dirichlet(np.ones(objectives), n)
    points = np.abs(rng.normal(size=(n, objectives)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points if shape == "concave" else 1 - points


def methods(n: int, objectives: int) -> Iterator[Method]:
    yield "greedy"
    yield "local"
    if objectives == 2:
        yield "exact"
    elif n == 100:
        yield "branch_and_bound"
    yield "auto"
    yield "evolutionary"


def measured(points: np.ndarray, limit: float) -> dict[Method, Subset]:
    """Each method's answer."""
    n, objectives = points.shape
    found: dict[Method, Subset] = {}
    for method in methods(n, objectives):
        timed = limit if method in ("branch_and_bound", "evolutionary") else None
        found[method] = HypervolumeSelector(K, method, time_limit=timed).select(points, ["min"] * objectives)
    return found


def says(one: Subset) -> str:
    return "optimal" if one.optimal else f"within {100 * one.gap:.1f} %"


def check(found: dict[Method, Subset]) -> None:
    """No bound may be below a value, and greedy must keep its promise.

    Raises:
        SystemExit: otherwise.
    """
    best = max(one.hypervolume for one in found.values())
    least = min(one.upper_bound for one in found.values())
    if best > least + SLACK or found["greedy"].hypervolume < (1 - 1 / e) * best:
        raise SystemExit(f"a bound is wrong: {best} found, {least} claimed to be the most")


def show(table: Table, title: str, found: dict[Method, Subset]) -> None:
    best = max(one.hypervolume for one in found.values())
    slow = found["evolutionary"].seconds
    for k, (method, one) in enumerate(found.items()):
        name = f"auto: {one.method}" if method == "auto" else method
        cells = (f"{one.hypervolume:.6f}", f"{one.hypervolume / best:.5f}", f"{one.seconds:.3f}")
        table.add_row("" if k else title, name, *cells, f"1/{slow / one.seconds:,.0f}", says(one))


def main() -> None:
    args = arguments()
    worst_value, worst_time, greedy_share, proven = np.inf, 0.0, 1.0, []
    for shape in args.shapes.split(","):
        table = Table("front", "method", box=None, pad_edge=False)
        for column in ("hypervolume", "of best found", "seconds", "of evolution's", "says"):
            table.add_column(column, justify="right", no_wrap=True)
        for n in map(int, args.points.split(",")):
            for objectives in map(int, args.objectives.split(",")):
                for seed in range(args.seeds):
                    found = measured(front(shape, n, objectives, seed), args.limit)
                    check(found)
                    show(table, f"{shape}, {n:,} points, {objectives} objectives, seed {seed}", found)
                    ours, theirs = found["auto"], found["evolutionary"]
                    worst_value = min(worst_value, ours.hypervolume / theirs.hypervolume)
                    worst_time = max(worst_time, ours.seconds / theirs.seconds)
                    optimum = [one.hypervolume for one in found.values() if one.optimal]
                    greedy_share = min([greedy_share, *(found["greedy"].hypervolume / best for best in optimum)])
                    proven.append(bool(optimum))
        OUT.print(table)
        OUT.print()
    OUT.print(f"{len(proven)} fronts, k = {K}; the optimum is proven on {sum(proven)}")
    OUT.print(
        f"greedy reaches {greedy_share:.4f} of the optimum at worst, where it is proven (promised: {1 - 1 / e:.4f})"
    )
    OUT.print(f"auto reaches {worst_value:.6f} of the evolution's hypervolume at worst")
    OUT.print(f"and takes {100 * worst_time:.2f} % of its {args.limit:g} s at worst")


if __name__ == "__main__":
    main()
