"""What a run has found: the networks that are kept, and how well proxies foretold it."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from nascompile.cli.counts import between_text
from nascompile.cli.output import emit_json, out, quantity, say_next, table
from nascompile.cli.report import budget_text, runtime_name
from nascompile.cli.search.metric_text import METRIC_NAMES, interval_text, metric_text
from nascompile.cli.search.own import show_own
from nascompile.cli.search.run_takes import run_takes
from nascompile.cli.tables import print_table
from nascompile.cli.takes import takes_data
from samplers.registry import registered, sampler
from spaces.units import FORMATS

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder
    from nascompile.run.outcome import Outcome
    from nascompile.run.settings import RunSettings

__all__ = ["outcome_data", "print_outcome", "show_run"]


def show_run(path: Path, as_json: bool) -> None:
    """A run as it is: its tables where it has ended, else how far it is.

    Raises:
        NascompileError: there is no run.
    """
    from nascompile.run.folder import RunFolder
    from nascompile.run.networks import ended, networks_so_far
    from nascompile.run.outcome import Outcome

    folder = RunFolder.open(path)
    if folder.settings.own:
        show_own(folder, as_json)
        return
    if found := Outcome.read(folder):
        if as_json:
            emit_json(outcome_data(folder, found))
        else:
            print_outcome(folder, found)
        return
    found, total = networks_so_far(folder), folder.total
    trained = ended(found)
    if as_json:
        networks = [{"number": number, **one} for number, one in found.items()]
        emit_json({"run": str(path), "trained": trained, "samples": total, "networks": networks})
        return
    rows = table(">#", "~candidate", ">flops", ">epochs", ">valid", ">valid int8")
    for number, one in found.items():
        measured = (one.get(step, {}) for step in ("float", "int8"))
        shares = ["" if not some else metric_text(one["metric"], some.get(one["metric"])) for some in measured]
        rows.add_row(
            str(number), escape(one.get("candidate", "")), quantity("flops", one.get("flops", 0)),
            str(one.get("epochs", "")), *shares,
        )  # fmt: skip
    print_table(rows)
    what = "trained to the end"
    out.print(f"{trained:,} of {total:,} networks are {what}; `nascompile resume {path}` goes on", markup=False)


def outcome_data(folder: RunFolder, outcome: Outcome) -> dict[str, Any]:
    """A finished run as plain data: its data, its tables, and where its time went."""
    from nascompile.run.data import read_record
    from nascompile.run.timing import read_timing

    takes = run_takes(folder, [row["candidate"] for row in outcome.chosen])
    data = [takes_data(takes.shipping, one) for one in takes.takes]
    kept = {str(row["number"]): one for row, one in zip(outcome.chosen, data, strict=True)}
    about = {"run": str(folder.path), "data": read_record(folder)}
    return {**about, **outcome.data, "takes": kept, "timing": read_timing(folder)}


def print_outcome(folder: RunFolder, outcome: Outcome) -> None:
    """The table of a finished run, for a person."""
    settings, program = folder.settings, folder.fs.program
    target = f" on {program.target}" if program.target else ""
    limits = budget_text(dict(program.budgets.items()), program.ram_model, runtime_name(program))
    failed = [row for row in outcome.rows if "error" in row]
    out.print(
        f"{escape(program.space.name)}{target}: {len(outcome.rows):,} networks by {settings.sampler} from "
        f"{between_text(*folder.fs.between)} feasible of {program.size:,} ({limits})", soft_wrap=True,
    )  # fmt: skip
    how = "not quantised" if settings.quantise == "none" else f"int8 by {settings.quantise}"
    recipe = settings.recipe
    training = f"{recipe.optimiser} {recipe.lr:g}, {recipe.epochs} epochs, {how}"
    out.print(f"data: {escape(Path(settings.data.path).name)}; {training}", soft_wrap=True)
    if settings.pruner != "none":
        out.print(_stopped_text(outcome, settings), soft_wrap=True)
    if not registered(settings.sampler).training_free:
        remark = sampler(settings.sampler, **settings.parameters, seed=settings.seed).remark(folder.fs)
        out.print(remark, soft_wrap=True, end="\n" if remark else "")
    for row in failed:
        out.print(f"not trained: #{row['number']} {escape(row['candidate'])}: {escape(row['error'])}", soft_wrap=True)
    for row in outcome.rows:
        if "error_qat" in row:
            out.print(f"not trained on in int8: #{row['number']}: {escape(row['error_qat'])}", soft_wrap=True)
    out.print()
    if outcome.chosen:
        _print_chosen(folder, outcome)
        _print_built(folder, outcome)
    else:
        out.print("no network could be trained", markup=False)
    if outcome.agreement:
        taus = ", ".join(f"{name} {one['tau']:+.2f} (p {_p_text(one['p'])})" for name, one in outcome.agreement.items())
        n, what = next(iter(outcome.agreement.values()))["n"], METRIC_NAMES[outcome.metric]
        out.print(f"Kendall's tau with the test {what} of {n:.0f} networks: {taus}", soft_wrap=True)
    there = [
        name for name in ("results.csv", "results.json", "report.html", "networks") if (folder.path / name).exists()
    ]
    out.print(f"in {folder.path}: {', '.join(there)}", soft_wrap=True, markup=False)
    if outcome.chosen:
        best, mcu = f"{folder.path}#{outcome.best['number']}", [] if program.target else ["--mcu", "MCU"]
        out.print(f"in detail: nascompile show {shlex.quote(best)}", soft_wrap=True, markup=False)
        out.print(f"as a page: nascompile report {shlex.quote(str(folder.path))}", soft_wrap=True, markup=False)
        say_next("nascompile", "deploy", best, *mcu, "--verify")


def _stopped_text(outcome: Outcome, settings: RunSettings) -> str:
    """Who was stopped at which rung."""
    stopped = Counter(row["stopped"] for row in outcome.rows if "stopped" in row and "error" not in row)
    counts = ", ".join(f"{count:,} at epoch {epoch}" for epoch, count in sorted(stopped.items()))
    ended = f"{len(outcome.finalists):,} trained to the end, {counts or 'none'} stopped"
    remark = "; asha does not wait, so another run may stop others" if settings.pruner == "asha" else ""
    return f"{settings.pruner}: {ended}{remark}"


def _print_chosen(folder: RunFolder, outcome: Outcome) -> None:
    what, costs = METRIC_NAMES[outcome.metric], " and ".join(outcome.costs)
    kept = f"kept {len(outcome.chosen)} of {len(outcome.rows)}, by validation {what} against {costs}"
    out.print(f"{kept} ({outcome.verdict})", soft_wrap=True)
    takes = run_takes(folder, [row["candidate"] for row in outcome.chosen])
    if not takes.shipping.counted:
        shipping, program = takes.shipping, folder.fs.program
        how = f"the budgets count {program.space.settings.dtype} by {program.runtime.name}"
        out.print(f"ROM and RAM of the {shipping.dtype} networks by {shipping.runtime.name}; {how}", soft_wrap=True)
    int8 = "test_int8" in outcome.chosen[0]
    columns = (">valid", ">test", *((">valid int8", ">test int8") if int8 else ()))
    names = [name for name in dict.fromkeys(outcome.costs) if name not in ("rom", "ram", *FORMATS)]
    rows = table(">#", "~candidate", *(f">{name}" for name in names), *takes.titles, *columns)
    for at, row in enumerate(outcome.chosen):
        values = [*(quantity(name, row[name]) for name in names), *takes.cells(at)]
        rows.add_row(str(row["number"]), escape(row["candidate"]), *values, *_measured(outcome, row, int8))
    print_table(rows)
    for line in _best_lines(outcome, "test_int8" if int8 else "test"):
        out.print(line, soft_wrap=True, markup=False)


def _print_built(folder: RunFolder, outcome: Outcome) -> None:
    """What the kept networks really take, where they were built."""
    built = [row for row in outcome.chosen if "rom_built" in row]
    if not built:
        return
    rows = table(">#", ">ROM", ">RAM", ">instructions", "C")
    for row in built:
        rows.add_row(
            str(row["number"]), quantity("rom", row["rom_built"]), quantity("ram", row["ram_built"]),
            "not run" if row["instructions"] is None else f"{row['instructions']:,}",
            escape(str(folder.path / "deploy" / f"{row['number']:04d}")),
        )  # fmt: skip
    ran = any(row["instructions"] is not None for row in built)
    where = f"here{' and on an emulated core' if ran else ''}"
    out.print(f"built for {folder.fs.program.target}; the C computes what the networks do, {where}")
    if any(row["instructions"] is None for row in built):
        out.print("what was not run is too large for the emulator, or too slow; it was compared here")
    print_table(rows)


def _best_lines(outcome: Outcome, column: str) -> Iterator[str]:
    """How good the best one is, how sure that is, and what guessing reaches."""
    from nascompile.training.report import small_validation

    best, metric = outcome.best, outcome.metric
    form = " in int8" if column == "test_int8" else ""
    shown = (
        f"the best by validation is #{best['number']}: test {METRIC_NAMES[metric]} {metric_text(metric, best[column])}"
    )
    intervals = [best["intervals"][column]] if "intervals" in best else []
    sure = "".join(f" (95 %: {interval_text(*one)}, {outcome.examples['test']:,} examples)" for one in intervals)
    yield f"{shown}{form}{sure}; the test part chose nothing"
    if metric in (guess := outcome.guess.get("test", {})):
        yield f"guessing, the same for all, reaches {metric_text(metric, guess[metric])}"
    if metric == "accuracy":
        accuracies = [row[outcome.shipped] for row in outcome.finalists]
        if remark := small_validation(outcome.examples["valid"], accuracies):
            yield remark


def _measured(outcome: Outcome, row: Mapping[str, Any], int8: bool) -> list[str]:
    names = ("valid", "test", *(("valid_int8", "test_int8") if int8 else ()))
    return [metric_text(outcome.metric, row[name]) for name in names]


def _p_text(p: float) -> str:
    return f"{p:.2g}" if p >= 1e-4 else "below 0.0001"
