"""Files that users name: written whole, through links, pipes and devices, and never in the place of an input."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from spaces.errors import FileError
from spaces.files import check_file, check_folder, write_atomically

DATA = b"x" * 200_000  # more than a pipe holds


def read_aside(pipe: Path) -> Callable[[], bytes]:
    """Read a pipe from another thread; what came out of it."""
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    thread.start()

    def result() -> bytes:
        thread.join(20)
        assert found, "nothing was written into the pipe"
        return found[0]

    return result


def test_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_file(pipe)
    came = read_aside(pipe)
    write_atomically(pipe, DATA)
    assert came() == DATA
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_to_a_pipe(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    came = read_aside(pipe)
    write_atomically(link, DATA)
    assert came() == DATA
    assert link.is_symlink()


def test_a_pipe_whose_reader_leaves_is_one_clear_error(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def leave() -> None:
        with pipe.open("rb") as file:
            file.read(1)

    thread = threading.Thread(target=leave, daemon=True)
    thread.start()
    with pytest.raises(FileError, match="cannot write the file: Broken pipe"):
        write_atomically(pipe, DATA)
    thread.join(20)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_file_is_written(there: bool, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link, again = tmp_path / "far" / "a.csv", tmp_path / "link", tmp_path / "again"
    if there:
        target.write_bytes(b"before")
    link.symlink_to(Path("far") / "a.csv")
    again.symlink_to(link)
    check_file(again)
    write_atomically(again, DATA)
    assert (link.is_symlink(), again.is_symlink(), target.is_symlink()) == (True, True, False)
    assert target.read_bytes() == DATA
    assert list((tmp_path / "far").iterdir()) == [target]


def test_a_circle_of_links(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    for act in (check_file, lambda path: write_atomically(path, DATA)):
        with pytest.raises(FileError, match="cannot write the file: Too many levels of symbolic links"):
            act(link)
    assert link.is_symlink()


def test_permissions_stay_and_new_files_have_the_usual_ones(tmp_path: Path) -> None:
    usual, private, new = tmp_path / "usual", tmp_path / "private", tmp_path / "new"
    usual.touch()
    private.touch()
    private.chmod(0o600)
    for path in (private, new):
        write_atomically(path, DATA)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert new.stat().st_mode == usual.stat().st_mode


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """They are threads of one process, so that its number tells their parts apart no more."""
    path, contents = tmp_path / "a", [bytes([i]) * 300_000 for i in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda data: write_atomically(path, data), contents))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_that_a_file_can_have(tmp_path: Path) -> None:
    path = tmp_path / ("\u20ac" * 85)
    write_atomically(path, DATA)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/.."])
def test_no_name(name: str) -> None:
    for act in (check_file, check_folder, lambda path: write_atomically(path, DATA)):
        with pytest.raises(FileError, match=r"an output is empty, or only that of a folder around it \[no-name\]"):
            act(Path(name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "Is a directory"),
        ("link", "Is a directory"),
        ("missing/a", "No such file or directory"),
        ("file/a", "Not a directory"),
        ("dangling", "No such file or directory"),
        ("n" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_known_before(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("missing/a")
    before = sorted(tmp_path.rglob("*"))
    for act in (check_file, lambda path: write_atomically(path, DATA)):
        with pytest.raises(FileError, match=f"cannot write the file: {reason}"):
            act(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_known_before(tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file"
    folder.mkdir(mode=0o500)
    file.touch(mode=0o400)
    for path in (file, folder / "a"):
        with pytest.raises(FileError, match="cannot write the file: Permission denied"):
            check_file(path)
    with pytest.raises(FileError, match="cannot make the folder: Permission denied"):
        check_folder(folder / "a" / "b")


def test_one_of_the_others_under_any_name(tmp_path: Path) -> None:
    there, missing = tmp_path / "there", tmp_path / "missing"
    there.touch()
    (tmp_path / "soft").symlink_to("there")
    (tmp_path / "hard").hardlink_to(there)
    (tmp_path / "dangling").symlink_to("missing")
    for path in ("there", "soft", "hard", f"../{tmp_path.name}/there"):
        with pytest.raises(FileError, match=r"there` is an input or another output .* \[output-is-input\]"):
            check_file(tmp_path / path, [missing, there])
    for path in ("missing", "dangling"):
        with pytest.raises(FileError, match="output-is-input"):
            check_file(tmp_path / path, [there, missing])
    check_file(tmp_path / "free", [there, missing, tmp_path])


def test_what_is_read_first_is_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="a pipe or a device cannot be gone on with"):
        check_file(tmp_path / "pipe", continued=True)
    check_file(tmp_path / "new", continued=True)


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    for path in (tmp_path, tmp_path / "a" / "b" / "c"):
        check_folder(path)
    for name, reason in {"file": "File exists", "file/a": "Not a directory", "dangling": "File exists"}.items():
        with pytest.raises(FileError, match=f"cannot make the folder: {reason}"):
            check_folder(tmp_path / name)
    assert not (tmp_path / "a").exists()
