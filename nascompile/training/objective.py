"""What is maximised: the metrics of each task, and which of two results is the better one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from nascompile.data.dataset import Task
from nascompile.training.errors import TrainingError
from nascompile.training.history import Epoch
from spaces.errors import did_you_mean

__all__ = ["METRICS", "best_epoch", "better", "check_metric", "check_task", "epoch_metric", "gain"]

#: What may be maximised, by task; the first unless something else is asked for.
METRICS: Mapping[str, tuple[str, ...]] = {
    "classification": ("accuracy", "balanced_accuracy", "f1", "auc"),
    "anomaly": ("auc",),
    "detection": ("map50", "map50_95"),
    "regression": ("r2", "mae", "rmse"),
    "multi-label": ("f1", "map", "auc"),
}
#: Of these less is better.
_ERRORS = ("mae", "rmse")


def check_task(task: str) -> None:
    """Whether this task can be trained.

    Raises:
        TrainingError: it cannot.
    """
    if task not in METRICS:
        known = f"it can train {', '.join(METRICS)}"
        raise TrainingError.of("no-such-task", f"nascompile cannot train the task `{task}`", known)


def check_metric(task: Task, metric: str | None) -> str:
    """The metric that is maximised: the one asked for, or the task's first.

    Raises:
        TrainingError: the task cannot be trained, or has no such metric.

    Example:
        >>> check_metric("regression", None), check_metric("classification", "f1")
        ('r2', 'f1')
    """
    check_task(task)
    known = METRICS[task]
    if metric is not None and metric not in known:
        message = f"the task `{task}` has no metric `{metric}`"
        raise TrainingError.of("bad-metric", message, did_you_mean(metric, known))
    return metric or known[0]


def gain(found: Mapping[str, float], metric: str) -> float:
    """A metric as what is to be maximised: errors are negative.

    Example:
        >>> gain({"mae": 2.0, "r2": 0.5}, "mae"), gain({"r2": 0.5}, "r2")
        (-2.0, 0.5)
    """
    return -found[metric] if metric in _ERRORS else found[metric]


def epoch_metric(task: Task, metric: str | None) -> str | None:
    """By what the best epoch is chosen, as `better` takes it.

    Raises:
        TrainingError: the task has no such metric.
    """
    return check_metric(task, metric) if task != "anomaly" else None


def better(new: Mapping[str, float], old: Mapping[str, float] | None, metric: str | None) -> bool:
    """Whether a validation is better than the best so far: by a metric, or the same with a lower loss.

    Args:
        new: a validation.
        old: the best so far.
        metric: None for the loss alone. So an autoencoder is chosen: it learns what is normal, and should not be chosen
            by what is not.

    Example:
        >>> better({"accuracy": 0.5, "loss": 1.0}, {"accuracy": 0.5, "loss": 2.0}, "accuracy")
        True
    """
    if old is None:
        return True
    if isfinite(new["loss"]) != isfinite(old["loss"]):
        return isfinite(new["loss"])
    return _rank(new, metric) > _rank(old, metric)


def best_epoch(history: Sequence[Epoch], metric: str | None) -> int:
    """The epoch of a training whose validation is the best, as `better` tells; of equal ones the first."""
    best = 0
    for k, epoch in enumerate(history):
        if better(epoch.valid, history[best].valid, metric):
            best = k
    return best


def _rank(found: Mapping[str, float], metric: str | None) -> tuple[float, float]:
    return (gain(found, metric) if metric else 0.0), -found["loss"]
