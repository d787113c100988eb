"""How well zero-cost proxies rank real networks: 500 cells of NAS-Bench-201 against their accuracy after training.

    pip install -e .
    python benchmarks/proxies.py DATA [--cells 500] [--batch 64] [--dear-batch 32] [--n 5] [--out proxies.csv]

DATA is a folder with `nb201/nb201_cifar10.csv.gz` (index, first index of the same function, test accuracy after 200
epochs), `nb201/zc_proxies_c10.csv.gz` (published scores of single cells) and `datasets/cifar10_jpeg.tar.gz`. Cells are
drawn from the 6,461 distinct ones with a path from input to output. Every row is on disk as soon as it is computed, and
the same command goes on where it was stopped; with a larger `--cells` too. `--report` prints what is there so far.

One process, one thread; as it stands, 500 cells take 36 minutes of CPU time (`--batch 128 --dear-batch 64
--kernel-repeats 3` is nearer to the authors' settings, and takes longer).

What differs from the published set-ups, and so explains differences in the values:

* Cells are distinct functions with a path from input to output; the papers take all 15,625 cells, twins included.
* Images are JPEG copies of CIFAR-10, without augmentation, one mini-batch for all cells; standardised over that batch.
* MeCo sums over all modules that are called, containers too, so the sum depends on the module tree. Ours has one
  container per operator and one per cell where the authors' has `ReLUConvBN`, `Sequential` and the cell: conv terms are
  counted another number of times. On 120 cells of seed 0 the authors' tree reached Kendall .768 and Spearman .927, ours
  .759 and .920, and the two agreed by .888 and .981.
* NASWOT counts each ReLU once, the authors' hook those in `ReLUConvBN` twice; and it takes `--batch` images, not 128.
* ZiCo, SNIP and grad-norm take `--batch` images instead of 128, 64 and 64; GraSP and Zen `--dear-batch` instead of 64.
* The published scores of single cells (SNIP, grad-norm, GraSP, SynFlow) come from another network than the benchmark's:
  batch norms without scale and shift, convolutions with biases, all candidate operators instantiated.
* Zen draws Gaussian weights; NAS-Bench-201's sums are not what it was made for, and published values range from .10 to
  .29 (Kendall).
* K_0 and K_2 are those of a network with 3 channels and one cell per stage, regions those of a single cell of one
  channel, as TE-NAS has them, but K is from `--kernel-repeats` draws of weights instead of 3; TE-NAS's published values
  are evidently for CIFAR-100.
* "FLOPs" are multiply-accumulates. The published column of single cells counts pooling and more; ranks hardly differ.
* NB-Suite-Zero correlates with validation accuracy, over cells without dead operators.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from cell_scores import BETTER, CellScores
from cifar import cifar10
from published import COLUMNS, NB_SUITE, PAPERS
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau, spearmanr

from samplers.proxies.data import Data
from samplers.proxies.ranking import worst_last
from samplers.scores.score_file import ScoreFile
from spaces.language.cell import live_edges
from spaces.language.numbering import row_of
from spaces.language.reader import load_space

__all__ = ["main"]

Floats = np.ndarray
OPTIONS = ("batch", "dear_batch", "kernel_batch", "kernel_repeats", "seed")
NOTES = Console(stderr=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Rank correlation of zero-cost proxies with accuracy.")
    parser.add_argument("data", type=Path, help="folder with nb201/ and datasets/")
    parser.add_argument("--cells", type=int, default=500, help="how many cells (default 500)")
    parser.add_argument("--batch", type=int, default=64, help="images of ZiCo, NASWOT, SNIP, grad-norm (default 64)")
    parser.add_argument("--dear-batch", type=int, default=32, help="images of GraSP and Zen (default 32)")
    parser.add_argument("--kernel-batch", type=int, default=32, help="images of the tangent kernel (default 32)")
    parser.add_argument("--kernel-repeats", type=int, default=1, help="weights drawn for the kernel (default 1)")
    parser.add_argument("--n", type=int, default=5, help="cells per stage (default 5, as in the benchmark)")
    parser.add_argument("--seed", type=int, default=0, help="of cells, images and weights (default 0)")
    parser.add_argument("--throughput", type=int, default=12, help="cells that time the ensemble (default 12)")
    parser.add_argument("--out", type=Path, default=Path("proxies.csv"), help="table of scores (default proxies.csv)")
    parser.add_argument("--force", action="store_true", help="begin the table anew")
    parser.add_argument("--report", action="store_true", help="compute nothing, print what is there")
    return parser.parse_args()


def run_of(args: argparse.Namespace) -> dict[str, int | str]:
    """What the scores depend on; not how many cells there are."""
    return {**{name: getattr(args, name) for name in (*OPTIONS, "n")}, "torch": torch.__version__}


def images_of(args: argparse.Namespace) -> Data:
    """The mini-batch for all cells; the windows of the linear regions are cut out of all of it."""
    n = max(2 * args.batch, args.kernel_batch, 256)
    return cifar10(args.data / "datasets" / "cifar10_jpeg.tar.gz", n, args.seed)


def benchmark(folder: Path) -> dict[int, dict[str, str]]:
    """The benchmark's rows by index."""
    with gzip.open(folder / "nb201" / "nb201_cifar10.csv.gz", "rt") as file:
        return {int(row["idx"]): row for row in csv.DictReader(file)}


def published_scores(folder: Path) -> dict[int, dict[str, str]]:
    """Published scores of single cells by index."""
    with gzip.open(folder / "nb201" / "zc_proxies_c10.csv.gz", "rt") as file:
        return {int(row["idx"]): row for row in csv.DictReader(file)}


def chosen_cells(rows: Mapping[int, Mapping[str, str]], n: int, seed: int) -> list[int]:
    """Indices of n distinct cells with a path from input to output; a larger n begins with those of a smaller one."""
    cell = load_space("nasbench201").cells["cell"]
    operators = tuple(cell.operators)
    distinct = [
        index
        for index, row in sorted(rows.items())
        if int(row["iso_rep_idx"]) == index
        and any(live_edges(cell, [(operators[x],) for x in row_of("nasbench201", index, 5, 6)]))
    ]
    NOTES.print(f"{len(distinct):,} distinct cells with a path", style="dim")
    return [distinct[k] for k in np.random.default_rng(seed).permutation(len(distinct))[:n]]


def score_cells(args: argparse.Namespace, cells: list[int], table: ScoreFile, scores: CellScores) -> None:
    """Adds to the table the rows that it does not have yet."""
    with table.open(args.force) as append:
        there = len(table.rows())
        for done, index in enumerate(cells[there:], start=there + 1):
            found = scores(index)
            append([str(index), *(found[name] for name in (*BETTER, "seconds"))])
            if done % 10 == 0:
                NOTES.print(f"{done} of {len(cells)} cells", style="dim")


# -- correlations ------------------------------------------------------------------------------------------------------


def goodness(name: str, values: Floats) -> Floats:
    """Ranks that grow with the score, whatever is not finite at the end that its direction calls worst."""
    ranks = worst_last(values, BETTER[name]).astype(float)
    return ranks if BETTER[name] == "lower" else -ranks


def kendall(a: Floats, b: Floats) -> float:
    return float(kendalltau(a, b).statistic)  # type: ignore[union-attr]


def spearman(a: Floats, b: Floats) -> float:
    return float(spearmanr(a, b).statistic)  # type: ignore[union-attr]


def interval(a: Floats, b: Floats, of: Callable[[Floats, Floats], float], draws: int = 300) -> tuple[float, float]:
    """The 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = [of(a[k], b[k]) for k in (rng.integers(len(a), size=len(a)) for _ in range(draws))]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def combined(columns: Mapping[str, Floats]) -> dict[str, Floats]:
    """Sums of ranks: the two indicators of TE-NAS and MONAS, and the four of PrototypeNAS."""
    rank = {name: worst_last(values, BETTER[name]) for name, values in columns.items()}
    sums = (("k0", "regions"), ("k2", "regions"), ("meco", "zico", "naswot", "snip"))
    return {f"ranks of {' + '.join(names)}": -np.sum([rank[name] for name in names], axis=0) for names in sums}


def report(folder: Path, table: ScoreFile, console: Console) -> None:
    """The table of correlations with accuracy."""
    found = table.numbers()
    cells = [int(index) for index in found["cell"]]
    accuracies, theirs = benchmark(folder), published_scores(folder)
    accuracy = np.array([float(accuracies[index]["c10_test_200"]) for index in cells])
    common = np.array([k for k, index in enumerate(cells) if index in theirs], int)
    columns = {name: found[name].astype(float) for name in BETTER}
    console.print(
        f"{len(cells)} cells, {len(common)} of them with published scores; CIFAR-10 test accuracy, 200 epochs"
    )
    shown = Table(box=None, pad_edge=False)
    heads = (
        "proxy",
        "Kendall",
        "95 %",
        "Spearman",
        "paper KT/SPR",
        "NB-Suite KT/SPR",
        "theirs, same cells",
        "ours with theirs",
    )
    for k, head in enumerate(heads):
        shown.add_column(head, justify="right" if k else "left", no_wrap=True)
    for name, values in columns.items():
        good = goodness(name, values)
        shown.add_row(name, *_row(good, accuracy), _pair(PAPERS.get(name)), _pair(NB_SUITE.get(name)), *_theirs(
            name, good, accuracy, cells, common, theirs))  # fmt: skip
    for name, good in combined(columns).items():
        shown.add_row(name, *_row(good, accuracy))
    console.print(shown)
    sources = ", ".join(f"{name}: {paper.source}" for name, paper in PAPERS.items())
    console.print(f"Papers: {sources}. NB-Suite-Zero: validation accuracy, 9,445 cells", markup=False)
    seconds = found["seconds"]
    console.print(
        f"CPU seconds per cell: mean {seconds.mean():.2f}, most {seconds.max():.2f}; {seconds.sum() / 60:.1f} minutes"
    )


def _row(good: Floats, accuracy: Floats) -> tuple[str, str, str]:
    low, high = interval(good, accuracy, kendall)
    return f"{kendall(good, accuracy):.3f}", f"{low:.2f}..{high:.2f}", f"{spearman(good, accuracy):.3f}"


def _pair(published: tuple[float | None, float | None, str] | None) -> str:
    if published is None:
        return "-"
    return "/".join("-" if value is None else f"{value:.3g}" for value in published[:2])


def _theirs(
    name: str, good: Floats, accuracy: Floats, cells: list[int], common: Floats, theirs: Mapping[int, Mapping[str, str]]
) -> tuple[str, str]:
    """Correlations, over cells with published scores, of these with accuracy and of ours with these."""
    if name not in COLUMNS or len(common) < 3:
        return "-", "-"
    values = np.array([float(theirs[cells[k]][COLUMNS[name]]) for k in common])
    them = f"{kendall(values, accuracy[common]):.3f}/{spearman(values, accuracy[common]):.3f}"
    return them, f"{kendall(good[common], values):.3f}/{spearman(good[common], values):.3f}"


def throughput(scores: CellScores, cells: list[int], console: Console) -> None:
    """The ensemble beside its proxies one by one."""
    runs = [scores.throughput(index) for index in cells]
    together, alone = sum(r.together for r in runs), sum(r.alone for r in runs)
    same = "equal to the last bit" if all(r.same for r in runs) else "NOT EQUAL"
    console.print(
        f"meco + zico + naswot + snip, {len(runs)} cells: together {together / len(runs):.2f} s a cell, "
        f"one by one {alone / len(runs):.2f} s: {alone / together:.2f} times; values {same}"
    )


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    table = ScoreFile(args.out, ("cell", *BETTER, "seconds"), run_of(args))
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    if args.report:
        report(args.data, table, console)
    else:
        cells = chosen_cells(benchmark(args.data), args.cells, args.seed)
        scores = CellScores.of(args.n, images_of(args), **{name: getattr(args, name) for name in OPTIONS})
        score_cells(args, cells, table, scores)
        report(args.data, table, console)
        throughput(scores, cells[: args.throughput], console)
    notes = (__doc__ or "").partition("What differs")[2]
    console.print(f"\nWhat differs{notes}", style="dim", markup=False)


if __name__ == "__main__":
    main()
