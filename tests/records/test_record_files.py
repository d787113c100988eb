"""Trial log, search log and score file: cut anywhere, killed, too large, or wanted by several processes at once."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import locks
from spaces.errors import FileError
from spaces.files import check_file
from tests.records.writers import FILES, opened, write

ROOT = Path(__file__).parents[2]
BUSY = "another process is writing this file"
#: Files as they were before they had a class in common.
EARLIER = {
    "trials.jsonl": r"""{"seed": 0, "note": "\u00fc"}
{"trial": 0, "candidate": "c, \"x\" 0", "costs": {"macs": 0}, "scores": {"zico": "-inf"}}
{"trial": 1, "candidate": "c, \"x\" 1", "costs": {"macs": 10}, "scores": {"zico": 0.5}}
""",
    "rounds.jsonl": r"""{"seed": 0, "note": "\u00fc"}
{"number": 0, "before": {"e": ["a", "b"]}, "rows": [{"edge": "e", "operator": "c, \"x\" 0", "k": -Infinity, """
    r""""regions": 1.0, "flops": null, "latency": null, "score": 0.0, "fate": "kept"}]}
{"number": 1, "before": {"e": ["a", "b"]}, "rows": [{"edge": "e", "operator": "c, \"x\" 1", "k": 0.5, """
    r""""regions": 1.0, "flops": null, "latency": null, "score": 0.0, "fate": "kept"}]}
""",
    "scores.csv": """candidate,zico,macs
"c, ""x"" 0",-inf,0
"c, ""x"" 1",0.5,10
""",
    "scores.csv.json": """{
  "seed": 0,
  "note": "ü"
}
""",
}


def process(path: Path, rows: int, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.records.writers", str(path), str(rows)]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, cwd=ROOT, text=True, **pipes, **options)  # type: ignore[call-overload]


def said(writer: subprocess.Popen[str]) -> str:
    assert writer.stdout
    return writer.stdout.readline()


# -- the format --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_the_format_is_the_earlier_one(name: str, tmp_path: Path) -> None:
    assert write(tmp_path / name, 2).decode() == EARLIER[name]
    if name == "scores.csv":
        assert (tmp_path / "scores.csv.json").read_text() == EARLIER["scores.csv.json"]


@pytest.mark.parametrize("name", FILES)
def test_an_earlier_file_is_gone_on_with(name: str, tmp_path: Path) -> None:
    for there in EARLIER:
        (tmp_path / there).write_text(EARLIER[there])
    (tmp_path / "new").mkdir()
    assert write(tmp_path / name, 3) == write(tmp_path / "new" / name, 3)
    assert write(tmp_path / name, 3).decode().startswith(EARLIER[name])


# -- what is cut off, or another's -------------------------------------------------------------------------------------


@given(
    name=st.sampled_from(FILES), cut=st.floats(0, 1), rows=st.integers(0, 3),
    text=st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=5),
)  # fmt: skip
def test_cut_off_at_any_byte_it_goes_on_to_the_same_end(name: str, cut: float, rows: int, text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        kept = write(path, rows, text=text)
        path.write_bytes(kept[: round(cut * len(kept))])
        with opened(path, text=text) as (there, _):
            # Not a row is lost but the last one, and that only if its end is missing.
            assert there == max(0, kept[: round(cut * len(kept))].count(b"\n") - 1)
        assert write(path, rows, text=text) == kept


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("cut", [None, -1, -9])
def test_of_other_settings_it_is_refused_and_stays(name: str, cut: int | None, tmp_path: Path) -> None:
    path = tmp_path / name
    there = write(path, 3)[:cut]
    path.write_bytes(there)
    with pytest.raises(FileError, match=r"its `seed` differs|seed: 0 there, 1 now"):
        write(path, 3, seed=1)
    assert path.read_bytes() == there
    assert write(path, 1, seed=1, force=True) == write(path, 1, seed=1) != there


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("text", ["mine", "mine\n", '{"a": 1', '{"a": 1}', "[]\n", "\x80\n.", "a,b\n1,2\n"])
def test_a_file_of_somebody_elses_is_refused_and_stays(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, "latin-1")
    with pytest.raises(FileError):
        write(tmp_path / name, 1)
    assert (tmp_path / name).read_text("latin-1") == text


# -- several processes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_the_second_process_is_refused_and_after_a_kill_the_next_goes_on(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with process(path, 10**9) as writer:
        assert said(writer) == "open\n"
        for force in (False, True):
            with pytest.raises(FileError, match=rf"{name}:1:1: {BUSY} \[busy-file\]\n  wait for it"):
                write(path, 1, seed=1, force=force)
        with pytest.raises(FileError, match=BUSY):
            check_file(path, continued=True)
        check_file(path)
        with process(path, 1) as second:
            assert second.wait() == 1
            assert second.stderr
            assert BUSY in second.stderr.read()
        while path.read_bytes().count(b"\n") < 100:
            assert writer.poll() is None
            time.sleep(0.001)
        writer.kill()
    rows = path.read_bytes().count(b"\n") - 1
    assert rows >= 99
    (tmp_path / "new").mkdir()
    assert write(path, rows + 2) == write(tmp_path / "new" / name, rows + 2)


@pytest.mark.parametrize("name", FILES)
def test_of_processes_that_begin_at_once_one_writes(name: str, tmp_path: Path) -> None:
    """None of them finds the file there."""
    path, other = tmp_path / name, tmp_path / "new" / name
    other.parent.mkdir()
    writers = [process(path, 50) for _ in range(3)]
    answers = [said(writer) for writer in writers]
    assert sorted(answers) == ["", "", "open\n"]
    for answer, writer in zip(answers, writers, strict=True):
        _, mistake = writer.communicate("")
        assert (writer.returncode, BUSY in mistake) == ((0, False) if answer else (1, True))
    assert path.read_bytes() == write(other, 50)


@pytest.mark.parametrize("name", FILES)
def test_a_file_system_that_is_full_is_one_error_and_loses_no_row(name: str, tmp_path: Path) -> None:
    """A limit on the size of files stands for it."""
    limit = len(write(tmp_path / name, 10)) + 20
    set_limit: Callable[[], None] = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # noqa: E731
    with process(tmp_path / name, 10**9, preexec_fn=set_limit) as writer:
        _, mistake = writer.communicate("")
    what = "file" if name == "scores.csv" else "log"
    assert mistake.startswith(f"{tmp_path / name}:1:1: cannot write the {what}: {os.strerror(errno.EFBIG)} [")
    (tmp_path / "new").mkdir()
    with opened(tmp_path / name) as (there, _):
        assert there == 10
    assert write(tmp_path / name, 12) == write(tmp_path / "new" / name, 12)


@pytest.mark.parametrize("name", FILES)
def test_where_nothing_can_be_locked_it_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    with pytest.warns(RuntimeWarning, match=rf"{name}` cannot be locked \(this system has no `fcntl`\)"):
        write(tmp_path / name, 2)
    with pytest.warns(RuntimeWarning):
        assert write(tmp_path / name, 2).decode() == EARLIER[name]
