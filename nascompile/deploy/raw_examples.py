"""Raw examples through the C, from samples to answers, against what Python makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.data.dataset import Part
from nascompile.deploy.calls import Plan
from nascompile.deploy.core import Core
from nascompile.deploy.deployed import Deployed
from nascompile.deploy.ends import Ends
from nascompile.deploy.ends_source import MOST_BOXES
from nascompile.deploy.project import Vectors, in_memory
from nascompile.deploy.toolchain import run_examples
from nascompile.training.metrics import metrics
from spaces.tensors import Shape

__all__ = ["Different", "RawChecked", "RawExamples", "check_raw"]

#: How far answers may be from the same computed in Python, relative where they are above one.
_CLOSE = 1e-3
_KINDS = {"int8": np.int8, "float32": np.float32}


@dataclass(frozen=True, eq=False)
class RawExamples:
    """Examples of a test part.

    Args:
        raw: [n, ...], see `nascompile.data.raw.load_raw`.
        part: the same as networks are measured on.
        metric: by which.
        stated: the metric as the run tells it; None where these are not all of the test part, or it does not.
    """

    raw: NDArray[Any]
    part: Part
    metric: str
    stated: float | None = None


@dataclass(frozen=True)
class Different:
    """An example of which the C says something else than Python, whose input was another by a step somewhere.

    Args:
        example: its number.
        here: the class that the C tells.
        python: the class that Python tells.
        margin: by how much Python's output for its own class is above that for the other.
    """

    example: int
    here: int
    python: int
    margin: float


@dataclass(frozen=True)
class RawChecked:
    """What raw examples showed.

    Args:
        examples: how many.
        steps: the largest difference of an input from Python's: in int8 steps, in float32 in deviations.
        apart: inputs of all examples that differ.
        inputs: inputs of all examples.
        exact: whether the outputs are what the reference makes of these inputs.
        understood: whether the answers are what Python makes of these outputs.
        different: of classes, the examples of which Python, from its own inputs, says something else.
        metric_name: by what networks are measured.
        metric: that of the C's outputs.
        python: that of Python's.
        stated: that of the run's table; None where these are not all examples of its test part, or it tells none.
        prepare: instructions of making an input; None on this computer.
        instructions: of all, from raw samples to the answer.
    """

    examples: int
    steps: float
    apart: int
    inputs: int
    exact: bool
    understood: bool
    different: tuple[Different, ...]
    metric_name: str
    metric: float | None
    python: float | None
    stated: float | None = None
    prepare: int | None = None
    instructions: int | None = None

    @property
    def passed(self) -> bool:
        """Whether inputs are within a step, and all else follows from them."""
        return self.steps <= 1 and self.exact and self.understood


def check_raw(made: Deployed, examples: RawExamples, core: Core | None = None) -> RawChecked:
    """Run raw examples through the C.

    Args:
        made: the C, of a network whose ends are known.
        examples: at least one.
        core: to be emulated; None: on this computer.

    Raises:
        DeployError: a tool is missing, or it does not run.
    """
    ends, plan, subject = made.subject.ends, made.plan, made.subject
    assert ends is not None
    raw = np.stack([in_memory(one, _raw_shape(one)) for one in ends.samples(examples.raw)])
    told, ticks = run_examples(made.folder, raw.tobytes(), core)
    found = np.frombuffer(told, _record(plan, ends))
    x = examples.part.x
    mine = subject.quantised(x)
    inputs = _channels_first(found["input"], plan.input, mine.shape)
    wanted = subject.reference(inputs)
    outputs = _channels_first(found["output"], plan.output, wanted.shape)
    difference = np.abs(inputs.astype(np.float64) - mine)
    far = np.abs(outputs.astype(np.float64) - wanted).max()
    here, python = subject.real(outputs), subject.real(subject.reference(mine))
    values = [_metric(some, examples, ends) for some in (here, python)]
    return RawChecked(
        len(found), float(difference.max()), int((difference > 0).sum()), difference.size,
        exact=bool(far <= Vectors(inputs, wanted).allowed),
        understood=_understood(found["answer"], here, x, ends),
        different=_different(here, python) if ends.task == "classification" else (),
        metric_name=examples.metric, metric=values[0], python=values[1], stated=examples.stated,
        prepare=round(ticks[0] * core.per_tick) if core and ticks else None,
        instructions=round(ticks[1] * core.per_tick) if core and ticks else None,
    )  # fmt: skip


def _raw_shape(one: NDArray[Any]) -> Shape:
    """Of an example, of one, two or three dimensions, channels first."""
    return Shape(one.shape[0], *(1,) * (3 - one.ndim), *one.shape[1:]) if one.ndim > 1 else Shape(one.size)


def _record(plan: Plan, ends: Ends) -> np.dtype[Any]:
    """What `test/examples.c` writes of an example."""
    kind = _KINDS[plan.dtype]
    box = np.dtype([("of_class", "<u4"), ("score", "<f4"), ("place", "<f4", 4)])
    answer: dict[str, Any] = {
        "classification": ("<i4", ()), "multi-label": ("u1", len(ends.classes)),
        "regression": ("<f4", plan.output.size), "anomaly": ("<f4", ()),
        "detection": (np.dtype([("count", "<u4"), ("boxes", box, MOST_BOXES)]), ()),
    }  # fmt: skip
    fields = [("input", kind, plan.input.size), ("output", kind, plan.output.size), ("answer", *answer[ends.task])]
    return np.dtype(fields)


def _channels_first(rows: NDArray[Any], shape: Shape, wanted: tuple[int, ...]) -> NDArray[Any]:
    """Tensors as torch has them, of those that lie in RAM."""
    there = rows.reshape(len(rows), shape.height, shape.width, shape.channels).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(there).reshape(-1, *wanted[1:])


def _metric(found: NDArray[np.float32], examples: RawExamples, ends: Ends) -> float | None:
    value = metrics(found, examples.part, ends.task, ends.anchors).get(examples.metric)
    return None if value is None else float(value)


def _different(here: NDArray[np.float32], python: NDArray[np.float32]) -> tuple[Different, ...]:
    here, python = here.reshape(len(here), -1), python.reshape(len(python), -1)
    mine, its = here.argmax(1), python.argmax(1)
    return tuple(
        Different(int(k), int(mine[k]), int(its[k]), float(python[k, its[k]] - python[k, mine[k]]))
        for k in np.flatnonzero(mine != its)
    )


def _understood(answers: NDArray[Any], found: NDArray[np.float32], x: NDArray[np.float32], ends: Ends) -> bool:
    """Whether answers are what Python makes of the same outputs."""
    flat = found.reshape(len(found), -1)
    if ends.task == "classification":
        return bool((answers == flat.argmax(1)).all())
    if ends.task == "multi-label":
        return bool((answers == (flat[:, : answers.shape[1]] > 0)).all())
    if ends.task == "regression":
        mean, deviation = np.array(ends.targets).T
        return _close((answers - mean) / deviation, flat)
    if ends.task == "anomaly":
        return _close(answers, np.square(flat - x.reshape(len(x), -1), dtype=np.float64).mean(1))
    return _same_boxes(answers, found, ends)


def _same_boxes(answers: NDArray[Any], found: NDArray[np.float32], ends: Ends) -> bool:
    from nascompile.training.detection.decode import detections

    wanted = detections(found, ends.anchors, least=0.25, overlap=0.45, most=MOST_BOXES)
    for answer, boxes in zip(answers, wanted, strict=True):
        there = answer["boxes"][: answer["count"]]
        if len(there) != len(boxes):
            return False
        rows = np.column_stack([there["of_class"], there["score"], there["place"]])
        if len(rows) and not _close(rows, boxes):
            return False
    return True


def _close(found: NDArray[Any], wanted: NDArray[Any]) -> bool:
    return bool((np.abs(found - wanted) <= _CLOSE * np.maximum(1, np.abs(wanted))).all())
