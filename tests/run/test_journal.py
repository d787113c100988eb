"""A journal that lost its end, its middle or its beginning: mended, and the run comes to the same end."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nascompile.run.errors import RunError
from nascompile.run.journal import mend
from nascompile.run.steps import PTQ, Task
from nascompile.run.trials import Trials
from tests.cli.conftest import Run, run
from tests.run.examples import SPACE, data_file

__all__ = ["run"]

SEARCH = ("search", "nine.yaml", "--data", "halves.npz", "--samples", "3", "--select", "2", "--epochs", "1",
          "--quantise", "ptq", "--out", "r", "--json")  # fmt: skip

Damage = Callable[[bytes], bytes]
CUT: Damage = lambda data: data[:-9]  # noqa: E731
DAMAGES: dict[str, Damage] = {
    "cut": CUT,
    "cut in the middle": lambda data: data[: len(data) // 2],
    "nothing left": lambda data: b"",
    "end of zeros": lambda data: data[:-40] + bytes(40),
    "zeros behind": lambda data: data + bytes(4096),
    "zeros in the middle": lambda data: data[: len(data) // 2] + bytes(30) + data[len(data) // 2 + 30 :],
    "half a record": lambda data: data + b'{"op_code":5,"worker_id":"ab',
    "another record over half of one": lambda data: data[:-30] + data[data[:-1].rfind(b"\n") + 1 :],
    "no journal": lambda data: random.Random(0).randbytes(len(data)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has ended, and with it the process that led it: whoever still lives is waited for."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "nine.yaml").write_text(SPACE)
    data_file(folder)
    done = subprocess.run([sys.executable, "-m", "nascompile", *SEARCH], cwd=folder, check=True, capture_output=True)
    (folder / "found.json").write_bytes(done.stdout)
    return folder


@pytest.mark.parametrize("name", DAMAGES)
def test_the_run_comes_to_the_same_end(name: str, run: Run, whole: Path) -> None:
    shutil.copytree(whole, run.folder, dirs_exist_ok=True)
    found = json.loads((whole / "found.json").read_text())["networks"]
    journal = run.folder / "r/journal.log"
    journal.write_bytes(DAMAGES[name](journal.read_bytes()))
    done = run("resume", "r", "--json")
    assert (done.code, "Traceback" in done.stderr) == (0, False)
    assert json.loads(done.stdout)["networks"] == found
    assert mend(journal) == 0


def test_every_bit_that_flips_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    trials = Trials(path, "run")
    trials.add_lines([(Task(k, PTQ), f"nine: 2-{k}", {}) for k in range(3)])
    claim = trials.claim()
    assert claim
    trials.finish(claim, {"accuracy": 0.875})
    whole, draw = path.read_bytes(), random.Random(1)
    expected = Trials(path, "run").results()
    for _ in range(300):
        bits = bytearray(whole)
        bits[draw.randrange(len(bits))] ^= 1 << draw.randrange(8)
        path.write_bytes(bits)
        if mend(path):
            assert whole.startswith(path.read_bytes())
        else:  # in what says where the checksum is, or between records
            assert Trials(path, "run").results() == expected


def test_who_does_not_lead_says_who_mends(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    Trials(path, "run").add_lines([(Task(0, PTQ), "nine: 2-2", {}), (Task(1, PTQ), "nine: 2-4", {})])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"{}\n", *lines[1:]]))
    with pytest.raises(RunError, match=r"line 2 of .*journal.log` is damaged(.|\n)*nascompile resume"):
        Trials(path, "run")


def test_a_writer_writes_over_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    trials = Trials(path, "run")
    trials.add_lines([(Task(0, PTQ), "nine: 2-2", {})])
    for rest in (b'{"op_code":4,"tri', bytes(9000)):
        with path.open("ab") as file:
            file.write(rest)
        claim = trials.claim()
        assert claim
        trials.release(claim)
    assert mend(path) == 0
    assert Trials(path, "run").claim()


def test_journals_without_checksums_go_on(tmp_path: Path) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = tmp_path / "journal.log"
    storage = JournalStorage(JournalFileBackend(str(path)))
    optuna.create_study(storage=storage, study_name="run", directions=["maximize", "minimize"])
    trials = Trials(path, "run")
    trials.add_lines([(Task(0, PTQ), "nine: 2-2", {})])
    assert mend(path) == 0
    assert trials.claim()
    # And Optuna reads what we write.
    assert len(optuna.load_study(study_name="run", storage=storage).trials) == 1
