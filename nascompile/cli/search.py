"""`nascompile search`: let a sampler choose networks from the feasible set of a space, without training any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nascompile.cli.options import Json, SetRequest, takes_request
from nascompile.cli.search_monas import MonasSearch
from nascompile.cli.search_pareto import ParetoSearch
from samplers.monas import MonasSampler
from samplers.optuna_sampler import METHODS
from samplers.pareto import PROTOTYPENAS
from spaces.errors import Diagnostic, NascompileError, did_you_mean

__all__ = ["search"]

#: Sampler -> the parameters that are its own.
_TRIALS = ("objectives", "trials", "batch", "batch_norm", "jobs", "device", "output")
_OWN = {
    "monas": ("lam", "mu", "rule", "prune", "cells", "repeats", "thin"),
    "pareto": ("method", "population", *_TRIALS),
    "uniform": _TRIALS,
}
_FLAGS = {"lam": "--lambda", "batch_norm": "--batch-norm", "output": "--out"}


@takes_request
def search(
    request: SetRequest,
    context: typer.Context,
    sampler: Annotated[
        str,
        typer.Option(
            "--sampler",
            help="monas: prune a cell space operator by operator. pareto: trials whose proxies compete as objectives. "
            "uniform: its baseline, trials drawn uniformly.",
            metavar="NAME",
        ),
    ] = "monas",
    lam: Annotated[
        float, typer.Option("--lambda", help="monas: weight of FLOPs, from 0 to below 1.", metavar="W")
    ] = 0.0,
    mu: Annotated[
        float, typer.Option("--mu", help="monas: weight of the latency, from 0 to below 1.", metavar="W")
    ] = 0.0,
    rule: Annotated[
        str,
        typer.Option(
            "--rule", help="monas: cells (measures cells, the better) or paper (super-networks, as published)."
        ),
    ] = "cells",
    prune: Annotated[int, typer.Option("--prune", help="monas: operators pruned per edge and round.")] = 1,
    cells: Annotated[int, typer.Option("--cells", help="monas: cells measured per round, by the rule cells.")] = 21,
    repeats: Annotated[
        int | None, typer.Option("--repeats", help="monas: measurements averaged. Default: 1 by cells, 3 by paper.")
    ] = None,
    thin: Annotated[
        list[str] | None,
        typer.Option(
            "--thin",
            help="monas: override under which K is measured, once each: choices.C.options=[4]. "
            "Default: the space's `thin`.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    objectives: Annotated[
        str,
        typer.Option(
            "--objectives",
            help="pareto, uniform: proxies and costs, comma-separated, each with :min or :max unless it is clear.",
            metavar="NAMES",
        ),
    ] = ",".join(PROTOTYPENAS),
    trials: Annotated[int, typer.Option("--trials", min=1, help="pareto, uniform: candidates evaluated.")] = 500,
    method: Annotated[
        str, typer.Option("--method", help=f"pareto: Optuna's sampler: {', '.join(METHODS)}.", metavar="NAME")
    ] = "nsga2",
    population: Annotated[
        int, typer.Option("--population", min=2, help="pareto: candidates of a generation, asked together.")
    ] = 50,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="pareto, uniform: examples per batch (ntk: at most 32).")
    ] = 128,
    batch_norm: Annotated[
        str,
        typer.Option("--batch-norm", help="pareto, uniform: kept (as networks are trained) or folded.", metavar="HOW"),
    ] = "kept",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="pareto, uniform: processes; the result is the same. Default: up to one a core."
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="pareto, uniform: cpu or cuda.", metavar="NAME")] = "cpu",
    output: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="pareto, uniform: all trials as .csv, for `select`.", metavar="FILE"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Your examples: .npz with x and y. Default: seeded Gaussian noise.", metavar="FILE"
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights, draws and examples.")] = 0,
    log: Annotated[
        Path | None,
        typer.Option("--log", help="Every round or trial. Default: SPACE-MCU-SAMPLER-SEED.jsonl here.", metavar="FILE"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Start anew, whatever the log holds.")] = False,
    as_json: Json = False,
) -> None:
    """Search a feasible set by what untrained networks tell: no training, and never an infeasible result.

    monas prunes a cell space (MONAS): each round scores every operator of every edge by trainability, expressivity and,
    with --lambda or --mu, FLOPs or latency, and prunes the worst of each edge.

    pareto evaluates --trials candidates of any space by proxies that compete as objectives (PrototypeNAS), and gives
    those that no other dominates. uniform does the same with candidates drawn uniformly.

    The log keeps every round or trial; the same command continues an interrupted search.

    Examples:

      nascompile search spaces/nasbench201.yaml --sampler monas --mcu stm32f746 --mu 0.5

      nascompile search prototype_image --sampler pareto --mcu imxrt1062 --data images.npz -o trials.csv
    """
    _refuse_foreign(sampler, context)
    if sampler == "monas":
        rules = MonasSampler(lam, mu, rule, prune, cells, repeats, tuple(thin) if thin else None, seed)  # type: ignore[arg-type]
        MonasSearch(rules, data, log, force, as_json).run(request)
        return
    ParetoSearch(
        "uniform" if sampler == "uniform" else method, objectives, trials, population, batch, batch_norm, jobs, device,
        seed, data, log, output, force, as_json,
    ).run(request)  # fmt: skip


def _refuse_foreign(sampler: str, context: typer.Context) -> None:
    """Raises unless there is such a sampler, and the options given are its own or of all."""
    if sampler not in _OWN:
        hint = did_you_mean(sampler, _OWN)
        raise NascompileError(Diagnostic("unknown-sampler", f"there is no sampler `{sampler}`", None, hint))
    for name in dict.fromkeys(name for own in _OWN.values() for name in own):
        source = context.get_parameter_source(name)
        if name not in _OWN[sampler] and source and source.name != "DEFAULT":
            flag = _FLAGS.get(name, f"--{name}")
            owners = " and ".join(other for other, own in _OWN.items() if name in own)
            message = f"{flag} is no option of the sampler `{sampler}`"
            raise NascompileError(Diagnostic("bad-option", message, None, f"it is one of {owners}: leave it out"))
