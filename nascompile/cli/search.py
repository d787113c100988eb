"""`nascompile search`: let a sampler choose a network from the feasible set of a space."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from nascompile.cli.options import Json, Request, takes_request
from nascompile.cli.output import Interrupted, emit_json, err, out, quantity, say, table, working
from nascompile.cli.report import budget_text, profile_data, profile_text
from nascompile.search_log import SearchLog
from samplers.monas import MonasSampler, found_cell
from samplers.monas_rules import Round
from solvers.base import solve
from solvers.feasible_set import FeasibleSet
from spaces.candidate import Candidate
from spaces.errors import Diagnostic, NascompileError, did_you_mean

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["search"]

_SAMPLERS = ("monas",)
#: The mini-batch of the neural tangent kernel, as in the paper.
_IMAGES = 32


@takes_request
def search(
    request: Request,
    sampler: Annotated[
        str, typer.Option("--sampler", help="monas: prune a cell space operator by operator.", metavar="NAME")
    ] = "monas",
    lam: Annotated[float, typer.Option("--lambda", help="Weight of FLOPs, from 0 to below 1.", metavar="W")] = 0.0,
    mu: Annotated[float, typer.Option("--mu", help="Weight of the latency, from 0 to below 1.", metavar="W")] = 0.0,
    rule: Annotated[
        str, typer.Option("--rule", help="cells (measures cells, the better) or paper (super-networks, as published).")
    ] = "cells",
    prune: Annotated[int, typer.Option("--prune", help="Operators pruned per edge and round.")] = 1,
    cells: Annotated[int, typer.Option("--cells", help="Cells measured per round, by the rule cells.")] = 21,
    repeats: Annotated[
        int | None, typer.Option("--repeats", help="Measurements averaged. Default: 1 by cells, 3 by paper.")
    ] = None,
    thin: Annotated[
        list[str] | None,
        typer.Option(
            "--thin",
            help="Override under which K is measured, once each: choices.C.options=[4]. Default: the space's `thin`.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Your examples: .npz with x and y. Default: seeded Gaussian noise.", metavar="FILE"
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of weights, draws and examples.")] = 0,
    log: Annotated[
        Path | None,
        typer.Option("--log", help="Every round's table. Default: SPACE-MCU-monas-SEED.jsonl here.", metavar="FILE"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Start anew, whatever the log holds.")] = False,
    as_json: Json = False,
) -> None:
    """Search the feasible set of a cell space by pruning (MONAS): no training, and never an infeasible result.

    Each round scores every operator of every edge by trainability, expressivity and, with --lambda or --mu, FLOPs or
    latency, and prunes the worst of each edge. The log keeps every round; the same command continues an interrupted
    search.

    Example:

      nascompile search spaces/nasbench201.yaml --sampler monas --mcu stm32f746 --mu 0.5
    """
    if sampler not in _SAMPLERS:
        hint = did_you_mean(sampler, _SAMPLERS)
        raise NascompileError(Diagnostic("unknown-sampler", f"there is no sampler `{sampler}`", None, hint))
    if mu and request.latency_profile is None:
        request = replace(request, latency_profile="auto")
    chosen = MonasSampler(lam, mu, rule, prune, cells, repeats, tuple(thin) if thin else None, seed)  # type: ignore[arg-type]
    chosen.check_weights()
    with working(f"reducing {request.space}") as progress:
        fs = solve(request.program(), progress=progress)
    chosen.check(fs)
    _one_thread()
    examples = _examples(data, fs, seed)
    start = time.monotonic()
    rounds = _rounds(chosen, fs, examples, _log(log, fs, chosen, examples, force))
    member = found_cell(fs, rounds)
    result = _result(member, fs, chosen, rounds, examples.source, time.monotonic() - start)
    if as_json:
        emit_json(result)
    else:
        _print(member, result)


def _one_thread() -> None:
    """Thin networks are fastest on one thread, and there, unlike on several, sums are always added up alike."""
    import torch

    torch.set_num_threads(1)


def _examples(path: Path | None, fs: FeasibleSet, seed: int) -> Data:
    from samplers.proxies.data import Data

    shape = fs.program.space.input.dims
    return Data.load(path, shape, _IMAGES, seed) if path else Data.gaussian(shape, 2, _IMAGES, seed)


def _log(path: Path | None, fs: FeasibleSet, sampler: MonasSampler, data: Data, force: bool) -> SearchLog:
    name = "-".join(filter(None, (fs.program.space.name, fs.program.target, "monas", str(sampler.seed))))
    settings = {"space": fs.program.space.text, "set": fs.digest, "sampler": asdict(sampler), "data": data.source}
    settings["latency"] = fs.program.latency.name if fs.program.latency else None
    return SearchLog(path or Path(f"{name}.jsonl"), settings, force)


def _rounds(sampler: MonasSampler, fs: FeasibleSet, data: Data, log: SearchLog) -> list[Round]:
    if log.rounds:
        say(f"continuing after round {log.rounds[-1].number} of {log.path}")
    try:
        with working("searching") as progress:

            def show(number: int, what: str, done: int, of: int) -> None:
                progress(f"round {number}, {what}, {done + 1} of {of}", 0)

            for found in sampler.search(fs, data.images, tuple(log.rounds), show):
                log.append(found)
                _print_round(found)
    except KeyboardInterrupt:
        say(f"interrupted after {len(log.rounds)} rounds; the same command continues from {log.path}")
        raise Interrupted from None
    return log.rounds


def _print_round(found: Round) -> None:
    """The state of each edge, on stderr."""
    rows = table(f"round {found.number}", "left", "pruned", "~")
    for edge, names in found.after.items():
        pruned, needed = (
            ", ".join(r.operator for r in found.rows if (r.edge, r.fate) == (edge, fate))
            for fate in ("pruned", "needed")
        )
        why = f"not {needed}, which every feasible cell needs" if needed else ""
        rows.add_row(escape(edge), ", ".join(names), pruned, why)
    err.print(rows, width=max(err.width, 120))


def _result(
    member: Candidate, fs: FeasibleSet, sampler: MonasSampler, rounds: list[Round], source: str, seconds: float
) -> dict[str, Any]:
    program = fs.program
    return {
        "candidate": str(member),
        "index": member.number,
        "costs": member.costs,
        "feasible": fs.size,
        "size": program.size,
        "budgets": dict(program.budgets.items()),
        "ram_model": program.ram_model,
        "target": program.target or None,
        "latency_profile": profile_data(program.latency) if program.latency else None,
        "sampler": asdict(sampler),
        "data": source,
        "seconds": seconds,
        "rounds": [asdict(found) for found in rounds],
    }


def _print(member: Candidate, data: dict[str, Any]) -> None:
    out.print(f"[bold]{escape(str(member))}[/bold]", soft_wrap=True)
    index = "" if data["index"] is None else f"index {data['index']:,} of the benchmark; "
    target = f" on {data['target']}" if data["target"] else ""
    limits = budget_text(data["budgets"], data["ram_model"])
    out.print(f"{index}one of {data['feasible']:,} feasible of {data['size']:,}{target}: {limits}", soft_wrap=True)
    out.print()
    rows = table("cost", ">value")
    for name, value in data["costs"].items():
        rows.add_row(name, quantity(name, value))
    out.print(rows)
    if data["latency_profile"]:
        out.print(profile_text(data["latency_profile"]))
    out.print(f"measured on {data['data']}; {data['seconds']:.0f} s")
    out.print("No network was trained: K, R and MeCo predict accuracy, and say nothing about its value.")
