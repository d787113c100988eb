"""Searches by an evaluation of the user's own: the same folder, kills and helpers, and what may go wrong in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import nascompile as nc
from nascompile.run.errors import RunError
from nascompile.run.folder import RunFolder
from nascompile.run.own import Place, check_metrics, function_of
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import NascompileError
from tests.cli.conftest import Run, run
from tests.run.examples import small_set
from tests.run.own_evaluations import width

__all__ = ["run"]

NAMED = "tests.run.own_evaluations"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def fs(tmp_path: Path) -> FeasibleSet:
    return small_set(tmp_path)


def search(fs: FeasibleSet, out: Path, **changes: Any) -> Any:
    given = {"evaluate": width, "metric": "width", "samples": 6, "select": 2, "sampler": "uniform"}
    return nc.search(fs, out=out, **{**given, **changes})


def test_all_are_evaluated_and_the_front_is_kept(fs: FeasibleSet, tmp_path: Path) -> None:
    found = search(fs, tmp_path / "r", samples=9)
    assert len(found.rows) == 9
    assert {row["candidate"] for row in found.rows} == {str(candidate) for candidate in fs}
    for row in found.rows:
        candidate = nc.parse_candidate(fs.program, row["candidate"])
        assert row["width"] == sum(candidate["M"])
        assert row["flops"] == candidate.costs["flops"]
    assert found.best["width"] == 12
    assert len(found.chosen) == 2
    assert found.best in found.chosen
    data = json.loads((tmp_path / "r/results.json").read_text())
    assert data["networks"] == [dict(row) for row in found.rows]
    assert (tmp_path / "r/results.csv").read_text().count("\n") == 10


def test_less_may_be_better(fs: FeasibleSet, tmp_path: Path) -> None:
    found = search(fs, tmp_path / "r", samples=9, sense="min", select=3)
    assert found.best["width"] == 4
    assert found.sense == "min"


@pytest.mark.parametrize("sampler", ["entropy", "tpe", "evolution"])
def test_samplers_that_learn_are_told(fs: FeasibleSet, tmp_path: Path, sampler: str) -> None:
    """And of failures too."""
    found = search(fs, tmp_path / "r", sampler=sampler, samples=9, evaluate=f"{NAMED}:moody")
    assert sum("error" in row for row in found.rows) == 6
    assert found.best["width"] == 12


def test_it_goes_on_and_evaluates_nothing_twice(fs: FeasibleSet, tmp_path: Path) -> None:
    asked: list[str] = []

    def interrupted(candidate: nc.Candidate) -> dict[str, float]:
        if len(asked) == 3:
            raise KeyboardInterrupt
        asked.append(str(candidate))
        return {"width": float(sum(candidate["M"]))}

    whole = search(fs, tmp_path / "whole", evaluate=lambda candidate: {"width": sum(candidate["M"])})
    with pytest.raises(KeyboardInterrupt):
        search(fs, tmp_path / "r", evaluate=interrupted)
    asked.append("no more interruptions")
    assert search(fs, tmp_path / "r", evaluate=interrupted).rows == whole.rows
    assert len(set(asked)) == len(asked) == 7
    assert search(fs, tmp_path / "r", evaluate=interrupted).rows == whole.rows
    assert len(asked) == 7
    more = search(fs, tmp_path / "r", evaluate=interrupted, samples=9)
    assert len(more.rows) == 9
    assert len(asked) == 10


def test_killed_it_comes_to_the_same_end(fs: FeasibleSet, tmp_path: Path) -> None:
    """By a signal that nothing answers, with helpers; `resume` and `worker` go on with it."""
    whole = search(fs, tmp_path / "whole", evaluate=f"{NAMED}:counted", samples=9)
    (tmp_path / "calls.txt").unlink()
    script = (
        "import nascompile as nc\n"
        "if __name__ == '__main__':\n"
        f"    nc.search(nc.reduce('nine.yaml'), evaluate='{NAMED}:counted', metric='width', samples=9, select=2,\n"
        "              sampler='uniform', out='r', jobs=2)\n"
    )
    (tmp_path / "begin.py").write_text(script)
    environment = {**os.environ, "SLOWLY": "0.4", "PYTHONPATH": str(ROOT)}
    begun = subprocess.Popen([sys.executable, "begin.py"], cwd=tmp_path, env=environment)
    wait_for(lambda: (tmp_path / "calls.txt").exists())
    time.sleep(0.5)
    begun.send_signal(signal.SIGKILL)
    begun.wait()
    command = [sys.executable, "-m", "nascompile"]
    helper = subprocess.Popen([*command, "worker", "r"], cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    done = subprocess.run([*command, "resume", "r", "--json"], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert helper.wait(60) == 0
    assert tuple(json.loads(done.stdout)["networks"]) == tuple(whole.rows)
    calls = (tmp_path / "calls.txt").read_text().splitlines()
    assert set(calls) == {row["candidate"] for row in whole.rows}
    assert len(calls) <= 9 + 2  # those that were being evaluated


def wait_for(there: Any) -> None:
    for _ in range(600):
        if there():
            return
        time.sleep(0.1)
    pytest.fail("it did not come")


def test_several_at_a_time_find_the_same(fs: FeasibleSet, tmp_path: Path) -> None:
    one = search(fs, tmp_path / "one", evaluate=f"{NAMED}:width")
    assert search(fs, tmp_path / "two", evaluate=f"{NAMED}:width", jobs=2).rows == one.rows


def test_on_ray(fs: FeasibleSet, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs nascompile[ray]")
    one = search(fs, tmp_path / "one", evaluate=f"{NAMED}:width", samples=3)
    assert search(fs, tmp_path / "ray", evaluate=f"{NAMED}:width", samples=3, engine="ray", jobs=1).rows == one.rows


def test_what_goes_wrong_is_the_candidates(fs: FeasibleSet, tmp_path: Path) -> None:
    found = search(fs, tmp_path / "r", evaluate=f"{NAMED}:moody", samples=9)
    errors = {row["candidate"]: row["error"] for row in found.rows if "error" in row}
    thin = [line for line in errors if ": 2-" in line]
    assert len(thin) == 3
    assert all(errors[line] == "ValueError: too thin (in error.txt)" for line in thin)
    assert all("the metric `width` is nan" in error for line, error in errors.items() if line not in thin)
    number = next(row["number"] for row in found.rows if row["candidate"] == thin[0])
    assert "to hold" in (tmp_path / f"r/networks/{number:04d}/error.txt").read_text()
    assert not any(row["chosen"] for row in found.rows if "error" in row)


def test_none_that_can_be_evaluated(fs: FeasibleSet, tmp_path: Path) -> None:
    found = search(fs, tmp_path / "r", evaluate=lambda candidate: None, samples=2)
    assert all("returned None, and not metrics" in row["error"] for row in found.rows)
    assert found.chosen == []


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (3, "returned 3, and not metrics by their names"),
        ({"accuracy": True}, "is True, and not a finite number"),
        ({"accuracy": "0.9"}, "is '0.9', and not a finite number"),
        ({"accuracy": float("inf")}, "is inf"),
        ({"accuracy": np.zeros(2)}, "and not a finite number"),
        ({"accuracy": 1 + 2j}, "and not a finite number"),
        ({"f1": 0.5}, "returned no metric `accuracy`: `f1`"),
        ({}, "returned no metric `accuracy`: none"),
        ({"accuracy": 1, "rom": 2}, "a metric cannot be called `rom`"),
        ({"accuracy": 1, "number": 2}, "a metric cannot be called `number`"),
        ({1: 1}, "the name of a metric is 1"),
    ],
)
def test_what_is_no_metrics(returned: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_metrics(returned, "accuracy", {"rom": 1})


def test_numbers_of_others_are_numbers() -> None:
    found = {"accuracy": torch.tensor(0.5), "b": np.float32(2), "c": np.int64(3), "d": np.array([4.0])}
    assert check_metrics(found, "accuracy", {}) == {"accuracy": 0.5, "b": 2.0, "c": 3.0, "d": 4.0}


def test_a_function_that_takes_its_place(fs: FeasibleSet, tmp_path: Path) -> None:
    places: list[Place] = []

    def evaluate(candidate: nc.Candidate, place: Place) -> dict[str, float]:
        places.append(place)
        (place.folder / "mine.txt").write_text("kept")
        return {"width": 1.0}

    search(fs, tmp_path / "r", evaluate=evaluate, samples=2, seed=5, device="cuda")
    assert [(place.folder.name, place.device, place.seed) for place in places] == [
        ("0000", "cuda", 5), ("0001", "cuda", 5),
    ]  # fmt: skip
    assert (tmp_path / "r/networks/0001/mine.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluate": "nowhere:f"}, "there is no module `nowhere`"),
        ({"evaluate": f"{NAMED}:none"}, "has no `none`"),
        ({"evaluate": f"{NAMED}:time"}, "is no function"),
        ({"evaluate": "width"}, "`width` names no function"),
        ({"jobs": 2}, "a function that is given itself is in this process alone"),
        ({"storage": "sqlite:///x.db"}, "a function that is given itself"),
        ({"engine": "ray"}, "a function that is given itself"),
        ({"sampler": "pareto"}, "`pareto` measures networks by proxies"),
        ({"sampler": "nothing"}, "there is no sampler `nothing`"),
        ({"parameters": {"x": 1}}, "x"),
        ({"sense": "more"}, "`sense` cannot be `more`"),
        ({"metric": "rom"}, "a metric cannot be called `rom`"),
        ({"costs": ["latency"]}, "there is no cost `latency`"),
        ({"costs": ()}, "there is no cost"),
        ({"samples": 0}, "`samples` is 0"),
        ({"loggers": ["paper"]}, "there is no logger `paper`"),
    ],
)
def test_mistakes_leave_no_folder(fs: FeasibleSet, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(NascompileError, match=message):
        search(fs, tmp_path / "r", **changes)
    assert not (tmp_path / "r").exists()


def test_another_run_is_not_mixed_with_it(fs: FeasibleSet, tmp_path: Path) -> None:
    search(fs, tmp_path / "r")
    for changes in ({"metric": "other"}, {"seed": 1}, {"evaluate": f"{NAMED}:width"}):
        with pytest.raises(RunError, match="holds another run"):
            search(fs, tmp_path / "r", **changes)
    with pytest.raises(RunError, match="on another set"):
        search(fs.where(M={1: 2}), tmp_path / "r")


def test_the_command_line_knows_such_runs(fs: FeasibleSet, run: Run) -> None:
    search(fs, run.folder / "r", evaluate=f"{NAMED}:moody", samples=9)
    shown = run("show", "r")
    assert shown.code == 0
    assert "nine: 9 networks by uniform, evaluated by tests.run.own_evaluations:moody" in shown.stdout
    assert "nine: 4-6: the metric `width` is nan" in shown.stdout
    assert "kept 2 of 9, by width (max) against flops" in shown.stdout
    assert run("resume", "r").stdout == shown.stdout
    more = json.loads(run("show", "r", "--json").stdout)
    assert len(more["networks"]) == 9
    assert "was evaluated by a function" in run("select", "r").stderr
    chosen = run("select", "r/results.csv", "-k", "1", "--objectives", "flops,width:max", "--json")
    assert chosen.code == 0, chosen.stderr
    search(fs, run.folder / "mine")
    lost = run("resume", "mine")
    assert lost.code == 2
    assert "the function `width` of this run is in the process that began it" in lost.stderr


def test_a_module_is_found_where_it_was(fs: FeasibleSet, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """From another folder, by the one that the run has noted."""
    home = run.folder / "home"
    home.mkdir()
    (home / "mine_alone.py").write_text("def f(candidate):\n    return {'width': len(candidate['M'])}\n")
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", [*sys.path])
    search(fs, run.folder / "r", evaluate="mine_alone:f")
    assert RunFolder(run.folder / "r").settings.own.place == str(home)
    monkeypatch.chdir(run.folder)
    monkeypatch.delitem(sys.modules, "mine_alone")
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one != str(home)])
    assert run("resume", "r").code == 0
    (home / "broken_alone.py").write_text("def f(:\n")
    with pytest.raises(RunError, match=r"cannot be loaded: SyntaxError"):
        function_of("broken_alone:f", str(home))


class Halves(torch.utils.data.Dataset):
    """Images whose left or right half is brighter."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        x = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(index))
        x[:, :, 4 * (index % 2) : 4 * (index % 2) + 4] += 2
        return x, index % 2


def test_the_training_hook(fs: FeasibleSet, tmp_path: Path) -> None:
    """Data sets of PyTorch, a loss and a callback of one's own, killed in the middle of a training."""
    epochs: list[int] = []
    losses: list[float] = []

    def smooth(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss = torch.nn.functional.cross_entropy(outputs, targets, label_smoothing=0.1)
        losses.append(loss.item())
        return loss

    def evaluate(candidate: nc.Candidate, place: Place) -> dict[str, float]:
        def callback(epoch: Any) -> None:
            epochs.append(epoch.number)
            if len(epochs) == 2:
                raise KeyboardInterrupt

        trained = nc.fit(
            candidate,
            (Halves(80), Halves(40)),
            place=place,
            loss=smooth,
            callback=callback,
            epochs=3,
            lr=0.02,
            batch=16,
        )
        assert not trained.network.training
        return {"accuracy": trained.valid["accuracy"], "loss": trained.history[-1].loss}

    with pytest.raises(KeyboardInterrupt):
        nc.search(fs, evaluate=evaluate, samples=2, select=1, out=tmp_path / "r")
    found = nc.search(fs, evaluate=evaluate, samples=2, select=1, out=tmp_path / "r")
    assert epochs == [0, 1, 2, 0, 1, 2]
    assert losses
    assert all("error" not in row for row in found.rows)
    assert found.best["accuracy"] > 0.6
