"""Samplers on NAS-Bench-201: how good is the best cell after so many trained ones, and how far from the best there is?

    python benchmarks/sampling.py ../shared/data --seeds 100 --jobs 2 -o sampling.csv --plot sampling.png

A sampler is told the CIFAR-10 *validation* accuracy of the table after 200 epochs (`--told` names another column). The
first table gives the best *test* accuracy after 200 epochs among the cells trained so far, and the regret: what lacks
to the best in the feasible set. The second gives the test accuracy of the cell that validation would pick. Since the
best by validation is not the best by test, no one who sees validation only gets to zero there: `limit` is the regret of
the set's best cell by validation. The third gives the best validation accuracy, which is what samplers strive for.

Budgets: `none`, the 15,625 cells; `stm32f746`, 1 MiB of ROM and 320 KiB of RAM for the int8 network as deployed, dead
edges removed (`nasbench201`); `60MFLOPs`, at most 60 million "FLOPs" as the benchmark's tables and the MONAS paper
count them, which are multiply-accumulates, dead edges included (`nasbench201_benchmark`). `transnas` is a second table,
the 2,128 cells of TransNAS-Bench-101's micro space on the task class_scene, with one accuracy each: what is told is
what counts. `transnas-third` are those within the multiply-accumulates that a third of the 4,096 combinations have.

Every sampler gets the same feasible set, with its default parameters but for what `SAMPLERS` says:
* `tpe-raw` is Optuna's TPE on all combinations of six operators, as the EBS paper ran it: a cell outside the set, or
  proposed again, costs one of the samples. It is told the accuracy 0 for a cell outside the set.
* `nsga2` and `evolution` have populations of 20, for with Optuna's 50 there would be but two generations.
* `pareto` trains nothing while it searches: 500 trials by NSGA-II, population 50, of proxies as competing objectives
  (min MACs, max NASWOT, max SNIP, max SynFlow). The scores are the published ones of `zc_proxies_c10.csv.gz`; a cell
  that is not in it has the same function as one that is, and gets its scores. MeCo and ZiCo of PrototypeNAS are not
  published for these cells; SynFlow is in their place. Cells to train come front after front of the non-dominated
  sorting of all trials, and within a front in the order of greedy hypervolume selection.

What the adaptive sampler sees and when it begins to learn was chosen on `stm32f746` alone, with seeds from 1,000 up;
the seeds here start at 0, and the other budgets, tables and CIFAR-100 and ImageNet16-120 played no part.

Sequences of cells are written as searches end; the same command continues, and only reports when all are there.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import nascompile as nc
from samplers import Sampler, UniformSampler
from samplers.bayesian.adaptive import AdaptiveSampler
from samplers.entropy import EntropySampler
from samplers.evolution import EvolutionSampler
from samplers.optuna_studies.optuna_sampler import OptunaSampler
from samplers.optuna_studies.pareto import ParetoSampler
from samplers.subset.dominance import pareto_ranks
from samplers.subset.free_region import Front
from samplers.subset.greedy import greedy
from solvers.sets.feasible_set import FeasibleSet
from spaces.language.numbering import index_of, row_of
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate
from spaces.program.isomorphism import canonical_cell

FIELDS = ("budget", "sampler", "told", "seed", "seconds", "cells")
SAMPLES = (10, 20, 40, 84)
TRIALS = 500
INFEASIBLE = -1
TEST, VALIDATION = "c10_test_200", "c10_val_200"
BUDGETS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("nasbench201", {}),
    "stm32f746": ("nasbench201", {"mcu": "stm32f746"}),
    "60MFLOPs": ("nasbench201_benchmark", {"macs": 60_000_000}),
}
#: The cells of TransNAS-Bench-101. Where a cell halves the sides, its identities are no identities: so here none is.
TRANSNAS = """
space: transnas
input: {channels: 3, height: 64, width: 64}
ram_model: liveness
cells:
  cell:
    nodes: 4
    operators:
      none: zero
      skip: [{avg_pool: {kernel: 3, stride: 1, padding: same}}]
      conv1: [relu, {conv: {filters: channels, kernel: 1, activation: none}}]
      conv3: [relu, {conv: {filters: channels, kernel: 3, activation: none}}]
network:
  - conv: {filters: 16, stride: 2}
  - cell: cell
    repeat: 2
  - preact_residual: {filters: 32}
  - cell: cell
    repeat: 2
  - preact_residual: {filters: 64}
  - cell: cell
    repeat: 2
  - global_avg_pool
  - linear: {units: 63}
"""
SECOND = {"transnas": 1.0, "transnas-third": 1 / 3}
#: Searches that need what only the first table has.
FIRST_ONLY = ("pareto", "tpe-raw")
#: Objectives of `pareto`: our name -> (column of the published scores, direction).
PROXIES = {"macs": ("", "min"), "naswot": ("nwot", "max"), "snip": ("snip", "max"), "synflow": ("synflow", "max")}

Row = dict[str, Any]


@cache
def column(data: Path, name: str, budget: str = "none") -> np.ndarray:
    """A column of the table, by the benchmark's index; of the second table the accuracy, NaN where a cell has none."""
    if budget in SECOND:
        found = np.full(4**6, np.nan)
        with gzip.open(data / "tnb101/tnb101_micro_class_scene.csv.gz", "rt") as file:
            for row in csv.DictReader(file):
                found[int("".join(row["net"].strip("()").split(",")), 4)] = float(row["accuracy"])
        return found
    with gzip.open(data / "nb201/nb201_cifar10.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    found = np.empty(len(rows))
    found[[int(row["idx"]) for row in rows]] = [float(row[name]) for row in rows]
    return found


@cache
def feasible(budget: str) -> FeasibleSet:
    if budget in SECOND:
        fs = nc.reduce(read_space(TRANSNAS))
        macs = fs.program.costs(0, np.array([c.row for c in fs]))["macs"]
        return nc.reduce(read_space(TRANSNAS), macs=int(np.sort(macs)[int(len(macs) * SECOND[budget]) - 1]))
    space, limits = BUDGETS[budget]
    return nc.reduce(space, **limits)


def number(cell: Candidate) -> int:
    """The benchmark's index; in the second table the digits of its operators."""
    return int("".join(map(str, cell.row)), 4) if cell.number is None else cell.number


@cache
def indices(budget: str) -> np.ndarray:
    """The benchmark's indices of the feasible cells."""
    return np.array([number(c) for c in feasible(budget)])


# -- the contestants -------------------------------------------------------------------------------------------------


def asked(make: Callable[[int], Sampler]) -> Callable[[Path, str, str, int, int], list[int]]:
    """The search of a sampler that asks and is told."""

    def search(data: Path, budget: str, told: str, seed: int, samples: int) -> list[int]:
        accuracy, cells, sampler = column(data, told, budget), [], make(seed)
        for cell in sampler.ask(feasible(budget), feasible(budget).size):
            # The second table lacks some, such as those that connect nothing: nobody is told of these.
            if not np.isnan(accuracy[number(cell)]):
                sampler.tell(cell, {"accuracy": accuracy[number(cell)]})
                cells.append(number(cell))
            if len(cells) == samples:
                break
        return cells

    return search


def tpe_raw(data: Path, budget: str, told: str, seed: int, samples: int) -> list[int]:
    """Optuna's TPE on the space, not on the feasible set."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    cell = next(iter(feasible(budget).program.space.cells.values()))
    operators = list(cell.operators)
    fits = set(indices(budget).tolist())
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), direction="maximize")
    found = []
    for _ in range(samples):
        trial = study.ask()
        names = [trial.suggest_categorical(cell.label(k), operators) for k in range(len(cell.edges))]
        index = int(index_of(cell.numbering, np.array([[operators.index(n) for n in names]]), len(operators))[0])
        study.tell(trial, column(data, told)[index] if index in fits else 0.0)
        found.append(index if index in fits else INFEASIBLE)
    return found


@cache
def scores(data: Path) -> dict[str, np.ndarray]:
    """The published scores of all cells: those without any have them from a cell of the same function."""
    cell = next(iter(feasible("none").program.space.cells.values()))
    operators = tuple(cell.operators)
    rows = (row_of(cell.numbering, k, len(operators), len(cell.edges)) for k in range(len(column(data, TEST))))
    forms = [canonical_cell(cell, [operators[x] for x in row]) for row in rows]
    with gzip.open(data / "nb201/zc_proxies_c10.csv.gz", "rt") as file:
        published = {int(row["idx"]): row for row in csv.DictReader(file)}
    of_form = {forms[k]: row for k, row in reversed(published.items())}
    own = [published.get(k, of_form[form]) for k, form in enumerate(forms)]
    return {name: np.array([float(row[c]) for row in own]) for name, (c, _) in PROXIES.items() if c}


def pareto(data: Path, budget: str, _: str, seed: int, samples: int) -> list[int]:
    """The cells to train, best first, after a search among proxies, whatever is told to others."""
    senses = {name: sense for name, (_, sense) in PROXIES.items()}
    sampler = ParetoSampler(objectives=senses, seed=seed)
    cells, values = [], []
    for cell in sampler.ask(feasible(budget), TRIALS):
        found = {name: float(known[cell.number]) for name, known in scores(data).items()}
        found["macs"] = float(cell.costs["macs"])
        sampler.tell(cell, found)
        cells.append(cell.number)
        values.append([found[name] * (1 if sense == "min" else -1) for name, sense in senses.items()])
    return [cells[k] for k in best_first(np.array(values), samples)]


def best_first(points: np.ndarray, count: int) -> list[int]:
    """Points to be minimised, front after front; within a front, the one that adds most hypervolume next."""
    ranks, order = pareto_ranks(points, ["min"] * points.shape[1]), []
    for front in range(ranks.max() + 1):
        here = np.flatnonzero(ranks == front)
        low, high = points[here].min(axis=0), points[here].max(axis=0)
        scaled = (points[here] - low) / np.where(high > low, high - low, 1)
        order += here[greedy(Front(scaled, np.full(points.shape[1], 1.1)), len(here))].tolist()
        if len(order) >= count:
            break
    return order[:count]


SAMPLERS: dict[str, Callable[[Path, str, str, int, int], list[int]]] = {
    "adaptive": asked(lambda seed: AdaptiveSampler(seed=seed)),
    "entropy": asked(lambda seed: EntropySampler(clusters=100, p=0.5, seed=seed)),
    "pareto": pareto,
    "uniform": asked(lambda seed: UniformSampler(seed=seed)),
    "tpe": asked(lambda seed: OptunaSampler("tpe", seed=seed)),
    "nsga2": asked(lambda seed: OptunaSampler("nsga2", options={"population_size": 20}, seed=seed)),
    "evolution": asked(lambda seed: EvolutionSampler(population=20, tournament=5, seed=seed)),
    "tpe-raw": tpe_raw,
}


# -- running ---------------------------------------------------------------------------------------------------------


def search(data: Path, budget: str, name: str, told: str, seed: int, *, samples: int) -> Row:
    start = time.process_time()
    cells = SAMPLERS[name](data, budget, told, seed, samples)
    seconds = round(time.process_time() - start, 2)
    return dict(zip(FIELDS, (budget, name, told, seed, seconds, " ".join(map(str, cells))), strict=True))


def read(out: Path) -> list[Row]:
    """The searches that ended; a line cut short by a kill is dropped."""
    if not out.exists():
        write(out, [])
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not out.read_text().endswith("\n"):
        write(out, rows := rows[:-1])
    return [{**row, "seed": int(row["seed"])} for row in rows]


def write(out: Path, rows: list[Row]) -> None:
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)


def run(given: argparse.Namespace, known: list[Row]) -> Iterator[Row]:
    """The searches that are missing, written as they end."""
    done = {(r["budget"], r["sampler"], r["told"], r["seed"]) for r in known if long(r, given.samples)}
    wanted = [(b, n, given.told, s) for s in range(given.seeds) for b in given.budgets for n in given.only]
    tasks = [task for task in wanted if task not in done and not (task[0] in SECOND and task[1] in FIRST_ONLY)]
    if not tasks:
        return
    for budget in {"none", *given.budgets}:
        indices(budget)  # made once here, and inherited by the workers
    if "pareto" in given.only:
        scores(given.data)
    with ProcessPoolExecutor(given.jobs) as pool, given.out.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        futures = [pool.submit(search, given.data, *task, samples=given.samples) for task in tasks]
        for n, future in enumerate(as_completed(futures), 1):
            row = future.result()
            writer.writerow(row)
            file.flush()
            print(f"\r{n} of {len(tasks)} searches", end="", file=sys.stderr, flush=True)
            yield row
    print(file=sys.stderr)


# -- reporting -------------------------------------------------------------------------------------------------------


def curves(data: Path, told: str, budget: str, cells: str) -> np.ndarray:
    """After each sample: the best test accuracy, test accuracy of the best by what was told, the best told.

    An accuracy is 0 before the first feasible cell.
    """
    found = np.array([int(word) for word in cells.split()])
    seen, test = (np.where(found == INFEASIBLE, 0.0, column(data, name, budget)[found]) for name in (told, TEST))
    best = np.maximum.accumulate(seen)
    # The first cell that has the accuracy that is the best so far.
    leads = [int(np.argmax(seen == value)) for value in best]
    return np.array([np.maximum.accumulate(test), test[leads], best])


def long(row: Row, samples: int) -> bool:
    """Whether a search was of so many samples, or of more."""
    return len(row["cells"].split()) >= samples


def gathered(data: Path, told: str, rows: list[Row], samples: int) -> dict[tuple[str, str], np.ndarray]:
    """(budget, sampler) -> [seeds, 3, samples], of the seeds in order; see `curves`."""
    # A search that was run again for more samples has two rows.
    mine = list({(r["budget"], r["sampler"], r["seed"]): r for r in rows
                 if r["told"] == told and long(r, samples)}.values())  # fmt: skip
    return {
        (b, n): np.array([curves(data, told, b, r["cells"])[:, :samples] for r in sorted(mine, key=lambda r: r["seed"])
                          if (r["budget"], r["sampler"]) == (b, n)])
        for b, n in dict.fromkeys((r["budget"], r["sampler"]) for r in mine)
    }  # fmt: skip


def report(given: argparse.Namespace, rows: list[Row]) -> None:
    found = gathered(given.data, given.told, rows, given.samples)
    ends = [n for n in SAMPLES if n <= given.samples]
    titles = ("best test accuracy so far", "test accuracy of the best by validation so far", "best validation so far")
    for which, title in enumerate(titles):
        print(f"\n{title}: mean regret in points ± its standard error (standard deviation) (told: {given.told})")
        for budget in given.budgets:
            test, told = (column(given.data, name, budget) for name in (TEST, given.told))
            inside = indices(budget)[~np.isnan(test[indices(budget)])]
            best = (told if which == 2 else test)[inside].max()
            limit = f"; limit {best - test[inside[np.argmax(told[inside])]]:.2f}" if which == 1 else ""
            print(f"\n{budget}: {len(inside):,} cells, the best {best:.2f} %{limit}")
            print(f"{'':10}{'seeds':>6}" + "".join(f"{f'after {n}':>26}" for n in ends))
            shown = {n: found[budget, n][:, which] for n in SAMPLERS if (budget, n) in found}
            for name, values in shown.items():
                parts = [values[:, n - 1] for n in ends]
                text = "".join(
                    f"{best - v.mean():>12.3f} ± {v.std(ddof=1) / len(v) ** 0.5:<5.3f}({v.std(ddof=1):.2f})"
                    for v in parts
                )
                print(f"{name:10}{len(values):>6}{text}")
            compare(shown, ends)


def compare(shown: dict[str, np.ndarray], ends: list[int]) -> None:
    """The adaptive sampler beside the best of the others, seed by seed."""
    others = {name: values for name, values in shown.items() if name != "adaptive"}
    if "adaptive" not in shown or not others:
        return
    for n in ends:
        best = max(others, key=lambda name: others[name][:, n - 1].mean())
        seeds = min(len(shown["adaptive"]), len(others[best]))
        gain = shown["adaptive"][:seeds, n - 1] - others[best][:seeds, n - 1]
        error = gain.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else np.nan
        print(f"after {n}: adaptive is {gain.mean():+.3f} ± {error:.3f} (standard error) from {best}, the best other")


def draw(given: argparse.Namespace, rows: list[Row]) -> None:
    """Mean regret against the number of samples: a column per budget, a row for each of the first two tables."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    found = gathered(given.data, given.told, rows, given.samples)
    size = (4.5 * len(given.budgets), 7)
    figure, axes = plt.subplots(2, len(given.budgets), figsize=size, squeeze=False, sharex=True, sharey=True)
    for (which, what), line_of_axes in zip(enumerate(("best of all trained", "best by validation")), axes, strict=True):
        for axis, budget in zip(line_of_axes, given.budgets, strict=True):
            best = np.nanmax(column(given.data, TEST, budget)[indices(budget)])
            for name in SAMPLERS:
                if (budget, name) in found:
                    curve(axis, name, best - found[budget, name][:, which])
            axis.set(title=f"{budget}, {what}", yscale="log", ylim=(0.02, 10), xlim=(1, given.samples))
            axis.yaxis.set_major_formatter("{x:g}")
        line_of_axes[0].set_ylabel("test accuracy below the best, points")
    for axis in axes[-1]:
        axis.set_xlabel("cells trained")
    figure.tight_layout(rect=(0, 0, 1 - 1.3 / size[0], 1))
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="center right", frameon=False)
    figure.savefig(given.plot, dpi=150)


def curve(axis: Any, name: str, regret: np.ndarray) -> None:
    """The mean over seeds, with its standard error; [seeds, samples]."""
    mean, error = regret.mean(axis=0), regret.std(axis=0) / np.sqrt(len(regret))
    x = np.arange(1, len(mean) + 1)
    (line,) = axis.plot(x, mean, label=name, lw=2.5 if name == "adaptive" else 1)
    axis.fill_between(x, mean - error, mean + error, alpha=0.2, color=line.get_color())


def names_of(known: dict[str, Any]) -> Callable[[str], list[str]]:
    def read_names(text: str) -> list[str]:
        words = text.split(",")
        for word in words:
            if word not in known:
                raise argparse.ArgumentTypeError(f"no {word!r}; there are {', '.join(known)}")
        return words

    return read_names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with nb201/ and tnb101/")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--samples", type=int, default=SAMPLES[-1], choices=SAMPLES, help="cells per search")
    parser.add_argument("--jobs", type=int, default=2, help="searches at a time")
    parser.add_argument("--only", type=names_of(SAMPLERS), default=list(SAMPLERS), help="samplers, with commas")
    parser.add_argument(
        "--budgets", type=names_of(BUDGETS | SECOND), default=[*BUDGETS, *SECOND], help="budgets, with commas"
    )
    parser.add_argument("--told", default=VALIDATION, choices=(VALIDATION, "c10_val_12"), help="what samplers see")
    parser.add_argument("--plot", type=Path, help="file for the curves")
    parser.add_argument("-o", "--out", type=Path, default=Path("sampling.csv"))
    given = parser.parse_args()
    rows = read(given.out)
    rows += run(given, rows)
    rows = [r for r in rows if r["seed"] < given.seeds and r["sampler"] in given.only and r["budget"] in given.budgets]
    report(given, rows)
    if given.plot:
        draw(given, rows)


if __name__ == "__main__":
    main()
