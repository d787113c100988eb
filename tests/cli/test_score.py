"""`nascompile score`: the file and how it is continued, the report, and its messages."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

import nascompile as nc
from nascompile.cli.app import COMMANDS as NAMES
from samplers.monas.sampler import best_first
from samplers.proxies.data import Data
from samplers.proxies.ensemble import evaluate
from samplers.scores import scoring
from samplers.scores.scoring import batched, score
from spaces.language.numbering import row_of
from spaces.language.reader import read_space
from spaces.program.cell_text import cell_word
from spaces.program.duplicates import originals
from spaces.program.network_keys import NetworkKeys
from tests.cli.conftest import Run

SMALL = ("score", "mlp2", "--rom", "13600", "--batch", "8", "--jobs", "1", "--proxies", "prototypenas")
ONE_CELL = """\
space: one_cell
input: {channels: 2, height: 4, width: 4}
ram_model: liveness
cells:
  cell:
    nodes: 4
    operators:
      none: zero
      skip_connect: identity
      nor_conv_1x1: [relu, {conv: {filters: channels, kernel: 1, activation: none}}]
      nor_conv_3x3: [relu, {conv: {filters: channels, kernel: 3, activation: none}}]
      avg_pool_3x3: [{avg_pool: {kernel: 3, stride: 1, padding: same}}]
    numbering: nasbench201
network:
  - cell: cell
  - relu
  - global_avg_pool
  - linear: {units: 3}
"""


def iter_all(scorer: Any, tasks: list[Any]) -> Iterator[Any]:
    yield from map(scorer, tasks)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_file_and_report(run: Run) -> None:
    code, out, err = run(*SMALL, "-o", "s.csv")
    assert code == 0
    assert "mlp2: all 14 candidates\ndata: Gaussian noise N(0, 1), random labels of 12 classes, seed 0\n" in out
    assert "best by zico (higher is better)" in out
    assert "best by rank_sum, the sum of the ranks of all 4 (higher is better)" in out
    assert "meco tells none of these candidates apart: all score 0" in out
    assert err == "written: s.csv (14 candidates)\n"

    members = nc.reduce("mlp2", rom=13_600)
    names = ["meco", "zico", "naswot", "snip"]
    scored = list(score(members, batched(names, 8), Data.gaussian((18,), 12, 16)))
    found = rows(run.folder / "s.csv")
    assert list(found[0]) == ["candidate", *names, "macs", "params"]
    for row, one in zip(found, scored, strict=True):
        assert row["candidate"] == str(one.candidate)
        assert {name: float(row[name]) for name in names} == one.scores
        assert (int(row["macs"]), int(row["params"])) == (one.candidate.costs["macs"], one.candidate.costs["params"])
    best = max(scored, key=lambda one: one.scores["zico"])
    assert out.partition("best by zico")[2].splitlines()[2].startswith(str(best.candidate))

    read = np.genfromtxt(run.folder / "s.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    assert read["zico"].tolist() == [one.scores["zico"] for one in scored]


def test_a_cut_file_is_continued(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*SMALL, "-o", "s.csv")
    path = run.folder / "s.csv"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:6]) + lines[6][:9])
    code, _, err = run(*SMALL, "-o", "s.csv")
    assert (code, path.read_bytes()) == (0, whole)
    assert err.startswith("5 of 14 candidates are in s.csv already\n")

    monkeypatch.setattr("samplers.scores.scoring.evaluate", None)  # nothing is left to do
    code, out, err = run(*SMALL, "-o", "s.csv")
    assert (code, path.read_bytes()) == (0, whole)
    assert "14 of 14 candidates are in s.csv already" in err
    assert "best by snip" in out


def test_ctrl_c_loses_nothing(run: Run) -> None:
    """With worker processes; the uninterrupted run has none, and the bytes are the same."""
    arguments = ("mlp2", "choices.M.step=2", "--batch", "64", "--samples", "4000", "--proxies", "zico,snip,grad_norm")
    command = [sys.executable, "-c", "from nascompile.cli import main; main()", "score", *arguments]
    process = subprocess.Popen(
        [*command, "--jobs", "2", "-o", "s.csv"], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    path = run.folder / "s.csv"
    deadline = time.monotonic() + 120
    while not path.exists() or path.read_bytes().count(b"\n") < 20:
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    written = path.read_bytes()
    done = written.count(b"\n") - 1
    assert process.returncode == 130
    assert err.splitlines()[-1] == (f"interrupted: {done:,} of 3,249 candidates are in s.csv; the same command goes on")
    assert written.endswith(b"\n")
    assert 19 <= done < 3249

    fs = nc.reduce("mlp2", overrides=["choices.M.step=2"])
    few = list(fs.at(range(done + 3)))
    data = Data.gaussian((18,), 12, 128)
    expected = list(score(few, batched(["zico", "snip", "grad_norm"], 64), data))
    for row, one in zip(rows(path), expected, strict=False):
        assert row["candidate"] == str(one.candidate)
        assert {name: float(row[name]) for name in one.scores} == one.scores


def test_another_run_is_refused(run: Run) -> None:
    run(*SMALL, "-o", "s.csv")
    before = (run.folder / "s.csv").read_bytes()
    code, out, err = run(*SMALL, "--seed", "1", "--batch-norm", "folded", "-o", "s.csv")
    assert (code, out) == (2, "")
    assert "s.csv:1:1: the file holds scores of another run (seed: 0 there, 1 now; data: " in err
    assert 'batch_norm: "kept" there, "folded" now) [other-run]' in err
    assert "write to another file, or begin this one anew with --force" in err
    assert (run.folder / "s.csv").read_bytes() == before
    assert run(*SMALL, "--seed", "1", "--force", "-o", "s.csv")[0] == 0
    assert (run.folder / "s.csv").read_bytes() != before

    (run.folder / "mine.csv").write_text("dear,diary\n")
    code, _, err = run(*SMALL, "-o", "mine.csv")
    assert code == 2
    assert "no `mine.csv.json` tells which run made it" in err
    assert (run.folder / "mine.csv").read_text() == "dear,diary\n"


def test_rows_of_other_candidates_are_refused(run: Run) -> None:
    run(*SMALL, "-o", "s.csv")
    path = run.folder / "s.csv"
    path.write_text(path.read_text().replace("mlp2: 16-32", "mlp2: 99-99"))
    code, _, err = run(*SMALL, "-o", "s.csv")
    assert code == 2
    assert "`s.csv`, line 3: `mlp2: 99-99` is not the candidate that belongs there" in err


def test_npz_and_json(run: Run) -> None:
    code, out, _ = run(*SMALL, "--proxies", "naswot,macs,ntk", "--samples", "6", "--seed", "3", "-o", "s.npz", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["selection"] == "6 of 14 candidates, drawn uniformly with seed 3"
    assert [(p["name"], p["better"]) for p in data["proxies"]] == [
        ("naswot", "higher"), ("macs", "higher"), ("ntk", "lower"),
    ]  # fmt: skip
    assert list(data["rows"][0]) == ["candidate", "naswot", "macs", "ntk", "params", "rank_sum"]
    assert data["networks"] == 6
    best = best_first(data["rows"], {"naswot": "max", "macs": "max", "ntk": "min"})
    assert data["best"]["rank_sum"] == [data["rows"][k]["candidate"] for k in best]
    found = np.load(run.folder / "s.npz")
    for name in data["rows"][0]:
        assert found[name].tolist() == [row[name] for row in data["rows"]]
    by_ntk = sorted(data["rows"], key=lambda row: row["ntk"])
    assert data["best"]["ntk"] == [row["candidate"] for row in by_ntk]
    assert data["correlations"]["kendall"]["macs"]["macs"] == pytest.approx(1)
    assert set(data["correlations"]["spearman"]["ntk"]) == {"naswot", "macs", "ntk", "params", "rank_sum"}
    assert json.loads(str(found["run"]))["seed"] == 3
    assert {p.name for p in run.folder.iterdir()} == {"s.npz", "s.csv", "s.csv.json"}


def test_a_draw_is_uniform_over_the_set_and_repeats(run: Run) -> None:
    drawn = [
        json.loads(run(*SMALL, "--proxies", "params", "--samples", "5", "--seed", seed, "--json")[1])["rows"]
        for seed in ("0", "0", "1")
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({row["candidate"] for row in drawn[0]}) == 5
    assert list(run.folder.iterdir()) == []


def test_distinct_cells_with_their_indices(run: Run) -> None:
    (run.folder / "one.yaml").write_text(ONE_CELL)
    arguments = ("one.yaml", "--macs", "300", "--distinct", "--batch", "4", "--jobs", "1", "--proxies", "zico,snip")
    code, out, _ = run("score", *arguments, "--samples", "30", "-o", "s.csv")
    assert code == 0
    found = rows(run.folder / "s.csv")
    assert list(found[0]) == ["candidate", "index", "zico", "snip", "macs", "params"]
    assert "one_cell: 30 of " in out
    assert " distinct functions, drawn uniformly with seed 0\n" in out
    cell = read_space(ONE_CELL).cells["cell"]
    operators = tuple(cell.operators)
    cells = [row_of("nasbench201", int(row["index"]), 5, 6) for row in found]
    assert [f"one_cell: {cell_word(cell, [operators[x] for x in row])}" for row in cells] == [
        row["candidate"] for row in found
    ]
    first = originals(cell)
    assert len({first[int(row["index"])] for row in found}) == 30


def test_the_same_network_is_measured_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its dead edges are, and also where the table is continued; its MACs are its own."""
    (run.folder / "one.yaml").write_text(
        ONE_CELL.replace("nodes: 4", "nodes: 3").replace("    numbering: nasbench201\n", "")
    )
    arguments = ("score", "one.yaml", "cells.cell.dead_edges=counted", "--batch", "4", "--proxies", "zico,macs")
    calls = []
    with monkeypatch.context() as patched:
        patched.setattr(scoring, "evaluate", lambda *a: calls.append(1) or evaluate(*a))
        code, out, _ = run(*arguments, "--jobs", "1", "-o", "s.csv")
    fs = nc.reduce("one.yaml", overrides=["cells.cell.dead_edges=counted"])
    keys, found = NetworkKeys(fs.program).all(list(fs)), rows(run.folder / "s.csv")
    assert code == 0
    assert len(calls) == len(set(keys)) < len(found) == 125
    assert f"all 125 candidates\n{125 - len(calls)} of them are the same network as one before, and have" in out
    first = {key: row["zico"] for key, row in reversed(list(zip(keys, found, strict=True)))}
    assert [row["zico"] for row in found] == [first[key] for key in keys]
    assert [int(row["macs"]) for row in found] == [c.costs["macs"] for c in fs]
    assert len({(key, row["macs"]) for key, row in zip(keys, found, strict=True)}) > len(set(keys))

    whole = (run.folder / "s.csv").read_bytes()
    (run.folder / "s.csv").write_bytes(b"".join(whole.splitlines(keepends=True)[:40]))
    assert run(*arguments, "--jobs", "1", "-o", "s.csv").code == 0
    assert (run.folder / "s.csv").read_bytes() == whole
    # Workers take candidates ahead of the scores.
    some, proxies, data = list(fs)[:60], batched(["zico"], 4), Data.gaussian((2, 4, 4), 3, 8)
    ahead = score(
        some, proxies, data, parallel_map=lambda scorer, context, tasks: iter_all(scorer(context), list(tasks))
    )
    assert [(one.candidate, one.scores) for one in ahead] == [
        (o.candidate, o.scores) for o in score(some, proxies, data)
    ]


def test_infinite_scores_come_last_and_stay_numbers(run: Run) -> None:
    """NASWOT sees ReLUs alone, so a network without any scores -inf."""
    text = "space: w\ninput: {channels: 6}\nchoices:\n  A: [none, relu]\nnetwork:\n"
    text += "  - linear: {units: 5, activation: A}\n  - linear: {units: 3}\n"
    (run.folder / "w.yaml").write_text(text)
    code, out, _ = run("score", "w.yaml", "--batch", "4", "--proxies", "naswot", "--jobs", "1", "-o", "s.csv", "--json")
    data = json.loads(out)
    assert code == 0
    assert [row["naswot"] == "-inf" for row in data["rows"]] == [True, False]
    assert data["best"]["naswot"] == ["w: relu", "w: none"]
    assert np.genfromtxt(run.folder / "s.csv", delimiter=",", names=True)["naswot"][0] == -np.inf


def test_latency_beside_the_scores(run: Run) -> None:
    (run.folder / "mine.yaml").write_text("name: mine\ndtype: float32\nunit: ns\ndefault: {mac: 2, op: 10}\n")
    arguments = ("--latency-profile", "mine.yaml", "--proxies", "snip,latency", "--samples", "2", "--json")
    code, out, _ = run(*SMALL, *arguments)
    data = json.loads(out)
    assert code == 0
    fs = nc.reduce("mlp2", rom=13_600, latency_profile="mine.yaml")
    for row in data["rows"]:
        assert row["latency"] == fs[fs.index(row["candidate"])].costs["latency"] > 0
    assert [p["better"] for p in data["proxies"]] == ["higher", "lower"]


def test_user_data(run: Run) -> None:
    x, y = np.random.default_rng(0).normal(size=(60, 18)).astype(np.float32), np.arange(60) % 12
    np.savez(run.folder / "d.npz", x=x, y=y)
    code, out, _ = run(*SMALL, "--data", "d.npz", "--proxies", "snip")
    assert code == 0
    assert "data: 16 of 36 training examples of d.npz, seed 0" in out
    # Two batches of 20 are too many for the training part: they are smaller.
    _, out, err = run(*SMALL, "--batch", "20", "--data", "d.npz", "--proxies", "zico", "--json")
    assert "batches of 18, not 20: there are 36 examples to learn from (--batch)" in err
    found = json.loads(out)
    assert found["data"] == "36 of 36 training examples of d.npz, seed 0"
    assert found["proxies"][0]["options"] == {"batch": 18, "batches": 2}
    np.savez(run.folder / "d.npz", x=x[:, :17], y=y)
    assert (
        "are 17, the network's input is 18 [bad-shape]\n  add to the command: input.channels=17"
        in run(*SMALL, "--data", "d.npz").stderr
    )
    np.savez(run.folder / "d.npz", x=x, y=y % 7)
    wrong = run(*SMALL, "--data", "d.npz")
    assert wrong.code == 2
    assert "has 7 classes (0, 1, 2, 3, 4, 5, 6), the network tells 12 apart" in wrong.stderr
    assert run(*SMALL, "network.1.linear.units=7", "--data", "d.npz").code == 0
    assert "network.1.linear.units=7" in wrong.stderr
    (run.folder / "d.npz").write_text("no")
    assert "d.npz` cannot be read" in run(*SMALL, "--data", "d.npz")[2]


def test_whatever_search_takes(run: Run) -> None:
    """Folders of sound, clips in an array, images with their channels last; and options of data need data."""
    rng, space = np.random.default_rng(0), ("dscnn", "network.4.linear.units=2", "choices.M=[4]")
    few = ("--proxies", "snip", "--batch", "4", "-n", "1", "--json")
    clips = rng.integers(-9999, 9999, (40, 8000), dtype=np.int16)
    for k, clip in enumerate(clips):
        folder = run.folder / "clips" / ("yes", "no")[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        wavfile.write(folder / f"{k}.wav", 8000, clip)
    np.savez(run.folder / "clips.npz", x=clips, y=np.arange(40) % 2)
    wrong = run("score", *space, *few, "--data", "clips.npz")
    assert wrong.code == 2
    assert "--rate 8000, if a clip lasts 1 s" in wrong.stderr
    one = json.loads(run("score", *space, *few, "--data", "clips.npz", "--rate", "8000").stdout)
    assert one["data"] == "8 of 28 training examples of clips.npz, seed 0"
    assert run("score", *space, *few, "--data", "clips").code == 0
    wide = run("score", *space, *few, "--data", "clips", "--features", "log-mel", "--limit", "30", "input.width=40")
    assert json.loads(wide.stdout)["data"] == "8 of 20 training examples of clips, seed 0"
    last = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    np.savez(run.folder / "last.npz", x=last, y=np.arange(40) % 10)
    images = ("convmixer", "choices.M=[4]", "network.1.repeat=[1]")
    assert run("score", *images, *few, "--data", "last.npz").code == 0
    idle = run("score", *images, "--limit", "9")
    assert "--limit says how --data is read, and there is none" in idle.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--proxies", "zicco"), "there is no proxy `zicco` [unknown-proxy]\n  did you mean `zico`?"),
        (("--proxies", "zico,zico"), "`zico` is named twice"),
        (("--proxies", ","), "--proxies names none"),
        (("--batch-norm", "gone"), "--batch-norm cannot be `gone` [wrong-value]\n  it is kept or folded"),
        (("--device", "tpu"), "--device cannot be `tpu`"),
        (("-o", "s.txt"), "cannot write scores to `s.txt` [bad-option]\n  give a file that ends in .csv or .npz"),
        (("-o", "missing/s.csv"), "missing/s.csv:1:1: cannot write the file: No such file or directory [unwritable]"),
        (("--proxies", "latency"), "`latency` is not among the costs of `mlp2: 16-16`"),
        (("--data", "missing.npz"), "missing.npz` [no-data]\n  check the path"),
        (("--rom", "10"), "no network of `mlp2` fits, so there is nothing to score [empty-set]"),
        (("--proxies", "regions"), "mlp2: 16-16: `regions` cuts any channels of 3x3 pixels out of each image"),
    ],
)
def test_messages(arguments: tuple[str, ...], message: str, run: Run) -> None:
    code, out, err = run(*SMALL, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert list(run.folder.iterdir()) == []


def test_no_gpu(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "this machine has no CUDA device that PyTorch can use" in run(*SMALL, "--device", "cuda")[2]


def test_a_failed_start_leaves_room_for_the_next(run: Run) -> None:
    """The first candidate fails; the empty table that stays behind does not stand in the way."""
    code, _, err = run(*SMALL, "--proxies", "regions", "-o", "s.csv")
    assert (code, "regions" in err) == (2, True)
    assert run(*SMALL, "-o", "s.csv")[0] == 0
    assert len(rows(run.folder / "s.csv")) == 14


def test_the_command_line_starts_without_torch() -> None:
    command = "import nascompile.cli, sys; print('torch' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "False False\n"
    assert "score" in NAMES
