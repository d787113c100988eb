"""The sections of a page that are about a run: what was found, how it was trained, what is kept, how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascompile.cli.output import quantity
from nascompile.cli.page.document import Section, commands, paragraph, table
from nascompile.cli.page.figures import Drawing, confusion, curves, scatter
from nascompile.cli.search.metric_text import METRIC_NAMES, interval_text, metric_text
from nascompile.cli.search.run_takes import run_takes
from spaces.errors import FileError

if TYPE_CHECKING:
    from nascompile.run.folder import RunFolder
    from nascompile.run.outcome import Outcome

__all__ = ["run_sections"]

_LABELS = {"rom": "ROM, bytes", "ram": "RAM, bytes", "macs": "MACs", "flops": "FLOPs", "params": "parameters",
           "latency": "latency, ns", "energy": "energy, nJ"}  # fmt: skip
_FORMS = {"float": "float", "ptq": "int8, quantised after training", "qat": "int8, trained on in int8"}
#: Networks whose confusion matrices are drawn, and classes of one, at most.
_MATRICES, _CLASSES = 5, 40


def run_sections(folder: RunFolder, outcome: Outcome) -> list[Section]:
    """What stands before the set in the page of a run that has ended."""
    kept = _kept(folder, outcome)
    where = _where(folder, outcome)
    return [kept, where, _networks(outcome), _training(folder, outcome), _errors(outcome), _next(folder, outcome)]


def _kept(folder: RunFolder, outcome: Outcome) -> Section:
    section = Section("kept", "The networks that are kept")
    metric, settings = outcome.metric, folder.settings
    what = METRIC_NAMES[metric]
    section.add(paragraph(
        f"{len(outcome.chosen)} of {len(outcome.rows):,} networks by {settings.sampler}, chosen by validation {what} "
        f"against {' and '.join(outcome.costs)} ({outcome.verdict}). The test part chose nothing. "
        f"Data: {Path(settings.data.path).name}; {outcome.examples['valid']:,} validation and "
        f"{outcome.examples['test']:,} test examples."
    ))  # fmt: skip
    if not outcome.chosen:
        section.add(paragraph("No network could be trained."))
        return section
    takes = run_takes(folder, [row["candidate"] for row in outcome.chosen])
    forms = [name for name in ("ptq", "qat") if any(f"test_{name}" in row for row in outcome.chosen)]
    heads = ["#", "<candidate", *(title.lstrip(">") for title in takes.titles), "float", *forms, "<95 % of what ships"]
    rows = []
    for at, row in enumerate(outcome.chosen):
        tests = [metric_text(metric, row.get(name)) for name in ("test", *(f"test_{form}" for form in forms))]
        column = "test_int8" if "test_int8" in row else "test"
        sure = interval_text(*row["intervals"][column]) if "intervals" in row else ""
        rows.append((row["number"], row["candidate"], *takes.cells(at), *tests, sure))
    section.add(paragraph(f"Test {what} of each form:"), table(heads, rows))
    if metric in (guess := outcome.guess.get("test", {})):
        section.add(paragraph(f"Guessing, the same for all, reaches {metric_text(metric, guess[metric])}.", soft=True))
    section.add(_built(outcome, [one._asdict() for one in takes.takes]))
    drawings = []
    for cost in dict.fromkeys((*outcome.costs, "rom", "ram", "macs")):
        points = {
            name: _points(outcome, rows, cost)
            for name, rows in (
                ("kept", outcome.chosen),
                ("others", [row for row in outcome.finalists if not row["chosen"]]),
            )
        }
        label = _LABELS.get(cost, cost)
        caption = f"Validation {what} of what ships against {label.partition(',')[0]}, as the set counts it."
        drawings.append(scatter(f"front-{cost}", caption, points, (label, f"validation {what}")))
    section.draw(drawings)
    return section


def _points(outcome: Outcome, rows: list[Mapping[str, Any]], cost: str) -> tuple[list[float], list[float], list[int]]:
    good = [row for row in rows if outcome.shipped in row and cost in row]
    return [row[cost] for row in good], [row[outcome.shipped] for row in good], [row["number"] for row in good]


def _built(outcome: Outcome, takes: list[dict[str, Any]]) -> str:
    """Predicted beside built, of networks that were built for the chip."""
    rows = []
    for row, predicted in zip(outcome.chosen, takes, strict=True):
        if "rom_built" in row:
            cells = [row["number"]]
            for name, built in (("rom", "rom_built"), ("ram", "ram_built"), ("instructions", "instructions")):
                cells += [
                    "-" if predicted.get(name) is None else f"{predicted[name]:,}",
                    "-" if row[built] is None else f"{row[built]:,}",
                ]
            rows.append(cells)
    if not rows:
        return ""
    heads = ["#", "ROM predicted", "built", "RAM predicted", "built", "instructions predicted", "counted"]
    return "<h3>Predicted and built</h3>\n" + table(heads, rows)


def _where(folder: RunFolder, outcome: Outcome) -> Section:
    """Of each network that is kept its tensors over time, and what every operator takes."""
    from contextlib import suppress

    from nascompile.deploy.calls import planned
    from nascompile.deploy.drawing import arena_svg
    from nascompile.deploy.layers import fused_activations, layer_rows, stays
    from nascompile.run.deployment import of_run
    from spaces.costs.latency import LatencyProfile
    from spaces.costs.latency_profiles import named_profile
    from spaces.costs.prices import LatencyError
    from spaces.errors import NascompileError
    from spaces.operators.kernel import instruction_set
    from spaces.runtimes.nascompile_c import NascompileC
    from spaces.targets.catalogue import load_target

    section = Section("memory", "Where RAM, flash and instructions go")
    target, drawings = None, list[Drawing]()
    with suppress(NascompileError):
        target = load_target(folder.fs.program.target)
    dtype = "float32" if folder.settings.quantise == "none" else "int8"
    profile: LatencyProfile | None = None
    with suppress(LatencyError):
        profile = named_profile(NascompileC.name, target, dtype, "instructions") if target else None
    for row in outcome.chosen:
        number = row["number"]
        try:
            subject = of_run(folder, number, dtype)
            plan = planned(subject.network, instruction_set(target.built_as if target else ""), subject.rooms)
        except NascompileError as error:
            section.add(paragraph(f"Network {number}: {error.diagnostics[0].message}.", soft=True))
            continue
        layers = layer_rows(subject.network, plan, fused_activations(subject.candidate), profile)
        caption = f"Network {number}: what lies where in the arena, operator by operator."
        svg = arena_svg(stays(subject.network, plan), layers, plan.ram, f"network {number}, in {dtype}")
        drawings.append(Drawing(f"arena-{number}", caption, svg[svg.index("<svg") :]))
        heads = ["#", "<operator", "<output", "instructions", "RAM in use", "constants", "<remark"]
        cells = [
            (one.number, one.kind, str(one.output), "-" if one.instructions is None else f"{one.instructions:,}",
             f"{one.ram:,} B", f"{one.constants:,} B", one.note) for one in layers
        ]  # fmt: skip
        section.add(
            f"<details><summary>network {number}, operator by operator</summary>", table(heads, cells), "</details>\n"
        )
    section.draw(drawings, broad=True)
    return section


def _networks(outcome: Outcome) -> Section:
    section = Section("networks", "All networks of the run")
    metric = outcome.metric
    rows = []
    for row in outcome.rows:
        ended = "" if "error" in row else "kept" if row["chosen"] else "trained"
        state = f"stopped at epoch {row['stopped']}" if "stopped" in row else row.get("error", ended)
        costs = [quantity(name, row[name]) for name in ("rom", "ram", "macs")]
        measured = [metric_text(metric, row[name]) if name in row else "" for name in ("valid", outcome.shipped)]
        rows.append((row["number"], row["candidate"], *costs, row.get("epochs", ""), *measured, state))
    heads = ["#", "<candidate", "ROM", "RAM", "MACs", "epochs", "valid, float", "valid, shipped", "<state"]
    section.add("<details><summary>the table</summary>", table(heads, rows), "</details>\n")
    if outcome.agreement:
        cells = [(name, f"{one['tau']:+.2f}", f"{one['p']:.2g}", f"{one['n']:.0f}")
                 for name, one in outcome.agreement.items()]  # fmt: skip
        section.add(
            f"<h3>Kendall's tau with the test {METRIC_NAMES[metric]}</h3>\n", table(["<by", "tau", "p", "n"], cells)
        )
    return section


def _training(folder: RunFolder, outcome: Outcome) -> Section:
    from nascompile.training.checkpoint import read_history

    section = Section("training", "Training")
    settings, recipe = folder.settings, folder.settings.recipe
    how = "not quantised" if settings.quantise == "none" else f"int8 by {settings.quantise}"
    halving = "" if settings.pruner == "none" else f", {settings.pruner}"
    section.add(paragraph(f"{recipe.optimiser} {recipe.lr:g}, {recipe.epochs} epochs{halving}, {how}."))
    kept = [row["number"] for row in outcome.chosen]
    what = METRIC_NAMES[outcome.metric]
    drawings: list[Drawing] = []
    for name, file, words in (
        ("float", "training.safetensors", "in floating point"),
        ("qat", "qat_training.safetensors", "trained on in int8"),
    ):
        lines: dict[int, list[float]] = {}
        for row in outcome.rows:
            path = folder.network(row["number"]) / file
            try:
                history = read_history(path) if path.exists() else ()
            except FileError:
                continue  # What is damaged is trained again by `resume`, and says nothing here.
            values = [epoch.valid[outcome.metric] for epoch in history if outcome.metric in epoch.valid]
            if values:
                lines[row["number"]] = values
        if lines:
            caption = f"Validation {what} {words}, by epoch; kept networks stand out."
            drawings.append(curves(f"curves-{name}", caption, lines, kept, f"validation {what}"))
    if drawings:
        section.draw(drawings)
    else:
        section.add(paragraph("The checkpoints are not here, and with them the learning curves.", soft=True))
    return section


def _errors(outcome: Outcome) -> Section:
    section = Section("errors", "Where they err")
    drawings: list[Drawing] = []
    for row in outcome.chosen[:_MATRICES]:
        forms = outcome.reports.get(str(row["number"]), {})
        ships = row.get("ships", "float")
        form = forms.get(ships) or next(iter(forms.values()), None)
        if not form or not form.get("confusion") or len(form["confusion"]) > _CLASSES:
            continue
        names = [one["name"] for one in form["classes"]]
        caption = f"Network {row['number']}, {_FORMS.get(ships, ships)}: test examples, true against predicted."
        drawings.append(confusion(f"confusion-{row['number']}", caption, form["confusion"], names))
        cells = [
            (
                one["name"],
                one["examples"],
                *(metric_text("accuracy", one[key]) for key in ("recall", "precision", "f1")),
            )
            for one in form["classes"]
        ]
        section.add(
            f"<details><summary>network {row['number']}, class by class</summary>",
            table(["<class", "examples", "recall", "precision", "F1"], cells), "</details>\n",
        )  # fmt: skip
    if drawings:
        section.draw(drawings)
    else:
        section.add(paragraph("There are no classes to be confused, or too many to be drawn."))
    return section


def _next(folder: RunFolder, outcome: Outcome) -> Section:
    section = Section("next", "Repeat, extend, deploy")
    run = shlex.quote(str(folder.path))
    section.add(paragraph("The run, command by command:"))
    lines = [f"nascompile search --file {run}/config.yaml --out AGAIN   # the same, once more",
             f"nascompile resume {run} --samples {2 * len(outcome.rows)}   # more networks",
             f"nascompile select {run} -k 3   # choose anew"]  # fmt: skip
    if outcome.chosen:
        best = shlex.quote(f"{folder.path}#{outcome.best['number']}")
        mcu = "" if folder.fs.program.target else " --mcu MCU"
        lines.append(f"nascompile deploy {best}{mcu} --verify   # C for the chip")
    section.add(commands(lines))
    config = folder.config.read_text(encoding="utf-8")
    section.add("<details><summary>the run file</summary>", commands([config.strip()]), "</details>\n")
    return section
