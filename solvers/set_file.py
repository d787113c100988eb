"""The set file: a feasible set on disk, with all that is needed to check it and to open it anywhere.

Layout: one magic line with the format version; 64 hex digits, the SHA-256 of everything after them, and a newline; 8
bytes, the length of the header; the header (JSON: the space's text, target, budgets, engine, counts, the shapes of the
levels); the levels, zlib-compressed. No pickle, no code. A file is written beside its name and then renamed, so that a
full disk or a killed process never leaves half a set.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.feasible_set import FeasibleSet
from solvers.tree import Tree
from spaces.compile import compile_space
from spaces.errors import Diagnostic, SetFileError, Span
from spaces.files import write_atomically
from spaces.latency_file import profile_text, read_profile
from spaces.program import Budgets
from spaces.reader import read_space
from spaces.runtimes import runtime_data, runtime_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["VERSION", "load", "save", "verify"]

VERSION = 1
_MAGIC = b"nascompile-set "


def save(fs: FeasibleSet, path: Path) -> Path:
    """Write a set.

    Raises:
        SetFileError: the folder is missing or not writable, or the disk is full; an older file is left as it was.
    """
    levels = [np.ascontiguousarray(level).astype(level.dtype.newbyteorder("<"), copy=False) for level in fs.tree.levels]
    program = fs.program
    header = {
        "space": program.space.text,
        "target": program.target,
        "budgets": dict(program.budgets.items()),
        "ram_model": program.ram_model,
        "code": dict(program.code),
        "latency": profile_text(program.latency) if program.latency else None,
        "runtime": runtime_data(program.runtime) if program.runtime else None,
        "engine": fs.engine,
        "seconds": fs.seconds,
        "origin": fs.origin,
        "count": str(fs.size),
        "roots": fs.tree.roots,
        "levels": [[*level.shape, level.dtype.str] for level in levels],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    body = len(text).to_bytes(8, "little") + text + zlib.compress(b"".join(level.tobytes() for level in levels))
    digest = hashlib.sha256(body).hexdigest().encode()
    write_atomically(path, _MAGIC + str(VERSION).encode() + b"\n" + digest + b"\n" + body)
    return path


def load(path: Path) -> FeasibleSet:
    """Open a set file, checking that it is whole.

    Raises:
        SetFileError: it cannot be read, is no set file, is of another version, or is truncated or altered.
    """
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise _error(path, "unreadable-file", f"cannot read the file: {cause.strerror}", "check the path") from None
    magic, _, rest = data.partition(b"\n")
    if not magic.startswith(_MAGIC):
        raise _error(path, "not-a-set", "this is not a set file of nascompile", "make one with `nascompile reduce`")
    if (version := magic.removeprefix(_MAGIC)) != str(VERSION).encode():
        message = (
            f"a set file of version {version.decode(errors='replace')[:20]}; this nascompile reads version {VERSION}"
        )
        raise _error(path, "wrong-version", message, "make it anew with `nascompile reduce`")
    digest, _, body = rest.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        message = "the file is truncated or altered: its checksum does not match"
        raise _error(path, "damaged-set", message, "copy it again, or make it anew with `nascompile reduce`")
    size = int.from_bytes(body[:8], "little")
    return _opened(json.loads(body[8 : 8 + size]), zlib.decompress(body[8 + size :]))


def _error(path: Path, code: str, message: str, hint: str) -> SetFileError:
    return SetFileError(Diagnostic(code, message, Span(str(path), 1, 1), hint))


def _opened(header: dict[str, Any], payload: bytes) -> FeasibleSet:
    levels: list[NDArray[Any]] = []
    at = 0
    for rows, options, dtype in header["levels"]:
        size = rows * options * np.dtype(dtype).itemsize
        levels.append(np.frombuffer(payload[at : at + size], dtype).reshape(rows, options))
        at += size
    program = compile_space(
        read_space(header["space"], "<set file>"),
        Budgets(**header["budgets"]),
        target=header["target"],
        ram_model=header["ram_model"],
        code=header["code"],
        latency=read_profile(header["latency"], "<set file>") if header.get("latency") else None,
        runtime=runtime_of(header["runtime"]) if header.get("runtime") else None,
    )
    tree = Tree(tuple(levels), tuple((height, node) for height, node in header["roots"]))
    return FeasibleSet(program, tree, header["engine"], header["seconds"], header["origin"])


def verify(fs: FeasibleSet, solver: str = "auto") -> bool:
    """Whether solving anew, from the text in the file, gives the same set.

    Raises:
        SetFileError: the set was derived from others, so there is nothing to solve.
    """
    from solvers.base import solve

    if fs.origin:
        message = f"the set was made by set operations ({fs.origin}), not by solving"
        raise SetFileError(Diagnostic("derived-set", message, None, "verify the sets it was made from"))
    return solve(fs.program, solver).digest == fs.digest
