"""How long the ways through a network are, from its input to its output: what neither decisions nor costs tell.

Whether a cell hands its input on depends on several of its edges at once, and two cells of equal costs may be a chain
and a fan. A model that learns from some tens of networks cannot find that out; the lengths of paths say it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spaces.language.cell import Cell
from spaces.operators import Ops
from spaces.program.graph import Program
from spaces.program.lowering import lower_layer
from spaces.program.network_keys import LayerUse, layer_uses
from spaces.tensors import Tensor

__all__ = ["Lengths", "PathLengths", "lengths"]

#: Kinds of operators that hand their operands on, and are no step of a path.
_SUMS = ("add", "identity")

Columns = NDArray[np.float64]


class Lengths(NamedTuple):
    """Lengths of paths through a layer; where nothing comes through, -inf and twice inf.

    Args:
        longest: operators with weights on the path that has most of them.
        shortest: operators with weights on the path that has fewest.
        nearest: operators of any kind on the path that has fewest; 0 where the input is handed on unchanged.
    """

    longest: float = -np.inf
    shortest: float = np.inf
    nearest: float = np.inf


def lengths(ops: Ops) -> Lengths:
    """The lengths of the paths from a layer's input to its output; zeros are on no path.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> from spaces.tensors import Shape
        >>> lengths(residual(Shape(16, 8, 8), filters=16))
        Lengths(longest=2, shortest=0, nearest=0)
        >>> lengths(residual(Shape(16, 8, 8), filters=32))[:2]  # with a convolution beside
        (2, 1)
    """
    known = [Lengths(0, 0, 0)]
    for op in ops:
        longest, shortest, nearest = zip(*(known[source] for source in op.inputs), strict=True)
        step, any_step = int(op.has_weights), int(op.kind not in _SUMS)
        there = op.kind != "zeros"
        known.append(
            Lengths(max(longest) + step, min(shortest) + step, min(nearest) + any_step) if there else Lengths()
        )
    return known[-1]


class PathLengths:
    """The lengths of paths of many networks of a space: layer after layer for all of them.

    Args:
        program: the compiled space.

    Example:
        >>> from spaces.language.reader import load_space
        >>> from spaces.program.compile import compile_space
        >>> program = compile_space(load_space("nasbench201"))
        >>> chain, residual = (3, 0, 3, 0, 0, 3), (3, 0, 3, 1, 0, 3)  # three convolutions; an identity beside
        >>> PathLengths(program)(0, np.array([chain, residual, (0,) * 6])).round(1).tolist()
        [[51.0, 8.8, 5.3], [51.0, 20.0, 18.2], [6.0, 5.0, 3.2]]
    """

    def __init__(self, program: Program) -> None:
        self._space = program.space
        self._tensors: dict[Tensor, int] = {program.space.input: 0}
        self._uses = [layer_uses(variant) for variant in program.variants]
        self._known: dict[tuple[int, ...], tuple[int, Lengths]] = {}
        self._words: dict[tuple[int, int], list[Lengths] | None] = {}

    def __call__(self, position: int, rows: NDArray[np.int64]) -> Columns:
        """Three columns, each a sum over layers: longest paths, and the closeness 1 / (1 + length) by either shortest.

        A layer that nothing comes through adds 0 to each.

        Args:
            position: of the variant.
            rows: [n, decisions] options.

        Returns:
            [n, 3].
        """
        total = np.zeros((len(rows), 3))
        tensors, before, last, own = np.zeros(len(rows), np.int64), None, None, np.zeros((0, 3))
        for use in self._uses[position]:
            # A layer repeated that gives the tensors it is given does again what it did.
            if use is not last or before is None or (tensors != before).any():
                before, last = tensors, use
                tensors, found = self._layer(use, tensors, rows[:, use.places])
                own = np.column_stack([np.maximum(found[:, 0], 0), 1 / (1 + found[:, 1:])])
            total += own
        return total

    def _layer(self, use: LayerUse, tensors: NDArray[np.int64], options: NDArray[np.int64]) -> tuple[NDArray, Columns]:
        """The numbers of a layer's outputs, and its lengths, given the numbers of its inputs, and options."""
        out, found = tensors.copy(), np.zeros((len(options), 3))
        for number in np.unique(tensors).tolist():
            here = np.flatnonzero(tensors == number)
            if (words := self._operators(use, number)) is not None:
                found[here] = _through(use, words, options[here])
                continue
            kinds, which = np.unique(options[here], axis=0, return_inverse=True)
            single = [self._lowered(use, number, tuple(one)) for one in kinds.tolist()]
            out[here] = np.array([k for k, _ in single])[which.ravel()]
            found[here] = np.array([one for _, one in single], np.float64)[which.ravel()]
        return out, found

    def _lowered(self, use: LayerUse, number: int, options: tuple[int, ...]) -> tuple[int, Lengths]:
        """The number of a layer's output, and its lengths; worked out once."""
        place = id(use), number, *options
        if place not in self._known:
            x = list(self._tensors)[number]
            out, ops = x, ()
            if not use.layer.present or use.layer.present.holds(use.values(options)):
                out, ops = lower_layer(self._space, use.layer, x, use.named(options))
            # A layer that is absent is no step.
            found = lengths(ops) if ops else Lengths(0, np.inf, np.inf)
            self._known[place] = self._tensors.setdefault(out, len(self._tensors)), found
        return self._known[place]

    def _operators(self, use: LayerUse, number: int) -> list[Lengths] | None:
        """The lengths of a cell's operators, in the order of its words; None where its output is not as its input."""
        spec = use.layer.spec
        cell, place = spec.block.edges, (id(spec), number)
        if not isinstance(cell, Cell) or use.layer.present:
            return None
        if place not in self._words:
            x = list(self._tensors)[number]
            every = [cell.operator(word, x.shape) for word in cell.words]
            same = spec.dtype is None and x.dtype == self._space.settings.dtype
            same = same and all(not ops or ops[-1].out == x.shape for ops in every)
            own = [
                Lengths() if word in cell.zeros else lengths(ops) for word, ops in zip(cell.words, every, strict=True)
            ]
            self._words[place] = own if same else None
        return self._words[place]


def _through(use: LayerUse, words: Sequence[Lengths], options: NDArray[np.int64]) -> Columns:
    """The lengths of the paths through cells, edge after edge for all of them; [n, 3]."""
    cell = use.layer.spec.block.edges
    assert isinstance(cell, Cell)
    table = np.array(words, np.float64)
    at = np.tile(np.array(Lengths()), (cell.last + 1, len(options), 1))
    at[0] = 0
    for k, (i, j) in enumerate(cell.edges):
        place, values = use.deciding(cell.label(k))
        steps = table[[cell.words.index(value) for value in values]]
        way = at[i] + (steps[0] if place is None else steps[options[:, place]])
        at[j] = np.column_stack([np.maximum(at[j, :, 0], way[:, 0]), np.minimum(at[j, :, 1:], way[:, 1:])])
    return at[cell.last]
