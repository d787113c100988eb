"""The speed benchmark: ours and the rivals interleaved in one run, each run in its own process.

    python benchmarks/reduce.py [--depth 8] [--repeat 5] [--slow-repeat 1] [--rivals a,b,...] [--json]

Sections: `table` (one depth, all contestants), `bytes` (one tree for the depths 6, 7 and 8), `scaled` (the same
problem at depth 12 and 16), `process` (the whole command beside an import of its dependencies).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections import defaultdict
from statistics import median

from command import time_commands
from measure import Measurement, measure, subjects
from ours import OURS
from rich.console import Console
from rich.table import Table
from rivals import RIVALS

__all__ = ["main"]

#: A contestant's name and the depth it solves.
Job = tuple[str, int]
Runs = dict[Job, list[Measurement]]

SECTIONS = ("table", "bytes", "scaled", "process")
SCALED = (("ours-scaled", 12), ("ours-scaled-flops", 12), ("ours-scaled", 16), ("ours-scaled-flops", 16))
NOTES = Console(stderr=True)


def arguments() -> argparse.Namespace:
    names = ",".join(r.name for r in RIVALS)
    parser = argparse.ArgumentParser(description="Time ours and the rivals on one problem, interleaved.")
    parser.add_argument("--depth", type=int, default=8, choices=(5, 6, 7, 8), help="number of layers (default 8)")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each contestant (default 5)")
    parser.add_argument("--slow-repeat", type=int, default=1, help="runs of those that take seconds (default 1)")
    parser.add_argument("--rivals", default=names, help=f"comma-separated, or `none`; default {names}")
    parser.add_argument("--cp-sat-depth", type=int, help="a smaller depth for cp-sat, which takes minutes at 8")
    parser.add_argument("--sections", default=",".join(SECTIONS), help=f"comma-separated; default {','.join(SECTIONS)}")
    parser.add_argument("--timeout", type=float, default=900, help="seconds after which a run is stopped (default 900)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    args = parser.parse_args()
    args.rivals = [] if args.rivals == "none" else args.rivals.split(",")
    args.sections = args.sections.split(",")
    known = {r.name for r in RIVALS}
    if unknown := [r for r in args.rivals if r not in known]:
        parser.error(f"there is no rival `{unknown[0]}`; there are {names}")
    if unknown := [s for s in args.sections if s not in SECTIONS]:
        parser.error(f"there is no section `{unknown[0]}`; there are {','.join(SECTIONS)}")
    return args


def jobs_of(args: argparse.Namespace) -> list[Job]:
    """Ours first; also at the smaller depth of cp-sat, for its ratio."""
    special = {"cp-sat": args.cp_sat_depth or args.depth}
    rivals = [(name, special.get(name, args.depth)) for name in args.rivals]
    depths = sorted({args.depth, *(depth for _, depth in rivals)}, reverse=True)
    return [(s.name, depth) for depth in depths for s in OURS] + rivals


def run_interleaved(jobs: list[Job], args: argparse.Namespace) -> Runs:
    """Round after round through all contestants, so that a slow minute of the machine hits them alike.

    A contestant that has failed once is not run again.
    """
    runs: Runs = defaultdict(list)
    slow = {name for name, subject in subjects().items() if subject.slow}
    for turn in range(max(args.repeat, args.slow_repeat)):
        for name, depth in jobs:
            done = runs[name, depth]
            if turn >= (args.slow_repeat if name in slow else args.repeat) or (done and done[-1].failure):
                continue
            NOTES.print(f"[dim]{name}, depth {depth}, run {turn + 1}[/dim]")
            done.append(measure(name, depth, args.timeout))
    return runs


def summary(job: Job, runs: Runs) -> dict:
    """The figures of one contestant over its runs; `failure` alone where one failed."""
    name, depth = job
    done = runs[job]
    base = {"name": name, "depth": depth, "delivers": subjects()[name].delivers, "runs": len(done)}
    if not done or done[-1].failure:
        return base | {"failure": done[-1].failure if done else "not run"}
    seconds = [m.seconds for m in done]
    return base | {
        "version": done[0].version,
        "count": done[0].count,
        "seconds": median(seconds),
        "min": min(seconds),
        "max": max(seconds),
        "setup": median(m.setup for m in done),
        "peak_mb": median(m.peak_mb for m in done),
        "details": done[0].details,
    }


def add_ratios(rows: list[dict]) -> None:
    """Each contestant's median over that of our tree and our list of the same depth."""
    ours = {(row["name"], row["depth"]): row["seconds"] for row in rows if "seconds" in row}
    for row in rows:
        for key, name in (("to_tree", "ours-tree"), ("to_list", "ours-list")):
            if "seconds" in row and (name, row["depth"]) in ours:
                row[key] = row["seconds"] / ours[name, row["depth"]]


def cells(row: dict) -> dict[str, str]:
    """A table row by column; columns that no row fills are left out."""
    shown = {"contestant": row["name"], "version": row.get("version", ""), "delivers": row["delivers"]}
    shown["L"] = str(row["depth"] or "all") if row["runs"] else ""
    if "failure" in row:
        return shown | {"count": "no figures"}
    shown["count"] = f"{row['count']:,}"
    for column, key in (("median s", "seconds"), ("min", "min"), ("max", "max"), ("set-up s", "setup")):
        shown[column] = f"{row[key]:.3f}"
    shown |= {"runs": str(row["runs"]), "peak MB": f"{row['peak_mb']:,.0f}"}
    ratios = {"to our tree": row.get("to_tree"), "to our list": row.get("to_list")}
    return shown | {column: f"{ratio:,.1f}" for column, ratio in ratios.items() if ratio}


def show(title: str, rows: list[dict], console: Console) -> None:
    """One table; below it the reasons of those without figures, and the sizes of what was delivered."""
    table = Table(title=title, title_justify="left")
    lines = [cells(row) for row in rows]
    columns = list(max(lines, key=len))
    for column in columns:
        table.add_column(column, justify="left" if column in columns[:3] else "right", no_wrap=True)
    for line in lines:
        table.add_row(*(line.get(column, "") for column in columns))
    console.print(table)
    for row in rows:
        about = f"{row['name']}, L = {row['depth'] or 'all'}" if row["runs"] else row["name"]
        if "failure" in row:
            console.print(f"{about}: {row['failure']}", markup=False)
        elif row["details"]:
            console.print(f"{about}: {', '.join(f'{n:,} {what}' for what, n in row['details'].items())}", markup=False)


def show_process(result: dict, console: Console) -> None:
    """The whole command beside the import of what it needs."""
    console.print("Whole process", style="italic")
    if "failure" in result:
        console.print(f"no figures: {result['failure']}", markup=False)
        return
    ok = "kept" if result["seconds"] <= result["bound"] else "not kept"
    console.print(f"{result['command']}: {result['seconds']:.3f} s, median of {result['runs']}", markup=False)
    console.print(f"{result['baseline']}: {result['baseline_seconds']:.3f} s", markup=False)
    console.print(f"bound 2x + 0.5 = {result['bound']:.3f} s: {ok}", markup=False)


def left_out(chosen: list[str]) -> list[dict]:
    """Rows for the rivals that `--rivals` does not name, so that no table hides them."""
    base = {"depth": 0, "runs": 0, "failure": "not run: left out by --rivals"}
    return [base | {"name": r.name, "delivers": r.delivers} for r in RIVALS if r.name not in chosen]


def collect(args: argparse.Namespace) -> dict:
    """Run the chosen sections."""
    plans = {"table": jobs_of(args), "bytes": [("ours-all-depths", 0)], "scaled": list(SCALED)}
    report: dict = {"machine": f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"}
    for section in args.sections:
        if section == "process":
            NOTES.print("[dim]whole process[/dim]")
            report[section] = time_commands()
            continue
        runs = run_interleaved(plans[section], args)
        report[section] = [summary(job, runs) for job in plans[section]]
        if section == "table":
            report[section] += left_out(args.rivals)
        add_ratios(report[section])
    return report


def main() -> None:
    args = arguments()
    report = collect(args)
    if args.json:
        print(json.dumps(report, indent=2))
        return
    console = Console(width=None if os.isatty(1) else 160)
    console.print(report["machine"], markup=False)
    titles = {
        "table": "The whole feasible set",
        "bytes": "One tree for L = 6, 7 and 8 together",
        "scaled": "ROM = 125,000 L; with FLOPs <= 6.25 M L",
    }
    for section, title in titles.items():
        if section in report:
            show(title, report[section], console)
    if "process" in report:
        show_process(report["process"], console)


if __name__ == "__main__":
    main()
