"""What loggers are told, by the real ones where they are installed; and what is said where they are not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import nascompile as nc
from nascompile.run import loggers
from nascompile.run.errors import RunError
from nascompile.run.folder import RunFolder
from nascompile.run.loggers import Logged, check_loggers
from tests.cli.conftest import Run, run
from tests.run.examples import SPACE, data_file, small_set

__all__ = ["run"]


def width(candidate: nc.Candidate) -> dict[str, float]:
    if candidate["M"] == (2, 2):
        raise ValueError("too thin")
    return {"width": float(sum(candidate["M"]))}


def search(folder: Path, name: str, **changes: Any) -> Any:
    given = {"evaluate": width, "metric": "width", "samples": 9, "select": 2, "sampler": "uniform", "loggers": [name]}
    return nc.search(small_set(folder), out=folder / "r", **{**given, **changes})


def test_tensorboard_has_each_network_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs nascompile[tensorboard]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = search(tmp_path, "tensorboard", samples=5)
    found = search(tmp_path, "tensorboard")
    for row in found.rows:
        events = EventAccumulator(str(tmp_path / f"r/tensorboard/{row['number']:04d}")).Reload()
        if "error" in row:
            assert "width" not in events.Tags()["scalars"]
            continue
        assert [one.value for one in events.Scalars("width")] == [row["width"]]
        assert [one.value for one in events.Scalars("cost/rom")] == [row["rom"]]
    assert len(list((tmp_path / "r/tensorboard").rglob("events.out.*"))) == 9


@pytest.mark.filterwarnings("ignore")  # what MLflow's own packages deprecate
def test_mlflow_has_each_network_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs nascompile[mlflow]")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    search(tmp_path, "mlflow", samples=5)
    found = search(tmp_path, "mlflow")
    # A process that was killed before it had noted what it told tells it again, in the place of the former.
    (tmp_path / "r/logged.json").unlink()
    found = search(tmp_path, "mlflow")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("r")
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 9
    told = {int(one.data.tags["nascompile.number"]): one for one in runs}
    for row in found.rows:
        one = told[row["number"]]
        assert one.data.params["candidate"] == row["candidate"]
        if "error" in row:
            assert one.info.status == "FAILED"
            continue
        assert (one.data.metrics["width"], one.data.metrics["cost/rom"]) == (row["width"], row["rom"])
        assert one.data.params["M.1"] == row["candidate"].split(": ")[1].split("-")[0]


def test_a_logger_that_fails_loses_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the same call tells it again."""
    told: list[int] = []

    def fails(folder: RunFolder, networks: Iterable[Logged]) -> None:
        raise OSError("no route to the server")

    def works(folder: RunFolder, networks: Iterable[Logged]) -> None:
        told.extend(network.number for network in networks)

    monkeypatch.setitem(loggers.LOGGERS, "mine", ("json", fails))
    with pytest.raises(RunError, match="the logger `mine` failed: OSError: no route to the server"):
        search(tmp_path, "mine", samples=3)
    assert (tmp_path / "r/results.csv").exists()
    monkeypatch.setitem(loggers.LOGGERS, "mine", ("json", works))
    search(tmp_path, "mine", samples=3)
    search(tmp_path, "mine", samples=3)
    assert told == [0, 1, 2]


def test_what_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="the logger `mlflow` is not installed") as error:
        check_loggers(["mlflow"])
    assert "pip install 'nascompile[mlflow]'" in str(error.value)
    monkeypatch.setattr(loggers, "find_spec", find_spec)
    with pytest.raises(RunError, match="there is no logger `wandb`"):
        check_loggers(["wandb"])


def test_searches_that_train_tell_them_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `--logger`, of `search` and `resume`; with what the tables have."""
    told: dict[int, Mapping[str, float]] = {}

    def hears(folder: RunFolder, networks: Iterable[Logged]) -> None:
        told.update({network.number: network.metrics for network in networks})

    monkeypatch.setitem(loggers.LOGGERS, "mine", ("json", hears))
    (run.folder / "nine.yaml").write_text(SPACE)
    data_file(run.folder)
    quick = ("--samples", "2", "--select", "1", "--epochs", "1", "--quantise", "ptq")
    begun = run("search", "nine.yaml", "--data", "halves.npz", *quick, "--out", "r", "--logger", "mine", "--json")
    assert begun.code == 0, begun.stderr
    for row in json.loads(begun.stdout)["networks"]:
        assert told[row["number"]]["valid"] == row["valid"]
        assert told[row["number"]]["cost/flops"] == row["flops"]
    told.clear()
    assert run("resume", "r", "--logger", "mine").code == 0
    assert told == {}
    unknown = run("resume", "r", "--logger", "paper")
    assert unknown.code == 2
    assert "there is no logger `paper`" in unknown.stderr
