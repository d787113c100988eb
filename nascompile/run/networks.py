"""What a run knows of each network, put together from its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nascompile.run.evaluate import score
from nascompile.run.folder import RunFolder
from nascompile.run.front import Measured
from nascompile.run.schedule import Schedule, better, schedule_of
from nascompile.run.steps import PTQ, QAT, Step, Task

__all__ = ["Results", "ended", "measured", "networks", "networks_so_far"]

#: What the steps of a run found.
Results = Mapping[Task, Mapping[str, Any]]

_SECONDS = {"train": "seconds_training", "ptq": "seconds_ptq", "qat": "seconds_qat"}
#: What a step's result has beside the network's line and costs.
_OF_STEP = ("valid", "epochs", "best_epoch", "unpruned", "error", "seconds")


def measured(results: Results, costs: tuple[str, ...]) -> dict[Task, Measured]:
    """What decides of the results of steps.

    Args:
        results: of steps.
        costs: what it is weighed against.
    """
    return {
        task: Measured(score(one), () if "error" in one else tuple(float(one[cost]) for cost in costs))
        for task, one in results.items()
    }


def networks(results: Results, schedule: Schedule) -> dict[int, dict[str, Any]]:
    """What is known of each network.

    Args:
        results: of steps.
        schedule: the run's.

    Returns:
        By number, ascending: `candidate`, its costs; `float`, `int8_ptq`, `int8_qat` and `int8`, what ships, with the
        metrics of the validation part, and `metric`, the one that is maximised; `ships`, the step that made `int8`;
        `epochs`, `best_epoch`; `stopped`, the epoch of the rung at which it was stopped; `seconds` in all and
        `seconds_training`, `seconds_ptq`, `seconds_qat`. Where it could not be trained or quantised `error`, and where
        only training on in int8 failed `error_qat`.
    """
    steps: dict[int, dict[Step, Mapping[str, Any]]] = {}
    for task in sorted(results):
        steps.setdefault(task.number, {})[task.step] = results[task]
    return {number: _network(steps[number], schedule) for number in sorted(steps)}


def networks_so_far(folder: RunFolder) -> dict[int, dict[str, Any]]:
    """What is known of each network of a run that may not have ended."""
    return networks(folder.trials().results(), schedule_of(folder.settings))


def ended(found: Mapping[int, Mapping[str, Any]]) -> int:
    """How many networks are trained to the end, or cannot be.

    Args:
        found: as `networks` gives them.

    Example:
        >>> ended({0: {"epochs": 20}, 1: {"epochs": 5, "stopped": 5}, 2: {"error": "diverged"}})
        2
    """
    return sum("error" in one or "stopped" not in one for one in found.values())


def _network(steps: Mapping[Step, Mapping[str, Any]], schedule: Schedule) -> dict[str, Any]:
    training = [step for step in steps if step.kind == "train"]
    result: dict[str, Any] = {}
    for one in steps.values():
        result |= {name: value for name, value in one.items() if name not in _OF_STEP}
    if error := next((one["error"] for step, one in steps.items() if "error" in one and step != QAT), None):
        result["error"] = error
    if training and "valid" in (last := steps[training[-1]]):
        result["float"] = last["valid"]
        result |= {name: last[name] for name in ("unpruned", "epochs", "best_epoch") if name in last}
        if training[-1] != schedule.last:
            result["stopped"] = training[-1].epochs
    quantised = {step: steps[step] for step in (PTQ, QAT) if "valid" in steps.get(step, ())}
    result |= {f"int8_{step}": one["valid"] for step, one in quantised.items()}
    if quantised:
        values = {step: score(one) or 0.0 for step, one in quantised.items()}
        ships = better(values)
        result |= {"int8": quantised[ships]["valid"], "ships": str(ships)}
    if "error" in steps.get(QAT, ()):
        result["error_qat"] = steps[QAT]["error"]
    seconds: dict[str, float] = {}
    for step, one in steps.items():
        seconds[_SECONDS[step.kind]] = seconds.get(_SECONDS[step.kind], 0.0) + one.get("seconds", 0.0)
    result["seconds"] = round(sum(seconds.values()), 3)
    return result | {name: round(value, 3) for name, value in seconds.items()}
