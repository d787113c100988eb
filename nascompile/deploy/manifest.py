"""Folders that are written again and again, in which people work meanwhile: nothing of theirs is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nascompile.deploy.errors import DeployError
from spaces.files import write_atomically

__all__ = ["MANIFEST", "NOTHING", "Kept", "add_file", "check_folder_holds", "write_folder"]

#: What was written, by path, as SHA-256; while it is being written, that beside what was there before.
MANIFEST = "nascompile.json"


@dataclass(frozen=True)
class Kept:
    """Files that are not as they would have been written, and stay.

    Args:
        edited: written earlier and changed since, or put where one would have been written.
        foreign: others in the folders that are written into; what stands in `src/` is built along.
    """

    edited: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


NOTHING = Kept()


def check_folder_holds(folder: Path, what: str) -> None:
    """Raises unless a folder is new, empty or was written by `write_folder`.

    Args:
        folder: the folder.
        what: it may hold, such as `deployed network`.

    Raises:
        DeployError: something else is there, or its manifest cannot be read.
    """
    if (folder / MANIFEST).is_file():
        holds, _ = _read(folder)
        if holds == what:
            return
        message = f"`{folder}` holds a {holds}, no {what}"
    elif folder.is_dir() and (strangers := sorted(path.name for path in folder.iterdir())):
        message = f"`{folder}` is not empty, and holds no {what} (`{strangers[0]}` ...)"
    else:
        return
    raise DeployError.of("not-a-deployment", message, "name a new folder with -o")


def write_folder(folder: Path, texts: Mapping[str, str], what: str) -> Kept:
    """Write files into a folder; of earlier ones replace or delete those that are as they were written.

    Args:
        folder: made if it is not there.
        texts: of its files, by their paths.
        what: it holds; see `check_folder_holds`.

    Returns:
        What stays instead.

    Raises:
        DeployError: the folder holds something else, or cannot be written.
        FileError: a file cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> write_folder(folder, {"a.c": "1", "b.c": "1", "main.c": "1"}, "library")
        Kept(edited=(), foreign=())
        >>> _ = (folder / "main.c").write_text("mine"), (folder / "more.c").write_text("mine, too")
        >>> write_folder(folder, {"a.c": "2", "main.c": "2"}, "library")
        Kept(edited=('main.c',), foreign=('more.c',))
        >>> sorted(path.name for path in folder.iterdir())
        ['a.c', 'main.c', 'more.c', 'nascompile.json']
    """
    check_folder_holds(folder, what)
    known = _read(folder)[1] if (folder / MANIFEST).is_file() else {}
    new = {path: {_digest(text.encode())} for path, text in texts.items()}
    both = {path: known.get(path, set()) | new.get(path, set()) for path in known | new}
    edited = {path for path, digests in both.items() if not _replaceable(folder / path, digests)}
    mine = {path: digests for path, digests in new.items() if path not in edited}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Should this end half-way, both what was there and what is there now is known to be ours.
        _write(folder, what, {path: digests for path, digests in both.items() if path not in edited})
        for path in mine:
            _write_file(folder / path, texts[path].encode())
        for path in known.keys() - new.keys() - edited:
            (folder / path).unlink(missing_ok=True)
            with suppress(OSError):  # there is more in it
                (folder / path).parent.rmdir()
        _write(folder, what, mine)
    except OSError as cause:
        hint = "name a folder that can be written, with -o"
        raise DeployError.of("unwritable", f"cannot write `{folder}`: {cause.strerror}", hint) from None
    return Kept(tuple(sorted(edited)), _foreign(folder, mine.keys() | edited))


def add_file(folder: Path, path: str, data: bytes) -> bool:
    """Write one more file into a folder of `write_folder`, unless one is there that was not written so.

    Args:
        folder: the folder.
        path: of the file in it.
        data: what it is to hold.

    Returns:
        Whether it holds that now.

    Raises:
        DeployError: the folder's manifest is damaged.
        FileError: the file cannot be written.
    """
    what, known = _read(folder)
    digests = known.get(path, set()) | {_digest(data)}
    if not _replaceable(folder / path, digests):
        return False
    _write(folder, what, known | {path: digests})
    _write_file(folder / path, data)
    return True


def _write_file(path: Path, data: bytes) -> None:
    """Write a file; one that holds that already keeps its time, so that nothing is built anew."""
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)


def _replaceable(path: Path, digests: set[str]) -> bool:
    """Whether nothing is there, or what was or will be written."""
    if path.is_symlink() or not path.exists():
        return not path.is_symlink()
    return path.is_file() and _digest(path.read_bytes()) in digests


def _foreign(folder: Path, own: set[str]) -> tuple[str, ...]:
    places = {str(Path(path).parent) for path in own}
    found = {str(path.relative_to(folder)) for place in places for path in (folder / place).glob("*") if path.is_file()}
    return tuple(sorted(path for path in found - own - {MANIFEST} if not Path(path).name.startswith(".")))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write(folder: Path, what: str, digests: Mapping[str, set[str]]) -> None:
    rows = {path: " ".join(sorted(digests[path])) for path in sorted(digests)}
    text = json.dumps({"made by": "nascompile", "holds": what, "files": rows}, indent=1)
    write_atomically(folder / MANIFEST, f"{text}\n".encode())


def _read(folder: Path) -> tuple[str, dict[str, set[str]]]:
    path = folder / MANIFEST
    try:
        data = json.loads(path.read_text())
        files = {str(name): set(digests.split()) for name, digests in data["files"].items()}
        if any(Path(name).is_absolute() or ".." in Path(name).parts for name in files):
            raise ValueError
        return str(data["holds"]), files
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        message = f"`{path}` is damaged: which files of the folder are yours cannot be told"
        raise DeployError.of("damaged-manifest", message, "name a new folder with -o") from None
