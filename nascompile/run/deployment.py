"""The kept networks of a run as C: each built for the chip, and what it really takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from nascompile.deploy.core import core_of
from nascompile.deploy.errors import DeployError
from nascompile.run.folder import RunFolder
from nascompile.run.outcome import Outcome
from spaces.errors import TargetError
from spaces.program import Program
from spaces.target import Target
from spaces.targets import load_target

__all__ = ["BUILT", "check_deployable", "deploy_chosen"]

#: Columns that a deployment adds to the results.
BUILT = ("rom_built", "ram_built", "instructions")


def check_deployable(program: Program) -> Target:
    """The chip of a search, if networks can be built for it here; asked before anything is trained.

    Raises:
        DeployError: no chip, an unknown one, one of another architecture, or no tool chain.
    """
    from nascompile.deploy.toolchain import missing_tools, tools_error

    if not program.target:
        raise DeployError.of("no-mcu", "for which chip should networks be built?", "name one with --mcu")
    try:
        target = load_target(program.target)
    except TargetError:
        message = f"`{program.target}` is a target file of your own, whose memories the run does not keep"
        raise DeployError.of("no-mcu", message, "deploy afterwards: `nascompile deploy RUN#K --mcu FILE`") from None
    if core_of(target) is None:
        message = f"networks can not be built here for a {target.core}"
        raise DeployError.of("no-core", message, "leave --deploy out; `nascompile deploy` writes the C all the same")
    if missing := [*missing_tools(host=True), *missing_tools()]:
        raise tools_error("the networks that are kept", missing)
    return target


def deploy_chosen(folder: RunFolder, outcome: Outcome, told: Callable[[int], None] = lambda number: None) -> Outcome:
    """Write, build and run the networks that a run keeps, into `RUN/deploy/`.

    Args:
        folder: of the run.
        outcome: of the run; also what is given back, with real ROM, RAM and instructions of the chosen.
        told: called with the number of each network before it is built.

    Raises:
        DeployError: one cannot be built, or does not compute what its reference does.
    """
    target = check_deployable(folder.fs.program)
    dtype = "float32" if folder.settings.quantise == "none" else "int8"
    rows = []
    for row in outcome.rows:
        if row["chosen"]:
            told(row["number"])
        rows.append({**row, **_built(folder, row["number"], target, dtype)} if row["chosen"] else row)
    found = replace(outcome, rows=tuple(rows))
    found.write(folder)
    return found


def _built(folder: RunFolder, number: int, target: Target, dtype: str) -> Mapping[str, Any]:
    from nascompile.deploy.deploy import deploy, verify
    from nascompile.deploy.subject import of_run

    place = folder.path / "deploy" / f"{number:04d}"
    shown = verify(deploy(of_run(folder, number, dtype), target, place))
    if not shown.passed:
        message = f"the C in `{place}` does not compute what network {number} does"
        raise DeployError.of("differs", message, "this is a bug of nascompile: please report it with that folder")
    assert shown.sizes is not None  # there is a core
    assert shown.core is not None
    return dict(zip(BUILT, (shown.sizes.rom, shown.sizes.ram, shown.core.instructions), strict=True))
