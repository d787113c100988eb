"""How long a run may take, from the first batches of a few of its networks: an estimate, and called one."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from nascompile.data.dataset import Dataset, Part
from nascompile.run.evaluate import initial_network
from nascompile.run.schedule import Schedule
from nascompile.run.settings import RunSettings
from nascompile.run.steps import QAT, Step, Task
from spaces.errors import NascompileError
from spaces.program.candidate import Candidate

__all__ = ["epochs_left", "estimate"]

#: Batches that are timed, and seconds within which timing another network is worth it.
_BATCHES, _QUICK = 2, 2.0


def estimate(
    candidates: Sequence[Candidate], dataset: Dataset, settings: RunSettings, left: tuple[float, float], jobs: int
) -> float | None:
    """Seconds that a run will take, measuring and what sampler and storage take not included.

    The network of median MACs is timed on two batches, and, where that is quick, the least and the largest one: what
    lies between is interpolated. Times of one process are divided by the processes, which share caches and memory; so
    a run may take longer.

    Args:
        candidates: that are trained, or others of the same set.
        dataset: the run's.
        settings: the run's.
        left: epochs of training, and of training on in int8, over all networks; see `epochs_left`.
        jobs: processes.

    Returns:
        None where the networks cannot be timed, which training itself says more of.
    """
    ordered = sorted(candidates, key=lambda c: c.costs["macs"])
    start, timed = time.monotonic(), dict[float, tuple[float, float]]()
    for place in (len(ordered) // 2, 0, len(ordered) - 1):
        if timed and time.monotonic() - start > _QUICK:
            break
        try:
            timed[ordered[place].costs["macs"]] = _epochs(ordered[place], dataset, settings, with_int8=left[1] > 0)
        except NascompileError:
            return None
    macs = sorted(timed)
    means = [np.interp([c.costs["macs"] for c in ordered], macs, [timed[m][k] for m in macs]).mean() for k in (0, 1)]
    return float(means[0] * left[0] + means[1] * left[1]) / jobs


def epochs_left(schedule: Schedule, found: Collection[Task]) -> tuple[float, float]:
    """Epochs that are still to be trained, over all networks: before quantisation, and in units of `qat_epochs` after.

    How many networks will be on the front nobody knows: as many are counted as are kept.

    Example:
        >>> epochs_left(Schedule((5, 10, 20), 2, 5, (16,), "qat"), [])
        (170.0, 5.0)
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
    front = min(schedule.least, ended) if schedule.quantise == "qat" else 0
    return training, float(max(0, front - sum(task.step == QAT for task in found)))


def _some(part: Part, count: int) -> Part:
    """So many examples, evenly spread."""
    rows = np.unique(np.linspace(0, len(part) - 1, count).round().astype(np.int64))
    y = tuple(part.y[i] for i in rows) if isinstance(part.y, tuple) else part.y[rows]
    return replace(part, x=part.x[rows], y=y)


def _epochs(candidate: Candidate, dataset: Dataset, settings: RunSettings, *, with_int8: bool) -> tuple[float, float]:
    """Seconds of an epoch, and of all those in int8."""
    from nascompile.compression.int8 import quantise_in_training
    from nascompile.training.loop import train

    few = min(len(dataset.train), _BATCHES * settings.recipe.batch)
    share = few / len(dataset.train)
    valid = _some(dataset.valid, max(1, round(share * len(dataset.valid))))
    small = replace(dataset, train=_some(dataset.train, few), valid=valid)
    # The first epoch sets up what the second one finds ready.
    recipe = replace(settings.recipe, epochs=2, patience=0)
    network = initial_network(candidate, settings.seed)
    seconds = train(network, small, recipe).history[-1].seconds / share
    if not with_int8:
        return seconds, 0.0
    trained = quantise_in_training(network, small, recipe, epochs=1, examples=few).training
    assert trained
    return seconds, trained.history[-1].seconds / share * settings.qat_epochs
