"""Latency: predicted against counted instructions of whole networks, and their ranks against measured milliseconds.

    python benchmarks/latency.py -o instructions.csv                # 50 networks on two cores; some minutes, resumable
    python benchmarks/latency.py -o instructions.csv --report
    python benchmarks/latency.py --boards ../shared/data/mcu        # errors on boards left out; a minute or two

Networks are drawn from the library's spaces (at most 2 MB of ROM, 1 MB of RAM, 40 M MACs, so that the emulator takes
seconds; some with smaller inputs), get random weights, become C by the same code as `nascompile deploy`, are built, run
in QEMU, and their instructions counted. None of them was seen by the profiles, which are fitted to single operators.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import combinations, cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

import nascompile as nc
from spaces.costs.latency import LatencyError
from spaces.program.candidate import Candidate

#: Spaces, and smaller inputs for those of many MACs.
SPACES = {
    "dscnn": (), "mlp2": (), "autoencoder": (), "prototype_timeseries": (), "mobilenet": (),
    "convmixer": ("input.height=16", "input.width=16"), "nasbench201": (), "nasbench201_benchmark": (),
    "prototype_image": ("input.height=32", "input.width=32"),
    "prototype_detection": ("input.height=64", "input.width=64"),
}  # fmt: skip
#: Core -> a target that has it.
TARGETS = {"m4": "stm32f412", "m7": "stm32f746"}
#: Data type, core, networks.
RUNS = (("int8", "m4", 50), ("int8", "m7", 50), ("float32", "m4", 20), ("float32", "m7", 20))
COLUMNS = ("dtype", "core", "candidate", "macs", "predicted", "counted", "wrong", "seconds")
LIMITS = {"rom": 2_000_000, "ram_liveness": 1_000_000, "macs": 40_000_000}
#: Draws per network that is wanted of a space.
_DRAWS = 20


def candidates(n: int, dtype: str) -> Iterator[Candidate]:
    """Networks of all spaces in turn."""
    streams = []
    for name, overrides in SPACES.items():
        found = nc.reduce(name, overrides=[f"dtype={dtype}", *overrides])
        drawn = found.sample(min(_DRAWS * n // len(SPACES), found.size), seed=0)
        streams.append(c for c in drawn if all(c.costs[cost] <= limit for cost, limit in LIMITS.items()))
    rounds = (next(stream, None) for stream in cycle(streams))
    return islice((candidate for candidate in rounds if candidate), n)


def counted(candidate: Candidate, dtype: str, core: str, folder: Path) -> dict[str, Any]:
    """Predicted and counted instructions of a network."""
    import torch

    from nascompile.deploy.calls import planned
    from nascompile.deploy.core import core_of
    from nascompile.deploy.deployable import untrained
    from nascompile.deploy.instructions import predicted_amount
    from nascompile.deploy.project import Vectors, write_project
    from nascompile.deploy.toolchain import run_check
    from spaces.costs.latency_profiles import load_profile
    from spaces.targets.catalogue import load_target

    torch.set_num_threads(1)
    begun = time.perf_counter()
    subject, target = untrained(candidate, dtype), load_target(TARGETS[core])
    plan, vectors = planned(subject.network), subject.vectors()
    write_project(folder, plan, target, Vectors(vectors.inputs[-1:], vectors.outputs[-1:]), "network", "")
    on = core_of(target)
    assert on is not None
    found = run_check(folder, on)
    wrong = found.wrong if dtype == "int8" else found.apart
    predicted = predicted_amount(plan, load_profile(f"nascompile-c-{core}-{dtype}"))
    return dict(zip(COLUMNS, (
        dtype, core, str(candidate), candidate.costs["macs"], predicted, found.instructions, wrong,
        round(time.perf_counter() - begun, 2),
    ), strict=True))  # fmt: skip


def run(path: Path) -> None:
    """Count what the file does not hold yet."""
    done = {(r["dtype"], r["core"], r["candidate"]) for r in _rows(path)} if path.exists() else set()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if not done:
            writer.writeheader()
        for dtype, core, n in RUNS:
            for candidate in candidates(n, dtype):
                if (dtype, core, str(candidate)) in done:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    row = counted(candidate, dtype, core, Path(folder))
                writer.writerow(row)
                file.flush()
                off = 100 * (row["predicted"] / row["counted"] - 1)
                print(f"{dtype:8}{core} {row['counted']:12,} {off:+7.3f} %  {row['candidate'][:80]}", file=sys.stderr)


def report(path: Path) -> None:
    """Errors of the profile, and of the best multiple of the MACs."""
    from scipy.stats import spearmanr

    print("type     core  networks  instr/MAC        profile: median  largest  rank   MACs: median  largest  rank")
    rows = list(_rows(path))
    for dtype, core, _ in RUNS:
        mine = [r for r in rows if (r["dtype"], r["core"]) == (dtype, core)]
        if not mine:
            continue
        macs, predicted, real = (np.array([float(r[c]) for r in mine]) for c in ("macs", "predicted", "counted"))
        ratio = real / macs
        ours, theirs = (100 * np.abs(p / real - 1) for p in (predicted, macs * _best(macs, real)))
        ranks = [spearmanr(p, real).statistic for p in (predicted, macs)]
        print(
            f"{dtype:8} {core:4} {len(mine):9}  {ratio.min():.2f} to {ratio.max():6.2f} "
            f"{np.median(ours):21.4f} % {ours.max():7.4f} % {ranks[0]:.4f} "
            f"{np.median(theirs):10.1f} % {theirs.max():6.1f} % {ranks[1]:.4f}"
        )


def _best(macs: np.ndarray, real: np.ndarray) -> float:
    """The factor of the least mean |factor * macs / real - 1|."""
    from nascompile.latency.fit import least_relative_deviations

    return float(least_relative_deviations(macs[:, None], real)[0])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def boards(data: Path) -> None:
    """Errors of runtimes' profiles on boards left out: as they are, and calibrated by one and by two networks."""
    from board_profiles import PUBLISHER, RUNTIMES, read_rows
    from scipy.stats import kendalltau

    from nascompile.latency.boards import fit_boards
    from nascompile.latency.calibrate import Measurement, calibrate
    from spaces.costs.latency import LatencyProfile
    from spaces.program.candidate import parse_candidate

    rows = read_rows(data)
    networks = {n: parse_candidate(nc.compile(f"mlperf_{n}", tables=False), "") for n in ("kws", "ic", "vww", "ad")}
    hz = 100_000_000
    print("runtime       core         board                  n  as it is  by one (median, p90)  by two  Kendall  MACs")
    for ours in RUNTIMES.values():
        for core in ours.shipped:
            mine = [r for r in rows if (r.runtime, r.core, r.publisher) == (ours.runtime, core, PUBLISHER)]
            for board in dict.fromkeys(r.board for r in mine):
                told = [r for r in mine if r.board == board]
                rest = [r for r in rows if r not in told]
                if not any(r.runtime == ours.runtime for r in rest) or not any(r.core == core for r in rest):
                    print(f"{ours.runtime:13} {core:12} {board:20} {len(told):3}  alone of its runtime or core")
                    continue
                empty = LatencyProfile("left-out", "int8", core, hz, runtime=ours.runtime)
                profile = fit_boards(rest).profile(empty, PUBLISHER)
                real = {r.network: r.cycles / hz * 1e9 for r in told}

                def off(made: LatencyProfile, names: Sequence[str], real: dict[str, float] = real) -> list[float]:
                    found = [sum(made.layer_ns(s.ops, s.x.shape) for s in networks[n].steps) for n in names]
                    return [100 * abs(ns / real[n] - 1) for n, ns in zip(names, found, strict=True)]

                told_by: list[list[float]] = []
                for k in (1, 2):
                    each: list[float] = []
                    for known in combinations(real, k):
                        given = [Measurement(n, networks[n], round(real[n])) for n in known]
                        try:
                            made = calibrate(profile, given, "board").profile
                        except LatencyError:  # the two contradict each other
                            continue
                        each += off(made, [n for n in real if n not in known])
                    told_by.append(each)
                found = [sum(profile.layer_ns(s.ops, s.x.shape) for s in networks[n].steps) for n in real]
                macs = [networks[n].costs["macs"] for n in real]
                ranks = [float(kendalltau(x, list(real.values())).statistic) for x in (found, macs)]
                plain, (one, two) = np.median(off(profile, list(real))), map(np.median, told_by)
                print(
                    f"{ours.runtime:13} {core:12} {board:20} {len(real):3} {plain:7.1f} % {one:10.1f} % "
                    f"{np.quantile(told_by[0], 0.9):6.1f} % {two:7.1f} % {ranks[0]:7.2f} {ranks[1]:6.2f}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path("instructions.csv")
    parser.add_argument("-o", "--out", type=Path, default=default, help="CSV file of counted networks, continued")
    parser.add_argument("--report", action="store_true", help="only tell what the file holds")
    parser.add_argument("--boards", type=Path, metavar="DATA", help="only the errors on boards left out")
    given = parser.parse_args()
    if given.boards:
        boards(given.boards)
        return
    if not given.report:
        run(given.out)
    report(given.out)


if __name__ == "__main__":
    main()
