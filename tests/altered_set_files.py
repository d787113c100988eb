"""Set files altered in many ways: none opens with members that do not fit, or takes what memory it likes.

    python -m tests.altered_set_files 2000       # some minutes

The alterations whose names begin with `crafted` make everything right again that a writer can, so that those files may
open: what they hold is then a canonical tree of the space, and solving anew finds it out.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import nascompile as nc
from solvers.base import solve, verify
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.set_file import VERSION
from solvers.sets.stored_levels import pack
from solvers.sets.tree import Tree, join
from spaces.errors import SetFileError
from spaces.language.reader import read_space
from spaces.program.compile import compile_space
from spaces.program.graph import Budgets
from tests.oracles import fits

#: Variants of several depths with choices of several sizes, so that levels are wider than some decisions.
_MIXED = """
space: mixed
input: {channels: 2, height: 8, width: 8}
choices:
  M: [4, 8, 12]
  K: [1, 3, 5, 7]
  W: [1, 2]
network:
  - conv: {filters: M, kernel: K}
    repeat: [1, 2, 3]
  - global_avg_pool
  - linear: {units: "W * 4"}
constraints:
  - macs <= 60_000
"""

_FIRST = b"nascompile-set %d\n" % VERSION


@dataclass
class Parts:
    """A set file taken apart: header, and levels from the tallest down."""

    header: dict[str, Any]
    levels: list[np.ndarray]

    @classmethod
    def of(cls, data: bytes) -> Parts:
        body = data.removeprefix(_FIRST)[65:]
        size = int.from_bytes(body[:8], "little")
        header, payload = json.loads(body[8 : 8 + size]), zlib.decompress(body[8 + size :])
        levels, at = [], 0
        for rows, options, kind in header["levels"]:
            stop = at + rows * options * np.dtype(kind).itemsize
            levels.append(np.frombuffer(payload[at:stop], kind).reshape(rows, options).copy())
            at = stop
        return cls(header, levels)

    def bytes(self, shapes: bool = True) -> bytes:
        """The file, its checksum right; `shapes`: those of the levels are, too."""
        told, payload = pack(self.levels[::-1])
        if shapes:
            self.header["levels"] = told
        return signed(json.dumps(self.header).encode(), payload)

    def craft(self) -> None:
        """Make the count and the digest right for the levels, where they have any."""
        tree = Tree(tuple(self.levels[::-1]), tuple(tuple(root) for root in self.header["roots"]))
        self.header["digest"] = tree.digest
        with suppress(IndexError, KeyError):
            self.header["count"] = str(sum(map(tree.count, range(len(tree.roots)))))


def signed(header: bytes, payload: bytes) -> bytes:
    body = len(header).to_bytes(8, "little") + header + payload
    return _FIRST + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


@cache
def bomb() -> bytes:
    """100 MB of zeros in 100 kB."""
    return zlib.compress(bytes(100_000_000))


Source = random.Random
Alteration = Callable[[bytes, Source], bytes]


def _flipped(data: bytes, source: Source) -> bytes:
    out = bytearray(data)
    for _ in range(source.choice((1, 1, 3, 20))):
        out[source.randrange(len(out))] ^= 1 << source.randrange(8)
    return bytes(out)


def _flipped_and_signed(data: bytes, source: Source) -> bytes:
    body = _flipped(data[len(_FIRST) + 65 :], source)
    return _FIRST + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _truncated(data: bytes, source: Source) -> bytes:
    return data[: source.randrange(len(data))]


def _truncated_and_signed(data: bytes, source: Source) -> bytes:
    body = data[len(_FIRST) + 65 :]
    body = body[: source.randrange(len(body))] if source.random() < 0.8 else body + b"more"
    return _FIRST + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


_VALUES = (None, True, -1, 0, 1, 2**31, 2**63, 10**30, 0.5, float("nan"), "", "x", "\x1b[31m", [], [[]], {}, {"a": 1})


def _other(value: Any, source: Source) -> Any:
    """A value near to another, or one that has nothing to do with it."""
    if source.random() < 0.3:
        return source.choice(_VALUES)
    if isinstance(value, bool) or value is None:
        return source.choice(_VALUES)
    if isinstance(value, int):
        return value + source.choice((-1, 1, 2, 1000, -value, value, 2**40))
    if isinstance(value, str) and value:
        at = source.randrange(len(value))
        return value[:at] + source.choice("0123456789abcdef") + value[at + 1 :]
    if isinstance(value, list) and value:
        at = source.randrange(len(value))
        return source.choice((value[:at] + value[at + 1 :], [*value, value[at]], _with(value, at, source)))
    if isinstance(value, dict) and value:
        return _with(value, source.choice(list(value)), source)
    return source.choice(_VALUES)


def _with(value: Any, at: Any, source: Source) -> Any:
    out = value.copy()
    out[at] = _other(out[at], source)
    return out


def _header(data: bytes, source: Source) -> bytes:
    parts = Parts.of(data)
    key = source.choice(list(parts.header))
    action = source.random()
    if action < 0.05:
        del parts.header[key]
    elif action < 0.1:
        parts.header["new"] = 1
    else:
        parts.header[key] = _other(parts.header[key], source)
    return parts.bytes(shapes=False)


def _limits(data: bytes, source: Source) -> bytes:
    """Budgets, options or a stride of the space that are others."""
    parts = Parts.of(data)
    old, new = source.choice((("3", "2"), ("4", "5"), ("8", "9"), ("1", "2")))
    if source.random() < 0.5:
        parts.header["budgets"] = {"rom": source.randrange(1, 10**6)}
    else:
        parts.header["space"] = parts.header["space"].replace(old, new, 1)
    return parts.bytes()


def _swapped(data: bytes, source: Source) -> bytes:
    parts = Parts.of(data)
    a, b = source.sample(range(len(parts.levels)), 2)
    parts.levels[a], parts.levels[b] = parts.levels[b], parts.levels[a]
    if source.random() < 0.5:
        parts.craft()
    return parts.bytes(source.random() < 0.5)


def _children(data: bytes, source: Source) -> bytes:
    """Children out of range or not, the digest left as it was."""
    parts = Parts.of(data)
    _disturb(parts.levels, source)
    return parts.bytes()


def _disturb(levels: list[np.ndarray], source: Source) -> None:
    for _ in range(source.choice((1, 1, 2, 5))):
        level = source.choice(levels)
        row, option = source.randrange(len(level)), source.randrange(level.shape[1])
        most = int(np.iinfo(level.dtype).max)
        level[row, option] = source.choice((0, 1, 2, source.randrange(most + 1), int(level.max()), most))


def _rows(data: bytes, source: Source) -> bytes:
    """Rows that come twice, are empty or missing, in another order, or in a wider type."""
    parts = Parts.of(data)
    at = source.randrange(len(parts.levels))
    level = parts.levels[at]
    row = source.randrange(len(level))
    parts.levels[at] = source.choice((
        np.concatenate([level, level[row : row + 1]]),
        np.concatenate([level, np.zeros_like(level[:1])]),
        np.delete(level, row, axis=0),
        level[::-1].copy(),
        level.astype("<u4" if level.dtype.itemsize < 4 else "<u2"),
        np.pad(level, ((0, 0), (0, 1))),
        level[:, :-1].copy(),
    ))  # fmt: skip
    return parts.bytes()


def _roots(data: bytes, source: Source) -> bytes:
    parts = Parts.of(data)
    roots = parts.header["roots"]
    root = source.choice(roots)
    root[source.randrange(2)] += source.choice((-1, 1, 2, 1000))
    if source.random() < 0.3:
        source.shuffle(roots)
    if source.random() < 0.5:
        parts.craft()
    return parts.bytes()


def _huge(data: bytes, source: Source) -> bytes:
    """A header that promises much, before bytes that hold much."""
    parts = Parts.of(data)
    _, payload = pack(parts.levels[::-1])
    at = source.randrange(len(parts.levels))
    size = source.choice((10**6, 10**8, 2**31, 2**62))
    parts.header["levels"][at][source.randrange(2)] = size
    if source.random() < 0.7:
        payload = bomb()
    return signed(json.dumps(parts.header).encode(), payload)


def _deep(data: bytes, source: Source) -> bytes:
    """A header that is no header: deep, long, or of another kind."""
    parts = Parts.of(data)
    _, payload = pack(parts.levels[::-1])
    header = source.choice(
        (b"[" * 100_000, b"[]", b"9" * 10_000, b'"a"', b"[" + b"[]," * 30_000 + b"[]]", b"\xff\xfe{")
    )
    return signed(header, payload)


def _crafted_members(data: bytes, source: Source) -> bytes:
    """Other members, count and digest right; where the tree is not canonical it does not open."""
    parts = Parts.of(data)
    _disturb(parts.levels, source)
    parts.craft()
    return parts.bytes()


def _crafted_tree(data: bytes, source: Source) -> bytes:
    """Other members in a canonical tree, count and digest right."""
    parts = Parts.of(data)
    levels, roots = parts.levels[::-1], parts.header["roots"]
    chains = []
    for height, node in roots:
        own = [level.copy() for level in levels[:height]][::-1]
        for level in own:
            level[source.randrange(len(level)), source.randrange(level.shape[1])] = 0
        chains.append((own, node))
    tree = join(chains)
    parts.levels, parts.header["roots"] = list(tree.levels[::-1]), [list(root) for root in tree.roots]
    parts.craft()
    return parts.bytes()


ALTERATIONS: dict[str, Alteration] = {
    "flipped": _flipped,
    "flipped and signed": _flipped_and_signed,
    "truncated": _truncated,
    "truncated and signed": _truncated_and_signed,
    "header": _header,
    "limits": _limits,
    "swapped levels": _swapped,
    "children": _children,
    "rows": _rows,
    "roots": _roots,
    "huge": _huge,
    "deep": _deep,
    "crafted members": _crafted_members,
    "crafted tree": _crafted_tree,
}


def originals() -> list[FeasibleSet]:
    """The sets whose files are altered."""
    mixed = solve(compile_space(read_space(_MIXED), Budgets(rom=4_000)))
    return [nc.reduce("mlp2", rom=13_600), mixed, nc.reduce("dscnn", mcu="stm32f412")]


def peak_of(path: Path) -> int:
    """Bytes that opening a file takes at most, whether it opens or not."""
    tracemalloc.start()
    try:
        with suppress(SetFileError):
            nc.load_set(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def outcome(path: Path, name: str, original: FeasibleSet, seed: int) -> str:
    """What becomes of an altered file: the code of the error, or `opened`.

    Args:
        path: the file.
        name: of the alteration.
        original: the set that was altered.
        seed: of the members that are looked at.
    """
    try:
        fs = nc.load_set(path)
    except SetFileError as error:
        (mistake,) = error.diagnostics
        return mistake.code if mistake.hint and str(mistake.span) == f"{path}:1:1" else f"unhelpful: {mistake}"
    again = join([fs.tree.chain(v) for v in range(len(fs.tree.roots))])
    assert again.roots == fs.tree.roots, name
    assert [level.tobytes() for level in again.levels] == [level.tobytes() for level in fs.tree.levels], name
    assert fs.size == len({str(c) for c in fs}) if fs.size < 1000 else True, name
    if name.startswith("crafted"):
        assert verify(fs) == (fs == original), name
        return "opened" if fs == original else "opened, found by solving anew"
    assert all(map(fits, fs.sample(min(100, fs.size), seed))), name
    assert fs == original, name
    return "opened, the same set"


def campaign(folder: Path, count: int, seed: int = 0) -> Counter[tuple[str, str]]:
    """Open so many altered files, each alteration as often as any other.

    Returns:
        How often (alteration, outcome) was seen.
    """
    source = random.Random(seed)
    files = []
    for k, fs in enumerate(originals()):
        path = fs.save(folder / f"{k}.nasset")
        nc.load_set(path)  # what is loaded once is no part of the peak
        files.append((fs, path.read_bytes(), peak_of(path)))
    seen: Counter[tuple[str, str]] = Counter()
    for k in range(count):
        name = list(ALTERATIONS)[k % len(ALTERATIONS)]
        fs, data, peak = source.choice(files)
        altered = ALTERATIONS[name](data, source)
        path = folder / "altered.nasset"
        path.write_bytes(altered)
        seen[name, outcome(path, name, fs, k)] += 1
        # Of a header that is a list of empty lists each byte becomes 22 in memory.
        assert peak_of(path) <= peak + 32 * len(altered) + 500_000, name
    return seen


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        found = campaign(Path(place), int(sys.argv[1]))
    for (name, what), number in sorted(found.items()):
        print(f"{name:22} {number:5}  {what}")
