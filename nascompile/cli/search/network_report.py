"""One network of a run in detail: all its numbers, class by class, and what was taken for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from nascompile.cli.output import emit_json, out, quantity, table
from nascompile.cli.search.metric_text import METRIC_NAMES, interval_text, metric_text
from nascompile.cli.search.run_takes import run_takes
from nascompile.cli.tables import print_table
from nascompile.cli.takes import takes_data
from spaces.errors import NascompileError

if TYPE_CHECKING:
    from nascompile.run.outcome import Outcome

__all__ = ["print_report", "show_network"]

#: A table of what was taken for what is shown up to so many classes; of more, the most frequent mistakes.
_CLASSES = 12
#: Ends of columns, and what they are of.
_FORMS = {"": "float", "_ptq": "ptq", "_qat": "qat"}
_NAMES = {"float": "as trained", "ptq": "int8, after training", "qat": "int8, trained on"}
_MISTAKES = 12


def show_network(path: Path, number: int, as_json: bool) -> None:
    """A network of a run: its numbers in every form that was measured, and of one that is kept all of its report.

    Raises:
        NascompileError: there is no such run or network, or the run has not ended.
    """
    from nascompile.run.folder import RunFolder
    from nascompile.run.outcome import Outcome

    folder = RunFolder.open(path)
    outcome = Outcome.read(folder)
    if outcome is None:
        message = f"`{path}` has not ended, and nothing is measured on the test part yet"
        raise NascompileError.of("not-ended", message, f"`nascompile resume {path}` brings it to its end")
    row = next((row for row in outcome.rows if row["number"] == number), None)
    if row is None:
        message = f"`{path}` has no network {number}"
        raise NascompileError.of("no-network", message, f"it has 0 to {len(outcome.rows) - 1}")
    reports = outcome.reports.get(str(number), {})
    if as_json:
        takes = run_takes(folder, [row["candidate"]])
        emit_json({"run": str(path), **row, "takes": takes_data(takes.shipping, takes.takes[0]), "reports": reports})
        return
    out.print(f"{escape(str(path))}#{number}: {escape(row['candidate'])}", soft_wrap=True)
    if "error" in row:
        out.print(f"not trained: {escape(row['error'])}", soft_wrap=True)
        return
    takes = run_takes(folder, [row["candidate"]])
    costs = [f"{name} {quantity(name, row[name])}" for name in ("flops", "params") if name in row]
    shipped = [f"{title.lstrip('>')} {cell}" for title, cell in zip(takes.titles, takes.cells(0), strict=True)]
    out.print(", ".join([*costs, *shipped]), soft_wrap=True)
    out.print()
    _print_forms(outcome, row)
    if reports:
        form = row.get("ships", "float")
        out.print()
        print_report(reports[form], f"{_NAMES[form]}, on the test part")
    else:
        out.print("not kept: what was taken for what is written of the networks that are kept", soft_wrap=True)


def _print_forms(outcome: Outcome, row: Mapping[str, Any]) -> None:
    """The metric of each form on both parts."""
    intervals = row.get("intervals", {})
    rows = table(
        METRIC_NAMES[outcome.metric],
        *(x for part in ("valid", "test") for x in (f">{part}", *(["95 %"] if intervals else []))),
    )
    for end, form in _FORMS.items():
        if f"valid{end}" not in row:
            continue
        cells = []
        for name in (f"valid{end}", f"test{end}"):
            cells.append(metric_text(outcome.metric, row.get(name)))
            cells += [interval_text(*intervals[name]) if name in intervals else ""] if intervals else []
        rows.add_row(_NAMES[form] + (", ships" if row.get("ships") == form else ""), *cells)
    print_table(rows)


def print_report(report: Mapping[str, Any], title: str) -> None:
    """What `nascompile.training.report` says of a network, for a person.

    Args:
        report: of the test part.
        title: which form of the network it is of.
    """
    values, guess = report["metrics"], report.get("guess", {})
    out.print(f"{title}, {report['examples']:,} examples", soft_wrap=True)
    rows = table("metric", ">value", *((">guessing",) if guess else ()), *(("95 %",) if "interval" in report else ()))
    for name, text in METRIC_NAMES.items():
        if name in values:
            interval = interval_text(*report["interval"]) if name == "accuracy" else ""
            cells = [metric_text(name, guess.get(name))] if guess else []
            rows.add_row(text, metric_text(name, values[name]), *cells, *([interval] if "interval" in report else []))
    print_table(rows)
    if guess:
        out.print(_guessing(report), soft_wrap=True)
    for key, names in (("classes", ("recall", "precision", "f1")), ("outputs", ("mae", "rmse", "r2"))):
        if key in report and len(report[key]) > (key == "outputs"):
            out.print()
            _print_parts(report[key], names)
    if "confusion" in report:
        out.print()
        _print_confusion([one["name"] for one in report["classes"]], report["confusion"])


def _guessing(report: Mapping[str, Any]) -> str:
    if "confusion" in report:
        return "guessing: always the largest class of the training part"
    return "guessing: always the mean of the training part" if "outputs" in report else "guessing: the same for all"


def _print_parts(parts: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """A row for each class, label or output."""
    counted = "examples" in parts[0]
    rows = table(
        "class" if counted else "output",
        *([">examples"] if counted else []),
        *(f">{METRIC_NAMES[name]}" for name in names),
    )
    for one in parts:
        count = [f"{one['examples']:,}"] if counted else []
        rows.add_row(escape(one["name"]), *count, *(metric_text(name, one[name]) for name in names))
    print_table(rows)


def _print_confusion(names: Sequence[str], confusion: Sequence[Sequence[int]]) -> None:
    """Who was taken for whom."""
    mistakes = sorted(
        ((n, i, j) for i, row in enumerate(confusion) for j, n in enumerate(row) if i != j and n), reverse=True
    )
    if len(names) <= _CLASSES and sum(max(len(name), 3) + 2 for name in names) < out.width - 24:
        rows = table("is, taken for", *(f">{escape(name)}" for name in names))
        for name, row in zip(names, confusion, strict=True):
            rows.add_row(escape(name), *(str(n) if n else "." for n in row))
        print_table(rows)
        return
    if not mistakes:
        out.print("no example was taken for one of another class")
        return
    rows = table("is", "taken for", ">examples")
    for n, i, j in mistakes[:_MISTAKES]:
        rows.add_row(escape(names[i]), escape(names[j]), f"{n:,}")
    print_table(rows)
    if len(mistakes) > _MISTAKES:
        out.print(f"and {len(mistakes) - _MISTAKES:,} other mistakes: `confusion` in results.json")
