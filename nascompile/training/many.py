"""Many small networks trained at once: a process per core, one thread each.

The threads of one tiny network wait for each other after every operator: on two cores that others used as well, DS-CNN
took 4 to 7 times as long with two threads as with one. Processes share nothing and wait for nothing, but each has to
import torch and receive the data first, some seconds that a training of a few epochs does not earn back.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import nn

from nascompile.data.dataset import Dataset
from nascompile.training.errors import TrainingError
from nascompile.training.loop import Trained, train
from nascompile.training.recipes import Recipe
from samplers.scores.worker_pool import ordered

__all__ = ["train_many"]


def train_many(
    networks: Sequence[nn.Module],
    dataset: Dataset,
    recipe: Recipe,
    *,
    jobs: int,
    checkpoints: Sequence[Path] | None = None,
) -> Generator[Trained]:
    """Train networks in processes of their own; each is trained exactly as `train` would.

    Closing the generator ends the processes; what their checkpoints hold is not lost.

    Args:
        networks: any number.
        dataset: each process holds a copy.
        recipe: the same for all; its `threads` are those of each process.
        jobs: number of processes.
        checkpoints: a file for each network.

    Yields:
        The trained networks, in order.

    Raises:
        TrainingError: as `train` raises it, or `checkpoints` are not as many as networks.
        FileError: as `train` raises it.
        WorkerError: a process ended, as when memory runs out.
    """
    if checkpoints is not None and len(checkpoints) != len(networks):
        message = f"{len(checkpoints)} `checkpoints` for {len(networks)} networks"
        raise TrainingError.of("bad-count", message, "give a file for each network")
    paths: Sequence[Path | None] = checkpoints or [None] * len(networks)
    tasks = map(_Task, networks, paths)
    if jobs == 1:
        yield from map(_Trainer((dataset, recipe)), tasks)
    else:
        yield from ordered(_Trainer, (dataset, recipe), tasks, min(jobs, max(1, len(networks))))


class _Task(NamedTuple):
    network: nn.Module
    checkpoint: Path | None


class _Trainer:
    """One process: holds the data and the recipe."""

    def __init__(self, setting: tuple[Dataset, Recipe]) -> None:
        self.dataset, self.recipe = setting

    def __call__(self, task: _Task) -> Trained:
        return train(task.network, self.dataset, self.recipe, checkpoint=task.checkpoint)
