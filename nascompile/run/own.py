"""A function of the user's own in the place of training: from a candidate to its metrics.

It is called by its name, `module:function`, wherever a run is worked on: by `resume`, by workers, by nodes of a Ray
cluster. A function that has none is bound to the run for as long as one process leads it.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from nascompile.run.errors import RunError
from spaces.files import write_atomically
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from nascompile.run.settings import Own

__all__ = ["Evaluation", "Place", "bound", "check_metrics", "evaluate_own", "function_of", "named"]

#: From a candidate, or a candidate and its place, to metrics by their names.
Evaluation = Callable[..., Mapping[str, Any]]
#: Names that a row of the table has already.
TAKEN = frozenset({"number", "candidate", "chosen", "error", "stopped", "valid", "epochs"})
#: Functions without a name that others could call them by, by the name that their run has for them.
_bound: dict[str, Evaluation] = {}


@dataclass(frozen=True)
class Place:
    """Where a candidate is evaluated; the second argument of a function that takes two.

    Args:
        folder: of the candidate's own; what a killed evaluation has left there is there again when it is repeated.
        device: where to compute.
        seed: of the run.
    """

    folder: Path
    device: str
    seed: int


@contextmanager
def bound(name: str, function: Evaluation) -> Iterator[None]:
    """Within, the name means a function of this process."""
    _bound[name] = function
    try:
        yield
    finally:
        del _bound[name]


def named(function: Evaluation | str) -> tuple[str, str]:
    """What a run calls a function, and the folder of its module; neither a place nor a colon where only this process
    has it.

    Raises:
        RunError: the text names no function.

    Example:
        >>> named("json:loads")[0], named(lambda candidate: {})
        ('json:loads', ('<lambda>', ''))
    """
    if not isinstance(function, str):
        return getattr(function, "__qualname__", type(function).__qualname__), ""
    if ":" not in function:
        message = f"`{function}` names no function"
        raise RunError.of("no-function", message, "write `module:function`, or give the function itself")
    function_of(function, "")
    file = getattr(sys.modules[function.partition(":")[0].partition(".")[0]], "__file__", None)
    if file is None:
        return function, ""
    place = Path(file).absolute().parent
    return function, str(place.parent if Path(file).name == "__init__.py" else place)


def function_of(name: str, place: str) -> Evaluation:
    """The function that a run calls so.

    Args:
        name: `module:function`, or that of one bound to this process.
        place: a folder with the module, for a process that does not find it.

    Raises:
        RunError: there is none.
    """
    if name in _bound:
        return _bound[name]
    module, colon, attribute = name.partition(":")
    if not colon or not attribute:
        message = f"the function `{name}` of this run is in the process that began it, and nowhere else"
        hint = "call `nascompile.search` again with it and the same `out`, or name it as `module:function` for others"
        raise RunError.of("no-function", message, hint)
    for folder in ("", place):
        # Commands do not look where they stand, as Python does for scripts.
        if (path := str(Path(folder).absolute())) not in sys.path:
            sys.path.append(path)
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except ModuleNotFoundError as cause:
        if cause.name is None or cause.name.partition(".")[0] != module.partition(".")[0]:
            raise RunError.of("no-function", f"`{name}` cannot be loaded: {cause}", "install what it needs") from cause
        message = f"there is no module `{module}` for `{name}`"
        raise RunError.of("no-function", message, "call it where its file is, or set PYTHONPATH") from None
    except Exception as cause:
        if isinstance(cause, AttributeError) and module in sys.modules:
            raise _no_attribute(module, attribute) from None
        message = f"`{name}` cannot be loaded: {type(cause).__name__}: {cause}"
        raise RunError.of("no-function", message, f"try it: python -c 'import {module}'") from cause
    if not callable(found):
        raise RunError.of("no-function", f"`{name}` is no function", "name one from a candidate to its metrics")
    return cast("Evaluation", found)


def _no_attribute(module: str, attribute: str) -> RunError:
    message, file = f"the module `{module}` has no `{attribute}`", getattr(sys.modules[module], "__file__", "?")
    return RunError.of("no-function", message, f"it is in `{file}`")


def evaluate_own(candidate: Candidate, own: Own, place: Place) -> dict[str, Any]:
    """Call the user's function for a candidate.

    Returns:
        `valid` with its metrics, `metric`, the name of the one that counts, and `gain`, that metric as what is to be
        maximised; where it raised an exception, or returned anything but metrics, `error`. What it raised stands in the
        candidate's folder, in `error.txt`.
    """
    function = function_of(own.function, own.place)
    record = place.folder / "error.txt"
    try:
        found = function(candidate, place) if _takes_place(function) else function(candidate)
    except Exception as error:  # whatever it is, it is this candidate's
        write_atomically(record, traceback.format_exc().encode())
        what = str(error).strip().splitlines()
        return {"error": f"{type(error).__name__}{f': {what[0]}' if what else ''} (in {record.name})"}
    record.unlink(missing_ok=True)
    try:
        valid = check_metrics(found, own.metric, candidate.costs)
    except ValueError as error:
        return {"error": str(error)}
    value = valid[own.metric]
    return {"valid": valid, "metric": own.metric, "gain": value if own.sense == "max" else -value}


def _takes_place(function: Evaluation) -> bool:
    """Whether a function wants a second argument."""
    try:
        given = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    wanted = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(one.kind in wanted and one.default is one.empty for one in given) > 1


def check_metrics(found: Any, metric: str, costs: Mapping[str, Any]) -> dict[str, float]:
    """What a function has returned, as plain numbers.

    Args:
        found: by the function.
        metric: the one that counts.
        costs: of the candidate; no metric may be called as they are.

    Raises:
        ValueError: these are no metrics, in words.

    Example:
        >>> check_metrics({"accuracy": 1}, "accuracy", {})
        {'accuracy': 1.0}
        >>> check_metrics({"accuracy": float("nan")}, "accuracy", {})
        Traceback (most recent call last):
        ValueError: the metric `accuracy` is nan, and not a finite number
    """
    if not isinstance(found, Mapping):
        raise ValueError(f"the function returned {_short(found)}, and not metrics by their names: {{{metric!r}: 0.9}}")
    result: dict[str, float] = {}
    for name, value in found.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"the name of a metric is {_short(name)}, and not a text")
        if name in TAKEN or name in costs:
            raise ValueError(f"a metric cannot be called `{name}`, which the table has already")
        number = _number(value)
        if number is None or not isfinite(number):
            raise ValueError(f"the metric `{name}` is {_short(value)}, and not a finite number")
        result[name] = number
    if metric not in result:
        known = ", ".join(f"`{name}`" for name in result) or "none"
        raise ValueError(f"the function returned no metric `{metric}`: {known}")
    return result


def _number(value: Any) -> float | None:
    """Of Python, of numpy, or a tensor of one element."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, bool | str | bytes) or not hasattr(value, "item"):
        return None
    try:
        return _number(value.item())
    except (TypeError, ValueError, RuntimeError):
        return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
