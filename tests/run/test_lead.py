"""A run from its settings to its tables: the same whoever trains, and whatever was done before."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nascompile.compression import QuantisedNetwork, evaluate_int8
from nascompile.run.config import RunConfig
from nascompile.run.data import load_data
from nascompile.run.errors import RunError
from nascompile.run.evaluate import evaluate_step
from nascompile.run.folder import RunFolder
from nascompile.run.front import Measured, front
from nascompile.run.lead import ROUND, lead
from nascompile.run.networks import networks_so_far
from nascompile.run.outcome import Outcome, finish
from nascompile.run.schedule import schedule_of
from nascompile.run.steps import PTQ, QAT, Step, Task
from nascompile.run.timing import without_seconds
from nascompile.run.trials import Trials
from nascompile.run.weights import load_weights
from nascompile.run.worker import Worker
from nascompile.training import Recipe, evaluate, recipe
from samplers import AdaptiveSampler, EntropySampler
from spaces.errors import FileError, NascompileError
from tests.run.examples import data_file, settings, small_set


def ended(folder: RunFolder, jobs: int = 1) -> Outcome:
    data = load_data(folder)
    return finish(folder, lead(folder, data, jobs, "cpu"), data)


def made(tmp_path: Path, name: str = "run", **changes: object) -> RunFolder:
    return RunFolder.create(tmp_path / name, settings(data_file(tmp_path), **changes), small_set(tmp_path))


def test_a_run_and_its_tables(tmp_path: Path) -> None:
    folder = made(tmp_path)
    outcome = ended(folder)
    asked = [str(c) for c in EntropySampler(seed=0).ask(folder.fs, 4)]
    assert [row["candidate"] for row in outcome.rows] == asked
    assert 1 <= len(outcome.chosen) <= 2
    data = load_data(folder)
    for row in outcome.rows:
        candidate = folder.fs[folder.fs.index(row["candidate"])]
        assert {name: row[name] for name in candidate.costs} == candidate.costs
        network = load_weights(folder.network(row["number"]) / "float.safetensors", candidate)
        assert evaluate(network, data.test, "classification")["accuracy"] == row["test"]
        assert evaluate(network, data.valid, "classification")["accuracy"] == row["valid"]
        int8 = QuantisedNetwork.load(folder.network(row["number"]) / "ptq.safetensors")
        assert evaluate_int8(int8, data.test, "classification")["accuracy"] == row["test_ptq"] == row["test_int8"]
    assert max(row["test"] for row in outcome.rows) > 0.8
    assert set(outcome.agreement) <= {"flops", "params", "meco", "zico", "naswot", "snip"}
    assert json.loads((folder.path / "results.json").read_text()) == outcome.data
    with (folder.path / "results.csv").open(newline="") as file:
        assert [row["candidate"] for row in csv.DictReader(file)] == asked


def test_the_front_is_kept_and_of_it_the_most_accurate(tmp_path: Path) -> None:
    outcome = ended(made(tmp_path, samples=9, select=9))
    for row in outcome.rows:
        dominated = any(
            (other["valid_int8"] >= row["valid_int8"] and other["flops"] < row["flops"])
            or (other["valid_int8"] > row["valid_int8"] and other["flops"] <= row["flops"])
            for other in outcome.rows
        )  # fmt: skip
        assert bool(row["chosen"]) != dominated
    few = ended(made(tmp_path, "few", samples=9, select=1))
    (best,) = few.chosen
    assert best["valid_int8"] == max(row["valid_int8"] for row in few.rows)
    assert best == few.best


def test_what_was_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made(tmp_path)
    whole = ended(folder).data
    stamps = {p: p.stat().st_mtime_ns for p in folder.path.glob("networks/*/*")}
    monkeypatch.setattr("nascompile.training.loop.train", None)
    assert ended(RunFolder.open(folder.path)).data == whole
    assert {p: p.stat().st_mtime_ns for p in folder.path.glob("networks/*/*")} == stamps


def test_lost_files_are_made_anew_to_the_same_end(tmp_path: Path) -> None:
    """As after a crash of the machine: trials done in the journal, or networks on disk, but never less than either."""
    folder = made(tmp_path)
    whole = ended(folder).data
    (folder.path / "journal.log").unlink()
    (folder.network(2) / "train-3.json").unlink()
    (folder.network(3) / "training.safetensors").unlink()
    (folder.network(3) / "ptq.json").unlink()
    assert ended(folder).data == whole


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    one = ended(made(tmp_path, "one", samples=6)).data
    two = made(tmp_path, "two", samples=6)
    assert ended(two, jobs=2).data == one
    workers = {trial.user_attrs["worker"] for trial in two.trials().all()}
    assert 1 <= len(workers) <= 2
    assert len(two.trials().all()) == 12


def test_a_learning_sampler_is_told_round_by_round(tmp_path: Path) -> None:
    folder = made(tmp_path, sampler="adaptive", parameters={"start": 2}, samples=7, quantise="none")
    outcome = ended(folder)
    sampler = AdaptiveSampler(seed=0, start=2)
    lines: list[str] = []
    values = {row["candidate"]: row["valid"] for row in outcome.rows}
    for count in (ROUND, 7 - ROUND):
        batch = list(sampler.ask(folder.fs, count))
        lines += map(str, batch)
        for candidate in batch:
            sampler.tell(candidate, {"accuracy": values[str(candidate)]})
    assert [row["candidate"] for row in outcome.rows] == lines


HALVING: dict[str, Any] = {
    "pruner": "halving", "samples": 9, "select": 2, "quantise": "qat", "qat_epochs": 1, "costs": ("flops", "rom")
}  # fmt: skip


def rung_recipe() -> Recipe:
    return recipe("ebs", lr=0.02, batch=16, epochs=4)


def test_networks_are_stopped_at_rungs_and_only_the_front_is_trained_on(tmp_path: Path) -> None:
    folder = made(tmp_path, recipe=rung_recipe(), **HALVING)
    outcome = ended(folder)
    schedule = schedule_of(folder.settings)
    assert schedule.rungs == (1, 2, 4)
    assert [row.get("stopped") for row in outcome.rows].count(1) == 4
    assert [row.get("stopped") for row in outcome.rows].count(2) == 2
    assert len(outcome.finalists) == 3
    for row in outcome.rows:
        steps = sorted(path.stem for path in folder.network(row["number"]).glob("*.json"))
        if "stopped" in row:
            assert steps == [f"train-{epoch}" for epoch in (1, 2) if epoch <= row["stopped"]]
            assert "test" not in row
            assert row["epochs"] == row["stopped"]
        else:
            assert {"train-1", "train-2", "train-4", "ptq"} <= set(steps)
            assert ("qat" in steps) == ("test_qat" in row)
            assert row["valid_int8"] == max(row["valid_ptq"], row.get("valid_qat", 0.0))
    ptq = {row["number"]: Measured(row["valid_ptq"], (row["flops"], row["rom"])) for row in outcome.finalists}
    assert [row["number"] for row in outcome.rows if "valid_qat" in row] == front(ptq)
    assert outcome.best in outcome.chosen


def test_stopped_networks_trained_alone_are_what_they_were(tmp_path: Path) -> None:
    """From rung to rung a training goes on as an uninterrupted one."""
    folder = made(tmp_path, recipe=rung_recipe(), **HALVING | {"quantise": "none"})
    rungs = {row["number"]: row for row in ended(folder).rows}
    whole = made(tmp_path, "whole", recipe=rung_recipe(), **HALVING | {"quantise": "none", "pruner": "none"})
    rows = {row["number"]: row for row in ended(whole).rows}
    for number, row in rungs.items():
        if "stopped" not in row:
            assert {key: row[key] for key in ("valid", "test", "best_epoch")} == {
                key: rows[number][key] for key in ("valid", "test", "best_epoch")
            }
            files = [one.network(number) / "float.safetensors" for one in (folder, whole)]
            assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("sampler", ["entropy", "adaptive"])
def test_a_run_is_extended_whether_it_has_ended_or_not(tmp_path: Path, sampler: str) -> None:
    given = HALVING | {"samples": 4, "sampler": sampler, "quantise": "ptq"}
    late = made(tmp_path, "late", recipe=rung_recipe(), **given)
    before = ended(late)
    early = made(tmp_path, "early", recipe=rung_recipe(), **given)
    after = [ended(folder.extended(8)) for folder in (late, early)]
    assert after[0].data == after[1].data
    assert [row["candidate"] for row in after[0].rows[:4]] == [row["candidate"] for row in before.rows]
    assert len(after[0].rows) == 8
    assert RunFolder.open(late.path).settings.extended == (4,)
    with pytest.raises(RunError, match="has 8 networks already"):
        late.extended(7)


def test_asha_comes_to_an_end(tmp_path: Path) -> None:
    outcome = ended(made(tmp_path, recipe=rung_recipe(), **HALVING | {"pruner": "asha"}), jobs=2)
    assert len(outcome.rows) == 9
    assert outcome.chosen


def test_a_network_that_cannot_be_trained_is_reported_and_the_run_goes_on(tmp_path: Path) -> None:
    folder = made(tmp_path, recipe=recipe("prototypenas", lr=1e30, epochs=2))
    outcome = ended(folder)
    assert all("diverged" in row["error"] for row in outcome.rows)
    assert outcome.chosen == []
    assert (folder.path / "results.csv").read_text().strip() == ""


def test_a_candidate_that_was_given_up_is_in_the_table(tmp_path: Path) -> None:
    folder = made(tmp_path, samples=2)
    trials = Trials(folder.path / "journal.log", folder.settings.name, worker="elsewhere:1", timeout=-1)
    first = schedule_of(folder.settings).first
    trials.add([(Task(k, first), c) for k, c in enumerate(EntropySampler(seed=0).ask(folder.fs, 2))])
    for _ in range(3):
        claim = trials.claim()
        assert claim
        assert claim.task == (0, first)
        trials.recover()
    outcome = ended(folder)
    assert "3 workers were lost" in outcome.rows[0]["error"]
    assert outcome.rows[1]["chosen"]


def test_another_run_is_not_mixed_in(tmp_path: Path) -> None:
    folder = made(tmp_path)
    made(tmp_path)
    # A run that has trained no network makes room for another; this one has.
    folder.network(0).mkdir(parents=True)
    (folder.network(0) / "float.safetensors").touch()
    with pytest.raises(RunError, match="its `samples` is 4, not 5"):
        made(tmp_path, samples=5)
    other = replace(folder.settings, data=replace(folder.settings.data, limit=50))
    with pytest.raises(RunError, match="its `limit` is None, not 50"):
        RunFolder.create(folder.path, other, folder.fs)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match=r"holds no run \(`thesis.txt`"):
        made(tmp_path, "strange")
    with pytest.raises(RunError, match="there is no run"):
        RunFolder.open(tmp_path / "strange")
    folder.config.write_text(folder.config.read_text()[:40])
    (folder.path / ".config").unlink()
    with pytest.raises(FileError, match=r"config.yaml:1:1: this file does not hold the settings"):
        _ = RunFolder.open(folder.path).settings


def test_two_leaders_are_one_too_many(tmp_path: Path) -> None:
    folder = made(tmp_path)
    with folder.led(), pytest.raises(RunError, match="is working on the run"), folder.led():
        pass
    with folder.led():
        pass


def test_settings_come_back_from_their_file(tmp_path: Path) -> None:
    given = settings(tmp_path / "x.npz", parameters={"p": 0.25}, sparsity="S", storage="postgresql://host/db")
    config = RunConfig(given, "space: x", {"budgets": {"rom": 1000}})
    assert RunConfig.from_text(config.to_text(), tmp_path) == config


def test_data_that_do_not_fit(tmp_path: Path) -> None:
    folder = made(tmp_path)
    np.savez(tmp_path / "halves.npz", x=np.zeros((30, 1, 8, 8), np.float32), y=np.arange(30) % 5)
    with pytest.raises(NascompileError, match="5 classes"):
        Worker(folder).step() or ended(folder)


def test_a_candidate_by_itself(tmp_path: Path) -> None:
    folder = made(tmp_path)
    data, candidate = load_data(folder), folder.fs[5]
    steps = (Step.train(3), PTQ, QAT)
    found = [evaluate_step(candidate, step, data, folder.settings, tmp_path / "a") for step in steps]
    again = [evaluate_step(candidate, step, data, folder.settings, tmp_path / "b") for step in (Step.train(1), *steps)]
    assert list(map(without_seconds, found)) == list(map(without_seconds, again[1:]))
    for name in ("float", "ptq", "qat"):
        assert len({(tmp_path / where / f"{name}.safetensors").read_bytes() for where in "ab"}) == 1
    (tmp_path / "b" / "train-1.json").unlink()
    first = evaluate_step(candidate, Step.train(1), data, folder.settings, tmp_path / "b")
    assert without_seconds(first) == without_seconds(again[0]), "though the checkpoint is further by now"
    shutil.rmtree(tmp_path / "b")
    assert evaluate_step(candidate, PTQ, data, folder.settings, tmp_path / "a") == found[1]


def test_a_damaged_result_is_made_anew(tmp_path: Path) -> None:
    folder = made(tmp_path, samples=2)
    whole = ended(folder).data
    (folder.path / "journal.log").unlink()
    path = folder.network(1) / "train-3.json"
    for damaged in (path.read_text()[:20], "[1]", ""):
        path.write_text(damaged)
        assert ended(folder).data == whole
        assert json.loads(path.read_text())
        (folder.path / "journal.log").unlink()


def test_each_step_of_training_on_in_int8_is_reported(tmp_path: Path) -> None:
    folder = made(tmp_path, samples=1, quantise="qat", qat_epochs=1)
    (row,) = ended(folder).rows
    result = networks_so_far(folder)[0]
    assert (row["valid"], row["valid_ptq"], row["valid_qat"]) == tuple(
        result[step]["accuracy"] for step in ("float", "int8_ptq", "int8_qat")
    )
    assert {"test", "test_ptq", "test_qat", "test_int8"} < set(row)
    steps = [result[f"seconds_{step}"] for step in ("training", "ptq", "qat")]
    assert min(steps) > 0
    assert sum(steps) == pytest.approx(result["seconds"])
    assert not [name for name in row if "seconds" in name]
