"""What untrained networks tell in a run: which are worth training (PrototypeNAS, Sec. 3.1; MONAS)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from nascompile.data.dataset import Dataset
from nascompile.records.search_log import SearchLog
from nascompile.run.errors import RunError
from nascompile.run.folder import RunFolder
from samplers.registry import training_free
from samplers.training_free import Means, Record, TrainingFreeSearch
from spaces.errors import FileError
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["check_proxies", "proxy_choice", "proxy_examples", "whole_examples"]


def proxy_examples(dataset: Dataset, batch: int, seed: int) -> Data:
    """Two batches of the training part.

    Args:
        dataset: of classes.
        batch: examples in each; fewer where there are not so many.
        seed: decides which.

    Raises:
        RunError: the task has no classes, without which proxies have no loss.
    """
    import torch

    from samplers.proxies.data import Data

    check_proxies(dataset)
    train, name = dataset.train, PurePath(str(dataset.prepared.get("source", ""))).name
    order = np.random.default_rng(seed).permutation(len(train))[: 2 * min(batch, len(train) // 2)]
    labels = torch.from_numpy(np.asarray(train.y)[order])
    source = f"{len(order):,} of {len(train):,} training examples of {name}, seed {seed}"
    return Data(torch.from_numpy(train.x[order]), labels, source)


def whole_examples(dataset: Dataset) -> Data:
    """All of the training part, and the validation part; nothing of the test part.

    Raises:
        RunError: the task has no classes.
    """
    import torch

    from samplers.proxies.data import Data

    check_proxies(dataset, "shared weights")
    name = PurePath(str(dataset.prepared.get("source", ""))).name
    train, valid = (
        Data(torch.from_numpy(part.x), torch.from_numpy(np.asarray(part.y)), f"{len(part):,} {what} examples of {name}")
        for part, what in ((dataset.train, "training"), (dataset.valid, "validation"))
    )
    return Data(train.images, train.labels, f"{train.source}, judged by {valid.source}", valid)


def check_proxies(dataset: Dataset, what: str = "proxies") -> None:
    """Whether networks can be scored on these data without training them.

    Args:
        dataset: the data.
        what: by which they are scored.

    Raises:
        RunError: the task has no classes, without which proxies have no loss.
    """
    if dataset.task != "classification":
        message = f"{what} are for classification, and this is `{dataset.task}`"
        raise RunError.of("no-proxies", message, "give data with classes, or take another --sampler")


def proxy_choice(folder: RunFolder, dataset: Dataset, means: Means, count: int) -> list[Candidate]:
    """The networks that a search without training chooses, the most promising first.

    Args:
        folder: of the run, whose sampler it is; records are kept in it, and nothing is measured twice.
        dataset: its training part has the examples.
        means: by which to measure.
        count: how many; fewer where the set has no more.
    """
    settings, fs = folder.settings, folder.fs
    search = training_free(settings.sampler, **settings.parameters, seed=settings.seed)
    data = whole_examples(dataset) if search.learns else proxy_examples(dataset, search.examples, settings.seed)

    def measured(one: TrainingFreeSearch[Record], name: str, title: str) -> list[Record]:
        about = {"set": fs.digest, "sampler": one.parameters}
        titled = replace(
            means,
            keep=folder.path / f"{name}.super.pt",
            on_progress=lambda what, asking: means.on_progress(f"{title}{what}", asking),
        )
        try:
            with SearchLog(folder.path / f"{name}.jsonl", one, about) as log:
                for _ in log.follow(fs, data, titled):
                    pass
        except FileError as error:
            hint = f"delete it: `nascompile resume {folder.path}` measures anew what it held"
            raise FileError(
                replace(d, hint=hint if d.code == "bad-log" else d.hint) for d in error.diagnostics
            ) from None
        return log.records

    return search.limited(len(data) // 2).choose(fs, min(count, fs.between[1]), measured)
