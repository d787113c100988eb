"""What a run finds, told to TensorBoard or MLflow: each network once, whatever was killed and resumed on the way.

RUN/logged.json    which networks a logger has been told of, by its name
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from numbers import Real
from typing import TYPE_CHECKING, Any

from nascompile.run.errors import RunError
from nascompile.run.folder import RunFolder
from spaces.errors import did_you_mean
from spaces.files import write_atomically
from spaces.program.candidate import parse_candidate

if TYPE_CHECKING:
    from spaces.program.candidate import Candidate

__all__ = ["LOGGERS", "Logged", "check_loggers", "tell_loggers"]

_RECORD = "logged.json"


@dataclass(frozen=True)
class Logged:
    """A network as a logger is told of it.

    Args:
        number: of the network.
        candidate: the network.
        metrics: name -> value: what was measured, and the costs as `cost/rom`.
        error: why there are none.
    """

    number: int
    candidate: Candidate
    metrics: Mapping[str, float]
    error: str = ""


def _tensorboard(folder: RunFolder, networks: Iterable[Logged]) -> None:
    """A run of TensorBoard's per network, in RUN/tensorboard."""
    from torch.utils.tensorboard import SummaryWriter

    for network in networks:
        place = folder.path / "tensorboard" / f"{network.number:04d}"
        # A file that a killed process left would be shown beside the new one.
        for old in place.glob("events.out.*"):
            old.unlink()
        with SummaryWriter(str(place)) as writer:
            writer.add_text("candidate", f"`{network.candidate}`")
            if network.error:
                writer.add_text("error", network.error)
            for name, value in network.metrics.items():
                writer.add_scalar(name, value, 0)


def _mlflow(folder: RunFolder, networks: Iterable[Logged]) -> None:
    """A run of MLflow's per network, in the experiment called as the folder, where MLFLOW_TRACKING_URI says."""
    mlflow: Any = import_module("mlflow")
    client, name = mlflow.MlflowClient(), folder.path.absolute().name
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    for network in networks:
        tags = {"nascompile.run": str(folder.path.absolute()), "nascompile.number": str(network.number)}
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        for old in client.search_runs([experiment], wanted):
            client.delete_run(old.info.run_id)
        run = client.create_run(experiment, run_name=f"{network.number}: {network.candidate}", tags=tags).info.run_id
        for label, option in {"candidate": str(network.candidate), **network.candidate.values}.items():
            client.log_param(run, _plain(label), option)
        for metric, value in network.metrics.items():
            client.log_metric(run, _plain(metric), value)
        if network.error:
            client.set_tag(run, "error", network.error)
        client.set_terminated(run, "FAILED" if network.error else "FINISHED")


def _plain(name: str) -> str:
    """MLflow takes no brackets: `M[1]` is `M.1`."""
    return name.replace("[", ".").replace("]", "")


#: Name -> what it needs, how that is installed, and what tells it.
LOGGERS: dict[str, tuple[str, Callable[[RunFolder, Iterable[Logged]], None]]] = {
    "tensorboard": ("tensorboard", _tensorboard),
    "mlflow": ("mlflow", _mlflow),
}


def check_loggers(names: Iterable[str]) -> None:
    """Whether there are such loggers, and they are installed.

    Raises:
        RunError: one is not; it says what to install.
    """
    for name in names:
        if name not in LOGGERS:
            raise RunError.of("no-logger", f"there is no logger `{name}`", did_you_mean(name, LOGGERS))
        if find_spec(LOGGERS[name][0]) is None:
            message = f"the logger `{name}` is not installed"
            raise RunError.of("no-logger", message, f"pip install 'nascompile[{name}]'")


def tell_loggers(folder: RunFolder, names: Iterable[str], networks: Mapping[int, Mapping[str, Any]]) -> None:
    """Tell loggers of those networks that they have not been told of.

    Args:
        folder: of the run.
        names: of the loggers.
        networks: what is known of each network that is done.

    Raises:
        FileError: the folder cannot be written.
        RunError: a logger failed; the same call tells it again.
    """
    path = folder.path / _RECORD
    told: dict[str, list[int]] = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        new = [number for number in networks if number not in told.get(name, [])]
        if new:
            try:
                LOGGERS[name][1](folder, [_logged(folder, number, networks[number]) for number in new])
            except Exception as cause:  # loggers have errors of their own
                what = f"{type(cause).__name__}: {str(cause).strip().splitlines()[0] if str(cause).strip() else ''}"
                message, hint = f"the logger `{name}` failed: {what}", "the results are in the folder; search again"
                raise RunError.of("logger-failed", message, hint) from cause
            told[name] = sorted([*told.get(name, []), *new])
            write_atomically(path, (json.dumps(told) + "\n").encode())


def _logged(folder: RunFolder, number: int, found: Mapping[str, Any]) -> Logged:
    candidate = parse_candidate(folder.fs.program, str(found["candidate"]))
    metrics: dict[str, float] = {}
    for name, value in found.items():
        if isinstance(value, Mapping):
            metrics |= {f"{name}/{metric}": float(one) for metric, one in value.items() if _is_number(one)}
        elif _is_number(value) and name not in ("number", "chosen"):
            metrics[f"cost/{name}" if name in candidate.costs else name] = float(value)
    return Logged(number, candidate, metrics, str(found.get("error", "")))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
