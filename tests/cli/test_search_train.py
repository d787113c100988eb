"""`nascompile search` with training, `resume` and `worker`: killed at any moment, the same end; and clear mistakes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from nascompile.run.folder import RunFolder
from tests.cli.conftest import Run
from tests.run.examples import SPACE, data_file

QUICK = ("--samples", "5", "--select", "2", "--epochs", "2", "--quantise", "ptq", "--jobs", "1", "--train", "lr=0.02",
         "--train",
         "batch=16")  # fmt: skip
SEARCH = ("search", "nine.yaml", "--data", "halves.npz", *QUICK)


@pytest.fixture(autouse=True)
def files(run: Run) -> None:
    (run.folder / "nine.yaml").write_text(SPACE)
    data_file(run.folder)


def test_for_a_person_and_as_json(run: Run) -> None:
    done = run(*SEARCH)
    assert done.code == 0
    assert done.stdout.startswith("nine: 5 networks by entropy from 9 feasible of 9 (no budgets)\n")
    assert "data: halves.npz; adam 0.02, 2 epochs, int8 by ptq" in done.stdout
    assert "of 5, by validation accuracy against flops" in done.stdout
    assert "in nine-entropy-0: results.csv, results.json, " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("next: nascompile deploy 'nine-entropy-0#")
    data = json.loads(run("resume", "nine-entropy-0", "--json").stdout)
    kept = [row for row in data["networks"] if row["chosen"]]
    assert 1 <= len(kept) <= 2
    assert json.loads(run("show", "nine-entropy-0", "--json").stdout) == data
    assert run("show", "nine-entropy-0").stdout == done.stdout
    timing = data["timing"]
    assert "outside training" not in done.stdout
    assert timing["outside"] + sum(one["seconds"] for one in timing["networks"].values()) <= timing["seconds"]
    for one in timing["networks"].values():
        assert one["seconds_training"] + one["seconds_ptq"] == pytest.approx(one["seconds"])
    assert json.loads((run.folder / "nine-entropy-0/results.json").read_text()) == {
        key: value for key, value in data.items() if key not in ("run", "data", "takes", "timing")
    }
    best = max(kept, key=lambda row: row["valid_int8"])
    assert f"the best by validation is #{best['number']}: test accuracy {100 * best['test_int8']:.2f} %" in done.stdout
    chosen = json.loads(run("select", "nine-entropy-0", "-k", "2", "--json").stdout)["chosen"]
    assert {one["candidate"] for one in chosen} == {row["candidate"] for row in kept}
    table = run("select", "nine-entropy-0", "-k", "1").stdout
    assert f"\n{best['number']}  {best['candidate']}" in table


def test_killed_at_random_moments_it_comes_to_the_same_end(run: Run) -> None:
    whole = json.loads(run(*SEARCH, "--out", "whole", "--json").stdout)["networks"]
    command = [sys.executable, "-m", "nascompile", *SEARCH, "--out", "killed"]
    moments = random.Random(1)
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        journal = run.folder / "killed" / "journal.log"
        while process.poll() is None and not journal.exists():
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 2))
        os.kill(process.pid, signal.SIGKILL)
        assert "Traceback" not in process.communicate()[1]
    done = run("resume", "killed", "--json")
    assert json.loads(done.stdout)["networks"] == whole
    trials = RunFolder.open(run.folder / "killed").trials()
    finished = [(t.user_attrs["number"], t.user_attrs["step"]) for t in trials.all() if t.state.name == "COMPLETE"]
    assert sorted(finished) == [(number, step) for number in range(5) for step in ("ptq", "train-2")]


def test_killed_between_rungs_and_in_int8_it_comes_to_the_same_end(run: Run) -> None:
    """Two processes, rungs that wait, training on in int8 of the front: the same tables as one process alone makes."""
    halving = (
        "--samples",
        "8",
        "--epochs",
        "4",
        "--quantise",
        "qat",
        "--qat-epochs",
        "2",
        "--cost",
        "flops",
        "--cost",
        "rom",
    )
    whole = json.loads(run(*SEARCH, *halving, "--out", "whole", "--json").stdout)["networks"]
    assert {row.get("stopped") for row in whole} == {None, 1, 2}
    assert any("test_qat" in row for row in whole)
    search = [sys.executable, "-m", "nascompile", *SEARCH, *halving, "--jobs", "2", "--out", "killed"]
    resume = [sys.executable, "-m", "nascompile", "resume", "killed", "--jobs", "2"]
    moments, killed = random.Random(2), 0
    for k in range(8):
        process = subprocess.Popen(
            resume if k else search, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        journal = run.folder / "killed" / "journal.log"
        while process.poll() is None and not journal.exists():
            time.sleep(0.05)
        time.sleep(moments.uniform(2, 6))
        killed += process.poll() is None
        process.kill()
        assert "Traceback" not in process.communicate()[1]
    assert killed
    assert json.loads(run("resume", "killed", "--json").stdout)["networks"] == whole
    for name in ("results.csv", "results.json"):
        assert (run.folder / "killed" / name).read_bytes() == (run.folder / "whole" / name).read_bytes()


def test_pareto_trains_those_of_the_front_with_the_largest_hypervolume(run: Run) -> None:
    trials = (
        "--sampler",
        "pareto",
        "--trials",
        "9",
        "--population",
        "3",
        "--batch",
        "16",
        "--objectives",
        "flops,snip",
    )
    options = ("search", "nine.yaml", "--data", "halves.npz", *trials)
    done = run(*options, *QUICK[2:], "--samples", "3", "--select", "2", "--out", "p", "--json")
    assert done.code == 0
    rows = [json.loads(line) for line in (run.folder / "p/trials.jsonl").read_text().splitlines()[1:]]
    (run.folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    best = run("select", "t.jsonl", "-k", "3", "--objectives", "flops,snip", "--json")
    wanted = {one["candidate"] for one in json.loads(best.stdout)["chosen"]}
    assert len(rows) == 9
    assert {row["candidate"] for row in json.loads(done.stdout)["networks"]} == wanted
    again = run("resume", "p", "--json")
    assert again.stdout == done.stdout
    assert len((run.folder / "p/trials.jsonl").read_text().splitlines()) == 10


def test_an_autoencoder_tells_what_is_not_normal(run: Run) -> None:
    (run.folder / "auto.yaml").write_text(
        "space: auto\ninput: {channels: 12}\ndtype: int8\nchoices:\n  M: [3, 4, 6]\nnetwork:\n"
        "  - linear: {units: M, activation: relu}\n  - linear: {units: 12}\n"
    )
    rng = np.random.default_rng(0)
    y = np.array(["fine"] * 200 + ["broken"] * 60)
    x = rng.normal(size=(260, 2)) @ rng.normal(size=(2, 12)) + 0.1 * rng.normal(size=(260, 12))
    x[200:] += rng.normal(size=(60, 12))
    np.savez(run.folder / "machine.npz", x=x.astype(np.float32), y=y)
    done = run(
        "search", "auto.yaml", "--data", "machine.npz", "--task", "anomaly", "--normal", "fine", "--samples", "2",
        "--select", "1", "--epochs", "40", "--train", "lr=0.02", "--quantise", "ptq", "--json",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["metric"] == "auc"
    assert max(row["test"] for row in data["networks"]) > 0.9
    assert max(row["test_int8"] for row in data["networks"]) > 0.9


def test_a_worker_helps_and_ends_with_the_run(run: Run) -> None:
    (run.folder / "data").mkdir()
    done = run(*SEARCH, "--samples", "1", "--out", "r")
    assert done.code == 0
    helped = run("worker", "r")
    assert (helped.code, helped.stdout) == (0, "")
    assert "0 steps done here" in helped.stderr


def test_ctrl_c_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from nascompile.run import worker

    real, calls = worker.evaluate_step, []

    def interrupted(*arguments: object, **named: object) -> object:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return real(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(worker, "evaluate_step", interrupted)
        done = run(*SEARCH)
    assert (done.code, done.stdout) == (130, "")
    assert "interrupted: 2 of 5 networks are trained; `nascompile resume nine-entropy-0` goes on" in done.stderr
    shown = run("show", "nine-entropy-0")
    assert shown.code == 0
    assert "2 of 5 networks are trained to the end; `nascompile resume nine-entropy-0` goes on" in shown.stdout
    assert json.loads(run("show", "nine-entropy-0", "--json").stdout)["trained"] == 2
    assert run("resume", "nine-entropy-0").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "nine.yaml"), "training needs data [no-data]\n  give --data"),
        (("search", "nine.yaml", "--data", "none.npz"), "none.npz"),
        (("search", "nine.yaml", "--rom", "1", "--data", "halves.npz"), "no network of `nine` fits"),
        (("search", "nine.yaml", "--data", "five.npz"), "5 classes"),
        ((*SEARCH, "--recipe", "esb"), "did you mean `ebs`"),
        ((*SEARCH, "--train", "lr"), "--train lr gives no value"),
        ((*SEARCH, "--train", "learning_rate=1"), "a recipe has no `learning_rate`"),
        ((*SEARCH, "--train", "augment=flipp"), "there is no augmentation `flipp`"),
        ((*SEARCH, "--task", "segmentation"), "--task cannot be `segmentation`"),
        ((*SEARCH, "--task", "detection"), "is for classification, not for detection"),
        ((*SEARCH, "--quantise", "int4"), "--quantise cannot be `int4`"),
        ((*SEARCH, "--parameter", "q=1"), "the sampler `entropy` has no parameter `q`"),
        ((*SEARCH, "--trials", "9"), "--trials is no option of the sampler `entropy`"),
        ((*SEARCH, "--sparsity", "S", "--epochs", "5"), "has no choice `S`"),
        ((*SEARCH, "--storage", "postgresql://nobody@localhost:1/none"), "cannot open the storage"),
        ((*SEARCH, "--out", "five.npz/run"), "cannot make the folder: Not a directory"),
        (("search", "nine.yaml", "--sampler", "pareto", "--epochs", "3"), "--epochs does nothing without --samples"),
        ((*SEARCH, "--sampler", "pareto", "--force"), "--force does nothing where networks are trained"),
        ((*SEARCH, "--engine", "rya"), "there is no engine `rya` [unknown-engine]\n  did you mean `ray`?"),
        (("resume", "nine.yaml"), "there is no run in `nine.yaml`"),
        (("worker", "nowhere"), "there is no run in `nowhere`"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], message: str) -> None:
    x = np.zeros((50, 1, 8, 8), np.float32)
    np.savez(run.folder / "five.npz", x=x, y=np.arange(50) % 5)
    done = run(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_loses_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from nascompile.training import tensor_file
    from spaces.errors import Diagnostic, FileError

    real, calls = tensor_file.write_atomically, []

    def full(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) > 7:
            raise FileError(
                Diagnostic("unwritable", "cannot write the file: No space left on device", None, "make room")
            )
        real(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(tensor_file, "write_atomically", full)
        done = run(*SEARCH, "--out", "r")
    assert done.code == 2
    assert "No space left on device" in done.stderr
    whole = json.loads(run(*SEARCH, "--out", "whole", "--json").stdout)["networks"]
    assert json.loads(run("resume", "r", "--json").stdout)["networks"] == whole


def test_ctrl_c_at_a_terminal_reaches_all_processes_and_one_speaks(run: Run) -> None:
    options = ("--epochs", "200", "--jobs", "2", "--out", "r")
    command = [sys.executable, "-m", "nascompile", *SEARCH, *options]
    whole = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    # The second network is the helper's.
    while not (run.folder / "r/networks/0001/training.safetensors").exists():
        assert whole.poll() is None
        time.sleep(0.05)
    os.killpg(whole.pid, signal.SIGINT)
    _, said = whole.communicate(timeout=30)
    assert whole.returncode == 130
    shown = ("counting int8", "training nine", "data: ", "  ", "estimate: ")
    assert [line for line in said.splitlines() if not line.startswith(shown)] == [
        next(line for line in said.splitlines() if line.startswith("interrupted: "))
    ]
