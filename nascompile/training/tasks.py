"""What is learnt, and how well: the loss of each task, and what is measured of a trained network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from nascompile.data.dataset import Part, Task
from nascompile.training.errors import TrainingError

__all__ = ["better", "check_task", "evaluate", "loss_of", "metrics", "outputs"]

Floats = NDArray[np.floating[Any]]

_EVALUATION_BATCH = 256


def check_task(task: str) -> None:
    """Whether this task can be trained.

    Raises:
        TrainingError: it cannot.
    """
    if task not in ("classification", "anomaly"):
        known = "it can train `classification` and `anomaly`"
        raise TrainingError.of("no-such-task", f"nascompile cannot train the task `{task}` yet", known)


def loss_of(task: Task) -> Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
    """`(outputs, inputs, targets) -> loss`: cross entropy, or for `anomaly` the mean squared error of reconstruction.

    Raises:
        TrainingError: the task cannot be trained.

    Example:
        >>> x = torch.ones(2, 3)
        >>> loss_of("anomaly")(x + 2, x, torch.zeros(2)).item()
        4.0
    """
    check_task(task)
    if task == "anomaly":
        return lambda y, x, _: functional.mse_loss(y.flatten(1), x.flatten(1))
    return lambda y, _, target: functional.cross_entropy(y, target)


@torch.no_grad()
def outputs(network: nn.Module, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a network makes of examples, in evaluation mode, on the device where it is.

    Args:
        network: given back in the mode in which it was.
        x: [n, ...].
    """
    place = next((t.device for t in (*network.parameters(), *network.buffers())), torch.device("cpu"))
    was = network.training
    network.eval()
    try:
        batches = torch.from_numpy(x).split(_EVALUATION_BATCH)
        return torch.cat([network(batch.to(place)).float().cpu() for batch in batches]).numpy()
    finally:
        network.train(was)


def evaluate(network: nn.Module, part: Part, task: Task) -> dict[str, float]:
    """How well a network does on some examples; see `metrics`.

    Raises:
        TrainingError: the task cannot be evaluated, or there is no example.
    """
    check_task(task)
    _check_part(part)
    return metrics(outputs(network, part.x), part, task)


def metrics(found: Floats, part: Part, task: Task) -> dict[str, float]:
    """How good outputs are.

    Args:
        found: what some network made of `part.x`: logits [n, classes], or reconstructions.
        part: the examples.
        task: `classification` gives `loss` (cross entropy) and `accuracy`; `anomaly` gives `loss`, the mean squared
            error of what is normal, and, if there is also what is not, `auc`: the area under the ROC curve of the
            examples' mean squared errors.

    Raises:
        TrainingError: the task cannot be evaluated.

    Example:
        >>> part = Part(np.zeros((2, 1), np.float32), np.array([0, 1]))
        >>> metrics(np.array([[9.0, 0.0], [9.0, 0.0]]), part, "classification")["accuracy"]
        0.5
    """
    check_task(task)
    y = np.asarray(part.y)
    if task == "classification":
        loss = functional.cross_entropy(torch.from_numpy(np.asarray(found, np.float64)), torch.from_numpy(y))
        return {"loss": loss.item(), "accuracy": float((found.argmax(1) == y).mean())}
    errors = np.square(found.reshape(len(y), -1).astype(np.float64) - part.x.reshape(len(y), -1)).mean(1)
    normal = {"loss": float(errors[y == 0].mean())} if (y == 0).any() else {}
    if len(np.unique(y)) < 2:
        return normal
    from sklearn.metrics import roc_auc_score

    return normal | {"auc": float(roc_auc_score(y, errors))}


def better(new: Mapping[str, float], old: Mapping[str, float] | None) -> bool:
    """Whether a validation is better than the best so far: more accurate, or as accurate with a lower loss.

    An autoencoder is chosen by its loss: it learns what is normal, and should not be chosen by what is not.

    Example:
        >>> better({"accuracy": 0.5, "loss": 1.0}, {"accuracy": 0.5, "loss": 2.0})
        True
    """
    if old is None:
        return True
    return (-new.get("accuracy", 0), new["loss"]) < (-old.get("accuracy", 0), old["loss"])


def _check_part(part: Part) -> None:
    if not len(part):
        raise TrainingError.of("no-examples", "there is no example to learn from or to evaluate", "see the data set")
