"""What untrained networks tell in a run: which are worth training (PrototypeNAS, Sec. 3.1 and 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nascompile.data.dataset import Dataset
from nascompile.records.proxy_trials import ProxyTrials
from nascompile.records.trial_log import TrialLog
from nascompile.run.errors import RunError
from nascompile.run.folder import RunFolder
from samplers.optuna_studies.pareto import ParetoSampler
from samplers.proxies.base import PROXIES
from samplers.scores.worker_pool import Spread
from samplers.subset.hypervolume import HypervolumeSelector
from spaces.errors import Diagnostic
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["pareto_choice", "proxy_examples"]


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

    if dataset.task != "classification":
        message = f"proxies are for classification, and this is `{dataset.task}`"
        raise RunError(Diagnostic("no-proxies", message, None, "take another --sampler"))
    train = dataset.train
    order = np.random.default_rng(seed).permutation(len(train))[: 2 * min(batch, len(train) // 2)]
    labels = torch.from_numpy(np.asarray(train.y)[order])
    return Data(torch.from_numpy(train.x[order]), labels, "the training part")


def pareto_choice(
    folder: RunFolder, dataset: Dataset, jobs: int | None, device: str, told: Callable[[str, float], None],
    spread: Spread | None = None,
) -> list[Candidate]:  # fmt: skip
    """The networks of largest hypervolume among those that proxies do not rule out, the best by the first objective
    first.

    Args:
        folder: of the run, whose sampler is `pareto`; trials are kept in it, and not evaluated twice.
        dataset: its training part has the examples.
        jobs: processes; None for as many as are worth it.
        device: where to evaluate.
        told: called after each trial, with how many are done, and the seconds that the sampler has taken to propose
            them.
        spread: hands the evaluation out in place of processes.
    """
    from samplers.scores.scoring import batched

    settings, fs = folder.settings, folder.fs
    given: Mapping[str, Any] = settings.parameters
    sampler = ParetoSampler(given["method"], given["objectives"], population=given["population"], seed=settings.seed)
    data = proxy_examples(dataset, given["batch"], settings.seed)
    names = [name for name in sampler.objectives if name in PROXIES and name not in fs[0].costs]
    log = TrialLog(folder.path / "trials.jsonl", {"sampler": sampler.state()["parameters"], "set": fs.digest})
    total = min(given["trials"], fs.size)
    trials = ProxyTrials(
        fs, sampler, batched(names, len(data) // 2), data, log, seed=settings.seed, device=device, jobs=jobs,
        spread=spread,
    )  # fmt: skip
    trials.run(total, lambda number, *_: told(f"{number + 1:,} of {total:,} trials by proxies", trials.asking))
    front = sampler.archive()
    if not front:
        message = f"none of {total:,} trials has a finite value in every objective"
        raise RunError(Diagnostic("no-front", message, None, "leave out the objective that has none"))
    senses = list(sampler.objectives.values())
    values = np.array([[point.values[name] for name in sampler.objectives] for point in front])
    subset = HypervolumeSelector(k=min(settings.samples, len(front))).select(values, senses)
    sign = 1 if senses[0] == "min" else -1
    return [front[k].candidate for k in sorted(subset.chosen, key=lambda k: (sign * values[k, 0], k))]
