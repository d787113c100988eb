"""`nascompile select`: the few candidates of a file of results that span its trade-offs best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.markup import escape

from nascompile.cli.options import Json, takes_options
from nascompile.cli.output import emit_json, out, say, say_next, table, working
from nascompile.cli.outputs import FILE
from nascompile.cli.select.selection import _COSTS, Objective, Selection
from nascompile.cli.tables import print_table
from nascompile.records.results_file import ResultsFile, read_results
from samplers.proxies.base import PROXIES, proxy
from samplers.subset.hypervolume import METHODS, HypervolumeSelector
from spaces.errors import NascompileError, did_you_mean
from spaces.files import write_atomically

if TYPE_CHECKING:
    from nascompile.cli.takes import TakesColumns

__all__ = ["SelectOptions", "choose", "select"]

_PLOTS = (".png", ".svg", ".html")
_LIMITED = ("auto", "branch_and_bound", "evolutionary")
#: What the evolutionary method is given, in seconds, where nobody says.
_EVOLUTION = 60.0
_WORDS = {
    "all": "the whole front",
    "exact": "dynamic programming",
    "branch_and_bound": "branch and bound",
    "greedy": "greedy choice",
    "local": "local search",
    "evolutionary": "evolution",
}


@dataclass(frozen=True)
class SelectOptions:
    """Of which file, how many, and by what."""

    results: Annotated[
        Path,
        typer.Argument(
            help="CSV as `nascompile score -o` writes it, JSON lines, or the folder of a run.", metavar="RESULTS"
        ),
    ]
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 5
    objectives: Annotated[
        str,
        typer.Option(
            "--objectives",
            help="Columns, comma-separated, each with :min or :max; proxies and costs know theirs. "
            "Default of a run: as it chose.",
            metavar="NAMES",
        ),
    ] = ""
    method: Annotated[str, typer.Option("--method", help=f"{', '.join(METHODS)}.", metavar="NAME")] = "auto"
    reference: Annotated[
        str, typer.Option("--reference", help="Reference point, normalised; or one per objective, comma-separated.")
    ] = "1.1"
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the random starts, and of evolution.")] = 0
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            min=0,
            help="Seconds for branch and bound (default: a few with auto, else none) or evolution (default: 60).",
            metavar="S",
        ),
    ] = None
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the front and the chosen: .png, .svg or .html.", metavar="FILE"),
        FILE,
    ] = None
    output: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the chosen lines of RESULTS.", metavar="FILE"), FILE
    ] = None
    as_json: Json = False


@takes_options
def select(options: SelectOptions) -> None:
    """Choose the k candidates that together dominate the largest hypervolume of the objectives (PrototypeNAS, Eq. 2).

    Objectives are normalised over the non-dominated candidates, 0 the best value and 1 the worst; volume counts up to
    the reference point. The answer comes with a proof that it is best, or with how far from it it can be at most.

    Examples:

      nascompile select scores.csv -k 5 --objectives macs,naswot,jacob_cov,synflow --plot front.png

      nascompile select trained.jsonl -k 3 --objectives flops,accuracy:max -o chosen.jsonl

      nascompile select dscnn-stm32f412-entropy-0 -k 3
    """
    plot, output = options.plot, options.output
    with working("selecting"):
        choice = choose(options)
    if plot:
        from nascompile.cli.select.front_plot import draw

        with working("drawing"):
            draw(choice, plot)
    if output:
        write_atomically(output, choice.file.lines([choice.kept[i] for i in choice.order]))
    if options.as_json:
        emit_json(_data(choice))
    else:
        _print(choice, options.results)
    for written in filter(None, (plot, output)):
        say(f"written: {written}")
    if options.results.is_dir() and choice.order and not options.as_json:
        best = f"{options.results}#{choice.number(choice.order[-1], 0)}"
        say_next("nascompile", "deploy", best, "--verify")


def choose(options: SelectOptions) -> Selection:
    """What `select` chooses.

    Raises:
        NascompileError: the file or the objectives cannot be read, or options do not fit them.
    """
    k, method, limit = options.k, options.method, options.time_limit
    _check(options)
    if options.results.is_dir():
        return _of_run(options)
    file = read_results(options.results)
    _check_output(options.output, file)
    wanted = _objectives(options.objectives, file)
    if options.plot and len(wanted) < 2:
        raise NascompileError.of(
            "bad-option", "--plot needs two objectives or more", "name another, or leave out --plot"
        )
    kept, values = _values(file, wanted)
    if len(kept) < k:
        hint = f"lower -k to {len(kept)} at most"
        raise file.error("too-few-rows", f"{k} are wanted, and the file has {len(kept)} candidates", hint)
    if method == "evolutionary" and limit is None:
        limit = _EVOLUTION
    selector = HypervolumeSelector(k, method, _reference(options.reference), options.seed, time_limit=limit)  # type: ignore[arg-type]
    return Selection(file, wanted, kept, values, selector.select(values, [one.sense for one in wanted]))


def _of_run(options: SelectOptions) -> Selection:
    """What is chosen anew of a run's networks.

    Raises:
        NascompileError: there is no run, it has not ended, or no network came to its end.
    """
    from nascompile.cli.select.of_run import select_of_run
    from nascompile.run.folder import RunFolder
    from nascompile.run.outcome import Outcome

    folder = RunFolder.open(options.results)
    outcome = Outcome.read(folder)
    if outcome is None:
        message = f"the run `{folder.path}` has not ended"
        raise NascompileError.of("not-ended", message, f"`nascompile resume {folder.path}` brings it to its end")
    if options.objectives:
        return choose(replace(options, results=folder.path / "results.csv"))
    if not outcome.finalists:
        raise NascompileError.of("no-networks", f"no network of the run `{folder.path}` came to its end", "")
    if (options.method, options.reference) != ("auto", "1.1"):
        message = "--method and --reference are for objectives that you name"
        raise NascompileError.of("bad-option", message, "name them with --objectives, or leave the others out")
    selection = select_of_run(folder, outcome, options.k)
    _check_output(options.output, selection.file)
    return selection


# -- what is asked for -------------------------------------------------------------------------------------------------


def _check(options: SelectOptions) -> None:
    method, plot = options.method, options.plot
    if method not in METHODS:
        raise NascompileError.of("unknown-method", f"there is no --method `{method}`", did_you_mean(method, METHODS))
    if options.time_limit is not None and method not in _LIMITED:
        raise NascompileError.of(
            "bad-option", f"--time-limit does nothing for {method}", f"it is for {', '.join(_LIMITED)}"
        )
    if plot and plot.suffix not in _PLOTS:
        raise NascompileError.of("bad-option", f"cannot draw `{plot}`", f"give a file that ends in {', '.join(_PLOTS)}")


def _check_output(output: Path | None, file: ResultsFile) -> None:
    if output and output.suffix != f".{file.kind}":
        message = f"cannot write the chosen lines of `{file.path}` to `{output}`"
        raise NascompileError.of(
            "bad-option", message, f"they are lines of {file.kind}: give a file that ends in .{file.kind}"
        )


def _objectives(text: str, file: ResultsFile) -> tuple[Objective, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        known = [name for name in file.columns if name.rpartition(".")[2] in (*_COSTS, *PROXIES)]
        example = ",".join(known[:3]) or "flops:min,accuracy:max"
        raise NascompileError.of("no-objectives", "--objectives names none", f"name some columns, such as {example}")
    result = [_objective(part, file) for part in parts]
    columns = [one.column for one in result]
    if twice := [one.name for one in result if columns.count(one.column) > 1]:
        raise NascompileError.of("bad-option", f"--objectives names `{twice[0]}` twice", "give each once")
    return tuple(result)


def _objective(part: str, file: ResultsFile) -> Objective:
    name, colon, word = part.rpartition(":") if ":" in part else (part, "", "")
    column = file.column(name)
    if word == "min" or word == "max":
        return Objective(name, column, word)
    if colon:
        message = f"`{name}` is to be `{word}` in --objectives"
        raise NascompileError.of("bad-option", message, f"write {name}:min or {name}:max")
    plain = column.rpartition(".")[2]
    if plain in _COSTS:
        return Objective(name, column, "min")
    if plain in PROXIES:
        return Objective(name, column, "max" if proxy(plain).better == "higher" else "min")
    message = f"`{name}` is neither a proxy nor a cost, so whether more is better has to be said"
    raise NascompileError.of("no-direction", message, f"write {name}:min or {name}:max")


def _reference(text: str) -> float | list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        message = f"--reference cannot be `{text}`"
        raise NascompileError.of(
            "bad-option", message, "give a number, or one per objective, such as 1.1,1.2"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers


def _values(file: ResultsFile, objectives: tuple[Objective, ...]) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """The rows that have finite values, and these; the others rank behind all, as everywhere with proxies."""
    ended = [i for i, row in enumerate(file.rows) if not row.values.get("stopped")]
    if len(ended) < len(file.rows):
        say(f"left out, as they were stopped at a rung: {len(file.rows) - len(ended):,} of {len(file.rows):,} networks")
        file = replace(file, rows=tuple(file.rows[i] for i in ended))
    values = np.array(file.numbers([one.column for one in objectives]), np.float64).reshape(len(ended), -1)
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        lines = [str(file.rows[i].line) for i in np.flatnonzero(~finite)]
        shown = ", ".join(lines[:8]) + (", ..." if len(lines) > 8 else "")
        say(f"left out, as a value is infinite or NaN: {len(lines):,} of {len(values):,} candidates (line {shown})")
    if not file.whole:
        say(f"the last line of {file.path} does not end; if its run was cut off, the last number may be wrong")
    return tuple(ended[i] for i in np.flatnonzero(finite)), values[finite]


# -- what was found ----------------------------------------------------------------------------------------------------


def _data(choice: Selection) -> dict[str, Any]:
    subset = choice.subset
    return {
        "file": str(choice.file.path),
        "candidates": len(choice.file.rows),
        "left_out": len(choice.file.rows) - len(choice.kept),
        "front": subset.front,
        "objectives": [
            {"name": one.name, "column": one.column, "sense": one.sense, "best": best, "worst": worst, "reference": r}
            for one, best, worst, r in zip(
                choice.objectives, subset.best, subset.worst, subset.reference, strict=True
            )
        ],
        "method": subset.method,
        "hypervolume": subset.hypervolume,
        "upper_bound": subset.upper_bound,
        "optimal": subset.optimal,
        "gap": subset.gap,
        "evaluations": subset.evaluations,
        "seconds": subset.seconds,
        "chosen": [
            {"line": (row := choice.file.rows[choice.kept[i]]).line, "candidate": choice.name(i), "row": row.values,
             "objectives": dict(zip((one.name for one in choice.objectives), choice.values[i].tolist(), strict=True))}
            for i in choice.order
        ],
    }  # fmt: skip


def _print(choice: Selection, results: Path) -> None:
    subset, k = choice.subset, len(choice.subset.chosen)
    out.print(f"{escape(str(choice.file.path))}: {k} of {len(choice.kept):,} candidates, {subset.front:,} on the front")
    out.print()
    takes = _takes(choice, results)
    shown = [one for one in enumerate(choice.objectives) if not takes or one[1].name not in ("rom", "ram")]
    titles = [f">{escape(one.name)}, {one.sense}" for _, one in shown]
    rows = table(">#", "~candidate", *titles, *(takes.titles if takes else []))
    chosen = choice.values[choice.order]
    for number, i in enumerate(choice.order, start=1):
        cells = []
        for j, one in shown:
            best = chosen[:, j].max() if one.sense == "max" else chosen[:, j].min()
            cells.append(f"[bold]{choice.shown(i, j)}[/bold]" if choice.values[i, j] == best else choice.shown(i, j))
        cells += takes.cells(number - 1) if takes else []
        rows.add_row(choice.number(i, number), escape(choice.name(i)), *cells)
    print_table(rows)
    out.print()
    out.print(choice.said or f"{_WORDS[subset.method]}, {choice.verdict}", soft_wrap=True)
    if subset.front < k:
        less = k - subset.front
        what = "it is dominated or a copy, and adds" if less == 1 else f"{less} are dominated or copies, and add"
        out.print(f"The front has {subset.front:,} of the {k} wanted: {what} nothing to the hypervolume.")


def _takes(choice: Selection, results: Path) -> TakesColumns | None:
    """What the chosen networks of a run take of the chip; of a table nobody knows."""
    if not results.is_dir():
        return None
    from nascompile.cli.search.run_takes import run_takes
    from nascompile.run.folder import RunFolder

    return run_takes(RunFolder.open(results), [choice.name(i) for i in choice.order])
