"""Arrays and what is to be said about them in one file: safetensors, with JSON in its header; never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.errors import FileError
from spaces.files import write_atomically

__all__ = ["digest", "is_whole", "read_tensors", "write_tensors"]

_DAMAGED = (ValueError, KeyError, TypeError)

Arrays = Mapping[str, NDArray[Any]]


def write_tensors(path: Path, arrays: Arrays, about: Mapping[str, Any]) -> None:
    """Write a file whole or not at all: what stood there before stands until the new one is complete.

    Args:
        path: the file.
        arrays: by name.
        about: plain data.

    Raises:
        FileError: it cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_tensors(Path(folder) / "w.safetensors", {"w": np.arange(3)}, {"kind": "example"})
        ...     read_tensors(Path(folder) / "w.safetensors", "example")[0]
        {'w': array([0, 1, 2])}
    """
    from safetensors.numpy import save

    held = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    # A single key, since the library writes several in any order, and equal contents are to be equal files.
    header = {"nascompile": json.dumps({"about": about, "sha256": digest(held), "about_sha256": _of(about)})}
    write_atomically(path, save(held, header))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays of a file, and what it says about them.

    Args:
        path: the file.
        kind: what `about["kind"]` must be.

    Raises:
        FileError: it cannot be read, is damaged, or is of another kind.
    """
    try:
        arrays, about = _read(path.read_bytes())
    except OSError as cause:
        raise FileError.of(
            "unreadable-file", f"cannot read the file: {cause.strerror}", "check the path", path
        ) from None
    except _DAMAGED:
        hint = "delete it, or put back a copy"
        raise FileError.of(
            "damaged-file", "this file is cut off or damaged, or was not written by nascompile", hint, path
        ) from None
    if about.get("kind") != kind:
        message = f"this file holds a {about.get('kind')}, not a {kind}"
        raise FileError.of("wrong-file", message, "name another file", path)
    return arrays, about


def is_whole(path: Path) -> bool:
    """Whether a file is there, and as it was written."""
    try:
        _read(path.read_bytes())
    except (OSError, *_DAMAGED):
        return False
    return True


def _read(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The contents of a file.

    Raises:
        ValueError: they are damaged; `_DAMAGED` has other such errors.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
    except SafetensorError as cause:
        raise ValueError(str(cause)) from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    written = json.loads(header["nascompile"])
    about = written["about"]
    # Files of earlier versions have no digest of what they say.
    if written["sha256"] != digest(arrays) or written.get("about_sha256", _of(about)) != _of(about):
        raise ValueError("another digest")
    if not isinstance(about, dict):
        raise TypeError("not said what it is")
    return arrays, about


def _of(about: Any) -> str:
    """Digest of plain data."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def digest(arrays: Arrays) -> str:
    """SHA-256 over names, shapes, types and values, in the order of the names."""
    result = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        result.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        result.update(array.reshape(-1).view(np.uint8).data)
    return result.hexdigest()
