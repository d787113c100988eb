"""`nascompile search`: the networks of a feasible set that are worth having, by training some or by proxies alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from nascompile.cli.engines import Engine
from nascompile.cli.objectives import read_objectives
from nascompile.cli.options import Json, SetRequest, takes_request
from nascompile.cli.outputs import LOG, RUN
from nascompile.cli.parameters import parsed
from nascompile.cli.search.monas import MonasSearch
from nascompile.cli.search.pareto import ParetoSearch
from nascompile.cli.search.train import TrainSearch
from nascompile.run.settings import COSTS, MONAS, PARETO
from samplers.monas.sampler import MonasSampler
from samplers.optuna_studies.optuna_sampler import METHODS
from samplers.optuna_studies.pareto import PROTOTYPENAS
from samplers.registry import SAMPLERS
from spaces.errors import Diagnostic, NascompileError, did_you_mean

__all__ = ["search"]

#: Sampler -> the parameters that are its own.
_TRAINED = (
    "samples", "select", "recipe", "epochs", "train", "sparsity", "quantise", "qat_epochs", "task", "normal",
    "features", "rate", "limit", "cost", "deploy", "parameter", "storage", "jobs", "device", "engine",
    "output",
)  # fmt: skip
_OWN = {
    **dict.fromkeys(SAMPLERS, _TRAINED),
    "pareto": (
        "method", "population", "objectives", "trials", "batch", "batch_norm", "log", "force",
        *(name for name in _TRAINED if name != "parameter"),
    ),
    "monas": (
        "lam", "mu", "rule", "prune", "cells", "repeats", "thin", "log", "force",
        *(name for name in _TRAINED if name != "parameter"),
    ),
}  # fmt: skip
_FLAGS = {"lam": "--lambda", "batch_norm": "--batch-norm", "output": "--out", "qat_epochs": "--qat-epochs"}


@takes_request
def search(
    request: SetRequest,
    context: typer.Context,
    sampler: Annotated[
        str,
        typer.Option(
            "--sampler",
            help=f"Trains what it asks for: {', '.join(SAMPLERS)}. Trains with --samples only: pareto (trials whose "
            "proxies compete as objectives), monas (prunes a cell space operator by operator).",
            metavar="NAME",
        ),
    ] = "entropy",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Your examples: a folder or archive of images, sounds or series, .ts, .npz. pareto, monas: .npz with "
            "x and y; default: seeded Gaussian noise.",
            metavar="DATA",
        ),
    ] = None,
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Networks to train.")] = 40,
    select: Annotated[int, typer.Option("--select", "-k", min=1, help="Networks to keep of them.")] = 5,
    recipe: Annotated[
        str, typer.Option("--recipe", help="Training: ebs (Adam, 0.001) or prototypenas (SGD, 0.001).", metavar="NAME")
    ] = "ebs",
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the training part.")] = 20,
    train: Annotated[
        list[str] | None,
        typer.Option(
            "--train", help="Change the recipe: lr=0.01, batch=64, schedule=cosine, augment=shift, patience=5.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    sparsity: Annotated[
        str | None,
        typer.Option(
            "--sparsity",
            help="Choice that prunes (S in prototype_*): train without it, then remove channels step by step.",
            metavar="NAME",
        ),
    ] = None,
    quantise: Annotated[
        str, typer.Option("--quantise", help="int8: qat (trains on), ptq (after training) or none.", metavar="HOW")
    ] = "qat",
    qat_epochs: Annotated[int, typer.Option("--qat-epochs", min=1, help="qat: epochs of training on.")] = 15,
    task: Annotated[
        str | None,
        typer.Option("--task", help="anomaly: reconstruct one class, and tell others by the error.", metavar="TASK"),
    ] = None,
    normal: Annotated[
        str | None, typer.Option("--normal", help="anomaly: the class that is normal.", metavar="CLASS")
    ] = None,
    features: Annotated[
        str | None, typer.Option("--features", help="Of sound: mfcc (default for an image) or log-mel.", metavar="NAME")
    ] = None,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, help="Of sound in an .npz file: samples per second.", metavar="HZ")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Use so many examples only.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", help="Of the sampler: clusters=50, p=0.3, ...", metavar="NAME=VALUE"),
    ] = None,
    cost: Annotated[
        str, typer.Option("--cost", help=f"Weighed against accuracy in the choice: {', '.join(COSTS)}.", metavar="NAME")
    ] = "flops",
    deploy: Annotated[
        bool,
        typer.Option(
            "--deploy", help="Write the kept networks as C, build and run each: real ROM, RAM and instructions."
        ),
    ] = False,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage", help="Database for the trials: postgresql://... Default: a file in RUN.", metavar="URL"
        ),
    ] = None,
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
            help="pareto: proxies and costs, comma-separated, each with :min or :max unless it is clear.",
            metavar="NAMES",
        ),
    ] = ",".join(PROTOTYPENAS),
    trials: Annotated[int, typer.Option("--trials", min=1, help="pareto: candidates evaluated.")] = 500,
    method: Annotated[
        str,
        typer.Option(
            "--method", help=f"pareto: Optuna's sampler: {', '.join(METHODS)}; or uniform draws.", metavar="NAME"
        ),
    ] = "nsga2",
    population: Annotated[
        int, typer.Option("--population", min=2, help="pareto: candidates of a generation, asked together.")
    ] = 50,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="pareto: examples per batch of a proxy (ntk: at most 32).")
    ] = 128,
    batch_norm: Annotated[
        str,
        typer.Option("--batch-norm", help="pareto: kept (as networks are trained) or folded.", metavar="HOW"),
    ] = "kept",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1,
            help="Processes, or tasks of ray; the result is the same. Default: pareto up to one a core, else 1; ray as "
            "many as fit.",
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.", metavar="NAME")] = "cpu",
    engine: Engine = "local",
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o",
            help="Folder of the run; default SPACE-MCU-SAMPLER-SEED. pareto: all trials as .csv, for `select`.",
            metavar="RUN",
        ),
        RUN,
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights, draws and examples.")] = 0,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", help="pareto, monas: every trial or round. Default: SPACE-MCU-SAMPLER-SEED.jsonl here.",
            metavar="FILE",
        ),
        LOG,
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="pareto, monas: start anew, whatever the log holds.")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Search a feasible set for the networks worth having; no result is ever infeasible.

    A sampler asks for --samples networks. Each is trained on --data, quantised to int8, and measured; those --select
    are kept that span the trade-off of accuracy and FLOPs best, and all are measured on the test part in the end. The
    run is a folder. Killed at any moment, `nascompile resume RUN` goes on, and `nascompile worker RUN` helps.

    pareto evaluates --trials candidates untrained, by proxies that compete as objectives (PrototypeNAS). With --samples
    those of the front with the largest hypervolume are trained; without, nothing is, and the front is printed.

    monas prunes a cell space (MONAS): each round scores every operator of every edge by trainability, expressivity
    and, with --lambda or --mu, FLOPs or latency, and prunes the worst of each edge. With --samples the cells of as many
    searches, each with a seed of its own, are trained; without, nothing is.

    Examples:

      nascompile search dscnn --mcu stm32f412 --data digits.npz --samples 20 --select 5 --out digits

      nascompile search prototype_image --sampler pareto --mcu imxrt1062 --data images.npz -o trials.csv

      nascompile search spaces/nasbench201.yaml --sampler monas --mcu stm32f746 --mu 0.5
    """
    _refuse_foreign(sampler, context)
    trains = sampler in SAMPLERS or _is_given(context, "samples")
    if not trains:
        _refuse_training(sampler, context)
    if sampler == MONAS and not trains:
        rules = MonasSampler(lam, mu, rule, prune, cells, repeats, tuple(thin) if thin else None, seed)  # type: ignore[arg-type]
        MonasSearch(rules, data, log, force, as_json).run(request)
    elif not trains:
        ParetoSearch(
            method, objectives, trials, population, batch, batch_norm, jobs, device, engine, seed, data, log, output,
            force, as_json,
        ).run(request)  # fmt: skip
    else:
        own = parsed("--parameter", parameter or ())
        if sampler == MONAS:
            _refuse(context, ("log", "force"), "where networks are trained")
            own = {
                "lam": lam, "mu": mu, "rule": rule, "prune": prune, "cells": cells, "repeats": repeats,
                "thin": tuple(thin) if thin else None,
            }  # fmt: skip
        if sampler == PARETO:
            _refuse(context, ("batch_norm", "log", "force"), "where networks are trained")
            own = {
                "method": method, "objectives": read_objectives(objectives), "population": population,
                "trials": trials, "batch": batch,
            }  # fmt: skip
        TrainSearch(
            sampler, own, samples, select, recipe, epochs, train or (), sparsity, quantise, qat_epochs,
            task, normal, features, rate, limit, cost, deploy, storage, jobs, device, engine, seed, data, output,
            as_json,
        ).run(request)  # fmt: skip


def _refuse_foreign(sampler: str, context: typer.Context) -> None:
    """Raises unless there is such a sampler, and the options given are its own or of all."""
    if sampler not in _OWN:
        hint = did_you_mean(sampler, _OWN)
        raise NascompileError(Diagnostic("unknown-sampler", f"there is no sampler `{sampler}`", None, hint))
    for name in dict.fromkeys(name for own in _OWN.values() for name in own):
        if name not in _OWN[sampler] and _is_given(context, name):
            flag = _FLAGS.get(name, f"--{name}")
            owners = " and ".join(other for other, own in _OWN.items() if name in own)
            message = f"{flag} is no option of the sampler `{sampler}`"
            raise NascompileError(Diagnostic("bad-option", message, None, f"it is one of {owners}: leave it out"))


def _refuse_training(sampler: str, context: typer.Context) -> None:
    """Raises where an option of training is given, and nothing is trained."""
    without = ("samples", "parameter", *(("jobs", "device", "engine", "output") if sampler == PARETO else ()))
    _refuse(context, [n for n in _TRAINED if n not in without], f"without --samples: then {sampler} trains nothing")


def _refuse(context: typer.Context, names: Iterable[str], where: str) -> None:
    for name in names:
        if _is_given(context, name):
            message = f"{_FLAGS.get(name, f'--{name}')} does nothing {where}"
            raise NascompileError(Diagnostic("bad-option", message, None, "leave it out, or see --samples"))


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"
