"""The n-ary tree with shared sub-trees that holds a feasible set, and the array algorithms on it.

A tree is kept level by level. `levels[d]` lists the distinct sub-trees of height d + 1: one row per node, one column
per option, each entry the number of the child among the nodes of height d. Row 0 of every level is the empty node, so
0 means "no member this way" and gathers need no masks; at height 0 there are just two nodes, 0 (nothing) and 1 (a
member). Numbering is canonical, so two trees hold the same set exactly when their arrays are equal. Variants of
different depth share one tree: each has its root at its own height.

This is the generic tree of EBS Sec. III-E with equal sub-trees stored once (a reduced multi-valued decision diagram).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.memory import need

__all__ = [
    "Level",
    "Places",
    "Root",
    "Tree",
    "distinct_codes",
    "distinct_in_blocks",
    "few_codes",
    "join",
    "member_counts",
    "merge_pairs",
    "numbered",
    "numbered_in_parts",
    "numbered_rows",
    "reduce_chain",
    "unique_codes",
]

Level = NDArray[Any]  # unsigned or int32 [nodes + 1, options]
Root = tuple[int, int]  # (height, node)

#: Entries of a block of rows.
ROW_BLOCK = 1 << 18
#: Numbers that are looked at together.
_BLOCK = 1 << 20
#: Numbers that are sorted together.
_PART = 1 << 22
_DRAWN = random.Random(20_26)  # numpy's own generator would take as long to load as all the rest of this file
_MULTIPLIERS = np.array([_DRAWN.getrandbits(64) | 1 for _ in range(4096)], np.uint64)


@dataclass(frozen=True, eq=False)
class Tree:
    """A canonical tree.

    Args:
        levels: by height from 1 up; each in the smallest unsigned type that holds its entries.
        roots: (height, node) per variant; node 0 is an empty variant.
    """

    levels: tuple[Level, ...]
    roots: tuple[Root, ...]

    @property
    def node_count(self) -> int:
        """Number of distinct sub-trees, without the empty one and the leaf."""
        return sum(len(level) - 1 for level in self.levels)

    @property
    def nbytes(self) -> int:
        """Bytes of the tree's arrays."""
        return sum(level.nbytes for level in self.levels)

    @cached_property
    def counts(self) -> tuple[NDArray[Any], ...]:
        """Members below each node, by height from 0: int64, or Python integers where 2^63 is not enough."""
        return tuple(member_counts(self.levels))

    def count(self, variant: int) -> int:
        """Members of a variant."""
        height, node = self.roots[variant]
        return int(self.counts[height][node])

    @property
    def digest(self) -> str:
        """SHA-256 of the set: equal for equal sets of one space, whatever made them."""
        sha = hashlib.sha256(repr(self.roots).encode())
        for level in self.levels:
            sha.update(repr(level.shape).encode())
            sha.update(np.ascontiguousarray(level, dtype="<u4").tobytes())
        return sha.hexdigest()

    def chain(self, variant: int) -> tuple[list[Level], int]:
        """The levels of one variant from its first decision to its last, and its root."""
        height, node = self.roots[variant]
        return list(reversed(self.levels[:height])), node


def member_counts(levels: Iterable[Level]) -> list[NDArray[Any]]:
    """Members below each node, by height from 0; the levels from below, equal sub-trees merged or not."""
    counts: list[NDArray[Any]] = [np.array([0, 1], np.int64)]
    for level in levels:
        below = counts[-1]
        most = int(below.max(initial=0)) * level.shape[1]
        if most >= 2**62 and below.dtype != object:
            # This level, too: sums over the options of one node must not overflow either.
            below = counts[-1] = below.astype(object)
        need(len(level) * 8)
        own = np.zeros(len(level), below.dtype)
        for rows in row_blocks(*level.shape):
            own[rows] = below[level[rows]].sum(axis=1)
        counts.append(own)
    return counts


def row_blocks(rows: int, width: int) -> Iterator[slice]:
    """Slices of so many rows that a temporary array [rows, width] stays in the processor's cache."""
    step = max(1, ROW_BLOCK // max(1, width))
    return (slice(begin, min(rows, begin + step)) for begin in range(0, rows, step))


def smallest(values: NDArray[Any]) -> NDArray[Any]:
    """The same whole numbers in the smallest unsigned type."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))


def numbered_rows(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Equal rows of a 2-D array of whole numbers numbered alike: the place of one of each, and the number of every row.

    Rows are compared by a 64-bit hash; a collision is detected and then resolved by comparing the rows themselves.
    """
    if rows.shape[1] > len(_MULTIPLIERS):
        return _exactly_numbered(rows)
    need(24 * len(rows))
    mixed = np.zeros(len(rows), np.uint64)
    for x in range(rows.shape[1]):
        mixed += rows[:, x].astype(np.uint64) * _MULTIPLIERS[x]
    first, number = numbered(mixed)
    del mixed
    need(13 * len(rows) + 8 * len(first))
    # In order of appearance, so that neighbours stay neighbours.
    met = np.zeros(len(rows), np.bool_)
    met[first] = True
    place = np.cumsum(met, dtype=np.int32)
    place -= 1
    number = place[first][number]
    first = np.flatnonzero(met)
    if all(np.array_equal(rows[first[number[block]]], rows[block]) for block in row_blocks(*rows.shape)):
        return first, number
    return _exactly_numbered(rows)


def _exactly_numbered(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    _, first, number = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, number.ravel()


def _merge(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Merge equal rows: the level (row 0 empty) and the new number of each row, 0 for rows without children."""
    live = rows.any(axis=1)
    need(rows.nbytes)
    alive = rows if live.all() else rows[live]
    first, inverse = numbered_rows(alive)
    width = rows.shape[1]
    need(8 * len(rows) + 4 * width * (len(first) + 1), len(first))
    number = np.zeros(len(rows), np.int32)
    inverse += 1
    number[live] = inverse
    level = np.zeros((len(first) + 1, width), np.int32)
    np.take(alive, first, axis=0, out=level[1:], mode="clip")
    return level, number


def reduce_chain(levels: Sequence[Level], root: int) -> tuple[list[Level], int]:
    """Drop dead nodes and merge equal sub-trees.

    Args:
        levels: first decision first; entries number nodes of the next level, 0 is dead, 1 the leaf after the last.
        root: number of the root node.

    Returns:
        The reduced levels and root, in the same form.
    """
    number: NDArray[Any] = np.array([0, 1], np.int32)
    out: list[Level] = []
    for level in reversed(levels):
        need(4 * level.size)
        merged, number = _merge(number[level])
        out.append(merged)
    return out[::-1], int(number[root])


def join(
    chains: Sequence[tuple[Sequence[Level], int]], report: Callable[[str, int], None] = lambda what, done: None
) -> Tree:
    """One canonical tree out of one (levels, root) per variant, as `reduce_chain` takes them.

    Args:
        chains: the variants.
        report: called once per level with what is being done and the nodes so far.
    """
    tallest = max((len(levels) for levels, _ in chains), default=0)
    leaf: NDArray[Any] = np.array([0, 1], np.int32)
    numbers: list[NDArray[Any]] = [leaf for _ in chains]
    merged: list[Level] = []
    for height in range(1, tallest + 1):
        report("merging equal sub-trees", sum(map(len, merged)))
        # Leaves come last in a chain, so the levels of one height stand at the same distance from the end. What several
        # chains have in common is there once.
        own = [(v, c[0][len(c[0]) - height]) for v, c in enumerate(chains) if len(c[0]) >= height]
        parts = {(id(level), id(numbers[v])): (level, numbers[v]) for v, level in own}
        width = max(level.shape[1] for level, _ in parts.values())
        rows = sum(len(level) for level, _ in parts.values())
        need(4 * rows * width + 4 * max(level.size for level, _ in parts.values()), rows)
        stacked = np.zeros((rows, width), np.int32)
        at = 0
        for level, below in parts.values():
            stacked[at : at + len(level), : level.shape[1]] = below[level]
            at += len(level)
        level, number = _merge(stacked)
        del stacked
        merged.append(level)
        at = 0
        after: dict[tuple[int, int], NDArray[Any]] = {}
        for key, (part, _) in parts.items():
            after[key] = number[at : at + len(part)]
            at += len(part)
        for v, level in own:
            numbers[v] = after[id(level), id(numbers[v])]
    roots = [(len(levels), int(numbers[v][root])) for v, (levels, root) in enumerate(chains)]
    report("numbering sub-trees", 0)
    return _canonical(merged, roots)


def _canonical(levels: list[Level], roots: list[Root]) -> Tree:
    """Renumber nodes in order of first appearance from above, dropping those that no root reaches."""
    out: list[Level] = []
    order = np.zeros(0, np.int32)
    for height in range(len(levels), -1, -1):
        seen = out[-1].ravel() if out else order
        here = [node for h, node in roots if h == height and node]
        nodes = 2 if height == 0 else len(levels[height - 1])
        need(4 * len(seen) + 13 * nodes + 24 * min(_BLOCK, len(seen)))
        order = _first_appearance(np.concatenate([seen, np.array(here, np.int32)]), nodes)
        number = np.zeros(nodes, np.int32)
        number[order] = np.arange(1, len(order) + 1, dtype=np.int32)
        if out:
            out[-1] = smallest(number[out[-1]])
        roots = [(h, int(number[n])) if h == height else (h, n) for h, n in roots]
        if height:
            width = levels[height - 1].shape[1]
            need(8 * width * (len(order) + 1), len(order))
            level = np.zeros((len(order) + 1, width), np.int32)
            np.take(levels[height - 1], order, axis=0, out=level[1:], mode="clip")
            out.append(level)
    return Tree(tuple(reversed(out)), tuple(roots))


def _first_appearance(values: NDArray[Any], size: int) -> NDArray[Any]:
    """The distinct non-zero values (all in 0..size-1) in order of first appearance."""
    seen = np.zeros(size, np.bool_)
    seen[0] = True
    place = np.empty(size, np.int32)
    found: list[NDArray[Any]] = []
    for begin in range(0, len(values), _BLOCK):
        fresh = values[begin : begin + _BLOCK]
        fresh = fresh[~seen[fresh]]
        # Of several assignments to one place the last holds: written from behind, the first.
        positions = np.arange(len(fresh), dtype=np.int32)
        place[fresh[::-1]] = positions[::-1]
        found.append(fresh[place[fresh] == positions])
        seen[found[-1]] = True
    return np.concatenate(found) if found else values


def distinct_codes(codes: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The distinct values of `codes` (all in 0..size-1), ascending."""
    return distinct_in_blocks([codes], size, codes.size)


def distinct_in_blocks(blocks: Iterable[NDArray[np.int64]], size: int, total: int) -> NDArray[np.int64]:
    """The distinct values of several arrays of codes (all in 0..size-1), ascending.

    Args:
        blocks: the codes; each array is dropped before the next is made.
        size: one more than the largest code there can be.
        total: how many codes there are, about.
    """
    if few_codes(total, size):
        # A table of flags is several times faster than sorting while it is not much larger than the codes themselves.
        need(size)
        flags = np.zeros(size, np.bool_)
        for codes in blocks:
            flags[codes.ravel()] = True
        need(8 * int(np.count_nonzero(flags)))
        return np.flatnonzero(flags)
    # What is not sorted in yet never gets larger than what is.
    known, waiting, many = np.zeros(0, np.int64), list[NDArray[np.int64]](), 0
    for codes in blocks:
        waiting.append(_distinct(codes.ravel()))
        many += waiting[-1].size
        if many > max(known.size, _BLOCK):
            known, waiting, many = _joined([known, *waiting]), [], 0
    return _joined([known, *waiting]) if waiting else known


def _joined(codes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    total = sum(map(len, codes))
    need(26 * total, total)
    return _distinct(np.concatenate(codes))


def _distinct(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    ordered = np.sort(codes)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if ordered.size else ordered


def numbered(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Equal whole numbers (from 0 up) numbered alike: the place of one of each, by ascending value; all the numbers.

    As many leading bits as fit beside a position in 64 are sorted together with it, which takes a sixth of the time of
    `argsort`; what these bits do not tell apart is sorted again.
    """
    need(35 * len(values))
    bits = np.uint64(max(1, (len(values) - 1).bit_length()))
    dropped = np.uint64(max(0, int(values.max(initial=0)).bit_length() + int(bits) - 64))
    packed = values.astype(np.uint64)
    packed >>= dropped
    packed <<= bits
    packed |= np.arange(len(values), dtype=np.uint64)
    packed.sort()
    fresh = np.ones(len(values), np.bool_)
    np.greater(packed[1:] ^ packed[:-1], (np.uint64(1) << bits) - np.uint64(1), out=fresh[1:])
    packed &= (np.uint64(1) << bits) - np.uint64(1)
    order = packed.view(np.int64)
    if dropped:
        ordered = values[order]
        other = ordered[1:] != ordered[:-1]
        if np.any(mixed := other & ~fresh[1:]):
            run = np.cumsum(fresh) - 1
            unsorted = np.zeros(int(run[-1]) + 1, np.bool_)
            unsorted[run[1:][mixed]] = True
            again = np.flatnonzero(unsorted[run])
            order[again] = order[again][np.argsort(ordered[again], kind="stable")]
            ordered = values[order]
            np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    number = np.empty(len(values), np.int32)
    place = np.cumsum(fresh, dtype=np.int32)
    place -= 1
    number[order] = place
    return order[fresh], number


def numbered_in_parts(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct values of an array of whole numbers from 0 up, ascending; and which of these each one is.

    So many numbers at once are sorted that the temporary arrays stay small beside the numbers themselves.
    """
    need(6 * len(values))
    number = np.empty(len(values), np.int32)
    parts = -(-len(values) // _PART)
    sample = np.sort(values[:: max(1, len(values) // (64 * max(1, parts)))])
    bounds = sample[len(sample) * np.arange(1, parts) // max(1, parts)]
    found: list[NDArray[np.int64]] = []
    many = 0
    for low, high in pairwise([0, *bounds.tolist(), 2**63 - 1]):
        inside = np.flatnonzero((values >= low) & (values < high)) if parts > 1 else slice(None)
        own = values[inside]
        own -= low
        first, place = numbered(own)
        place += many
        number[inside] = place
        found.append(own[first] + low)
        many += len(first)
    need(8 * many, many)
    return np.concatenate(found), number


def unique_codes(codes: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The distinct values of `codes` (all in 0..size-1) other than 0, ascending, and the place of each code from 1.

    Code 0 stands for a dead pair and keeps place 0.
    """
    if not few_codes(codes.size, size):
        live = codes > 0
        alive = codes[live]
        first, number = numbered(alive)
        place = np.zeros(codes.shape, np.int32)
        place[live] = number + 1
        return alive[first], place
    distinct = distinct_codes(codes, size)
    distinct = distinct[1:] if len(distinct) and distinct[0] == 0 else distinct
    need(4 * size + 4 * len(distinct) + 4 * codes.size)
    place = np.zeros(size, np.int32)
    place[distinct] = np.arange(1, len(distinct) + 1, dtype=np.int32)
    return distinct, place[codes]


class Places:
    """How many of some ascending, distinct keys are at most a code.

    The same as `searchsorted(keys, codes, "right")`, but mostly a look-up.

    Args:
        keys: all in 0..size-1.
        size: one more than the largest code there can be.
        lookups: how many codes will be asked for, about.
    """

    def __init__(self, keys: NDArray[np.int64], size: int, lookups: int) -> None:
        self.keys, self.table = keys, None
        if few_codes(lookups, size, spare=64):
            need(4 * size)
            flags = np.zeros(size, np.int32)
            flags[keys] = 1
            self.table = np.cumsum(flags, out=flags)

    def __call__(self, codes: NDArray[np.int64]) -> NDArray[Any]:
        """The count of each code; codes are in 0..size-1, too."""
        if self.table is None:
            return np.searchsorted(self.keys, codes, "right")
        return self.table[codes]


def few_codes(codes: int, size: int, spare: int = 16) -> bool:
    """Whether a table of all codes below `size` is faster than sorting so many codes.

    Args:
        codes: how many there are, about.
        size: one more than the largest.
        spare: entries of the table that take as long as one code's share of sorting, while the table is in the cache.
    """
    return size <= max(8 * codes, min(spare * codes, 1 << 22)) and size < 2**31


_Join = Callable[[Any, Any], Any]

#: Per set operation: which pairs of (left alive, right alive) lead on, and which pairs of leaves are members.
_OPERATIONS: dict[str, tuple[_Join, _Join]] = {
    "&": (np.logical_and, np.logical_and),
    "|": (np.logical_or, np.logical_or),
    "-": (lambda left, right: left, lambda left, right: left & ~right),
}


def merge_pairs(
    left: tuple[Sequence[Level], int], right: tuple[Sequence[Level], int], operation: str
) -> tuple[list[Level], int]:
    """Combine two chains over the same decisions: walk both at once, then reduce.

    Args:
        left: (levels, root), first decision first.
        right: the same.
        operation: `&` intersection, `|` union, `-` difference.

    Returns:
        Reduced (levels, root).

    Raises:
        EngineError: it would take more memory than is allowed.
    """
    follow, member = _OPERATIONS[operation]
    (a, root_a), (b, root_b) = left, right
    depth = len(a)
    pairs_a, pairs_b = np.array([root_a]), np.array([root_b])
    out: list[Level] = []
    for t in range(depth):
        need(72 * len(pairs_a) * a[t].shape[1], len(pairs_a))
        next_a, next_b = a[t][pairs_a].astype(np.int64), b[t][pairs_b].astype(np.int64)
        if t + 1 == depth:
            children = member(next_a > 0, next_b > 0).astype(np.int32)
        else:
            size_a, size_b = len(a[t + 1]), len(b[t + 1])
            codes = np.where(follow(next_a > 0, next_b > 0), next_a * size_b + next_b, 0)
            distinct, children = unique_codes(codes, size_a * size_b)
            pairs_a, pairs_b = distinct // size_b, distinct % size_b
        out.append(np.concatenate([np.zeros((1, a[t].shape[1]), children.dtype), children]))
    last = follow if depth else member
    return reduce_chain(out, int(last(np.bool_(root_a), np.bool_(root_b))))
