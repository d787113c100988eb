"""Files that users name: read as text, written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from spaces.errors import Diagnostic, FileError, SpaceError, Span

__all__ = ["MAX_BYTES", "read_text", "too_large", "write_atomically"]

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


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        FileError: it cannot be written; what stood there before still does.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as cause:
        message = f"cannot write the file: {cause.strerror}"
        hint = "check that the folder exists, is writable and has room, or give another file with --out"
        raise FileError(Diagnostic("unwritable", message, Span(str(path), 1, 1), hint)) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
