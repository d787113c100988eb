"""What of a run's networks is damaged or gone is made anew, so that its tables are what they would have been."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from nascompile.data.dataset import Dataset
from nascompile.run.evaluate import FLOAT, evaluate_step, read_step, step_file, weights_of, write_step
from nascompile.run.folder import RunFolder
from nascompile.run.networks import Results
from nascompile.run.steps import Task
from nascompile.run.worker import fetch_steps
from nascompile.training.tensor_file import is_whole
from spaces.program.candidate import parse_candidate

__all__ = ["mend_networks"]


def mend_networks(
    folder: RunFolder, dataset: Dataset, results: Results, device: str,
    on_progress: Callable[[int, str], None] = lambda number, what: None,
) -> list[str]:  # fmt: skip
    """Look at the files of all steps, and do those again whose files are damaged or gone.

    The same network, data and recipe give the same weights; so do the tables. Where a checkpoint is left, it goes on
    from there.

    Args:
        folder: of the run, which has come to the end of its steps.
        dataset: the run's.
        results: of all steps, as the trials have them.
        device: where to train.
        on_progress: called with the number of a network that is trained, and what of it has just ended.

    Returns:
        The files that were made anew, relative to the folder.
    """
    trials, made = folder.trials(), list[str]()
    for task in sorted(task for task, result in results.items() if "error" not in result):
        place = folder.network(task.number)
        fetch_steps(folder, trials, task.number)
        weights = _weights(folder, task)
        if weights is not None and not is_whole(weights):
            made.append(str(weights.relative_to(folder.path)))
            weights.unlink(missing_ok=True)
            step_file(place, task.step).unlink(missing_ok=True)
            # Other disks may have it still.
            fetch_steps(folder, trials, task.number)
            if not is_whole(weights):
                candidate = parse_candidate(folder.fs.program, results[task]["candidate"])
                evaluate_step(
                    candidate, task.step, dataset, folder.settings, place, device=device,
                    on_progress=lambda what, number=task.number: on_progress(number, what),
                )  # fmt: skip
        elif json.dumps(read_step(place, task.step)) != json.dumps(results[task]):
            made.append(str(step_file(place, task.step).relative_to(folder.path)))
            write_step(place, task.step, results[task])
    return made


def _weights(folder: RunFolder, task: Task) -> Path | None:
    """The network that a step has left; None where it has left none."""
    name = weights_of(task.step, folder.settings.recipe.epochs)
    # A function of the user's own leaves what it will.
    none = folder.settings.own or (task.step.kind == "train" and name != FLOAT)
    return None if none else folder.network(task.number) / name
