"""How long a run may take, from the first batches of a few of its networks: an estimate, and called one."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nascompile.data.dataset import Dataset, Part
from nascompile.run.evaluate import initial_network
from nascompile.run.schedule import Schedule
from nascompile.run.settings import RunSettings
from nascompile.run.steps import PTQ, QAT, Step, Task
from spaces.errors import NascompileError
from spaces.program.candidate import Candidate

__all__ = ["Left", "estimate", "still_left"]

#: Batches that are timed, and seconds within which timing another network is worth it.
_BATCHES, _QUICK = 2, 2.0


class Left(NamedTuple):
    """How much of each, or the seconds of each.

    Args:
        epochs: of training, over all networks.
        ptq: networks that are quantised after training.
        qat: networks that are trained on in int8.
    """

    epochs: float
    ptq: float
    qat: float


def estimate(
    candidates: Sequence[Candidate], dataset: Dataset, settings: RunSettings, left: Left, jobs: int
) -> float | None:
    """Seconds that a run will take; what sampler and storage take, and processes to start, is not included.

    The network of median MACs is timed on two batches, and, where that is quick, the least and the largest one: what
    lies between is interpolated. Times of one process are divided by the processes, which share caches and memory; so
    a run may take longer.

    Args:
        candidates: that are trained, or others of the same set.
        dataset: the run's.
        settings: the run's.
        left: what is still to be done.
        jobs: processes.

    Returns:
        None where the networks cannot be timed, which training itself says more of.
    """
    ordered = sorted(candidates, key=lambda c: c.costs["macs"])
    start, timed = time.monotonic(), dict[float, Left]()
    for place in (len(ordered) // 2, 0, len(ordered) - 1):
        if timed and time.monotonic() - start > _QUICK:
            break
        try:
            timed[ordered[place].costs["macs"]] = _seconds(ordered[place], dataset, settings, left)
        except NascompileError:
            return None
    macs, costs = sorted(timed), [c.costs["macs"] for c in ordered]
    means = [float(np.interp(costs, macs, [timed[m][k] for m in macs]).mean()) for k in range(len(left))]
    return sum(mean * count for mean, count in zip(means, left, strict=True)) / jobs


def still_left(schedule: Schedule, found: Collection[Task]) -> Left:
    """What is still to be done, over all networks.

    How many networks will be on the front nobody knows: as many are counted as are kept.

    Example:
        >>> still_left(Schedule((5, 10, 20), 2, 5, (16,), "qat"), [])
        Left(epochs=170.0, ptq=5, qat=5)
    """
    training, ended, start = 0.0, 0, 0
    for end in schedule.brackets:
        before = 0
        for k, epochs in enumerate(schedule.rungs):
            count = schedule.size(end - start, k)
            done = sum(task.step == Step.train(epochs) and start <= task.number < end for task in found)
            training += max(0, count - done) * (epochs - before)
            before = epochs
            ended += count if k + 1 == len(schedule.rungs) else 0
        start = end
    whole = ended if schedule.quantise != "none" else 0
    front = min(schedule.least, ended) if schedule.quantise == "qat" else 0
    left = {step: sum(task.step == step for task in found) for step in (PTQ, QAT)}
    return Left(training, max(0, whole - left[PTQ]), max(0, front - left[QAT]))


def _some(part: Part, count: int) -> Part:
    """So many examples, evenly spread."""
    rows = np.unique(np.linspace(0, len(part) - 1, count).round().astype(np.int64))
    y = tuple(part.y[i] for i in rows) if isinstance(part.y, tuple) else part.y[rows]
    return replace(part, x=part.x[rows], y=y)


def _seconds(candidate: Candidate, dataset: Dataset, settings: RunSettings, left: Left) -> Left:
    """Seconds of an epoch, of quantising, and of all epochs in int8; none of what is not left to do."""
    from nascompile.compression.int8 import evaluate_int8, quantise_after_training, quantise_in_training
    from nascompile.training.loop import train

    few = min(len(dataset.train), _BATCHES * settings.recipe.batch)
    share = few / len(dataset.train)
    valid = _some(dataset.valid, max(1, round(share * len(dataset.valid))))
    small = replace(dataset, train=_some(dataset.train, few), valid=valid)
    # The first epoch sets up what the second one finds ready.
    recipe = replace(settings.recipe, epochs=2, patience=0)
    network = initial_network(candidate, settings.seed)
    epoch, ptq, qat = train(network, small, recipe).history[-1].seconds / share, 0.0, 0.0
    if left.ptq:
        start = time.monotonic()
        quantised = quantise_after_training(network, small, examples=few)
        between = time.monotonic()
        evaluate_int8(quantised.network, valid, dataset.task, dataset.anchors)
        measuring = time.monotonic() - between
        # What validation does not take is calibration, which looks at some more examples, and there is little of it.
        ptq = max(0.0, between - start - measuring) + measuring * len(dataset.valid) / len(valid)
    if left.qat:
        trained = quantise_in_training(network, small, recipe, epochs=1, examples=few).training
        assert trained
        qat = trained.history[-1].seconds / share * settings.qat_epochs + ptq
    return Left(epoch, ptq, qat)
