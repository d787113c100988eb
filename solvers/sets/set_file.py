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
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solvers.sets.tree import Tree
from spaces.errors import SetFileError
from spaces.files import write_atomically
from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets, Program
from spaces.runtimes.library import stored_runtime

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spaces.costs.latency import LatencyProfile

__all__ = ["VERSION", "StoredSet", "load", "save"]

VERSION = 1
_MAGIC = b"nascompile-set "


class StoredSet(NamedTuple):
    """What a file holds of a set: the arguments of `FeasibleSet`, or of a `RelaxedSet`."""

    program: Program
    tree: Tree
    engine: str
    seconds: float
    origin: str
    #: Of a relaxed set, whose tree has the roots of its outer and then of its inner set: the quanta.
    quanta: Mapping[str, int | None] | None = None


def save(stored: StoredSet, path: Path) -> Path:
    """Write a set.

    Raises:
        SetFileError: the folder is missing or not writable, or the disk is full; an older file is left as it was.
    """
    program, tree = stored.program, stored.tree
    runtime = program.runtime.stored()
    levels = [np.ascontiguousarray(level).astype(level.dtype.newbyteorder("<"), copy=False) for level in tree.levels]
    header = {
        "space": program.space.text,
        "target": program.target,
        "budgets": dict(program.budgets.items()),
        "ram_model": program.ram_model,
        "code": runtime["code"],
        "latency": _profile_text(program.latency),
        "runtime": runtime["runtime"],
        "engine": stored.engine,
        "seconds": stored.seconds,
        "origin": stored.origin,
        "relaxed": stored.quanta,
        "count": str(sum(map(tree.count, range(len(program.chains))))),
        "roots": tree.roots,
        "levels": [[*level.shape, level.dtype.str] for level in levels],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    body = len(text).to_bytes(8, "little") + text + zlib.compress(b"".join(level.tobytes() for level in levels))
    digest = hashlib.sha256(body).hexdigest().encode()
    write_atomically(path, _MAGIC + str(VERSION).encode() + b"\n" + digest + b"\n" + body)
    return path


def _profile_text(profile: LatencyProfile | None) -> str | None:
    if profile is None:
        return None
    from spaces.costs.latency_file import profile_text

    return profile_text(profile)


def load(path: Path) -> StoredSet:
    """Open a set file, checking that it is whole.

    Raises:
        SetFileError: it cannot be read, is no set file, is of another version, or is truncated or altered.
    """
    try:
        data = path.read_bytes()
    except OSError as cause:
        raise SetFileError.of(
            "unreadable-file", f"cannot read the file: {cause.strerror}", "check the path", path
        ) from None
    magic, _, rest = data.partition(b"\n")
    if not magic.startswith(_MAGIC):
        raise SetFileError.of(
            "not-a-set", "this is not a set file of nascompile", "make one with `nascompile reduce`", path
        )
    if (version := magic.removeprefix(_MAGIC)) != str(VERSION).encode():
        message = (
            f"a set file of version {version.decode(errors='replace')[:20]}; this nascompile reads version {VERSION}"
        )
        raise SetFileError.of("wrong-version", message, "make it anew with `nascompile reduce`", path)
    digest, _, body = rest.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        message = "the file is truncated or altered: its checksum does not match"
        raise SetFileError.of("damaged-set", message, "copy it again, or make it anew with `nascompile reduce`", path)
    size = int.from_bytes(body[:8], "little")
    return _opened(json.loads(body[8 : 8 + size]), zlib.decompress(body[8 + size :]))


def _opened(header: dict[str, Any], payload: bytes) -> StoredSet:
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
        runtime=stored_runtime(header),
        latency=_profile(header.get("latency")),
    )
    tree = Tree(tuple(levels), tuple((height, node) for height, node in header["roots"]))
    return StoredSet(program, tree, header["engine"], header["seconds"], header["origin"], header.get("relaxed"))


def _profile(text: str | None) -> LatencyProfile | None:
    if not text:
        return None
    from spaces.costs.latency_file import read_profile

    return read_profile(text, "<set file>")
