"""MONAS told the published scores of two benchmarks: which proxies find good networks on both, in a minute a row.

    python benchmarks/monas_tables.py DATA --seeds 12
    python benchmarks/monas_tables.py DATA --seeds 24 --paper --ensembles default    # the sizes of MONAS Table 2

DATA is a folder with `nb201/` and `tnb101/`: NAS-Bench-201 with the proxies of 9,445 cells, and the micro space of
TransNAS-Bench-101 (class_scene) with those of 2,128. Both are searched by `MonasSampler`, 84 networks each, at budgets
of live MACs; what a network without published scores is, is told by another that computes the same, and one that has
none ranks last. Accuracy is by table look-up. Scores are those of the authors' batches, not of ours.
"""

from __future__ import annotations

import argparse
import ast
import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from monas import PAPER, PUBLISHED

import nascompile as nc
from samplers.monas.sampler import MonasSampler, best_first
from samplers.proxies.base import Subject, proxy
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from spaces.program.network_keys import Key, NetworkKeys

TRIALS = 84
#: Our names of published columns.
COLUMNS = {"naswot": "nwot", "jacob_cov": "jacov", "synflow": "synflow", "zen": "zen"}
CLOSED = ("live_macs", "shortcuts")
ENSEMBLES = {
    "default": (*COLUMNS, *CLOSED),
    "without shortcuts": (*COLUMNS, "live_macs"),
    "without live_macs": (*COLUMNS, "shortcuts"),
    "without jacob_cov": ("naswot", "synflow", "zen", *CLOSED),
    "naswot, synflow, zen": ("naswot", "synflow", "zen"),
    "live_macs": ("live_macs",),
}
MICRO = """
space: tnb101_micro
input: {channels: 3, height: 16, width: 16}
cells:
  cell:
    nodes: 4
    operators:
      none: zero
      skip_connect: identity
      nor_conv_1x1: [relu, {conv: {filters: channels, kernel: 1, activation: none}}]
      nor_conv_3x3: [relu, {conv: {filters: channels, kernel: 3, activation: none}}]
network:
  - conv: {filters: 16, activation: none}
  - cell: cell
  - relu
  - global_avg_pool
  - linear: {units: 10}
"""
#: Of the digits of a cell, each the place of an operator above. So the table has one network without a path, which
#: learns nothing, and every other function once or more; by another order there are 121 such, of up to 54 %.
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))

Scores = Mapping[str, float]


@dataclass
class Table:
    """A benchmark: its space, and what is published of its networks.

    Args:
        text: the space.
        found: key of a network -> accuracy and published scores.
        keys: of the space.
    """

    space: str
    whole: FeasibleSet
    keys: NetworkKeys
    budgets: tuple[int | None, ...]
    found: dict[Key, tuple[float, Scores]] = field(default_factory=dict)
    known: dict[Key, dict[str, float]] = field(default_factory=dict)

    def at(self, budget: int | None) -> FeasibleSet:
        """The members within a budget."""
        return solve(compile_space(self.whole.program.space, Budgets(macs=budget)))

    def scores(self, candidate: Candidate) -> dict[str, float]:
        """Published scores, and closed forms."""
        key = self.keys.of(candidate)
        if key not in self.known:
            closed = {name: proxy(name).score(Subject(candidate=candidate)) for name in CLOSED}
            published = self.found[key][1] if key in self.found else dict.fromkeys(COLUMNS, float("-inf"))
            self.known[key] = {**closed, **published}
        return self.known[key]

    def accuracy(self, candidate: Candidate) -> float:
        """After training."""
        return self.found[self.keys.of(candidate)][0]


def nb201(data: Path) -> Table:
    whole = nc.reduce("nasbench201")
    table = Table("NAS-Bench-201", whole, NetworkKeys(whole.program), (None, 120_000_000, 60_000_000, 30_000_000))
    with gzip.open(data / "nb201/zc_proxies_c10.csv.gz", "rt") as file:
        scores = {int(r["idx"]): {name: float(r[c]) for name, c in COLUMNS.items()} for r in csv.DictReader(file)}
    with gzip.open(data / "nb201/nb201_cifar10.csv.gz", "rt") as file:
        accuracy = {int(r["idx"]): float(r["c10_test_200"]) for r in csv.DictReader(file)}
    members = list(whole)
    for member, key in zip(members, table.keys.all(members), strict=True):
        if member.number in scores:
            table.found.setdefault(key, (accuracy[member.number], scores[member.number]))
    return table


def micro(data: Path) -> Table:
    whole = solve(compile_space(read_space(MICRO)))
    macs = np.array([c.costs["macs"] for c in whole])
    budgets = (None, *(int(np.quantile(macs, share)) for share in (0.75, 0.5, 0.25)))
    table = Table("TransNAS-Bench-101 micro", whole, NetworkKeys(whole.program), budgets)
    cell = whole.program.space.cells["cell"]
    operators = tuple(cell.operators)
    members = {tuple(operators.index(c.values[cell.label(cell.edges.index(e))]) for e in EDGES): c for c in whole}
    with gzip.open(data / "tnb101/tnb101_micro_class_scene.csv.gz", "rt") as file:
        for line in csv.DictReader(file):
            key = table.keys.of(members[ast.literal_eval(line["net"])])
            found = float(line["accuracy"]), {name: float(line[c]) for name, c in COLUMNS.items()}
            table.found.setdefault(key, found)
    return table


def search(table: Table, fs: FeasibleSet, names: tuple[str, ...], seed: int) -> float:
    """The accuracy of the network that a search finds."""
    sampler = MonasSampler(dict.fromkeys(names, "max"), trials=TRIALS, seed=seed)
    for candidate in sampler.ask(fs, TRIALS):
        sampler.tell_scores(candidate, table.scores(candidate))
    return table.accuracy(sampler.best())


def drawn(table: Table, fs: FeasibleSet, seed: int) -> float:
    """The accuracy of the best of as many draws, by the default ensemble."""
    sampler = MonasSampler(dict.fromkeys(ENSEMBLES["default"], "max"), trials=2 * TRIALS, seed=seed)
    members = list(sampler.ask(fs, TRIALS))
    rows = [table.scores(candidate) for candidate in members]
    return table.accuracy(members[best_first(rows, sampler.objectives)[0]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with nb201/ and tnb101/")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--ensembles", default=",".join(ENSEMBLES).replace(", ", "+"), help="names, comma-separated")
    parser.add_argument("--paper", action="store_true", help="NAS-Bench-201 at the sizes of MONAS Table 2")
    given = parser.parse_args()
    tables = [nb201(given.data)] if given.paper else [nb201(given.data), micro(given.data)]
    if given.paper:
        tables[0].budgets = tuple(round(float(size) * 1e6) for size in PAPER)
    for table in tables:
        sets = [table.at(budget) for budget in table.budgets]
        titles = [f"{budget / 1e6:g} M" if budget else "none" for budget in table.budgets]
        print(f"{table.space}: mean accuracy over {given.seeds} seeds at budgets of live MACs")
        print(f"{'':24}" + "".join(f"{title:>16}" for title in titles))
        members = [[table.found[k][0] for k in set(table.keys.all(list(fs))) & set(table.found)] for fs in sets]
        print(f"{'optimum':24}" + "".join(f"{max(some):>16.2f}" for some in members))
        if given.paper:
            print(f"{'MONAS, as published':24}" + "".join(f"{PUBLISHED[size]:>16.2f}" for size in PAPER))
        for name in given.ensembles.split(","):
            names = ENSEMBLES[name.replace("+", ", ")]
            found = [np.array([search(table, fs, names, seed) for seed in range(given.seeds)]) for fs in sets]
            row(name.replace("+", ", "), found)
        row("84 draws, default", [np.array([drawn(table, fs, seed) for seed in range(given.seeds)]) for fs in sets])


def row(title: str, found: list[np.ndarray]) -> None:
    """One row of a table."""
    print(f"{title:24}" + "".join(f"{f'{a.mean():.2f} ± {a.std():.2f}':>16}" for a in found), flush=True)


if __name__ == "__main__":
    main()
