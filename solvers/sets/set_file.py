"""The set file: a feasible set on disk, with all that is needed to check it and to open it anywhere.

Layout: one magic line with the format version; 64 hex digits, the SHA-256 of everything after them, and a newline; 8
bytes, the length of the header; the header (JSON); the levels, zlib-compressed, see `solvers.sets.stored_levels`. No
pickle, no code. Equal sets of equal programs have the same bytes, whatever engine made them and however long it took. A
file is written beside its name and then renamed, so that a full disk or a killed process never leaves half a set.

A file is trusted no further than it was checked. Opening it takes no table of costs, and finds out that

* it is whole (checksum), and no part of it is larger than what was read before allows;
* the space, the budgets and all else that the costs depend on are those that were saved (`limits`), this version reads
  the same decisions from them (`decisions`), and counts costs by the same model (`cost_model`);
* the levels are a canonical tree of these decisions, with that many members (`count`), and those (`digest`).

Whoever writes a file with other members and makes all of this right again is found out by solving anew
(`solvers.base.verify`), which compares the costs, too (`tables`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from solvers.sets.stored_levels import broken, pack, unpack
from solvers.sets.tree import Tree
from spaces.costs.cost_model import COST_MODEL
from spaces.errors import NascompileError, SetFileError, Span
from spaces.files import write_atomically
from spaces.language.reader import read_space
from spaces.language.source import is_list, is_mapping
from spaces.program.compile import compile_space
from spaces.program.digests import decisions_digest, tables_digest
from spaces.program.graph import RAM_PARTS, Budgets, Program
from spaces.runtimes.library import stored_runtime

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile

__all__ = ["VERSION", "StoredSet", "load", "save"]

VERSION = 2
_MAGIC = b"nascompile-set "
_ANEW = "make it anew with `nascompile reduce`"

#: Bytes of a header, at most: a space and a latency profile of a million characters each are the most of it.
_MAX_HEADER = 16_000_000

#: What the set is of: all that the costs depend on, and what limits them.
_LIMITS = ("space", "target", "budgets", "ram_model", "code", "runtime", "latency", "origin")


class StoredSet(NamedTuple):
    """What a file holds of a set.

    Args:
        program: what was solved.
        tree: the members.
        origin: what the set is, where it is not simply the program's feasible set.
        tables: `tables_digest` of the program when the set was made.
        quanta: of a relaxed set, whose tree has the roots of its outer and then of its inner set; None of an exact one.
    """

    program: Program
    tree: Tree
    origin: str
    tables: str
    quanta: Mapping[str, int | None] | None = None


def save(stored: StoredSet, path: Path) -> Path:
    """Write a set.

    Args:
        stored: the set; `tables` may be empty, and is then made of the program's tables.
        path: the file.

    Raises:
        SetFileError: the folder is missing or not writable, or the disk is full; an older file is left as it was.
    """
    program, tree = stored.program, stored.tree
    shapes, data = pack(tree.levels)
    header = _described(program) | {"origin": stored.origin}
    header |= {
        "limits": _digest(header),
        "decisions": decisions_digest(program),
        "cost_model": COST_MODEL,
        "tables": stored.tables or tables_digest(program),
        "count": str(_count(tree)),
        "digest": tree.digest,
        "quanta": stored.quanta,
        "roots": tree.roots,
        "levels": shapes,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    body = len(text).to_bytes(8, "little") + text + data
    digest = hashlib.sha256(body).hexdigest().encode()
    write_atomically(path, _MAGIC + str(VERSION).encode() + b"\n" + digest + b"\n" + body)
    return path


def _described(program: Program) -> dict[str, Any]:
    """The keys of `_LIMITS` but the last."""
    runtime = program.runtime.stored()
    return {
        "space": program.space.text,
        "target": program.target,
        "budgets": dict(program.budgets.items()),
        "ram_model": program.ram_model,
        "code": runtime["code"],
        "runtime": runtime["runtime"],
        "latency": _profile_text(program.latency),
    }


def _digest(header: Mapping[str, Any]) -> str:
    """SHA-256 of the keys of `_LIMITS`."""
    text = json.dumps([header[key] for key in _LIMITS], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _count(tree: Tree) -> int:
    return sum(map(tree.count, range(len(tree.roots))))


def _profile_text(profile: LatencyProfile | None) -> str | None:
    if profile is None:
        return None
    from spaces.costs.latency_file import profile_text

    return profile_text(profile)


def load(path: Path) -> StoredSet:
    """Open a set file, checking all of it that can be checked without solving anew.

    Raises:
        SetFileError: it cannot be read, is no set file, is of another version, or is truncated or altered.
    """
    try:
        return _opened(_checked(path))
    except OSError as cause:
        message = f"cannot read the file: {cause.strerror}"
        raise SetFileError.of("unreadable-file", message, "check the path", path) from None
    except SetFileError as error:
        raise SetFileError(replace(d, span=Span(str(path), 1, 1)) for d in error.diagnostics) from None


# -- from bytes to a header and levels -------------------------------------------------------------------------------


def _checked(path: Path) -> memoryview:
    """What stands behind the checksum; of a file that is no set, or of another version, no more than a line is read."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            hint = "make one with `nascompile reduce`"
            raise SetFileError.of("not-a-set", "this is not a set file of nascompile", hint)
        version = file.readline(20).removesuffix(b"\n")
        if not version.isdigit():
            raise broken("its first line gives no version")
        if version != str(VERSION).encode():
            message = f"a set file of version {version.decode()}; this nascompile reads version {VERSION}"
            raise SetFileError.of("wrong-version", message, _ANEW)
        digest, body = file.read(65), file.read()
    if digest != hashlib.sha256(body).hexdigest().encode() + b"\n":
        raise broken("its checksum does not match")
    return memoryview(body)


def _opened(body: memoryview) -> StoredSet:
    size = int.from_bytes(body[:8], "little")
    if size > min(len(body) - 8, _MAX_HEADER):
        raise broken(f"its header is said to have {size:,} bytes")
    header = _header(bytes(body[8 : 8 + size]))
    program = _program(header)
    options = [[len(d.options) for d in variant.decisions] for variant in program.variants]
    if header["quanta"] is not None:
        options *= 2
    tree = unpack(header["levels"], body[8 + size :], [(h, n) for h, n in header["roots"]], options)
    if str(_count(tree)) != header["count"]:
        raise broken(f"it has {_count(tree):,} members, and its header says {header['count'][:40]}")
    if tree.digest != header["digest"]:
        raise broken("its members are not those that were saved")
    return StoredSet(program, tree, header["origin"], header["tables"], header["quanta"])


def _header(text: bytes) -> dict[str, Any]:
    """The header, each of its keys of the type that it has."""
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise broken("its header is no JSON") from None
    if not is_mapping(header):
        raise broken("its header is no mapping")
    for key in header.keys() - _KEYS.keys():
        message = f"the set says `{key[:40]}` of itself, which this nascompile does not understand"
        raise SetFileError.of("newer-set", message, f"open it with the nascompile that wrote it, or {_ANEW}")
    for key, right in _KEYS.items():
        if key not in header or not right(header[key]):
            raise broken(f"its header gives no `{key}`, or one that cannot be")
    return header


def _program(header: Mapping[str, Any]) -> Program:
    """What was solved, no table of costs made."""
    if _digest(header) != header["limits"]:
        raise broken("the space or its limits are not those that were saved")
    if header["cost_model"] != COST_MODEL:
        message = f"the set was made by cost model {header['cost_model']}, and this nascompile counts by {COST_MODEL}"
        raise SetFileError.of("other-costs", f"{message}: other networks may fit", _ANEW)
    try:
        program = compile_space(
            read_space(header["space"], "<set file>"),
            Budgets(**header["budgets"]),
            target=header["target"],
            ram_model=header["ram_model"],
            runtime=stored_runtime(header),
            latency=_profile(header["latency"]),
            tables=False,
        )
    except NascompileError as error:
        message = f"this nascompile cannot compile the space in the file: {error.diagnostics[0].message}"
        raise SetFileError.of("other-language", message, _ANEW) from None
    if decisions_digest(program) != header["decisions"]:
        message = "this nascompile reads other decisions from the space in the file than the one that wrote it"
        raise SetFileError.of("other-decisions", message, _ANEW)
    return program


def _profile(text: str | None) -> LatencyProfile | None:
    if text is None:
        return None
    from spaces.costs.latency_file import read_profile

    return read_profile(text, "<set file>")


# -- what the keys of a header can be --------------------------------------------------------------------------------


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _natural(value: Any) -> bool:
    return _whole(value) and value >= 0


def _naturals(value: Any) -> bool:
    return is_mapping(value) and all(map(_natural, value.values()))


def _quanta(value: Any) -> bool:
    return is_mapping(value) and all(one is None or (_natural(one) and one > 0) for one in value.values())


def _ram_model(value: Any) -> bool:
    return _text(value) and value in RAM_PARTS


def _budgets(value: Any) -> bool:
    known = {field.name for field in fields(Budgets)}
    return is_mapping(value) and all(key in known and _whole(bound) for key, bound in value.items())


def _roots(value: Any) -> bool:
    return _rows(value, (_natural, _natural))


def _levels(value: Any) -> bool:
    return _rows(value, (_natural, _natural, _text))


def _rows(value: Any, kinds: tuple[Callable[[Any], bool], ...]) -> bool:
    """A list of lists whose parts are of these kinds."""
    return is_list(value) and all(
        is_list(row) and len(row) == len(kinds) and all(is_(part) for is_, part in zip(kinds, row, strict=True))
        for row in value
    )


#: Key of a header -> whether a value of it can be. All must be there, and no other: whoever adds one that old versions
#: must not overlook adds it here.
_KEYS: dict[str, Callable[[Any], bool]] = {
    "space": _text,
    "target": _text,
    "budgets": _budgets,
    "ram_model": _ram_model,
    "code": _naturals,
    "runtime": lambda value: value is None or is_mapping(value),
    "latency": lambda value: value is None or _text(value),
    "limits": _text,
    "decisions": _text,
    "cost_model": _natural,
    "tables": _text,
    "origin": _text,
    "count": _text,
    "digest": _text,
    "quanta": lambda value: value is None or _quanta(value),
    "roots": _roots,
    "levels": _levels,
}
