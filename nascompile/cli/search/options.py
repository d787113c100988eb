"""The options of `nascompile search`, each with its help, its default and the searches that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nascompile.cli.engines import Device, Engine, Logger
from nascompile.cli.examples import DataOptions
from nascompile.cli.objectives import read_objectives
from nascompile.cli.options import Json
from nascompile.cli.outputs import LOG, RUN
from nascompile.cli.parameters import parsed
from nascompile.cli.search.owners import Owner, kinds
from nascompile.cli.search.run_file import RunFile
from nascompile.run.settings import COSTS
from nascompile.run.storage_url import STORAGE_VARIABLE
from samplers.monas.sampler import MonasSampler
from samplers.optuna_studies.optuna_sampler import METHODS
from samplers.optuna_studies.pareto import PROTOTYPENAS
from samplers.optuna_studies.pareto_search import ParetoSearch
from samplers.registry import SAMPLERS, TRAINING_FREE, registered, training_free
from samplers.training_free import TrainingFreeSearch

__all__ = ["Pruning", "Resources", "SearchOptions", "Training", "Trials"]

_ALL = ", ".join(TRAINING_FREE)


def _by_words(kind: type) -> bool:
    """Whether its parameters have no options of their own."""
    return not issubclass(kind, MonasSampler | ParetoSearch)


_any, _training_free, _pruning, _trials = map(kinds, (object, TrainingFreeSearch, MonasSampler, ParetoSearch))
_UNTRAINED = Owner(_training_free, untrained=_training_free, trained=False)


@dataclass(frozen=True)
class Training:
    """How networks are trained, which of them are kept, and what becomes of those."""

    OWNER = Owner(_any)

    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Networks to train.")] = 40
    select: Annotated[int, typer.Option("--select", "-k", min=1, help="Networks to keep of them.")] = 5
    recipe: Annotated[
        str, typer.Option("--recipe", help="Training: ebs (Adam, 0.001) or prototypenas (SGD, 0.001).", metavar="NAME")
    ] = "ebs"
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the training part.")] = 20
    train: Annotated[
        list[str] | None,
        typer.Option(
            "--train",
            help="Change the recipe: lr=0.01, batch=64, schedule=cosine, augment=shift, patience=5; of classes of "
            "different sizes: balance=weights (in the loss) or balance=batches.",
            metavar="NAME=VALUE",
        ),
    ] = None
    noise: Annotated[
        int | None,
        typer.Option(
            "--noise",
            min=1,
            help="Of sound: so many copies of each training clip, with pieces of the folder _background_noise_ mixed "
            "in; validation and test part stay as they are.",
            metavar="COPIES",
        ),
    ] = None
    noise_volume: Annotated[
        float | None,
        typer.Option(
            "--noise-volume",
            help="Of --noise: the loudest, up to 1; each copy has its own, from 0 to this. Default: 0.1.",
            metavar="VOLUME",
        ),
    ] = None
    sparsity: Annotated[
        str | None,
        typer.Option(
            "--sparsity",
            metavar="NAME",
            help="Choice that prunes (S in prototype_*): train without it, then remove channels step by step.",
        ),
    ] = None
    quantise: Annotated[
        str, typer.Option("--quantise", help="int8: qat (trains on), ptq (after training) or none.", metavar="HOW")
    ] = "qat"
    qat_epochs: Annotated[int, typer.Option("--qat-epochs", min=1, help="qat: epochs of training on.")] = 15
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            help="anomaly: reconstruct one class, and tell others by the error; regression: predict numbers; "
            "multi-label: of several labels any number holds. Default: as the data say.",
            metavar="TASK",
        ),
    ] = None
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="What is maximised: accuracy, balanced_accuracy, f1, auc; regression: r2, or the least mae or rmse; "
            "multi-label: f1, map, auc; detection: map50, map50_95. Default: the first of them.",
            metavar="NAME",
        ),
    ] = None
    normal: Annotated[
        str | None, typer.Option("--normal", help="anomaly: the class that is normal.", metavar="CLASS")
    ] = None
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", help="Of the sampler: clusters=50, p=0.3, ...", metavar="NAME=VALUE"),
        Owner(_by_words, untrained=_by_words),
    ] = None
    cost: Annotated[
        list[str] | None,
        typer.Option(
            "--cost",
            help=f"Weighed against accuracy in the choice, once each: {', '.join(COSTS)}. Default: flops.",
            metavar="NAME",
        ),
    ] = None
    pruner: Annotated[
        str | None,
        typer.Option(
            "--pruner",
            help="halving: networks are compared at rungs, which wait for all, and few are trained to the end (default "
            "from 8 networks on); none: all are; asha: rungs do not wait, for clusters: it does not repeat.",
            metavar="NAME",
        ),
    ] = None
    reduction: Annotated[
        int, typer.Option("--reduction", min=2, help="At a rung one in so many is trained on, so many times longer.")
    ] = 2
    rungs: Annotated[int, typer.Option("--rungs", min=2, help="Rungs, the end of training included.")] = 3
    deploy: Annotated[
        bool,
        typer.Option(
            "--deploy", help="Write the kept networks as C, build and run each: real ROM, RAM and instructions."
        ),
    ] = False
    logger: Logger = None
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            help="Database for the trials: postgresql://... Default: a file in RUN. No password is written anywhere: "
            "`resume` and `worker` take it anew.",
            metavar="URL",
            envvar=STORAGE_VARIABLE,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True)
class Pruning:
    """How cells are pruned, operator by operator."""

    OWNER = Owner(_pruning, untrained=_pruning)

    lam: Annotated[float, typer.Option("--lambda", help="monas: weight of FLOPs, from 0 to below 1.", metavar="W")] = (
        0.0
    )
    mu: Annotated[float, typer.Option("--mu", help="monas: weight of the latency, from 0 to below 1.", metavar="W")] = (
        0.0
    )
    rule: Annotated[
        str,
        typer.Option(
            "--rule", help="monas: cells (measures cells, the better) or paper (super-networks, as published)."
        ),
    ] = "cells"
    prune: Annotated[int, typer.Option("--prune", help="monas: operators pruned per edge and round.")] = 1
    cells: Annotated[int, typer.Option("--cells", help="monas: cells measured per round, by the rule cells.")] = 21
    repeats: Annotated[
        int | None, typer.Option("--repeats", help="monas: measurements averaged. Default: 1 by cells, 3 by paper.")
    ] = None
    thin: Annotated[
        list[str] | None,
        typer.Option(
            "--thin",
            help="monas: override under which K is measured, once each: choices.C.options=[4]. "
            "Default: the space's `thin`.",
            metavar="KEY=VALUE",
        ),
    ] = None

    def parameters(self) -> dict[str, Any]:
        """As the sampler takes them, and a run keeps them."""
        return {**vars(self), "thin": tuple(self.thin) if self.thin else None}


@dataclass(frozen=True)
class Trials:
    """How proxies compete as objectives."""

    OWNER = Owner(_trials, untrained=_trials)

    objectives: Annotated[
        str,
        typer.Option(
            "--objectives",
            help="pareto: proxies and costs, comma-separated, each with :min or :max unless it is clear.",
            metavar="NAMES",
        ),
    ] = ",".join(PROTOTYPENAS)
    trials: Annotated[int, typer.Option("--trials", min=1, help="pareto: candidates evaluated.")] = 500
    method: Annotated[
        str,
        typer.Option(
            "--method", help=f"pareto: Optuna's sampler: {', '.join(METHODS)}; or uniform draws.", metavar="NAME"
        ),
    ] = "nsga2"
    population: Annotated[
        int, typer.Option("--population", min=2, help="pareto: candidates of a generation, asked together.")
    ] = 50
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="pareto: examples per batch of a proxy (ntk: at most 32).")
    ] = 128
    batch_norm: Annotated[
        str,
        typer.Option("--batch-norm", help="pareto: kept (as networks are trained) or folded.", metavar="HOW"),
        Owner(_trials, untrained=_trials, trained=False),
    ] = "kept"

    def parameters(self) -> dict[str, Any]:
        """As a run keeps them."""
        return {
            "method": self.method, "objectives": read_objectives(self.objectives), "population": self.population,
            "trials": self.trials, "batch": self.batch,
        }  # fmt: skip


@dataclass(frozen=True)
class Resources:
    """What evaluates candidates."""

    OWNER = Owner(_any, untrained=lambda kind: kind.parallel)

    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", "-j", min=1,
            help="Processes, or tasks of ray; the result is the same. Default: one a core, as far as it is worth it "
            "and memory goes; ray as many as fit.",
        ),
    ] = None  # fmt: skip
    device: Device = "cpu"
    engine: Engine = "local"


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """All of them."""

    run_file: RunFile
    sampler: Annotated[
        str,
        typer.Option(
            "--sampler",
            help=f"Trains what it asks for: {', '.join(SAMPLERS)}. Trains with --samples only: "
            f"{', '.join(f'{name} ({entry.about})' for name, entry in TRAINING_FREE.items())}.",
            metavar="NAME",
        ),
    ] = "entropy"
    data: DataOptions
    training: Training
    pruning: Pruning
    trials: Trials
    resources: Resources
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o",
            help="Folder of the run; default SPACE-MCU-SAMPLER-SEED. pareto: all trials as .csv, for `select`.",
            metavar="RUN",
        ),
        RUN, Owner(_any, untrained=_trials),
    ] = None  # fmt: skip
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of weights, draws and examples.")] = 0
    log: Annotated[
        Path | None,
        typer.Option(
            "--log", help=f"{_ALL}: every trial or round. Default: SPACE-MCU-SAMPLER-SEED.jsonl here.",
            metavar="FILE",
        ),
        LOG, _UNTRAINED,
    ] = None  # fmt: skip
    force: Annotated[bool, typer.Option("--force", help=f"{_ALL}: start anew, whatever the log holds."), _UNTRAINED] = (
        False
    )
    as_json: Json = False

    def parameters(self) -> dict[str, Any]:
        """Of the sampler, as a run keeps them."""
        kind = registered(self.sampler).type
        if _pruning(kind):
            return self.pruning.parameters()
        return self.trials.parameters() if _trials(kind) else parsed("--parameter", self.training.parameter or ())

    def search(self) -> TrainingFreeSearch[Any]:
        """The search that trains nothing by itself."""
        return training_free(self.sampler, **self.parameters(), seed=self.seed)
