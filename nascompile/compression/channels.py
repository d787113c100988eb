"""Which channels of a network are one: those that sums, products and depthwise convolutions tie together.

Every channel of every tensor has a number; two with the same number can only be removed together. Pruning calls such
sets dependency groups (Fang et al. 2023, DepGraph).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nascompile.compression.operator_graph import OperatorGraph
from spaces.operators import OPERATORS

__all__ = ["Channels", "Family", "channels_of"]

Ints = NDArray[np.int64]

#: The operators that a set of channels comes from: the k-th of the network, or -1 for its input.
Family = frozenset[int]


@dataclass(frozen=True, eq=False)
class Channels:
    """The channels of a network.

    Args:
        numbers: per tensor (0 the input, k the output of the k-th operator) the number of each of its channels; of a
            vector made of a feature map, that of each element.
        families: channels that come from the same operators, in the order of their numbers.
    """

    numbers: tuple[Ints, ...]
    families: dict[Family, Ints]


def channels_of(graph: OperatorGraph) -> Channels:
    """Number the channels of a network.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> from spaces.language.settings import Settings
        >>> from spaces.tensors import Shape
        >>> x = Shape(2, 4, 4)
        >>> ops = residual(x, filters=3)
        >>> found = channels_of(OperatorGraph((("1", x, ops),), tuple(x), Settings("int8", True, True, False), ""))
        >>> [op.kind for op in ops], [sorted(family) for family in found.families]
        (['conv', 'conv', 'pointwise', 'add'], [[-1], [0], [1, 2]])
    """
    sets = _Sets()
    tensors = [sets.fresh(graph.shape(0).channels, -1)]
    for k, (op, inputs, _) in enumerate(graph.places):
        operands, kind = [tensors[i] for i in inputs], OPERATORS[op.kind]
        for other in operands[1:] if kind.ties else ():
            sets.join(operands[0], other)
        if kind.produces:
            tensors.append(sets.fresh(op.out.channels, k))
        else:
            tensors.append(kind.channels(op, operands, graph.area(inputs[0])))
    return sets.found(tensors)


class _Sets:
    """Union-find over channels; each set is known by its first one."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.producer: list[int] = []

    def fresh(self, n: int, producer: int) -> Ints:
        first = len(self.parent)
        self.parent += range(first, first + n)
        self.producer += [producer] * n
        return np.arange(first, first + n)

    def root(self, a: int) -> int:
        while self.parent[a] != a:
            self.parent[a] = self.parent[self.parent[a]]
            a = self.parent[a]
        return a

    def join(self, one: Ints, other: Ints) -> None:
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            ra, rb = sorted((self.root(a), self.root(b)))
            self.parent[rb] = ra

    def found(self, tensors: list[Ints]) -> Channels:
        roots = np.array([self.root(a) for a in range(len(self.parent))], np.int64)
        sources: dict[int, set[int]] = {}
        for root, producer in zip(roots.tolist(), self.producer, strict=True):
            sources.setdefault(root, set()).add(producer)
        families: dict[Family, list[int]] = {}
        for root, made_by in sources.items():
            families.setdefault(frozenset(made_by), []).append(root)
        return Channels(tuple(roots[t] for t in tensors), {f: np.array(r, np.int64) for f, r in families.items()})
