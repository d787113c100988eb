"""Three ways to list the set with numpy alone; each returns int16 rows of filters, shape (count, depth).

The two fast ones pack eight int16 columns into two 64-bit words, since moving words is several times faster than
moving rows, and write into an array of the size of the whole space, of which only the used pages become memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from problem import CLASSES, OPTIONS, Problem

__all__ = ["brute_force", "frontier", "halves"]

_M = np.array(OPTIONS, np.int32)
_M16 = _M.astype(np.int16)
_N = len(OPTIONS)
_BITS = _N.bit_length() - 1
assert _N == 2**_BITS  # so that numbers split into options by shifts
_PAIR = _M[:, None] * (9 + _M)
_COLUMNS = 8

Ints = NDArray[np.int32]
Rows = NDArray[np.int16]
Words = NDArray[np.uint64]


def brute_force(depth: int, chunk: int = 2**17) -> Rows:
    """Every network of the space, in chunks that stay in the cache."""
    problem = Problem(depth)
    found = []
    for start in range(0, _N**depth, chunk):
        number = np.arange(start, min(_N**depth, start + chunk))
        x = np.stack([_M[number >> _BITS * place & _N - 1] for place in range(depth - 1, -1, -1)])
        weights = 40 * x[0] + (x[:-1] * (9 + x[1:])).sum(0) + CLASSES * x[-1]
        keep = (weights <= problem.max_weights) & (x[0::2].max(0) + x[1::2].max(0) <= problem.max_pair)
        found.append(x[:, keep].T.astype(np.int16))
    return np.concatenate(found)


class _Half(NamedTuple):
    """All ways to fill a run of layers, in lexicographic order."""

    x: Ints
    weights: Ints
    odd: Ints
    even: Ints
    word: Words


def _half(length: int, first_layer: int) -> _Half:
    x = np.stack(np.meshgrid(*[_M] * length, indexing="ij"), -1).reshape(-1, length)
    odd, even = x[:, 1 - first_layer % 2 :: 2], x[:, first_layer % 2 :: 2]
    packed = np.zeros((len(x), _COLUMNS // 2), np.int16)
    packed[:, -length:] = x
    weights = (x[:, :-1] * (9 + x[:, 1:])).sum(1, dtype=np.int32)
    return _Half(x, weights, odd.max(1, initial=0), even.max(1, initial=0), packed.view(np.uint64)[:, 0])


def halves(depth: int, chunk: int = 32) -> Rows:
    """Every network again, as (beginning, end) pairs: the costs of 4,096 ends are tabulated once and broadcast."""
    problem = Problem(depth)
    a, b = _half(depth - 4, 1), _half(4, depth - 3)
    begin, end = a.weights + 40 * a.x[:, 0], b.weights + CLASSES * b.x[:, -1]
    out, size = np.empty((_N**depth, 2), np.uint64), 0
    for start in range(0, len(begin), chunk):
        s = slice(start, start + chunk)
        weights = a.x[s, -1:] * (9 + b.x[:, 0])
        weights += end
        weights += begin[s, None]
        pair = np.maximum(a.odd[s, None], b.odd)
        pair += np.maximum(a.even[s, None], b.even)
        hits = np.flatnonzero((weights <= problem.max_weights) & (pair <= problem.max_pair))
        first, second = np.divmod(hits, len(end))
        out[size : size + len(hits), 0] = a.word[s][first]
        out[size : size + len(hits), 1] = b.word[second]
        size += len(hits)
    return out[:size].view(np.int16)[:, _COLUMNS - depth :]


class _Prefixes(NamedTuple):
    """All prefixes of one length that may still be completed; one array entry each."""

    last: NDArray[np.intp]
    weights: Ints
    mine: Rows
    other: Rows
    words: tuple[Words, Words]

    def part(self, s: slice) -> _Prefixes:
        """Some of the prefixes."""
        words = (self.words[0][s], self.words[1][s])
        return _Prefixes(self.last[s], self.weights[s], self.mine[s], self.other[s], words)


def _words(column: int) -> Words:
    """Each option in one of the eight columns, shape (2, options)."""
    packed = np.zeros((_N, _COLUMNS), np.int16)
    packed[:, column] = _M
    return np.ascontiguousarray(packed.view(np.uint64).T)


def _grow(prefixes: _Prefixes, layer: int, problem: Problem) -> _Prefixes:
    """Append every option that leaves room for the narrowest completion.

    `mine` is the widest layer so far of the parity of the last one, `other` of the other parity.
    """
    rest, low = problem.depth - layer, OPTIONS[0]
    completion = _M * (9 + low) + (rest - 1) * low * (9 + low) + CLASSES * low if rest else _M * CLASSES
    weights = prefixes.weights[:, None] + _PAIR[prefixes.last]
    widest = np.maximum(prefixes.other[:, None], _M16)
    keep = weights <= problem.max_weights - completion
    keep &= widest <= problem.max_pair - prefixes.mine[:, None]
    hits = np.flatnonzero(keep)
    parent, last = hits >> _BITS, hits & (_N - 1)
    column = _COLUMNS - problem.depth + layer - 1
    words = [word[parent] for word in prefixes.words]
    words[column // 4] |= _words(column)[column // 4][last]
    return _Prefixes(last, weights.ravel()[hits], widest.ravel()[hits], prefixes.mine[parent], (words[0], words[1]))


def frontier(depth: int, split: int = 4, chunk: int = 1024) -> Rows:
    """Prefixes grown layer by layer and pruned by a lower bound on the rest; from layer 4 on in chunks."""
    problem = Problem(depth)
    words = _words(_COLUMNS - depth)
    prefixes = _Prefixes(np.arange(_N), 40 * _M, _M16, np.zeros_like(_M16), (words[0], words[1]))
    for layer in range(2, split + 1):
        prefixes = _grow(prefixes, layer, problem)
    out, size = np.empty((_N**depth, 2), np.uint64), 0
    for start in range(0, len(prefixes.last), chunk):
        part = prefixes.part(slice(start, start + chunk))
        for layer in range(split + 1, depth + 1):
            part = _grow(part, layer, problem)
        rows = slice(size, size + len(part.last))
        out[rows, 0], out[rows, 1] = part.words
        size = rows.stop
    return out[:size].view(np.int16)[:, _COLUMNS - depth :]
