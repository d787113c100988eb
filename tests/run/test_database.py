"""A run whose trials are in PostgreSQL: several workers, on disks of their own, and nothing trained twice."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nascompile.run.data import load_data
from nascompile.run.errors import RunError
from nascompile.run.folder import RunFolder
from nascompile.run.lead import lead
from nascompile.run.outcome import Outcome, finish
from nascompile.run.trials import Trials
from tests.run.examples import data_file, settings, small_set
from tests.system_tools import needs, program

pytest.importorskip("psycopg", reason="needs psycopg[binary]")
pytestmark = needs("postgres")


def other_user() -> str | None:
    """PostgreSQL does not run as root."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server of our own, on a free port."""
    initdb, postgres = str(program("initdb")), str(program("postgres"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = other_user()
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, user)
        common: dict[str, Any] = {
            "user": user,
            "cwd": folder,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
        }
        subprocess.run([initdb, "-D", f"{folder}/data", "-U", "us", "--no-sync", "-A", "trust"], check=True, **common)
        server = subprocess.Popen(
            [postgres, "-D", f"{folder}/data", "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"], **common
        )
        try:
            where = f"postgresql://us@127.0.0.1:{port}/postgres"
            for _ in range(100):
                try:
                    Trials(where, "hello")
                    break
                except RunError:
                    time.sleep(0.1)
            yield where
        finally:
            # Not SIGTERM, at which it would wait for our connections to end.
            server.send_signal(signal.SIGINT)
            server.wait()


def ended(folder: RunFolder) -> Outcome:
    data = load_data(folder)
    return finish(folder, lead(folder, data, 1, "cpu"), data)


def test_workers_elsewhere_share_a_run(tmp_path: Path, url: str) -> None:
    data, fs = data_file(tmp_path), small_set(tmp_path)
    alone = ended(RunFolder.create(tmp_path / "alone", settings(data, samples=9), fs)).data
    shared = RunFolder.create(tmp_path / "shared", settings(data, samples=9, storage=url, name="shared"), fs)
    command = [sys.executable, "-m", "nascompile", "worker", "--storage", url, "--run", "shared", "--out"]
    workers = [subprocess.Popen([*command, tmp_path / name], stderr=subprocess.PIPE, text=True) for name in "ab"]
    # The leader comes when they wait, so that they find work.
    wait_for(tmp_path / "a" / ".joined", tmp_path / "b" / ".joined")
    assert ended(shared).data == alone
    said = [worker.communicate(timeout=60)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert all("steps done here" in text for text in said)
    trials = shared.trials().all()
    assert sorted(t.user_attrs["number"] for t in trials) == [k // 2 for k in range(18)]
    assert len({t.user_attrs["worker"] for t in trials}) >= 2


def wait_for(*paths: Path) -> None:
    for _ in range(300):
        if all(path.exists() for path in paths):
            return
        time.sleep(0.1)
    pytest.fail(f"{paths} did not appear")


def test_runs_of_one_name_are_not_mixed(tmp_path: Path, url: str) -> None:
    data, fs = data_file(tmp_path), small_set(tmp_path)
    RunFolder.create(tmp_path / "one", settings(data, storage=url, name="same"), fs)
    with pytest.raises(RunError, match="has another run called `same`"):
        RunFolder.create(tmp_path / "two", settings(data, storage=url, name="same", samples=3), fs)
    with pytest.raises(RunError, match="has no run `other`"):
        RunFolder.join(url, "other", tmp_path / "three")
    joined = RunFolder.join(url, "same", tmp_path / "four")
    assert joined.fs.digest == fs.digest
    shutil.rmtree(tmp_path / "four")
    RunFolder.create(tmp_path / "four", settings(data, samples=3), fs)
    with pytest.raises(RunError, match="holds another run"):
        RunFolder.join(url, "same", tmp_path / "four")


def test_no_password_is_written(tmp_path: Path, url: str) -> None:
    """In no file of the run nor of a helper's, no note and no trial; local helpers have it nevertheless."""
    secret = "s3cr:t%40/x"
    given = url.replace("us@", f"us:{secret.replace('/', '%2F').replace(':', '%3A')}@")
    data, fs = data_file(tmp_path), small_set(tmp_path)
    asked = settings(data, storage=given, name="secret")
    folder = RunFolder.create(tmp_path / "secret", asked, fs, command=f"nascompile search --storage {given}")
    lead(folder, load_data(folder), 2, "cpu")
    joined = RunFolder.join(given, "secret", tmp_path / "joined")
    trials = Trials(url, "secret")
    texts = [path.read_text(errors="ignore") for path in tmp_path.rglob("*") if path.is_file()]
    texts += [repr(dict(trials.notes)), repr(trials.all()), repr(folder), repr(joined), repr(folder.trials())]
    assert not any("s3cr" in text for text in texts)
    assert folder.settings.storage == url
    assert "--storage postgresql://us@" in folder.contents.record["command"]
    assert RunFolder.open(folder.path, given).trials().results() == trials.results()
    with pytest.raises(RunError, match="are in `postgresql://us@"):
        RunFolder.open(folder.path, given.replace("us:", "other:"))


def test_weights_come_back_from_the_database_and_are_missed_without_one(tmp_path: Path, url: str) -> None:
    data, fs = data_file(tmp_path), small_set(tmp_path)
    folder = RunFolder.create(tmp_path / "there", settings(data, samples=1, storage=url, name="there"), fs)
    whole = ended(folder).data
    shutil.rmtree(folder.network(0))
    assert ended(folder).data == whole
    folder = RunFolder.create(tmp_path / "gone", settings(data, samples=1), fs)
    ended(folder)
    shutil.rmtree(folder.network(0))
    with pytest.raises(RunError, match="the weights of candidate 0 are not in"):
        ended(folder)
