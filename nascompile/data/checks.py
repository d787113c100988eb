"""What data must be to learn from, and to learn from by one network."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from nascompile.data.dataset import Task
from nascompile.data.examples import Decoded, Examples, bad_data
from nascompile.data.numbering import numbered

__all__ = ["check_classes", "check_finite", "check_parts", "task_of"]

_BLOCK = 1024
#: What else data would have to be.
_HINTS = {
    "regression": "give numbers to predict: `y` of an .npz file, or a .ts file with `@targetLabel true`",
    "multi-label": "give `y` of an .npz file as a table of 0 and 1, [examples, labels]",
}


def task_of(source: str, found: Examples, task: Task | None, normal: str | None) -> Task:
    """The task that data allow.

    Raises:
        FileError: another one is asked for.
    """
    natural = found.task
    if task is None:
        task = natural
    if task != natural and (task, natural) != ("anomaly", "classification"):
        message = f"`{source}` is for {natural}, not for {task}"
        raise bad_data(message, _HINTS.get(task, "leave --task out, or give other data"), "bad-option")
    if normal is not None and task != "anomaly":
        raise bad_data(
            "--normal names a class of the task `anomaly`", "add --task anomaly, or leave --normal out", "bad-option"
        )
    return task


def check_classes(source: str, task: Task, found: Examples, classes: int | None, remedy: Callable[[int], str]) -> None:
    """Raises unless there are classes to tell apart, as many as the network does; `remedy`: else do this.

    Raises:
        FileError: it says which number is wrong.
    """
    if task == "anomaly":
        if classes is not None:
            message = "`classes` is the number of classes that a network tells apart, and `anomaly` has none"
            raise bad_data(message, "leave `classes` out", "bad-option")
        return
    if found.values is not None:
        _check_outputs(source, task, found.values.shape[1], classes, remedy=remedy)
        return
    names = numbered(found.labels, found.order)[1]
    if task == "classification" and len(names) == 1:
        message = f"`{source}` has one class only, `{names[0]}`"
        raise bad_data(message, "give examples of a second one", "few-classes")
    if classes is not None and classes != len(names):
        listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        message = f"`{source}` has {len(names)} classes ({listed}), the network tells {classes} apart"
        raise bad_data(message, remedy(len(names)), "bad-classes")


def _check_outputs(source: str, task: Task, outputs: int, wanted: int | None, remedy: Callable[[int], str]) -> None:
    things = "numbers to predict" if task == "regression" else "labels"
    if wanted not in (None, outputs):
        message = f"`{source}` has {outputs} {things} for each example, the network has {wanted} outputs"
        raise bad_data(message, remedy(outputs), "bad-classes")


def check_parts(source: str, task: Task, counts: Mapping[str, Mapping[str, int]], normal: str | None) -> None:
    """Raises unless every class is learnt, and every part has something to say.

    Raises:
        FileError: it names the class or the part.
    """
    for part, of_class in counts.items():
        if not sum(of_class.values()):
            if task == "multi-label":
                message = f"no label holds in the {part} part of `{source}`"
                raise bad_data(message, "give more examples for which one does", "few-examples")
            raise bad_data(f"the {part} part of `{source}` is empty", "give more examples", "few-examples")
    if task == "anomaly":
        test = counts["test"]
        others = sum(test.values()) - test[str(normal)]
        if not others or not test[str(normal)]:
            message = f"the test part of `{source}` has {test[str(normal)]} normal examples and {others} others"
            raise bad_data(message, "give examples of both, to measure how well they are told apart", "few-examples")
        return
    if absent := [name for name, n in counts["train"].items() if not n]:
        things = "boxes" if task == "detection" else "examples"
        message = f"class `{absent[0]}` of `{source}` has no {things} in the training part"
        raise bad_data(message, "add some, or remove the class", "few-examples")


def check_finite(found: Examples, decoded: Decoded, kept: NDArray[np.intp]) -> None:
    """Raises unless all inputs are numbers.

    Raises:
        FileError: it names the first example that is not.
    """
    if decoded.x.dtype == np.uint8:
        return
    for start in range(0, len(decoded.x), _BLOCK):
        block = decoded.x[start : start + _BLOCK]
        good = np.isfinite(block).reshape(len(block), -1).all(1)
        if not good.all():
            where = found.where(int(kept[start + int(np.argmin(good))]))
            message = f"{where} has a value that is NaN, infinite or missing"
            raise bad_data(message, "fill or remove it", "not-finite")
