"""A cell: a small graph of nodes whose edges choose an operator (NAS-Bench-201), as one block of the language.

Node 0 is the cell's input, the last node its output; a node is the sum of its incoming edges. All uses of a cell in a
network share its decisions, one per edge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from spaces.blocks.base import Block, Kind
from spaces.language.expressions import is_tuple
from spaces.language.layer import LayerSpec
from spaces.operators import Op, Ops
from spaces.operators.sums import add_op, identity_op, scale_op
from spaces.operators.zeros import zeros_op
from spaces.tensors import Infeasible, Shape

if TYPE_CHECKING:
    import networkx as nx
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CELL_RANKS", "IDENTITY", "ZERO", "Cell", "Edge", "Operator", "cell_block", "live_edges", "lower_cell"]

Edge = tuple[int, int]

#: What an operator is when it is no list of blocks.
ZERO, IDENTITY = "zero", "identity"

#: What a cell may take: a series or an image.
CELL_RANKS = (1, 2)

#: `zero` (no connection), `identity`, or the blocks that it runs one after another.
Operator = str | tuple[LayerSpec, ...]

#: The operators of one edge: a single one in a network, several in a super-network.
Chosen = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell as the file describes it.

    Args:
        name: the cell's word in the network, and the name of its decisions: `cell[1]`, `cell[2]`, ...
        edges: (from, to) with from < to, ordered by target, then source, as NAS-Bench-201 orders them.
        operators: what an edge can choose, in the order of the file.
        dead_edges: `removed`: an edge on no path from input to output is not in the network; `counted`: its operator
            runs, and counts, all the same, as in the benchmark.
        numbering: name of a published numbering of the cells, or the empty string.
    """

    name: str
    edges: tuple[Edge, ...]
    operators: Mapping[str, Operator] = field(repr=False)
    dead_edges: str = "removed"
    numbering: str = ""

    @cached_property
    def graph(self) -> nx.DiGraph[int]:
        """The nodes and edges; each edge knows its decision's label."""
        import networkx as nx

        graph: nx.DiGraph[int] = nx.DiGraph()
        graph.add_edges_from((i, j, {"label": self.label(k)}) for k, (i, j) in enumerate(self.edges))
        return graph

    @cached_property
    def zeros(self) -> frozenset[str]:
        """The operators that are no connection."""
        return frozenset(name for name, operator in self.operators.items() if operator == ZERO)

    @cached_property
    def last(self) -> int:
        """The output node."""
        return max(j for _, j in self.edges)

    def label(self, k: int) -> str:
        """The decision of the k-th edge, from 0."""
        return f"{self.name}[{k + 1}]"

    @cached_property
    def block(self) -> Block:
        """The cell as a block with a parameter per edge, `edge1`, `edge2`, ...; see `cell_block`."""
        return cell_block(self)

    @property
    def words(self) -> tuple[str, ...]:
        """See `spaces.blocks.base.Edges`."""
        return tuple(self.operators)

    def reduced(self, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `spaces.blocks.base.Edges`: the choices of many cells, -1 for dead edges where these are removed.

        Example:
            >>> import numpy as np
            >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity"})
            >>> cell.reduced(np.array([[1, 1, 0]])).tolist()
            [[-1, 1, -1]]
        """
        import numpy as np

        if self.dead_edges == "counted":
            return chosen
        there = ~np.isin(chosen, [k for k, name in enumerate(self.operators) if name in self.zeros])
        from_input, to_output = (np.zeros((len(chosen), self.last + 1), np.bool_) for _ in range(2))
        from_input[:, 0] = to_output[:, self.last] = True
        for k, (i, j) in enumerate(self.edges):
            from_input[:, j] |= there[:, k] & from_input[:, i]
        for k, (i, j) in reversed(list(enumerate(self.edges))):
            to_output[:, i] |= there[:, k] & to_output[:, j]
        starts, ends = zip(*self.edges, strict=True)
        return np.where(there & from_input[:, starts] & to_output[:, ends], chosen, -1)

    def lower(self, x: Shape, chosen: Sequence[int]) -> Ops:
        """See `spaces.blocks.base.Edges`."""
        return _lowered(self, x, [(self.words[k],) if k >= 0 else () for k in chosen], [k >= 0 for k in chosen])

    def operator(self, word: str, x: Shape) -> Ops:
        """See `spaces.blocks.base.Edges`."""
        ops: list[Op] = []
        for spec in self.operators[word] if not isinstance(self.operators[word], str) else ():
            assert isinstance(spec, LayerSpec)
            ops += _placed(spec, ops[-1].out if ops else x, len(ops), len(ops), free=True, origin=word)
        return tuple(ops)


class EdgeKind(Kind):
    """One operator, or several for a super-network."""

    def __init__(self, operators: Sequence[str]) -> None:
        self.words = tuple(operators)
        self.expected = "an operator of the cell"
        self.schema = {"enum": list(operators)}

    def read(self, value: object) -> Chosen:
        """See `Kind.read`."""
        if isinstance(value, str) and value in self.words:
            return (value,)
        chosen = value if is_tuple(value) else (value,)
        if not set(chosen) <= set(self.words):
            raise TypeError
        return tuple(w for w in self.words if w in chosen)


def cell_block(cell: Cell) -> Block:
    """The cell as a block with a parameter per edge, `edge1`, `edge2`, ...; it keeps the rank of its input.

    It takes what every block of its operators takes.
    """

    @lru_cache(maxsize=65536)
    def lower_live(x: Shape, chosen: tuple[Chosen, ...]) -> Ops:
        return lower_cell(cell, x, chosen)

    def lower(x: Shape, **edges: Chosen) -> Ops:
        chosen = tuple(edges[f"edge{k + 1}"] for k in range(len(cell.edges)))
        if cell.dead_edges == "removed":
            # Cells that differ in dead edges only are lowered, and later costed, once.
            chosen = tuple(n if alive else () for n, alive in zip(chosen, live_edges(cell, chosen), strict=True))
        return lower_live(x, chosen)

    kind = EdgeKind(tuple(cell.operators))
    params: dict[str, Kind] = {f"edge{k + 1}": kind for k in range(len(cell.edges))}
    blocks = [spec.block for operator in cell.operators.values() if not isinstance(operator, str) for spec in operator]
    ranks = tuple(rank for rank in CELL_RANKS if all(rank in block.ranks for block in blocks))
    return Block(cell.name, lower, numbered=True, ranks=ranks, out_rank=None, params=params, defaults={}, edges=cell)


def live_edges(cell: Cell, chosen: Sequence[Chosen]) -> list[bool]:
    """Per edge, whether it lies on a path from the cell's input to its output that nothing cuts.

    Args:
        cell: the cell.
        chosen: the operators of each edge.

    Example:
        >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity"})
        >>> live_edges(cell, [("skip",), ("skip",), ("none",)])
        [False, True, False]
    """
    there = [any(name not in cell.zeros for name in names) for names in chosen]
    from_input, to_output = {0}, {cell.last}
    for (i, j), some in zip(cell.edges, there, strict=True):
        if some and i in from_input:
            from_input.add(j)
    for (i, j), some in reversed(list(zip(cell.edges, there, strict=True))):
        if some and j in to_output:
            to_output.add(i)
    return [some and i in from_input and j in to_output for (i, j), some in zip(cell.edges, there, strict=True)]


def lower_cell(cell: Cell, x: Shape, chosen: Sequence[Chosen]) -> Ops:
    """The operators of a cell on an input: edge after edge, each added to its node as soon as it is computed.

    A tensor is overwritten by a sum or a ReLU where nothing reads it any more.

    Args:
        cell: the cell.
        x: shape of its input.
        chosen: the operators of each edge. Several of one edge, in a super-network, are averaged as TE-NAS does with
            equal weights, no connection counting as zeros: summed, identities would soon outgrow the rest.

    Raises:
        Infeasible: operators that meet in a node give different shapes, or an operator does not fit its input.

    Example:
        >>> cell = Cell("cell", ((0, 1), (0, 2), (1, 2)), {"none": "zero", "skip": "identity"})
        >>> [op.kind for op in lower_cell(cell, Shape(4, 8, 8), [("skip",), ("skip",), ("skip",)])]
        ['add']
        >>> [op.kind for op in lower_cell(cell, Shape(4, 8, 8), [("none",), ("none",), ("skip",)])]
        ['zeros']
    """
    return _lowered(cell, x, chosen, live_edges(cell, chosen))


def _lowered(cell: Cell, x: Shape, chosen: Sequence[Chosen], live: Sequence[bool]) -> Ops:
    if cell.dead_edges == "removed" and not any(live):
        return (zeros_op(x),)
    runs = [
        (edge, [_Run(cell.operators[n], f"{cell.label(k)} {n}", 1 / len(names)) for n in names if n not in cell.zeros])
        for k, (edge, names, alive) in enumerate(zip(cell.edges, chosen, live, strict=True))
        if alive or cell.dead_edges == "counted"
    ]
    return _Lowering(cell, x, runs).run()


class _Run(NamedTuple):
    """One operator on one edge: what it does, where it comes from, its share of the edge."""

    operator: Operator
    origin: str
    share: float


class _Lowering:
    """Emits the operators of a cell; tensors are numbered as operands are, 0 being the cell's input."""

    def __init__(self, cell: Cell, x: Shape, runs: list[tuple[Edge, list[_Run]]]) -> None:
        self.cell = cell
        self.runs = runs
        self.ops: list[Op] = []
        self.shapes = [x]
        # How often each node is still to be read; the output is read by what follows the cell.
        self.readers = {node: sum(len(some) for (i, _), some in runs if i == node) for node in range(cell.last + 1)}
        self.readers[cell.last] += 1
        #: Reads to come per tensor; at 0 it may be overwritten.
        self.left = [self.readers[0]]

    def run(self) -> Ops:
        value = {0: 0}
        for node in range(1, self.cell.last + 1):
            if self.readers[node] or any(j == node for (_, j), _ in self.runs):
                value[node] = self.node(node, value)
                self.left[value[node]] += self.readers[node]
        if value[self.cell.last] != len(self.ops) or not self.ops:
            # The output was there before: what follows the cell reads that tensor.
            self.emit(identity_op(self.shapes[value[self.cell.last]], value[self.cell.last]))
        return tuple(self.ops)

    def node(self, node: int, value: dict[int, int]) -> int:
        total: int | None = None
        for (i, j), operators in self.runs:
            for operator in operators if j == node else ():
                part = self.operator(operator, value[i])
                # A sum is still to be read: by the next addition, or as the node. It may be another node's tensor.
                self.left[part] += 1
                total = part if total is None else self.add(total, part)
        if total is None:
            return self.emit(zeros_op(self.shapes[0]))
        self.left[total] -= 1
        return total

    def emit(self, op: Op) -> int:
        self.ops.append(op)
        self.shapes.append(op.out)
        self.left.append(0)
        return len(self.ops)

    def operator(self, run: _Run, source: int) -> int:
        self.left[source] -= 1
        at = source
        for spec in run.operator if isinstance(run.operator, tuple) else ():
            at = self.block(spec, at, run.origin)
        if run.share < 1:
            at = self.emit(scale_op(self.shapes[at], at, run.share, run.origin))
        return at

    def block(self, spec: LayerSpec, source: int, origin: str) -> int:
        for op in _placed(spec, self.shapes[source], source, len(self.ops), free=self.left[source] == 0, origin=origin):
            self.emit(op)
        return len(self.ops)

    def add(self, a: int, b: int) -> int:
        if self.shapes[a] != self.shapes[b]:
            message = f"operators of shapes {self.shapes[a]} and {self.shapes[b]} meet in a node of `{self.cell.name}`"
            raise Infeasible(message)
        self.left[a] -= 1
        self.left[b] -= 1
        kept, last = (b, a) if self.left[a] == 0 else (a, b)
        total = self.emit(add_op(kept, last, self.shapes[a], in_place=self.left[last] == 0))
        self.left[total] += 1
        return total


@lru_cache(maxsize=65536)
def _placed(spec: LayerSpec, x: Shape, source: int, base: int, free: bool, origin: str) -> Ops:
    """The operators of a block behind `base` others, fed by tensor `source`, which they may overwrite if `free`."""
    return tuple(
        replace(
            op,
            inputs=tuple(base + k if k else source for k in op.inputs),
            in_place=op.in_place and (op.inputs[-1] != 0 or free),
            origin=origin,
        )
        for op in spec.own(spec.block.lower(x, **spec.evaluate({"channels": x.channels})))
    )
