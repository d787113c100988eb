"""The kept networks of a run as C: each built for the chip, and what it really takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nascompile.compression.quantised import QuantisedNetwork
from nascompile.data.audio_features import AudioFeatures
from nascompile.data.columns import Columns
from nascompile.data.examples import Wanted
from nascompile.data.raw import load_raw
from nascompile.deploy.core import core_of
from nascompile.deploy.deployable import Deployable, float_deployable
from nascompile.deploy.ends import Alarm, Ends
from nascompile.deploy.errors import DeployError
from nascompile.deploy.raw_examples import RawExamples
from nascompile.run.data import load_data, read_record
from nascompile.run.folder import RunFolder
from nascompile.run.networks import networks_so_far
from nascompile.run.outcome import Outcome
from nascompile.run.steps import Step
from nascompile.training.objective import check_metric
from spaces.errors import FileError, NascompileError, TargetError
from spaces.program.graph import Program
from spaces.targets.catalogue import load_target
from spaces.targets.target import Target

__all__ = ["BUILT", "check_deployable", "deploy_chosen", "of_run", "raw_examples", "run_and_number",
           "run_ends"]  # fmt: skip

#: Columns that a deployment adds to the results.
BUILT = ("rom_built", "ram_built", "instructions")
_RUN = re.compile(r"(.*)#(\d+)")


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
    target = target.with_rom(program.budgets.rom if target.asks_rom else None)
    core = core_of(target)
    if core is None:
        message = f"networks can not be built here for a {target.core}"
        raise DeployError.of("no-core", message, "leave --deploy out; `nascompile deploy` writes the C all the same")
    if missing := [*missing_tools(), *missing_tools(core)]:
        raise tools_error("the networks that are kept", missing, core)
    return target


def deploy_chosen(
    folder: RunFolder, outcome: Outcome, on_progress: Callable[[int], None] = lambda number: None
) -> Outcome:
    """Write, build and run the networks that a run keeps, into `RUN/deploy/`.

    Args:
        folder: of the run.
        outcome: of the run; also what is given back, with real ROM, RAM and instructions of the chosen.
        on_progress: called with the number of each network before it is built.

    Raises:
        DeployError: one cannot be built, or does not compute what its reference does.
    """
    target = check_deployable(folder.fs.program)
    dtype = "float32" if folder.settings.quantise == "none" else "int8"
    rows = []
    for row in outcome.rows:
        if row["chosen"]:
            on_progress(row["number"])
        rows.append({**row, **_built(folder, row["number"], target, dtype)} if row["chosen"] else row)
    result = replace(outcome, rows=tuple(rows))
    result.write(folder)
    return result


def _built(folder: RunFolder, number: int, target: Target, dtype: str) -> Mapping[str, Any]:
    from nascompile.deploy.deploy import deploy, verify

    place = folder.path / "deploy" / f"{number:04d}"
    shown = verify(deploy(of_run(folder, number, dtype), target, place))
    if not shown.passed:
        message = f"the C in `{place}` does not compute what network {number} does"
        raise DeployError.of("differs", message, "this is a bug of nascompile: please report it with that folder")
    if shown.overflow:
        raise DeployError.of("does-not-fit", shown.overflow, "`nascompile reduce` first, with --runtime nascompile-c")
    assert shown.sizes is not None  # there is a core
    instructions = shown.core.instructions if shown.core else None  # larger than the emulator
    return dict(zip(BUILT, (shown.sizes.rom, shown.sizes.ram, instructions), strict=True))


def run_and_number(text: str) -> tuple[Path, int | None] | None:
    """`RUN#k` as the folder and the number; a folder alone has none; None where the text names no run.

    Example:
        >>> run_and_number("keywords-run#7")
        (PosixPath('keywords-run'), 7)
        >>> run_and_number("dscnn")
    """
    if result := _RUN.fullmatch(text):
        return Path(result[1]), int(result[2])
    return (Path(text), None) if (Path(text) / "config.yaml").is_file() else None


def _known(folder: RunFolder, number: int) -> Mapping[str, Any]:
    """What is known of a network: by the table of a run that has ended, else by what its trials tell so far."""
    if outcome := Outcome.read(folder):
        return next((row for row in outcome.rows if row["number"] == number), {})
    return networks_so_far(folder).get(number, {})


def of_run(folder: RunFolder, number: int, dtype: str) -> Deployable:
    """A network that a run has trained.

    Args:
        folder: of the run.
        number: of the candidate there.
        dtype: `int8` or `float32`.

    Raises:
        DeployError: the run has no such network, or none in int8.
        FileError: its files are damaged.
    """
    from nascompile.run.evaluate import FLOAT, int8_file
    from nascompile.run.weights import load_weights
    from spaces.program.candidate import parse_candidate

    place = folder.network(number)
    found = _known(folder, number)
    if "error" in found or not (place / FLOAT).is_file():
        known = sorted(int(path.parent.name) for path in folder.path.glob(f"networks/*/{FLOAT}"))
        why = (
            f": {found['error']}" if "error" in found else ", which was stopped at a rung" if "stopped" in found else ""
        )
        message = f"`{folder.path}` has no trained network {number}{why}"
        raise DeployError.of("no-network", message, f"it has {', '.join(map(str, known)) or 'none'}")
    _check_whole(folder, place / FLOAT)
    candidate = parse_candidate(folder.fs.program, found["candidate"])
    if dtype == "float32":
        subject = float_deployable(candidate, load_weights(place / FLOAT, candidate), trained=True)
    else:
        if "ships" not in found:
            message = f"`{folder.path}` did not quantise network {number}"
            raise DeployError.of("no-int8", message, "deploy it with --dtype float32, or search with --quantise ptq")
        quantised = int8_file(place, Step.parse(found["ships"]))
        _check_whole(folder, quantised)
        network = QuantisedNetwork.load(quantised)
        subject = Deployable(candidate, network, network.run, trained=True)
    ends = run_ends(folder)
    if ends and ends.task == "anomaly":
        ends = replace(ends, alarm=_alarm(folder, subject))
    return replace(subject, ends=ends)


def run_ends(folder: RunFolder) -> Ends | None:
    """What lies before and behind a run's networks, but for a threshold; None where the run does not keep it.

    Raises:
        FileError: what it keeps is damaged.
    """
    record, path = read_record(folder), folder.path / "data.json"
    if record is None:
        if path.exists():
            raise _damaged(folder, path)
        return None
    try:
        return Ends.of_record(record)
    except KeyError:
        return None  # of an older version, which kept less


def _alarm(folder: RunFolder, subject: Deployable) -> Alarm | None:
    """The threshold of a detector of anomalies; None where the run's data are not where they were."""
    try:
        valid = load_data(folder).valid
    except NascompileError:
        return None
    found = subject.real(subject.reference(subject.quantised(valid.x))).reshape(len(valid), -1)
    return Alarm.chosen(np.square(found - valid.x.reshape(len(valid), -1)).mean(1), np.asarray(valid.y))


def raw_examples(folder: RunFolder, number: int, dtype: str, most: int) -> RawExamples:
    """The first examples of a run's test part, as a device has them, and as Python prepares them.

    Args:
        folder: of the run.
        number: of the network, for what the run tells of it.
        dtype: `int8` or `float32`.
        most: how many of them.

    Raises:
        FileError: the data cannot be read.
        RunError: they are not those of the run any more.
    """
    data, given = load_data(folder), folder.settings.data
    how, prepared = given.how(), data.prepared["features"]
    wanted = Wanted(
        folder.fs.program.space.input.dims, AudioFeatures(**prepared) if prepared else None, given.rate,
        data.task, columns=how["columns"] or Columns(), keywords=given.keywords,
    )  # fmt: skip
    others = {name: how[name] for name in ("normal", "seed", "split", "limit")}
    raw = load_raw(given.path, wanted, most=most, **others)
    test, row = data.test, _known(folder, number)
    part = replace(test, x=test.x[: len(raw)], y=test.y[: len(raw)])
    metric = check_metric(data.task, folder.settings.recipe.metric)
    stated = row.get("test" if dtype == "float32" else "test_int8") if len(raw) == len(test) else None
    return RawExamples(raw, part, metric, stated)


def _check_whole(folder: RunFolder, path: Path) -> None:
    from nascompile.training.tensor_file import is_whole

    if not is_whole(path):
        raise _damaged(folder, path)


def _damaged(folder: RunFolder, path: Path) -> FileError:
    hint = f"`nascompile resume {folder.path}` makes it anew"
    return FileError.of("damaged-file", "this file is cut off, damaged or gone", hint, path)
