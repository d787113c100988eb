"""The options of `nascompile search`, each with its help, its default and the searches that it is for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nascompile.cli.batches import BATCH_HELP, read_batches
from nascompile.cli.engines import Device, Engine, Logger
from nascompile.cli.examples import DataOptions
from nascompile.cli.fronts import read_front
from nascompile.cli.objectives import read_objectives
from nascompile.cli.options import Json
from nascompile.cli.outputs import LOG, RUN
from nascompile.cli.parameters import parsed
from nascompile.cli.search.owners import Owner, kinds
from nascompile.cli.search.run_file import RunFile
from nascompile.run.settings import COSTS
from nascompile.run.storage_url import STORAGE_VARIABLE
from samplers.monas.limits import METRICS
from samplers.monas.paper import MonasPaper
from samplers.monas.search import MonasSearch
from samplers.optuna_studies.optuna_sampler import METHODS
from samplers.optuna_studies.pareto import PROTOTYPENAS
from samplers.optuna_studies.pareto_search import ParetoSearch
from samplers.proxies.base import ENSEMBLES
from samplers.proxy_search import ProxySearch
from samplers.registry import SAMPLERS, TRAINING_FREE, registered, training_free
from samplers.training_free import TrainingFreeSearch
from spaces.errors import NascompileError, did_you_mean

__all__ = ["Limits", "Resources", "SearchOptions", "Training", "Trials"]

_LISTED = {name: entry.about for name, entry in TRAINING_FREE.items() if entry.about}
_ALL = ", ".join(_LISTED)


def _by_words(kind: type) -> bool:
    """Whether its parameters have no options of their own."""
    return not issubclass(kind, MonasSearch | MonasPaper | ParetoSearch)


_any, _training_free, _trials = map(kinds, (object, TrainingFreeSearch, ProxySearch))


def _proxies(kind: type) -> bool:
    """Whether untrained networks are what it measures."""
    return issubclass(kind, MonasSearch | ParetoSearch)


def _monas(kind: type) -> bool:
    """By either rule."""
    return issubclass(kind, MonasSearch | MonasPaper)


_PAPER, _PARETO = (Owner(kinds(kind), untrained=kinds(kind)) for kind in (MonasPaper, ParetoSearch))
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
        typer.Option(
            "--parameter",
            help="Of the sampler: clusters=50, p=0.3, ...; oneshot: epochs, lr and batch of the super-network.",
            metavar="NAME=VALUE",
        ),
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
class Limits:
    """Where monas looks for networks."""

    OWNER = Owner(_monas, untrained=_monas)

    lam: Annotated[
        float,
        typer.Option(
            "--lambda",
            help="monas: how far below the dearest network a limit on FLOPs lies, 0.5 half of the way to the cheapest; "
            "by the rule paper the weight of FLOPs.",
            metavar="W",
        ),
    ] = 0.0
    mu: Annotated[float, typer.Option("--mu", help="monas: the same of the latency.", metavar="W")] = 0.0
    front: Annotated[
        str | None,
        typer.Option(
            "--front",
            help=f"monas: the best network within each of several limits, from one set of measurements: "
            f"macs=30M,60M,120M; or {', '.join(METRICS)} alone: four limits from the cheapest network to the dearest.",
            metavar="METRIC[=LIMITS]",
        ),
        Owner(kinds(MonasSearch), untrained=kinds(MonasSearch)),
    ] = None
    rule: Annotated[
        str,
        typer.Option(
            "--rule",
            help="monas: ranks (of proxies, within limits, the better) or paper (a cell space pruned, as published).",
        ),
    ] = "ranks"
    prune: Annotated[int, typer.Option("--prune", help="paper: operators pruned per edge and round."), _PAPER] = 1
    repeats: Annotated[int, typer.Option("--repeats", help="paper: measurements averaged."), _PAPER] = 3
    thin: Annotated[
        list[str] | None,
        typer.Option(
            "--thin",
            help="paper: override under which K is measured, once each: choices.C.options=[4]. "
            "Default: the space's `thin`.",
            metavar="KEY=VALUE",
        ),
        _PAPER,
    ] = None

    def ranked(self) -> dict[str, Any]:
        """As the search by ranks takes them, and a run keeps them."""
        metric, limits = read_front(self.front or "")
        return {"lam": self.lam, "mu": self.mu, "metric": metric, "limits": limits}

    def paper(self) -> dict[str, Any]:
        """As the published rule takes them, and a run keeps them."""
        thin = tuple(self.thin) if self.thin else None
        return {"lam": self.lam, "mu": self.mu, "prune": self.prune, "repeats": self.repeats, "thin": thin}


@dataclass(frozen=True)
class Trials:
    """What untrained networks are told by."""

    OWNER = Owner(_proxies, untrained=_proxies)

    objectives: Annotated[
        str | None,
        typer.Option(
            "--objectives",
            help="pareto, monas: proxies and costs, comma-separated, each with :min or :max unless it is clear. "
            f"Default: {','.join(PROTOTYPENAS)}; monas {','.join(ENSEMBLES['default'])}.",
            metavar="NAMES",
        ),
    ] = None
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=1, help="pareto, monas, oneshot: candidates evaluated. Default: 500; monas 84, oneshot 200."
        ),
        Owner(_trials, untrained=_trials),
    ] = None
    method: Annotated[
        str,
        typer.Option(
            "--method", help=f"pareto: Optuna's sampler: {', '.join(METHODS)}; or uniform draws.", metavar="NAME"
        ),
        _PARETO,
    ] = "nsga2"
    population: Annotated[
        int, typer.Option("--population", min=2, help="pareto: candidates of a generation, asked together."), _PARETO
    ] = 50
    batch: Annotated[
        str | None,
        typer.Option(
            "--batch",
            help=f"pareto, monas: {BATCH_HELP[0].lower()}{BATCH_HELP[1:]} Default: 128; monas 24, zen 16.",
            metavar="COUNTS",
        ),
    ] = None
    batch_norm: Annotated[
        str,
        typer.Option("--batch-norm", help="pareto, monas: kept (as networks are trained) or folded.", metavar="HOW"),
        Owner(_proxies, untrained=_proxies, trained=False),
    ] = "kept"

    def parameters(self) -> dict[str, Any]:
        """As both take them, and a run keeps them; those that are not given have the search's own defaults."""
        batch, own = read_batches(self.batch or "")
        given = {
            "objectives": read_objectives(self.objectives) if self.objectives is not None else None,
            "trials": self.trials,
            "batch": batch,
            "batches": own or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def competing(self) -> dict[str, Any]:
        """As pareto takes them."""
        return {"method": self.method, "population": self.population, **self.parameters()}


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
    device: Annotated[Device, Owner(_any, untrained=lambda kind: kind.accelerated)] = "cpu"
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
            f"{', '.join(f'{name} ({about})' for name, about in _LISTED.items())}.",
            metavar="NAME",
        ),
    ] = "entropy"
    data: DataOptions
    training: Training
    limits: Limits
    trials: Trials
    resources: Resources
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o",
            help="Folder of the run; default SPACE-MCU-SAMPLER-SEED. pareto, monas, oneshot: all trials as .csv, for "
            "`select`.",
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

    @property
    def name(self) -> str:
        """The sampler, by the rule that is asked for.

        Raises:
            NascompileError: there is no such rule.
        """
        rules = {"ranks": self.sampler, "paper": f"{self.sampler}-paper"}
        if self.limits.rule not in rules:
            hint = did_you_mean(self.limits.rule, rules)
            raise NascompileError.of("bad-rule", f"there is no rule `{self.limits.rule}`", hint)
        return rules[self.limits.rule] if self.sampler == "monas" else self.sampler

    def parameters(self) -> dict[str, Any]:
        """Of the sampler, as a run keeps them."""
        kind = registered(self.name).type
        if issubclass(kind, MonasPaper):
            return self.limits.paper()
        if issubclass(kind, MonasSearch):
            return {**self.limits.ranked(), **self.trials.parameters()}
        if issubclass(kind, ParetoSearch):
            return self.trials.competing()
        words = parsed("--parameter", self.training.parameter or (), own=("trials",) if _trials(kind) else ())
        return {**({"trials": self.trials.trials} if self.trials.trials else {}), **words}

    def search(self) -> TrainingFreeSearch[Any]:
        """The search that trains nothing by itself."""
        return training_free(self.name, **self.parameters(), seed=self.seed)
