"""The trials of a run: each candidate goes to one worker, and comes back if that one is lost."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nascompile as nc
from nascompile.run.errors import RunError
from nascompile.run.steps import PTQ, QAT, Step, Task
from nascompile.run.trials import Trials

FIRST = Step.train(5)
OPTIONS = tuple(range(0, 960, 16))


def made(path: Path, count: int = 6, **options: object) -> Trials:
    trials = Trials(path / "journal.log", "run", **options)  # type: ignore[arg-type]
    trials.add_lines([(Task(k, FIRST), f"mlp2: {16 * k}", {"M[1]": (16 * k, OPTIONS)}) for k in range(count)])
    return trials


def test_candidates_are_added_once_and_claimed_in_order(tmp_path: Path) -> None:
    trials = made(tmp_path)
    made(tmp_path)
    claims = [trials.claim() for _ in range(7)]
    assert [c.task.number for c in claims if c] == [0, 1, 2, 3, 4, 5]
    assert claims[-1] is None
    assert [t.params["M[1]"] for t in trials.all()] == [0, 16, 32, 48, 64, 80]


def test_steps_that_are_far_on_are_claimed_first(tmp_path: Path) -> None:
    trials = Trials(tmp_path / "journal.log", "run")
    tasks = [Task(0, QAT), Task(2, FIRST), Task(1, FIRST), Task(3, PTQ), Task(2, Step.train(20))]
    trials.add_lines([(task, "mlp2", {}) for task in tasks])
    claimed = []
    while claim := trials.claim():
        claimed.append(claim.task)
    assert claimed == sorted(tasks, key=lambda t: (-t.step.rank, -t.step.epochs, t.number))
    assert claimed[0].step == QAT


def test_a_run_of_an_older_version_is_told(tmp_path: Path) -> None:
    from optuna.trial import TrialState, create_trial

    trials = Trials(tmp_path / "journal.log", "run")
    old = create_trial(state=TrialState.WAITING, user_attrs={"number": 0, "candidate": "mlp2"})
    trials._study.add_trial(old)
    with pytest.raises(RunError, match="begun by an older version"):
        trials.claim()


def test_many_workers_at_once_claim_each_candidate_once(tmp_path: Path) -> None:
    made(tmp_path, 40)

    def work(worker: int) -> list[int]:
        trials, found = Trials(tmp_path / "journal.log", "run", worker=f"here:{worker}"), []
        while claim := trials.claim():
            found.append(claim.task.number)
        return found

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(work, range(4)))
    assert sorted(itertools.chain.from_iterable(parts)) == list(range(40))


def test_results_and_failures(tmp_path: Path) -> None:
    trials = made(tmp_path, 2)
    first, second = trials.claim(), trials.claim()
    assert first
    assert second
    assert trials.results() == {}
    assert trials.finish(first, {"accuracy": 0.5, "flops": 10})
    assert trials.finish(second, {"error": "diverged"})
    again = made(tmp_path, 2)
    assert again.results() == {
        Task(0, FIRST): {"accuracy": 0.5, "flops": 10}, Task(1, FIRST): {"error": "diverged"}
    }  # fmt: skip
    assert again.claim() is None
    assert again.recover() == 0


def test_a_silent_worker_is_lost_and_its_late_result_does_not_count(tmp_path: Path) -> None:
    trials = made(tmp_path, 1, worker="elsewhere:1")
    claim = trials.claim()
    assert claim
    assert trials.recover() == 0
    other = Trials(tmp_path / "journal.log", "run", worker="elsewhere:2", timeout=-1)
    assert other.recover() == 1
    assert other.recover() == 0
    taken = other.claim()
    assert taken
    assert taken.task.number == 0
    assert not trials.finish(claim, {"accuracy": 0.1})
    assert other.finish(taken, {"accuracy": 0.2})
    assert trials.results() == {Task(0, FIRST): {"accuracy": 0.2}}


def test_what_is_given_back_waits_for_anyone(tmp_path: Path) -> None:
    trials = made(tmp_path, 2)
    claim = trials.claim()
    assert claim
    trials.release(claim)
    again = Trials(tmp_path / "journal.log", "run", worker="elsewhere:2").claim()
    assert again == claim
    assert trials.recover() == 0
    assert len(trials.all()) == 2


def test_a_candidate_that_costs_three_workers_is_given_up(tmp_path: Path) -> None:
    trials = made(tmp_path, 2, worker="elsewhere:1", timeout=-1)
    for _ in range(3):
        claim = trials.claim()
        assert claim
        assert claim.task == (0, FIRST)
        assert trials.recover() == 1
    claim = trials.claim()
    assert claim
    assert claim.task == (1, FIRST)
    lost = {"candidate": "mlp2: 0", "error": "3 workers were lost while they trained it"}
    assert trials.results()[Task(0, FIRST)] == lost
    made(tmp_path, 2)
    assert trials.claim() is None


def test_a_killed_worker_of_this_machine_is_noticed_at_once(tmp_path: Path) -> None:
    trials = made(tmp_path, 1)
    code = (
        "import sys, time; from pathlib import Path; from nascompile.run.trials import Trials\n"
        "print(Trials(Path(sys.argv[1]), 'run').claim().task.number, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, tmp_path / "journal.log"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout
        assert worker.stdout.readline() == "0\n"
        assert trials.recover() == 0
        os.kill(worker.pid, signal.SIGKILL)
    time.sleep(0.01)
    assert trials.recover() == 1
    assert trials.claim()


def test_a_leader_that_begins_anew_blames_no_candidate(tmp_path: Path) -> None:
    made(tmp_path, 1)
    code = (
        "import sys, os; from pathlib import Path; from nascompile.run.trials import Trials\n"
        "Trials(Path(sys.argv[1]), 'run').claim(); os._exit(9)"
    )
    for _ in range(5):
        subprocess.run([sys.executable, "-c", code, tmp_path / "journal.log"], check=False)
        trials = Trials(tmp_path / "journal.log", "run")
        assert trials.claim() is None
        trials.restart()
    assert trials.results() == {}
    claim = trials.claim()
    assert claim
    trials.restart()
    assert trials.claim() is None


def test_candidates_of_all_variants_have_the_same_options(tmp_path: Path) -> None:
    """A database refuses a decision whose options differ from trial to trial."""
    text = (
        "space: two\ninput: {channels: 1, height: 4, width: 4}\nchoices:\n  A: {options: [x, y], shared: true}\n"
        "  K: {options: [[3, 1], [3, 2]]}\nnetwork:\n  - switch: A\n    cases:\n"
        "      x: [{conv: {filters: 2, kernel: first(K), stride: last(K)}}]\n      y: [{conv: {filters: 3}}]\n"
    )
    (tmp_path / "two.yaml").write_text(text)
    fs = nc.reduce(tmp_path / "two.yaml")
    trials = Trials(tmp_path / "journal.log", "run")
    trials.add([(Task(k, FIRST), candidate) for k, candidate in enumerate(fs)])
    found = [t.distributions for t in trials.all()]
    assert len(found) == len(fs) == 3
    assert {str(one["A"]) for one in found} == {"CategoricalDistribution(choices=('x', 'y'))"}
    assert len({str(one["K[1]"]) for one in found if "K[1]" in one}) == 1


def test_a_storage_that_is_none(tmp_path: Path) -> None:
    for where in ("nowhere://x", "postgresql://nobody@localhost:1/none"):
        with pytest.raises(RunError, match="cannot open the storage"):
            Trials(where, "run")
