"""One-shot against sampling: how good is the network that is kept, for how many CPU seconds (EBS, Fig. 5)?

    python benchmarks/oneshot.py ../shared/data -o oneshot               # both problems; resumable
    python benchmarks/oneshot.py ../shared/data --only digits -o oneshot

Two small spaces under a limit of ROM that about half of the networks keep: `digits`, DS-CNNs on the spoken digits, and
`cifar`, ConvMixers on 4,000 images of CIFAR-10. 32 and 24 networks, drawn uniformly, are trained in full, once: that is
the truth. Super-networks are trained with three seeds, and judge them all.

Each of `--seeds` draws has half of the pool as its set. A sampler asks for k networks of it, and is told their
validation accuracy; the one with the best validation is kept.

* uniform, entropy (10 clusters: the sets are small) and adaptive (two by entropy, then it learns).
* proxies: the first k by the default ensemble of `nascompile score`, measured on training examples.
* oneshot: the first k by shared weights, those of super-network 0, 1, 2, 0, ...

CPU seconds are those of the k trainings, and for the last two of what came before: of all networks of the set the
scores, or the super-network and its judgements. The first table gives test accuracies in percent, mean and standard
error over the draws; `all` is the network that is kept when all are trained. The second gives Kendall's tau-b with the
test accuracy over the pool, mean, least and largest over seeds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from cifar import decoded

from nascompile.data.dataset import Dataset
from nascompile.data.load import load_dataset
from nascompile.run.proxies import proxy_examples, whole_examples
from nascompile.training import evaluate, recipe, train
from samplers import AdaptiveSampler, EntropySampler, Sampler, UniformSampler
from samplers.monas.sampler import best_first, ranked
from samplers.oneshot.judge import Judge
from samplers.oneshot.search import OneShotSearch
from samplers.scores.scoring import batched, batched_examples, score
from solvers.base import solve
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.relaxed_set import exactly
from spaces.language.reader import read_space
from spaces.program.candidate import Candidate, parse_candidate
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets

SUPER, COUNTS = 3, (1, 2, 4, 8)
DIGITS = """\
space: dscnn_digits
input: {channels: 1, height: 49, width: 10}
choices:
  M: {start: 4, stop: 32, step: 4}
network:
  - conv: {filters: M, kernel: [10, 4], stride: 2}
  - ds_conv: {filters: M, stride: 2}
  - ds_conv: {filters: M}
    repeat: [2, 3, 4]
  - global_avg_pool
  - linear: {units: 10}
"""
CIFAR = """\
space: convmixer_cifar
input: {channels: 3, height: 32, width: 32}
choices:
  M: [2, 4, 8, 16, 32, 64]
network:
  - conv: {filters: M, kernel: 4, stride: 4}
  - convmixer: {filters: M, kernel: 5}
    repeat: [2, 3, 4]
  - global_avg_pool
  - linear: {units: 10}
"""


@dataclass(frozen=True)
class Problem:
    """A space with its limit, data, and how networks and super-networks are trained.

    Args:
        name: of its files.
        space: its text.
        rom: the limit, in bytes.
        split: training, validation and test part.
        pool: networks trained in full.
        epochs: of one network.
        shared: of a super-network.
    """

    name: str
    space: str
    rom: int
    split: tuple[float, float, float]
    pool: int
    epochs: int
    shared: int

    @cached_property
    def fs(self) -> FeasibleSet:
        """All networks within the limit."""
        return exactly(solve(compile_space(read_space(self.space), Budgets(rom=self.rom))), "a pool")

    def data(self, folder: Path, out: Path) -> Dataset:
        """The three parts, drawn anew, so that the test part is large enough to tell networks apart."""
        path = out / f"{self.name}.npz"
        if not path.exists():
            digits = self.name == "digits"
            sets = folder / "datasets"
            found = sets / "fsdd_8khz_1s_int16.npz" if digits else decoded(sets / "cifar10_jpeg.tar.gz")
            with np.load(found) as arrays:
                np.savez(path, x=arrays["x"], y=arrays["y"])
        rate = 8000 if self.name == "digits" else None
        return load_dataset(path, self.fs.program.space.input.dims, rate=rate, split=self.split)


PROBLEMS = (
    Problem("digits", DIGITS, 14_000, (0.3, 0.1, 0.6), pool=32, epochs=20, shared=100),
    Problem("cifar", CIFAR, 20_000, (0.5, 0.1, 0.4), pool=24, epochs=12, shared=80),
)


@dataclass(frozen=True)
class Measured:
    """What is known of the networks of a pool.

    Args:
        pool: their lines.
        networks: line -> `valid`, `test`, and the `cpu` seconds of its training.
        supers: per super-network `cpu`, that of judging the pool, `judging`, and the accuracies, `shared`.
        scores: per seed `cpu`, and the scores of each network.
    """

    pool: list[str]
    networks: Mapping[str, Mapping[str, float]]
    supers: Sequence[Mapping[str, Any]]
    scores: Sequence[Mapping[str, Any]]


class Records:
    """Figures on disk, one JSON line each, so that what is there is not measured again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.found: dict[str, dict[str, Any]] = {row["key"]: row for row in map(json.loads, lines)}

    def get(self, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The figures of this name, with the CPU seconds that they took."""
        if key not in self.found:
            start = time.process_time()
            row = make()
            self.found[key] = {"key": key, "cpu": time.process_time() - start, **row}
            with self.path.open("a") as file:
                file.write(json.dumps(self.found[key]) + "\n")
            print(f"{self.path.stem}: {key}, {self.found[key]['cpu']:.1f} CPU s", file=sys.stderr, flush=True)
        return self.found[key]


def measured(problem: Problem, dataset: Dataset, records: Records) -> Measured:
    """Train, judge and score the pool, as far as that is not done."""
    fs = problem.fs
    members = fs.sample(problem.pool, seed=0)
    supers = [records.get(f"super {seed}", lambda seed=seed: judged(problem, dataset, members, seed))
              for seed in range(SUPER)]  # fmt: skip
    scores = [records.get(f"scores {seed}", lambda seed=seed: scored(dataset, members, seed)) for seed in range(SUPER)]
    networks = {str(one): records.get(str(one), lambda one=one: trained(problem, dataset, one)) for one in members}
    return Measured([str(one) for one in members], networks, supers, scores)


def trained(problem: Problem, dataset: Dataset, one: Candidate) -> dict[str, Any]:
    how = recipe("ebs", epochs=problem.epochs, lr=0.003, schedule="cosine")
    result = train(one.build(seed=0, batch_norm="kept"), dataset, how)
    parts = {"valid": dataset.valid, "test": dataset.test}
    return {name: evaluate(result.network, part, dataset.task)["accuracy"] for name, part in parts.items()}


def judged(problem: Problem, dataset: Dataset, members: Sequence[Candidate], seed: int) -> dict[str, Any]:
    search = OneShotSearch(epochs=problem.shared, seed=seed)
    judge = Judge(problem.fs, whole_examples(dataset), search.recipe)
    assert judge.shared
    start = time.process_time()
    shared = {str(one): judge.accuracy(one) for one in members}
    return {"shared": shared, "judging": time.process_time() - start}


def scored(dataset: Dataset, members: Sequence[Candidate], seed: int) -> dict[str, Any]:
    proxies = batched(["default"])
    data = proxy_examples(dataset, batched_examples(proxies), seed)
    return {"scores": {str(one.candidate): dict(one.scores) for one in score(members, proxies, data, seed)}}


# -- choosing ----------------------------------------------------------------------------------------------------------


def subset(fs: FeasibleSet, lines: Sequence[str]) -> FeasibleSet:
    """The set of these members."""
    return reduce(or_, (single(fs, parse_candidate(fs.program, line)) for line in lines))


def single(fs: FeasibleSet, one: Candidate) -> FeasibleSet:
    return fs.where(variant=one.variant.label, M=dict(enumerate(one["M"], start=1)))


def asked(sampler: Sampler, fs: FeasibleSet, known: Measured) -> list[str]:
    """What a sampler asks for, told the validation accuracy of each."""
    result = []
    for one in sampler.ask(fs, max(COUNTS)):
        sampler.tell(one, {"accuracy": known.networks[str(one)]["valid"]})
        result.append(str(one))
    return result


def orders(known: Measured, fs: FeasibleSet, draw: int) -> Iterator[tuple[str, list[str], float]]:
    """For one draw: how, the networks in the order in which they are trained, and CPU seconds before the first."""
    lines = random.Random(draw).sample(known.pool, len(known.pool) // 2)
    own = subset(fs, lines)
    yield "uniform", asked(UniformSampler(seed=draw), own, known), 0.0
    yield "entropy", asked(EntropySampler(clusters=10, seed=draw), own, known), 0.0
    yield "adaptive", asked(AdaptiveSampler(start=2, seed=draw), own, known), 0.0
    scores, shared = known.scores[draw % SUPER], known.supers[draw % SUPER]
    share = len(lines) / len(known.pool)
    order = best_first([scores["scores"][line] for line in lines], ranked())
    yield "proxies", [lines[k] for k in order], share * scores["cpu"]
    before = shared["cpu"] - (1 - share) * shared["judging"]
    yield "oneshot", sorted(lines, key=lambda line: -shared["shared"][line]), before
    yield "all", lines, 0.0


def kept(known: Measured, lines: Sequence[str]) -> float:
    """The test accuracy, in percent, of the network with the best validation."""
    best = max(lines, key=lambda line: known.networks[line]["valid"])
    return 100 * known.networks[best]["test"]


def spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f} ± {stdev(values) / len(values) ** 0.5:.2f}"


def report(problem: Problem, known: Measured, seeds: int) -> None:
    print(f"\n{problem.name}: {len(problem.fs):,} feasible, {len(known.pool)} trained, {seeds} draws of half of them")
    print(f"{'':10}" + "".join(f"{f'k = {k}':>16}{'CPU s':>8}" for k in COUNTS))
    found: dict[str, list[tuple[list[str], float]]] = {}
    for draw in range(seeds):
        for name, lines, before in orders(known, problem.fs, draw):
            found.setdefault(name, []).append((lines, before))
    for name, rows in found.items():
        cells = ""
        for k in COUNTS if name != "all" else (len(known.pool) // 2,):
            cpu = mean(before + sum(known.networks[line]["cpu"] for line in lines[:k]) for lines, before in rows)
            cells += f"{spread([kept(known, lines[:k]) for lines, _ in rows]):>16}{cpu:>8.0f}"
        print(f"{name:10}{cells}")
    print(f"\n{'tau with the test accuracy':28}{'mean':>6}{'least':>7}{'most':>6}")
    for name, taus in kendalls(problem, known).items():
        print(f"{name:28}{mean(taus):>6.2f}{min(taus):>7.2f}{max(taus):>6.2f}")


def kendalls(problem: Problem, known: Measured) -> dict[str, list[float]]:
    from scipy.stats import kendalltau

    test = [known.networks[line]["test"] for line in known.pool]

    def tau(values: Sequence[float]) -> float:
        return float(np.array(kendalltau(values, test))[0])

    places = [best_first([one["scores"][line] for line in known.pool], ranked()) for one in known.scores]
    members = [parse_candidate(problem.fs.program, line) for line in known.pool]
    return {
        "shared weights": [tau([one["shared"][line] for line in known.pool]) for one in known.supers],
        "proxies": [tau([-order.index(k) for k in range(len(test))]) for order in places],
        "validation": [tau([known.networks[line]["valid"] for line in known.pool])],
        **{cost: [tau([one.costs[cost] for one in members])] for cost in ("macs", "params", "entropy")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with datasets/")
    parser.add_argument("--only", default=",".join(one.name for one in PROBLEMS), help="problems")
    parser.add_argument("--seeds", type=int, default=30, help="draws of half of them")
    parser.add_argument("-o", "--out", type=Path, default=Path("oneshot"), help="folder of what is measured")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for problem in PROBLEMS:
        if problem.name in given.only.split(","):
            records = Records(given.out / f"{problem.name}.jsonl")
            dataset = problem.data(given.data, given.out)
            report(problem, measured(problem, dataset, records), given.seeds)


if __name__ == "__main__":
    main()
