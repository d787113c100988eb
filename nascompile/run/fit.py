"""Training one candidate with data, a loss and callbacks of the user's own: what an evaluation of theirs may call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascompile.data.dataset import Dataset
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from torch import Tensor

    from nascompile.data.torch_dataset import Examples
    from nascompile.run.own import Place
    from nascompile.training.history import Epoch
    from nascompile.training.loop import Trained

__all__ = ["fit"]


def fit(
    candidate: Candidate,
    data: str | Path | Dataset | Sequence[Examples],
    *,
    recipe: str = "ebs",
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    callback: Callable[[Epoch], Any] | None = None,
    place: Place | None = None,
    seed: int = 0,
    device: str = "cpu",
    **changes: Any,
) -> Trained:
    """Train a candidate, and return the network of its best epoch.

    Args:
        candidate: which network.
        data: what `nascompile search --data` takes, a `Dataset`, or data sets of PyTorch: one to learn from and one to
            choose by, and perhaps a third to report (`nascompile.data.torch_dataset`).
        recipe: `ebs` or `prototypenas`.
        loss: from what the network gives and what was to be learnt, a batch each, to a number; by default the task's.
            The best epoch goes by the validation metric in any case.
        callback: called at the end of each epoch with its number, losses and metrics.
        place: of an evaluation in a search: its device and seed are taken, and a training that was killed goes on from
            its last whole epoch there.
        seed: of the first weights, the order of examples, and how data are split.
        device: where to train.
        changes: of the recipe: `epochs=20`, `lr=0.01`, ...

    Returns:
        `network`, in evaluation mode; `valid`, the metrics of its epoch; `history`.

    Raises:
        NascompileError: the data cannot be read, or do not fit the candidate; the training has diverged.

    Example:
        >>> import nascompile as nc
        >>> import numpy as np
        >>> pairs = [(np.eye(18, dtype=np.float32)[k % 12], k % 12) for k in range(48)]
        >>> trained = nc.fit(nc.reduce("mlp2")[63], (pairs, pairs), epochs=20, batch=8, lr=0.01)
        >>> trained.valid["accuracy"] > 0.5, len(trained.history)
        (True, 20)
    """
    from nascompile.run.evaluate import initial_network
    from nascompile.training.loop import train
    from nascompile.training.recipes import recipe as named_recipe

    seed, device = (place.seed, place.device) if place else (seed, device)
    given = named_recipe(recipe, **{"seed": seed, "device": device, **changes})
    checkpoint = place.folder / "training.safetensors" if place else None
    return train(
        initial_network(candidate, seed), _dataset(data, candidate, seed), given,
        checkpoint=checkpoint, progress=callback, loss=loss,
    )  # fmt: skip


def _dataset(data: str | Path | Dataset | Sequence[Examples], candidate: Candidate, seed: int) -> Dataset:
    from nascompile.data.torch_dataset import dataset_of
    from nascompile.run.data import read_data
    from nascompile.run.settings import DataSettings

    if isinstance(data, Dataset):
        return data
    if isinstance(data, str | Path):
        return read_data(DataSettings(str(data), seed=seed), candidate)
    train, valid, *test = data
    return dataset_of(train, valid, test[0] if test else None)
