"""Latency: predicted against counted instructions of whole networks, and their ranks against measured milliseconds.

    python benchmarks/latency.py -o instructions.csv                # 50 networks on two cores; some minutes, resumable
    python benchmarks/latency.py -o instructions.csv --report
    python benchmarks/latency.py --boards ../shared/data/mcu        # errors on boards left out; some minutes

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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import nascompile as nc
from nascompile.latency.boards import Measured, Spread
from spaces.costs.latency import LatencyProfile
from spaces.costs.prices import LatencyError
from spaces.program.candidate import Candidate, parse_candidate

if TYPE_CHECKING:
    from nascompile.latency.calibrate import BoardSpread

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


#: Of any board whose rows are cycles; it cancels.
_HZ = 100_000_000


def boards(data: Path) -> None:
    """Errors of runtimes' profiles on boards left out: as they are, and calibrated by one and by two networks."""
    from board_profiles import PUBLISHER, RUNTIMES, alone, left_out, read_rows

    from nascompile.latency.boards import fit_boards
    from nascompile.latency.spreads import chosen_spread

    rows = read_rows(data)
    shipped = [(ours.runtime, core) for ours in RUNTIMES.values() for core in ours.shipped]
    known = [pair for pair in shipped if not alone(rows, *pair)]
    networks = {n: parse_candidate(nc.compile(f"mlperf_{n}", tables=False), "") for n in ("kws", "ic", "vww", "ad")}
    print(
        f"{'runtime':13} {'core':12} {'board':20}   n  as it is, p90      by one, p90      by two, p90  Kendall  MACs"
    )
    for runtime, core in shipped:
        for board, told, rest, spread in left_out(rows, runtime, core):
            title = f"{runtime:13} {core:12} {board:20} {len(told):3}"
            if (runtime, core) not in known:
                predicted = fit_boards(rest, spread).cycles(told)
                off = 100 * np.abs(predicted / [r.cycles for r in told] - 1)
                print(f"{title} {_off_text(off)}  alone, from its others")
                continue
            made = _left_out_profile(rest, runtime, core, spread)
            by = calibration_spread(rest, known, networks, spread)
            real = {r.network: round(r.cycles / _HZ * 1e9) for r in told}
            plain = _off(made, networks, real, real)
            calibrated = [_calibrated_off(made, networks, real, k, by) for k in (1, 2)]
            ranks = _kendalls([_ns(made, networks[n]) for n in real], [networks[n].costs["macs"] for n in real], real)
            print(f"{title} {'  '.join(map(_off_text, [plain, *calibrated]))}  {ranks}", flush=True)
    print("\nBoards with more networks than MLPerf's four:")
    zoo = [r for r in rows if r.publisher != PUBLISHER]
    for what, key in (("the board", lambda r: r.board), ("each family", lambda r: r.network.partition(" ")[0])):
        told, predicted = [], []
        for name in dict.fromkeys(map(key, zoo)):
            out = [r for r in zoo if key(r) == name]
            rest = [r for r in rows if not any(r is one for one in out)]
            told += out
            predicted += fit_boards(rest, chosen_spread(rest)).cycles(out).tolist()
        real = {str(k): r.cycles for k, r in enumerate(told)}
        macs = [sum(n for f, n in r.counts.items() if f.term == "mac") for r in told]
        off = _off_text(100 * np.abs(np.array(predicted) / list(real.values()) - 1))
        title = f"{zoo[0].runtime:13} {zoo[0].core:12} {zoo[0].board:20} {len(told):3}"
        print(f"{title} {off}{'':34}  {_kendalls(predicted, macs, real)}  {what} left out", flush=True)
    cells(data)
    spread = chosen_spread(rows)
    print(f"\nof all rows: {spread}\n             {calibration_spread(rows, known, networks, spread)}")


def cells(data: Path) -> None:
    """The same of profiles of one board, which are cross-validated."""
    from nascompile.latency.data import read_measurements
    from nascompile.latency.fit import fit_profile

    files = (
        ("tflite-micro", "Cortex-M33", "nRF5340", "nrf5340_nb201.csv", nc.compile("nasbench201", tables=False), None),
        ("x-cube-ai", "Cortex-M7", "STM32H747I-DISCO", "stm32_anchors.csv", None, "n_ops"),
    )  # fmt: skip
    for runtime, core, board, file, program, group in files:
        fit = fit_profile(read_measurements(data / file, program, group), board)
        assert fit.baseline is not None
        print(
            f"{runtime:13} {core:12} {board:20} {fit.rows:3} {_percents(fit.errors.median, fit.errors.p90)}"
            f"{'':34}  {fit.errors.kendall:7.2f} {fit.baseline.kendall:5.2f}  its own profile, {fit.folds} folds",
            flush=True,
        )


def calibration_spread(
    rows: Sequence[Measured], known: Sequence[tuple[str, str]], networks: Mapping[str, Candidate], spread: Spread
) -> BoardSpread:
    """The spreads of the least error on boards of these rows, each left out, and calibrated by one network."""
    from board_profiles import PUBLISHER

    from nascompile.latency.calibrate import BoardSpread
    from nascompile.latency.spreads import descended

    cases = []
    for runtime, core in known:
        mine = [r for r in rows if (r.runtime, r.core, r.publisher) == (runtime, core, PUBLISHER)]
        for board in dict.fromkeys(r.board for r in mine):
            told = [r for r in mine if r.board == board]
            rest = [r for r in rows if not any(r is one for one in told)]
            if any(r.runtime == runtime for r in rest) and any(r.core == core for r in rest):
                made = _left_out_profile(rest, runtime, core, spread)
                cases.append((made, {r.network: round(r.cycles / _HZ * 1e9) for r in told}))

    def error(by: BoardSpread) -> float:
        return float(np.mean([np.mean(_calibrated_off(made, networks, real, 1, by)) for made, real in cases]))

    return descended(BoardSpread(kind=1.0), ["kind"], error)


def _left_out_profile(rest: Sequence[Measured], runtime: str, core: str, spread: Spread) -> LatencyProfile:
    from board_profiles import PUBLISHER

    from nascompile.latency.boards import fit_boards

    return fit_boards(rest, spread).profile(LatencyProfile("left-out", "int8", core, _HZ, runtime=runtime), PUBLISHER)


def _calibrated_off(
    profile: LatencyProfile, networks: Mapping[str, Candidate], real: Mapping[str, int], k: int, by: BoardSpread
) -> list[float]:
    """Errors of networks, in percent, of the profile calibrated by k others, whichever."""
    from nascompile.latency.calibrate import Measurement, calibrate

    found: list[float] = []
    for given in combinations(real, k):
        try:
            made = calibrate(profile, [Measurement(n, networks[n], real[n]) for n in given], "board", by).profile
        except LatencyError:  # the two contradict each other
            continue
        found += _off(made, networks, real, [n for n in real if n not in given])
    return found


def _off(
    profile: LatencyProfile, networks: Mapping[str, Candidate], real: Mapping[str, int], names: Iterable[str]
) -> list[float]:
    return [100 * abs(_ns(profile, networks[n]) / real[n] - 1) for n in names]


def _ns(profile: LatencyProfile, network: Candidate) -> int:
    return profile.network_ns + sum(profile.layer_ns(s.ops, s.x.shape) for s in network.steps)


def _off_text(off: Sequence[float] | np.ndarray) -> str:
    return _percents(float(np.median(off)), float(np.quantile(off, 0.9)))


def _percents(median: float, p90: float) -> str:
    return f"{median:6.1f} %, {p90:5.1f} %"


def _kendalls(predicted: Sequence[float], macs: Sequence[float], real: Mapping[str, float]) -> str:
    from scipy.stats import kendalltau

    found = [float(kendalltau(x, list(real.values())).statistic) for x in (predicted, macs)]
    return f"{found[0]:7.2f} {found[1]:5.2f}"


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
