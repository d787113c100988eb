"""`nascompile search --sampler pareto`: the front, the log that continues, and clear mistakes."""

from __future__ import annotations

import csv
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nascompile as nc
from nascompile.cli.objectives import read_objectives
from samplers.optuna_studies.pareto import ParetoSampler
from samplers.proxies.data import Data
from samplers.scores.scoring import batched, score
from samplers.subset.dominance import non_dominated
from tests.cli.conftest import Run
from tests.samplers.test_monas import SPACE

#: By the paper's formulas, where the budgets leave some.
CLOSED = ("search", "dscnn", "network.2.repeat=[3, 4]", "--rom", "450000", "--ram", "262144", "--sampler", "pareto",
          "--objectives", "flops,entropy,rom", "--population", "8", "--trials", "30", "--runtime", "ebs",
          "dtype=float32")  # fmt: skip
NETWORKS = ("search", "mlp2", "--sampler", "pareto", "--batch", "8", "--population", "6", "--trials", "15")


def trials(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_front_log_and_table(run: Run) -> None:
    """Scores are those of `score`, the front is what no trial dominates, the file has every trial."""
    done = run(*NETWORKS, "-o", "t.csv", "--jobs", "1", "--json")
    counted = "counting int8 networks by ebs, the paper's formulas: no MCU is named; 64 of 64 fit (100 %)\n"
    assert (done.code, done.stderr) == (0, counted)
    found = json.loads(done.stdout)
    logged = trials(run.folder / "mlp2-pareto-0.jsonl")
    assert [t["trial"] for t in logged] == list(range(15))

    fs = nc.reduce("mlp2", ships="int8")
    names = ["meco", "zico", "naswot", "snip"]
    members = [next(fs.at([fs.index(t["candidate"])])) for t in logged]
    scored = list(score(members, batched(names, 8), Data.gaussian((18,), 12, 16)))
    table = rows(run.folder / "t.csv")
    assert list(table[0]) == ["candidate", "flops", *names, "rom", "ram", "macs", "params"]
    for trial, row, one in zip(logged, table, scored, strict=True):
        assert trial["scores"] == one.scores
        assert trial["costs"] == one.candidate.costs
        assert row["candidate"] == trial["candidate"]
        assert {name: float(row[name]) for name in names} == one.scores
        assert all(int(row[name]) == one.candidate.costs[name] for name in ("flops", "rom", "ram"))

    senses = {"flops": "min", **dict.fromkeys(names, "max")}
    assert found["sampler"]["objectives"] == senses
    points = [[{**t["scores"], **t["costs"]}[name] for name in senses] for t in logged]
    keep = non_dominated(points, list(senses.values()))
    assert {one["trial"] for one in found["front"]} == set(np.flatnonzero(keep).tolist())
    flops = [one["costs"]["flops"] for one in found["front"]]
    assert flops == sorted(flops)


def test_for_a_person(run: Run) -> None:
    done = run(*CLOSED, "-o", "t.csv")
    assert done.stdout.startswith("dscnn: 30 trials by nsga2 from 3,070 feasible of 294,912 (ROM <= 450,000 B")
    front = json.loads(run(*CLOSED, "--json").stdout)["front"]
    assert f"{len(front)} of them on the front: no other is as good in all objectives, by flops" in done.stdout
    last = shlex.split(done.stdout.splitlines()[-1])
    assert last[:4] == ["next:", "nascompile", "select", "t.csv"]
    assert run(*last[2:]).code == 0
    assert "No network was trained" in done.stdout
    lines = done.stdout.splitlines()
    header = next(k for k, line in enumerate(lines) if line.startswith("trial"))
    assert lines[header].split() == ["trial", "candidate", "flops,", "min", "entropy,", "max", "rom,", "min",
                                     *["ROM", "(of", "budget)", "RAM", "(of", "budget)"]]  # fmt: skip
    shown = [line for line in lines[header + 1 :] if "dscnn/" in line]
    assert [line.split()[2] for line in shown] == [one["candidate"].split()[1] for one in front]


def test_select_reads_the_file(run: Run) -> None:
    run(*CLOSED, "-o", "t.csv")
    done = run("select", "t.csv", "-k", "3", "--objectives", "flops,entropy", "--json")
    assert done.code == 0
    assert len(json.loads(done.stdout)["chosen"]) == 3


@pytest.mark.parametrize("method", ["nsga2", "nsga3", "tpe"])
def test_cut_anywhere_it_goes_on_to_the_same_end(run: Run, method: str) -> None:
    """Between generations, within one, in the middle of a line; with the table behind the log, or before it."""
    arguments = (*CLOSED, "--method", method, "-o", "t.csv")
    whole = json.loads(run(*arguments, "--json").stdout)
    log, table = run.folder / "dscnn-pareto-0.jsonl", run.folder / "t.csv"
    lines, text = log.read_text().splitlines(keepends=True), table.read_text()
    cells = text.splitlines(keepends=True)
    for kept, behind in ((0, 0), (8, 8), (11, 3), (29, 29)):
        log.write_text("".join(lines[: kept + 1]) + lines[kept + 1][:25])
        table.write_text("".join(cells[: behind + 1]) + cells[behind + 1][:4])
        again = run(*arguments, "--json")
        assert json.loads(again.stdout)["front"] == whole["front"]
        assert log.read_text() == "".join(lines)
        assert table.read_text() == text
        assert (f"{kept} of 30 trials are in dscnn-pareto-0.jsonl already" in again.stderr) == bool(kept)


def test_more_trials_later_are_the_same_as_at_once(run: Run) -> None:
    run(*CLOSED, "--log", "a.jsonl")  # 30 are not whole generations of 8
    run(*CLOSED, "--log", "a.jsonl", "--trials", "45", "--force")
    whole = (run.folder / "a.jsonl").read_text()
    run(*CLOSED, "--log", "b.jsonl")
    more = run(*CLOSED, "--log", "b.jsonl", "--trials", "45", "--json")
    assert json.loads(more.stdout)["trials"] == 45
    assert (run.folder / "b.jsonl").read_text() == whole
    fewer = json.loads(run(*CLOSED, "--log", "b.jsonl", "--trials", "10", "--json").stdout)
    assert fewer["trials"] == 10
    assert all(one["trial"] < 10 for one in fewer["front"])


def test_killed_with_two_jobs_it_goes_on_with_one_to_the_same_end(run: Run) -> None:
    """A real kill; the uninterrupted search has one process, and the bytes of the log are the same."""
    arguments = ("mlp2", "choices.M.step=2", "--sampler", "pareto", "--batch", "8", "--population", "60")
    command = [sys.executable, "-c", "from nascompile.cli import main; main()", "search", *arguments]
    path = run.folder / "killed.jsonl"
    process = subprocess.Popen([*command, "--jobs", "2", "--log", str(path)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not path.exists() or path.read_bytes().count(b"\n") < 5:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 4 <= path.read_bytes().count(b"\n") - 1 < 70
    goes_on = ("search", *arguments, "--trials", "70", "--jobs", "1")
    assert run(*goes_on, "--log", str(path)).code == 0
    assert run(*goes_on, "--log", "whole.jsonl").code == 0
    assert path.read_text() == (run.folder / "whole.jsonl").read_text()


def test_ctrl_c_loses_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted while the 14th proposal is asked for; the first generation is in the log."""
    whole = run(*CLOSED, "--log", "whole.jsonl", "--json")
    ask, asked = ParetoSampler.propose, []

    def interrupted(self: ParetoSampler, fs: Any) -> int:
        asked.append(1)
        if len(asked) == 14:
            raise KeyboardInterrupt
        return ask(self, fs)

    with monkeypatch.context() as patch:
        patch.setattr(ParetoSampler, "propose", interrupted)
        done = run(*CLOSED, "--log", "cut.jsonl")
    assert (done.code, done.stdout) == (130, "")
    assert done.stderr.endswith("interrupted: 8 of 30 trials are in cut.jsonl; the same command goes on\n")
    again = run(*CLOSED, "--log", "cut.jsonl", "--json")
    assert json.loads(again.stdout)["front"] == json.loads(whole.stdout)["front"]


def test_uniform_is_the_baseline(run: Run) -> None:
    arguments = [*CLOSED, "--method", "uniform"]
    found = json.loads(run(*arguments, "--json").stdout)
    assert found["sampler"]["method"] == "uniform"
    assert found["trials"] == 30
    sampler = ParetoSampler("uniform", read_objectives("flops,entropy,rom"))
    fs = nc.reduce("dscnn", overrides=["network.2.repeat=[3, 4]"], rom=450_000, ram=262_144)
    logged = trials(run.folder / "dscnn-pareto-0.jsonl")
    assert [t["candidate"] for t in logged] == [str(c) for c in sampler.ask(fs, 30)]
    done = run(*arguments)
    assert "30 uniform draws from 3,070 feasible" in done.stdout


def test_a_small_set_is_evaluated_to_its_end(run: Run) -> None:
    small = ("search", "mlp2", "--rom", "3400", "--sampler", "pareto", "--objectives", "flops,entropy")
    found = json.loads(run(*small, "--json").stdout)
    assert found["trials"] == found["feasible"] == 14


def test_cells_that_are_not_connected_are_not_on_the_front(run: Run) -> None:
    """Their kernel has no condition number: it counts as the worst, and the report says so."""
    (run.folder / "tiny.yaml").write_text(SPACE)
    arguments = ("search", "tiny.yaml", "--sampler", "pareto", "--objectives", "flops,ntk", "--batch", "8",
                 "--trials", "30", "--population", "10", "--jobs", "1", "--seed", "1")  # fmt: skip
    done = run(*arguments, "-o", "t.csv")
    logged = trials(run.folder / "tiny-pareto-1.jsonl")
    broken = [t["candidate"] for t in logged if t["scores"]["ntk"] == "inf"]
    assert 0 < len(broken) < 30
    assert (
        f"{len(broken)} trials whose ntk is infinite or NaN count as the worst, and are not on the front" in done.stdout
    )
    front = [one["candidate"] for one in json.loads(run(*arguments, "--json").stdout)["front"]]
    assert front
    assert not set(front) & set(broken)
    assert {row["candidate"] for row in rows(run.folder / "t.csv") if row["ntk"] == "inf"} == set(broken)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--mu", "0.5"),
            "--mu is no option of the sampler `pareto` [bad-option]\n  it is one of monas and monas --rule paper",
        ),
        (("--lambda", "0"), "--lambda is no option of the sampler `pareto`"),
        (("--sampler", "uniform"), "--population is no option of the sampler `uniform`"),
        (("--sampler", "monas"), "--population is no option of the sampler `monas`"),
        (("--batch", "zen=16"), "a batch is given for `zen`, which is not among the proxies"),
        (("--batch", "8,snip=0"), "--batch snip=0 is no number of examples"),
        (("--sampler", "parete"), "did you mean `pareto`"),
        (("--method", "nsga4"), "there is no `method` `nsga4`"),
        (("--objectives", "flops,zicco"), "did you mean `zico`"),
        (("--objectives", "flops,flops"), "names `flops` twice"),
        (("--objectives", "flops:low"), "write flops:min or flops:max"),
        (("--objectives", ","), "--objectives names none"),
        (("--objectives", "latency"), "needs a latency profile"),
        (("--batch-norm", "none"), "--batch-norm cannot be `none`"),
        (("--device", "tpu"), "--device cannot be `tpu`"),
        (("--device", "cuda"), "no CUDA device"),
        (("-o", "t.npz"), "give a file that ends in .csv"),
        (("-o", "no/such/t.csv"), "cannot write the file"),
        (("--log", "no/such/t.jsonl"), "cannot write the log"),
        (("--rom", "1"), "no network of `mlp2` fits"),
        (("--data", "none.npz"), "none.npz"),
        (("--seed", "5000000000"), "Seed must be between"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], message: str) -> None:
    if "cuda" in arguments and __import__("torch").cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    done = run(*NETWORKS, *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [*lines[:3], "not json\n", *lines[4:]], "4:1: this line is none of a search's log"),
        (lambda lines: [*lines[:3], *lines[4:]], "4:1: this line is not the trial that belongs there"),
        (lambda lines: [lines[0], lines[1].replace("dscnn/", "dscnn/x"), *lines[2:]], "where the log has `dscnn/x"),
        (lambda lines: [lines[0].replace('"population": 8', '"population": 9'), *lines[1:]], "its `sampler` differs"),
        (lambda _: ["[]\n"], "this line is none of a search's log"),
    ],
)
def test_a_damaged_log_is_refused(run: Run, damage: Any, message: str) -> None:
    run(*CLOSED)
    log = run.folder / "dscnn-pareto-0.jsonl"
    log.write_text("".join(damage(log.read_text().splitlines(keepends=True))))
    done = run(*CLOSED)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert run(*CLOSED, "--force").code == 0


def test_the_table_of_another_search_is_refused(run: Run) -> None:
    run(*CLOSED, "-o", "t.csv")
    other = run(*CLOSED, "--seed", "1", "-o", "t.csv")
    assert other.code == 2
    assert "the file holds scores of another run" in other.stderr


def test_an_option_of_the_others_is_refused_by_monas(run: Run) -> None:
    done = run("search", "mlp2", "--sampler", "monas", "--method", "tpe")
    assert done.code == 2
    assert "--method is no option of the sampler `monas`" in done.stderr
    assert "it is one of pareto: leave it out" in done.stderr
    nothing = run("search", "mlp2", "--sampler", "monas", "--rule", "paper", "-o", "t.csv").stderr
    assert "--out does nothing without --samples: then monas-paper trains nothing" in nothing


def test_own_examples(run: Run) -> None:
    x = np.random.default_rng(0).normal(size=(40, 18)).astype(np.float32)
    np.savez("mine.npz", x=x, y=np.arange(40) % 12)
    found = json.loads(run(*NETWORKS, "--data", "mine.npz", "--jobs", "1", "--json").stdout)
    assert found["data"] == "16 of 16 training examples of mine.npz, seed 0"
    np.savez("wrong.npz", x=x, y=np.arange(40) % 13)
    assert "13 classes" in (wrong := run(*NETWORKS, "--data", "wrong.npz").stderr)
    assert "add to the command: network.1.linear.units=13" in wrong
