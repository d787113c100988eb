"""Files that users name: read as text; looked at before they are written, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from spaces.errors import Diagnostic, FileError, SpaceError, Span
from spaces.locks import lock

__all__ = [
    "MAX_BYTES", "busy", "check_file", "check_folder", "read_text", "too_large", "unwritable", "write_atomically",
]  # fmt: skip

MAX_BYTES = 1_000_000


def read_text(path: Path) -> str:
    """The text of a file that a user named, or one clear error.

    Raises:
        SpaceError: the file is missing, a folder, too large, unreadable, or not UTF-8.
    """

    def fail(code: str, message: str, hint: str) -> SpaceError:
        return SpaceError(Diagnostic(code, message, Span(str(path), 1, 1), hint))

    try:
        if path.stat().st_size > MAX_BYTES:
            raise too_large(str(path), path.stat().st_size)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as cause:
        raise fail("not-utf8", f"not a UTF-8 text file (byte {cause.start})", "save the file as UTF-8") from None
    except OSError as cause:
        raise fail("unreadable-file", f"cannot read the file: {cause.strerror}", "check the path") from None


def too_large(file: str, size: int) -> SpaceError:
    """The error for a text file that no person wrote."""
    message = f"the file has {size:,} bytes; a YAML file of nascompile has at most {MAX_BYTES:,}"
    return SpaceError(Diagnostic("file-too-large", message, Span(file, 1, 1), "is this the right file?"))


def check_file(path: Path, others: Iterable[Path] = (), *, continued: bool = False, what: str = "file") -> None:
    """Whether a file can be written, asked before the work that makes its contents; nothing is touched.

    Args:
        path: the file.
        others: inputs and outputs of the same work, of which it is to be none, under whatever name.
        continued: it is read first, so it cannot be a pipe or a device, nor what another process keeps for itself.
        what: it is called in the error.

    Raises:
        FileError: it cannot be written, is one of the others, or another process is writing it.

    Example:
        >>> check_file(Path(""))
        Traceback (most recent call last):
        spaces.errors.FileError: .:1:1: the name of an output is empty, or only that of a folder around it [no-name]
          give it a name of its own
    """
    _check_name(path)
    try:
        status = _status(path)
        place = Path(os.path.realpath(path)).parent
        regular = status is None or stat.S_ISREG(status.st_mode)
        if regular and not place.is_dir():
            raise _os_error(errno.ENOTDIR if place.exists() else errno.ENOENT)
        if (status and not os.access(path, os.W_OK)) or (regular and not os.access(place, os.W_OK)):
            raise _os_error(errno.EACCES)
        if continued and regular and status and not _is_free(path):
            raise busy(path)
    except OSError as cause:
        raise unwritable(path, cause, what) from None
    if continued and not regular:
        raise _error(path, "not-a-file", "a pipe or a device cannot be gone on with", "name a file")
    for other in others:
        if _same(path, other):
            message = f"`{other}` is an input or another output of the same command, and would be replaced"
            raise _error(path, "output-is-input", message, "give the output another name")


def check_folder(path: Path, failed: str = "cannot make the folder") -> None:
    """Whether a folder is there or can be made; nothing is touched.

    Args:
        path: the folder.
        failed: what the error says before its reason.

    Raises:
        FileError: it cannot.
    """
    _check_name(path)
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    code = (errno.EEXIST if there == path else errno.ENOTDIR) if not there.is_dir() else errno.EACCES
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise _error(path, "unwritable", f"{failed}: {os.strerror(code)}", "give another --out")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    A link stays, and the file that it leads to is written. What is no file, a pipe or a device, is written into.

    Raises:
        FileError: it cannot be written; what stood there before still does.
    """
    _check_name(path)
    try:
        status = _status(path)
        if status and not stat.S_ISREG(status.st_mode):
            path.write_bytes(data)
        else:
            _replace(Path(os.path.realpath(path)), data, stat.S_IMODE(status.st_mode) if status else None)
    except OSError as cause:
        raise unwritable(path, cause) from None


def unwritable(path: Path, cause: OSError, what: str = "file") -> FileError:
    """The error for a file that cannot be written."""
    hint = "check that the folder exists, is writable and has room, or give another file with --out"
    return _error(path, "unwritable", f"cannot write the {what}: {cause.strerror}", hint)


def busy(path: Path) -> FileError:
    """The error for a file that another process keeps for itself."""
    return _error(path, "busy-file", "another process is writing this file", "wait for it, or write to another file")


def _is_free(path: Path) -> bool:
    """Whether no process keeps the file for itself."""
    with path.open("rb") as file:
        return lock(file, shared=True)


def _replace(path: Path, data: bytes, mode: int | None) -> None:
    """Put a file in the place of another, with its permissions; the part has a name that no other process gives."""
    part = path.with_name(f".{path.name[:50]}.{os.urandom(8).hex()}.part")
    try:
        with part.open("xb") as file:
            if mode is not None:
                part.chmod(mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _status(path: Path) -> os.stat_result | None:
    """What stands at a path, links followed; None for nothing."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode):
        raise _os_error(errno.EISDIR)
    return status


def _same(one: Path, other: Path) -> bool:
    """Whether two names are those of one file, which need not be there yet."""
    with suppress(OSError):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def _check_name(path: Path) -> None:
    if path.name in ("", ".."):
        message = "the name of an output is empty, or only that of a folder around it"
        raise _error(path, "no-name", message, "give it a name of its own")


def _os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def _error(path: Path, code: str, message: str, hint: str) -> FileError:
    return FileError(Diagnostic(code, message, Span(str(path), 1, 1), hint))
