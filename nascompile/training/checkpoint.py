"""A training between two epochs, on disk: weights, the best ones, the optimiser's state, generators, history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nascompile.data.dataset import Dataset, Part
from nascompile.training.errors import TrainingError
from nascompile.training.history import Epoch
from nascompile.training.recipes import Recipe
from nascompile.training.tensor_file import digest, read_tensors, write_tensors
from spaces.errors import Span

__all__ = ["State", "load_state", "read_history", "run_of", "save_state"]

_KIND = "training checkpoint"

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class State:
    """All that the next epoch depends on.

    Args:
        network: `state_dict` of the network.
        best_weights: that of the best epoch.
        optimiser: number of a parameter -> what the optimiser remembers of it.
        generators: `cpu`, and `cuda` where training is there: states of torch's global generators.
        history: the epochs so far.
        best: the best of them.
    """

    network: Tensors
    best_weights: Tensors
    optimiser: Mapping[int, Tensors]
    generators: Tensors
    history: tuple[Epoch, ...]
    best: int


def run_of(network: nn.Module, dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    """What tells one training from another: the recipe, and digests of the first weights and the data."""
    parts = {name: dataset.digests.get(name) or _digest(getattr(dataset, name)) for name in ("train", "valid")}
    first = digest(_arrays(network.state_dict()))
    anchors = {"anchors": [list(size) for size in dataset.anchors]} if dataset.anchors else {}
    return {"recipe": recipe.about(), "task": dataset.task, "network": f"{network} {first}", **parts, **anchors}


def save_state(path: Path, state: State, run: Mapping[str, Any]) -> None:
    """Write a checkpoint whole or not at all; the one before stands until then.

    Raises:
        FileError: it cannot be written.
    """
    arrays: dict[str, Any] = {}
    for name in ("network", "best_weights", "generators"):
        arrays |= {f"{name}/{key}": array for key, array in _arrays(getattr(state, name)).items()}
    for number, remembered in state.optimiser.items():
        there = {key: value for key, value in remembered.items() if value is not None}
        arrays |= {f"optimiser/{number}/{key}": array for key, array in _arrays(there).items()}
    about = {"kind": _KIND, "run": run, "history": [asdict(e) for e in state.history], "best": state.best}
    write_tensors(path, arrays, about)


def load_state(path: Path, run: Mapping[str, Any]) -> State:
    """Read a checkpoint of this training.

    Raises:
        FileError: it cannot be read, is cut off or damaged, or is no checkpoint.
        TrainingError: it is that of another training.
    """
    arrays, about = read_tensors(path, _KIND)
    for key in (*run, *about["run"]):
        if about["run"].get(key) != run.get(key):
            message = f"this is the checkpoint of another training: its `{_difference(key, about['run'], run)}` differs"
            raise TrainingError.of("other-training", message, "delete it, or name another", Span(str(path), 1, 1))
    result: dict[str, dict[str, torch.Tensor]] = {"network": {}, "best_weights": {}, "generators": {}}
    optimiser: dict[int, dict[str, torch.Tensor]] = {}
    for name, array in arrays.items():
        part, _, key = name.partition("/")
        tensor = torch.from_numpy(np.copy(array))
        if part == "optimiser":
            number, _, key = key.partition("/")
            optimiser.setdefault(int(number), {})[key] = tensor
        else:
            result[part][key] = tensor
    history = tuple(Epoch(**epoch) for epoch in about["history"])
    return State(**result, optimiser=optimiser, history=history, best=about["best"])


def read_history(path: Path) -> tuple[Epoch, ...]:
    """The epochs of a checkpoint, whatever training it is of.

    Raises:
        FileError: see `load_state`.
    """
    _, about = read_tensors(path, _KIND)
    return tuple(Epoch(**epoch) for epoch in about["history"])


def _difference(key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """The name of what differs; of a recipe, the setting."""
    a, b = ours.get(key), theirs.get(key)
    if isinstance(a, dict) and isinstance(b, dict):
        return next(name for name in {**a, **b} if a.get(name) != b.get(name))
    return key


def _arrays(tensors: Tensors) -> dict[str, Any]:
    return {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}


def _digest(part: Part) -> str:
    y = part.y if isinstance(part.y, tuple) else (part.y,)
    return digest({"x": part.x, **{f"y{k}": np.asarray(v) for k, v in enumerate(y)}})
