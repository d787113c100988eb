"""Scores of many candidates: the same numbers however they are computed, streamed in order, kept on disk row by row."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import nascompile as nc
from samplers.proxies.base import ProxyError
from samplers.proxies.data import Data
from samplers.scores import scoring
from samplers.scores.score_file import ScoreFile
from samplers.scores.scoring import batched, score
from samplers.scores.worker_pool import WorkerError, ordered
from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import Diagnostic, FileError
from spaces.program.candidate import Candidate
from tests.samplers.worker_tasks import complainer, divider, quitter, sleeper

NAMES = ["meco", "zico", "naswot", "snip"]


@pytest.fixture(scope="module")
def members() -> FeasibleSet:
    return nc.reduce("mlp2", rom=13_600)


@pytest.fixture(scope="module")
def vectors() -> Data:
    return Data.gaussian((18,), classes=12, n=16, seed=3)


def lines(found: Any) -> list[tuple[str, dict[str, float]]]:
    return [(str(one.candidate), dict(one.scores)) for one in found]


def test_processes_do_not_change_scores() -> None:
    """Convolutions, where threads and layouts could show; folded norms make other networks."""
    some = nc.reduce("dscnn", mcu="ebs-small").sample(3, seed=1)
    data = Data.gaussian((1, 49, 10), classes=12, n=8)
    proxies = batched(["params", *NAMES, "grasp", "ntk"], 4)
    alone = lines(score(some, proxies, data, seed=5))
    assert alone == lines(score(some, proxies, data, seed=5, jobs=2))
    assert [line for line, _ in alone] == [str(c) for c in some]
    assert list(alone[0][1]) == ["params", *NAMES, "grasp", "ntk"]
    assert alone[0][1]["params"] == some[0].costs["params"]
    folded = lines(score(some, proxies, data, seed=5, batch_norm="folded"))
    assert all(a["snip"] != b["snip"] for (_, a), (_, b) in zip(alone, folded, strict=True))


def test_a_score_does_not_depend_on_the_others(members: FeasibleSet, vectors: Data) -> None:
    proxies = batched(["zico", "snip"], 8)
    together = dict(lines(score(members, proxies, vectors)))
    assert lines(score([members[9]], proxies, vectors)) == [(str(members[9]), together[str(members[9])])]
    assert dict(lines(score(list(members)[::-1], proxies, vectors))) == together
    other = dict(lines(score(members, proxies, vectors, seed=1)))
    assert all(other[line]["snip"] != together[line]["snip"] for line in together)


def test_weights_come_from_the_candidate_and_the_seed(
    members: FeasibleSet, vectors: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(scoring, "evaluate", lambda subject, *_: seen.append(subject.net) or {"snip": 0.0})
    list(score([members[2]], ["snip"], vectors, seed=7))
    expected = members[2].build(seed=scoring.weight_seed(str(members[2]), 7), batch_norm="kept")
    assert all(torch.equal(a, b) for a, b in zip(seen[0].parameters(), expected.parameters(), strict=True))


def test_candidates_are_taken_as_scores_are(members: FeasibleSet, vectors: Data) -> None:
    taken = []

    def endless() -> Iterator[Candidate]:
        while True:
            taken.append(members[len(taken) % len(members)])
            yield taken[-1]

    found = score(endless(), batched(["snip"], 4), vectors)
    for k in range(3):
        assert str(next(found).candidate) == str(members[k])
        assert len(taken) == k + 1


def test_one_thread_and_no_trace(members: FeasibleSet, vectors: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    original = scoring.evaluate
    monkeypatch.setattr(scoring, "evaluate", lambda *a: threads.append(torch.get_num_threads()) or original(*a))
    before = torch.get_rng_state()
    torch.set_num_threads(2)
    try:
        list(score([members[0]], batched(["snip"], 4), vectors))
        assert (threads, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(1)
    assert torch.equal(before, torch.get_rng_state())


def test_candidates_of_two_spaces_do_not_mix(members: FeasibleSet, vectors: Data) -> None:
    other = nc.reduce("mlp2", overrides=["choices.M.step=8"])
    again = nc.reduce("mlp2", rom=13_600)
    assert len(list(score([members[0], again[1]], batched(["snip"], 4), vectors))) == 2
    with pytest.raises(ProxyError, match="`mlp2: 16-24` and `mlp2: 16-16` are of different spaces"):
        list(score([members[0], other[1]], batched(["snip"], 4), vectors))


def test_closed_forms_build_nothing(members: FeasibleSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Candidate, "build", None)
    found = lines(score(members, ["macs", "entropy"]))
    assert found[3][1] == {"macs": members[3].costs["macs"], "entropy": members[3].costs["entropy"]}
    assert lines(score([], ["macs"])) == []


def test_mistakes_name_the_candidate(members: FeasibleSet, vectors: Data) -> None:
    with pytest.raises(ProxyError, match="mlp2: 16-16: `zico` needs 64 examples, and got 16") as caught:
        list(score(members, batched(["zico"], 32), vectors))
    assert [d.code for d in caught.value.diagnostics] == ["too-few-examples"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
    ids=["gpu", "cpu", "python"],
)
def test_out_of_memory(members: FeasibleSet, vectors: Data, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def evaluate(*_: Any) -> None:
        if isinstance(error, RuntimeError):  # as a proxy reports what a network raises
            raise ProxyError.of("bad-network", "the network cannot run") from error
        raise error

    monkeypatch.setattr(scoring, "evaluate", evaluate)
    with pytest.raises(
        ProxyError, match=r"mlp2: 16-16: its batches do not fit .* \[out-of-memory\]\n  .*smaller batch"
    ):
        list(score(members, batched(["snip"], 4), vectors))


# -- processes ---------------------------------------------------------------------------------------------------------


def test_results_come_in_order_and_tasks_are_taken_as_they_do() -> None:
    taken = []

    def endless() -> Iterator[int]:
        while True:
            taken.append(len(taken))
            yield taken[-1]

    found = ordered(sleeper, 0.1, endless(), jobs=2)
    assert [next(found) for _ in range(6)] == [n * n for n in range(6)]
    assert len(taken) <= 6 + 2 * 4
    found.close()
    assert not multiprocessing.active_children()


def test_more_processes_than_tasks() -> None:
    assert list(ordered(sleeper, 0.0, range(2), jobs=3)) == [0, 1]


def test_a_process_that_ends_is_no_hang() -> None:
    with pytest.raises(WorkerError, match=r"exit code 7\); memory may have run out"):
        list(ordered(quitter, 7, range(5), jobs=1))
    assert not multiprocessing.active_children()


def test_a_mistake_arrives_as_it_was() -> None:
    with pytest.raises(ProxyError) as caught:
        list(ordered(complainer, "`x` does not fit", range(5), jobs=1))
    assert caught.value.diagnostics == (Diagnostic("bad-network", "`x` does not fit", None, "a hint"),)
    assert not multiprocessing.active_children()


def test_any_other_error_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        list(ordered(divider, 0, range(2), jobs=1))


# -- the file ----------------------------------------------------------------------------------------------------------


def table(folder: Path, **run: Any) -> ScoreFile:
    return ScoreFile(folder / "scores.csv", ("candidate", "zico", "macs"), {"seed": 0, "batch": 64, **run})


def filled(folder: Path) -> ScoreFile:
    made = table(folder)
    with made.open() as append:
        append(["a, b", float("-inf"), 7])
        append(["c", 0.1, 8])
    return made


def test_rows_are_on_disk_at_once(tmp_path: Path) -> None:
    made = table(tmp_path)
    with made.open() as append:
        append(["a", 1 / 3, 7])
        assert made.rows() == [{"candidate": "a", "zico": "0.3333333333333333", "macs": "7"}]
    assert json.loads(made.record.read_text()) == {"seed": 0, "batch": 64}


def test_numbers_are_read_back_exactly(tmp_path: Path) -> None:
    found = filled(tmp_path).numbers()
    assert found["candidate"].tolist() == ["a, b", "c"]
    assert found["zico"].tolist() == [float("-inf"), 0.1]
    assert (found["macs"].tolist(), found["macs"].dtype.kind) == ([7, 8], "i")


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_cut_line_is_dropped(tmp_path: Path, cut: int) -> None:
    made = filled(tmp_path)
    whole = made.path.read_bytes()
    made.path.write_bytes(whole[:-cut])
    with made.open() as append:
        assert [row["candidate"] for row in made.rows()] == ["a, b"]
        append(["c", 0.1, 8])
    assert made.path.read_bytes() == whole


def test_another_run_is_refused_and_says_why(tmp_path: Path) -> None:
    before = filled(tmp_path).path.read_bytes()
    with pytest.raises(FileError, match=r"another run \(seed: 0 there, 1 now; jpeg: null there, true now\)"):
        table(tmp_path, seed=1, jpeg=True).open().__enter__()
    assert table(tmp_path).path.read_bytes() == before
    with table(tmp_path, seed=1).open(force=True):
        assert table(tmp_path).rows() == []


def test_two_runs_do_not_mix(tmp_path: Path) -> None:
    with table(tmp_path).open() as append:
        append(["a", 1.0, 1])
        for force in (False, True):
            with pytest.raises(FileError, match="another process is writing this file"):
                table(tmp_path).open(force).__enter__()
        append(["b", 2.0, 2])
    assert [row["candidate"] for row in table(tmp_path).rows()] == ["a", "b"]


def test_a_table_without_rows_binds_nobody(tmp_path: Path) -> None:
    with table(tmp_path).open():
        pass
    with table(tmp_path, seed=1).open():
        assert json.loads(table(tmp_path).record.read_text())["seed"] == 1
    table(tmp_path).record.unlink()  # stopped between the table and its record
    with table(tmp_path).open():
        assert json.loads(table(tmp_path).record.read_text())["seed"] == 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.record.unlink() or t.path.write_text("one line"), "no `scores.csv.json` tells which run made it"),
        (lambda t: t.record.unlink(), "no `scores.csv.json` tells which run made it"),
        (lambda t: t.record.write_text("3"), r"`scores.csv.json` cannot be read"),
        (lambda t: t.record.write_text("{"), r"`scores.csv.json` cannot be read"),
        (lambda t: t.path.write_bytes(t.path.read_bytes().replace(b"zico", b"zen")), "columns of the file are not"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, spoil: Callable[[ScoreFile], Any], message: str) -> None:
    made = filled(tmp_path)
    spoil(made)
    before = made.path.read_bytes()
    with pytest.raises(FileError, match=message):
        made.open().__enter__()
    assert made.path.read_bytes() == before


@pytest.mark.parametrize(("line", "message"), [("d,1", "line 4 has 2 values instead of 3"), ("d,x,1", "column `zico`")])
def test_a_row_that_is_none(tmp_path: Path, line: str, message: str) -> None:
    made = filled(tmp_path)
    with made.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(FileError, match=message):
        made.numbers()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot write the file: No such file or directory \[unwritable\]"):
        table(tmp_path / "missing").open().__enter__()
