"""The levels of a tree as bytes, and back: what is read back is a canonical tree of the decisions, or an error.

The tallest level comes first. In a canonical tree nodes are numbered in order of first appearance from above, so what
has been read says how many nodes the next level has: no size is believed, and nothing is allocated that the levels
above do not ask for.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.sets.tree import Level, Root, Tree, numbered_rows
from spaces.errors import SetFileError

__all__ = ["broken", "pack", "unpack"]

#: Bytes that are decompressed at once.
_PIECE = 1 << 16

#: Bytes that one compressed byte can stand for, at most.
_DENSEST = 1032

#: numpy's names for the types that `solvers.sets.tree.smallest` gives to at most `MAX_NODES` nodes, byte order and all.
_TYPES = ("|u1", "<u2", "<u4")


def broken(what: str) -> SetFileError:
    """The error for a file that contradicts itself; whoever knows its path puts that in."""
    message = f"the file is truncated or altered: {what}"
    return SetFileError.of("damaged-set", message, "copy it again, or make it anew with `nascompile reduce`")


def pack(levels: Sequence[Level]) -> tuple[list[list[Any]], bytes]:
    """The levels of a tree as [nodes + 1, options, type] each and their bytes, both from the tallest down.

    Example:
        >>> pack([np.array([[0, 0], [0, 1]], np.uint8)])[0]
        [[2, 2, '|u1']]
    """
    little = [np.ascontiguousarray(level).astype(level.dtype.newbyteorder("<"), copy=False) for level in levels[::-1]]
    return [[*level.shape, level.dtype.str] for level in little], zlib.compress(b"".join(x.tobytes() for x in little))


def unpack(
    shapes: Sequence[tuple[int, int, str]], data: memoryview, roots: Sequence[Root], options: Sequence[Sequence[int]]
) -> Tree:
    """The tree in the bytes that `pack` gave.

    Args:
        shapes: what `pack` gave for the levels.
        data: the bytes.
        roots: (height, node) per variant.
        options: per variant the number of options of each decision, first decision first.

    Raises:
        SetFileError: they are no canonical tree of such decisions.
    """
    heights = [len(own) for own in options]
    if [height for height, _ in roots] != heights:
        raise broken("its roots are not those of the variants")
    tallest = max(heights, default=0)
    if len(shapes) != tallest:
        raise broken(f"it has {len(shapes)} levels for {tallest} decisions")
    inflated = _Inflated(data)
    levels: list[Level] = []
    nodes = 0
    for height, (rows, width, kind) in zip(range(tallest, 0, -1), shapes, strict=True):
        nodes = _with_roots(nodes, roots, height)
        widest = max(own[-height] for own in options if len(own) >= height)
        if (rows, width) != (nodes + 1, widest) or kind not in _TYPES:
            sizes = f"{rows:,} x {width:,} of type {kind[:20]}"
            raise broken(f"a level of {nodes + 1:,} x {widest:,} is said to be {sizes}")
        size = rows * width * np.dtype(kind).itemsize
        if size > _DENSEST * len(data):
            raise broken(f"a level is said to be larger than {len(data):,} compressed bytes can hold")
        level = inflated.take(size).view(kind).reshape(rows, width)
        nodes = _named(level)
        _check_rows(level, nodes)
        levels.append(level)
    if _with_roots(nodes, roots, 0) > 1:
        raise broken("a last decision leads to more than a leaf")
    inflated.end()
    tree = Tree(tuple(reversed(levels)), tuple(roots))
    _check_options(tree, options)
    return tree


class _Inflated:
    """What compressed bytes hold, piece by piece: never more of it in memory than was asked for."""

    def __init__(self, data: memoryview) -> None:
        self._pieces = _inflate(data)
        self._rest = b""

    def take(self, size: int) -> NDArray[np.uint8]:
        """The next bytes, exactly so many."""
        out = np.empty(size, np.uint8)
        at = 0
        while at < size:
            piece = self._rest or next(self._pieces, b"")
            if not piece:
                raise broken("its levels end too early")
            part, self._rest = piece[: size - at], piece[size - at :]
            out[at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
        return out

    def end(self) -> None:
        """That there is nothing more."""
        if self._rest or next(self._pieces, b""):
            raise broken("something stands behind its levels")


def _inflate(data: memoryview) -> Iterator[bytes]:
    """The decompressed bytes in pieces; none is empty."""
    stream = zlib.decompressobj()
    at = 0
    while not stream.eof:
        given = stream.unconsumed_tail or bytes(data[at : at + _PIECE])
        at += 0 if stream.unconsumed_tail else len(given)
        try:
            piece = stream.decompress(given, _PIECE)
        except zlib.error:
            raise broken("its levels cannot be decompressed") from None
        if piece:
            yield piece
        elif not given:
            raise broken("its levels end too early")
    if stream.unused_data or at < len(data):
        raise broken("something stands behind its levels")


def _with_roots(nodes: int, roots: Sequence[Root], height: int) -> int:
    """How many nodes a level has: those that the levels above name, and the roots that are new."""
    for own, node in roots:
        if own == height:
            if not 0 <= node <= nodes + 1:
                raise broken("its roots are not in order of first appearance")
            nodes = max(nodes, node)
    return nodes


def _named(level: Level) -> int:
    """How many nodes a level names, which must be in order of first appearance."""
    most = np.maximum.accumulate(level.ravel())
    if int(most[0]) > 1 or (most[1:] - most[:-1] > 1).any():
        raise broken("its nodes are not in order of first appearance")
    return int(most[-1])


def _check_rows(level: Level, nodes: int) -> None:
    """That the first row is the empty node and the only one, that no two are equal, and the type is the smallest."""
    if level[0].any() or not level[1:].any(axis=1).all():
        raise broken("a node without children is not the empty one")
    if level.dtype != np.min_scalar_type(nodes) or len(numbered_rows(level)[0]) != len(level):
        raise broken("its tree is not in canonical form")


def _check_options(tree: Tree, options: Sequence[Sequence[int]]) -> None:
    """That no variant takes an option beyond those of its decision, where another variant's has more."""
    for height, level in enumerate(tree.levels, start=1):
        own = [each[-height] if len(each) >= height else level.shape[1] for each in options]
        for fewer in sorted({count for count in own if count < level.shape[1]}):
            roots = [root for root, count in zip(tree.roots, own, strict=True) if count == fewer]
            if level[_reached(tree, roots, height), fewer:].any():
                raise broken(f"it takes an option beyond the {fewer} of a decision")


def _reached(tree: Tree, roots: Sequence[Root], height: int) -> NDArray[np.bool_]:
    """Which nodes of a height the members under some roots pass."""
    reached = np.zeros(0, np.bool_)
    for at in range(len(tree.levels), height - 1, -1):
        below = np.zeros(len(tree.levels[at - 1]), np.bool_)
        if len(reached):
            below[tree.levels[at][reached]] = True
        below[[node for own, node in roots if own == at]] = True
        below[0] = False
        reached = below
    return reached
