"""What raw examples of a run's test part showed of its C: as plain data, and as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nascompile.cli.output import out, say
from nascompile.cli.search.metric_text import METRIC_NAMES, metric_text
from spaces.errors import NascompileError

if TYPE_CHECKING:
    from nascompile.deploy.deployed import Deployed
    from nascompile.deploy.raw_examples import RawChecked

__all__ = ["Proof", "checked_by_examples", "examples_data", "print_examples"]

_ANSWERS = {
    "classification": "classes", "multi-label": "labels", "regression": "numbers", "detection": "boxes",
    "anomaly": "errors of reconstruction",
}  # fmt: skip
#: Examples that are named.
_NAMED = 10


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What is to be shown of the C."""

    verify: Annotated[
        bool,
        typer.Option("--verify", help="Build it here and for the chip, run both (the chip's core emulated), compare."),
    ] = False
    examples: Annotated[
        int,
        typer.Option("--examples", help="Raw examples of a run's test part for --verify; 0 for none.", min=0),
    ] = 300


def checked_by_examples(what: str, made: Deployed, most: int) -> RawChecked | None:
    """Run examples of a run's test part; None, and said why, where that cannot be.

    Args:
        what: the argument of the command.
        made: the C.
        most: how many examples; 0 for none.

    Raises:
        DeployError: a tool is missing, or the C does not run.
    """
    from nascompile.deploy.core import core_of
    from nascompile.deploy.raw_examples import check_raw
    from nascompile.run.deployment import raw_examples, run_and_number
    from nascompile.run.folder import RunFolder

    found = run_and_number(what)
    if not most or found is None or found[1] is None or made.subject.ends is None:
        return None
    try:
        examples = raw_examples(RunFolder.open(found[0]), found[1], made.plan.dtype, most)
    except NascompileError as error:
        say(f"no raw examples were run: {error.diagnostics[0].message}")
        return None
    if not len(examples.raw):
        return None
    return check_raw(made, examples, core_of(made.target))


def examples_data(found: RawChecked | None) -> dict[str, Any]:
    """What raw examples showed, as plain data; nothing where none were run."""
    if found is None:
        return {}
    fields = {name: value for name, value in vars(found).items() if name != "different"}
    return {"raw_examples": {"passed": found.passed, **fields, "different": [vars(one) for one in found.different]}}


def print_examples(made: Deployed, found: RawChecked | None) -> None:
    """The same in sentences."""
    if made.subject.ends and made.subject.ends.task == "anomaly" and made.subject.ends.alarm is None:
        out.print("there is no threshold for anomalies: the run's data are not where they were")
    if found is None:
        return
    where = "an emulated core" if found.prepare is not None else "this computer"
    same = "equal to" if not found.apart else f"within {found.steps:.2g} {_unit(made)} of"
    inputs = f"inputs {same} Python's ({found.apart:,} of {found.inputs:,} differ)"
    out.print(f"{found.examples:,} raw examples on {where}: {inputs}", soft_wrap=True)
    if not found.exact:
        out.print("outputs are NOT what the reference makes of these inputs")
    if not found.understood:
        out.print(f"{_ANSWERS[made.subject.ends.task if made.subject.ends else '']} are NOT what the outputs say")
    _print_classes(made, found)
    if found.metric is not None:
        name = METRIC_NAMES.get(found.metric_name, found.metric_name)
        table = "" if found.stated is None else f", in the run's table {metric_text(found.metric_name, found.stated)}"
        out.print(f"{name} from raw samples: {metric_text(found.metric_name, found.metric)}{table}")
    if found.instructions is not None and found.prepare is not None:
        foretold = made.predicted.get("prepare")
        predicted = "" if foretold is None else f" ({foretold:,} predicted)"
        text = f"instructions from raw samples to the answer: {found.instructions:,}, of which {found.prepare:,} "
        out.print(f"{text}make the input{predicted}", soft_wrap=True)


def _unit(made: Deployed) -> str:
    return "step" if made.plan.dtype == "int8" else "deviations"


def _print_classes(made: Deployed, found: RawChecked) -> None:
    ends = made.subject.ends
    if ends is None or ends.task != "classification":
        return
    out.print(f"classes: {found.examples - len(found.different):,} of {found.examples:,} equal to Python's")
    names = dict(enumerate(ends.classes))
    for one in found.different[:_NAMED]:
        here, python = (names.get(k, str(k)) for k in (one.here, one.python))
        out.print(f"  example {one.example}: {here}, Python says {python}, which is ahead by {one.margin:.3g}",
                  markup=False)  # fmt: skip
