"""What of a run can be known to fail before its first epoch, and is an error there, and not a table of failures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from nascompile.data.dataset import Dataset
from nascompile.run.errors import RunError
from nascompile.run.proxies import check_proxies
from nascompile.run.settings import RunSettings
from samplers.registry import registered
from spaces.errors import NascompileError
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from spaces.networks.network import Network

__all__ = ["check_candidates", "check_measurable", "check_settings"]

#: So many candidates are named in a message.
_SHOWN = 3


def check_settings(settings: RunSettings) -> None:
    """What settings alone tell, whatever the networks and the data.

    Raises:
        NascompileError: pruning has too few epochs.
    """
    if settings.sparsity:
        from nascompile.compression.pruning import check_steps

        check_steps(settings.recipe.epochs)


def check_measurable(dataset: Dataset, settings: RunSettings) -> None:
    """Whether data and recipe go together, and what is to be maximised can be measured on each part.

    Raises:
        TrainingError: the task has no such metric, or no classes to balance.
        RunError: a part lacks examples without which the metric is undefined, or a sampler that scores untrained
            networks has no classes to score them by.
    """
    from nascompile.training.balance import check_balance
    from nascompile.training.metrics import guess
    from nascompile.training.objective import check_metric

    metric = check_metric(dataset.task, settings.recipe.metric)
    check_balance(dataset.task, settings.recipe.balance)
    entry = registered(settings.sampler)
    if entry.training_free:
        check_proxies(dataset, "shared weights" if entry.type.learns else "proxies")
    if dataset.task == "detection":
        return
    for name in ("valid", "test"):
        if metric not in guess(dataset.train, getattr(dataset, name), dataset.task):
            message = f"the {name} part has no `{metric}`: all of its examples are of one kind"
            raise RunError.of("no-metric", message, "give it examples of another kind too, or choose another --metric")


def check_candidates(candidates: Sequence[Candidate], settings: RunSettings, dataset: Dataset) -> None:
    """Whether each of these networks can be trained, pruned, quantised and, with `deploy`, written as C.

    It is exact for these candidates, those that a sampler has asked for, and says nothing about the rest of the set.

    Raises:
        NascompileError: some cannot; they are named, with the reason of the first.
    """
    checks = _checks(settings, dataset)
    failed: list[tuple[Candidate, NascompileError]] = []
    for candidate in candidates:
        try:
            for check in checks:
                check(candidate)
        except NascompileError as error:
            failed.append((candidate, error))
    if failed:
        reason = failed[0][1].diagnostics[0]
        names = ", ".join(f"`{candidate}`" for candidate, _ in failed[:_SHOWN])
        more = f" and {len(failed) - _SHOWN:,} others" if len(failed) > _SHOWN else ""
        message = f"{reason.message}; so it is with {len(failed):,} of the {len(candidates):,} networks asked for"
        raise RunError.of(reason.code, f"{message}: {names}{more}", reason.hint)


def _checks(settings: RunSettings, dataset: Dataset) -> list[Callable[[Candidate], None]]:
    result: list[Callable[[Candidate], None]] = []
    if settings.sparsity:
        from nascompile.compression.pruning import check_prunable

        result.append(partial(check_prunable, sparsity=settings.sparsity))
    if settings.recipe.batch == 1 or len(dataset.train) == 1:
        result.append(partial(_check_single, dataset=dataset))
    if settings.quantise != "none":
        result.append(_check_quantisable)
    if settings.deploy:
        result.append(_check_deployable)
    return result


def _check_single(candidate: Candidate, dataset: Dataset) -> None:
    """Whether a step on one example can be made: a batch norm needs two values of each channel."""
    import torch

    network = _built(candidate).train()
    try:
        with torch.no_grad():
            network(torch.from_numpy(dataset.train.x[:1]))
    except ValueError:
        message = "a batch norm has one value of each channel to learn from, as batches are of 1 and its map is 1x1"
        raise RunError.of("small-batch", message, "train in larger batches: --train batch=8") from None


def _check_quantisable(candidate: Candidate) -> None:
    from nascompile.compression.network_kernels import kernels

    kernels(_built(candidate))


def _check_deployable(candidate: Candidate) -> None:
    """Whether all numbers of its calls fit into the fields of C."""
    from nascompile.deploy.calls import planned
    from nascompile.deploy.float_network import float_network

    planned(float_network(_built(candidate).eval()))


def _built(candidate: Candidate) -> Network:
    return candidate.build(seed=0, batch_norm="kept")
