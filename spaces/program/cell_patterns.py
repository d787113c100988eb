"""The costs of many cells on one input, from the costs of their operators and one walk through each pattern of memory.

Where every operator keeps the shape of its input, all tensors of a cell have the same size. What it holds in memory
then follows from which tensors its operators read, make and overwrite: a 1x1 convolution holds what a 3x3 one does.
Cells that agree in this are one pattern, which is walked once, in units of a tensor; where operators lay out something
in memory besides, cells on one input that agree in that, too. The rest are sums over operators,
and the kernels that a cell calls are those of its operators together.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spaces.costs.layer import LAYER_COSTS, layer_cost, peak_bytes
from spaces.program.codes import distinct_rows
from spaces.tensors import DTYPES, Infeasible, Tensor

if TYPE_CHECKING:
    from spaces.blocks.base import Edges
    from spaces.costs.latency import LatencyProfile
    from spaces.language.settings import Settings
    from spaces.operators import Ops
    from spaces.runtimes.base import Runtime

__all__ = ["CellPatterns"]

Ints = NDArray[np.int64]
_PEAK, _OUT, _KERNELS = LAYER_COSTS.index("peak"), LAYER_COSTS.index("out_bytes"), len(LAYER_COSTS)


class CellPatterns:
    """The patterns of a cell met so far.

    Args:
        edges: the cell.
        settings: biases, batch norms and activations of the space.
        runtime: gives a ROM that is a sum over operators.
        profile: gives a latency that is one, too.
    """

    def __init__(self, edges: Edges, settings: Settings, runtime: Runtime, profile: LatencyProfile | None) -> None:
        self._edges, self._settings, self._runtime, self._profile = edges, settings, runtime, profile
        self._known: dict[Hashable, list[int]] = {}
        self._joints: dict[Hashable, list[int]] = {}

    def costs(self, x: Tensor, chosen: Ints) -> tuple[Ints, NDArray[np.float64], NDArray[np.bool_]] | None:
        """The costs of cells on an input whose data type is as wide as that of their weights.

        Args:
            x: the input.
            chosen: the operator of each edge, -1 where it is not there: [n, edges].

        Returns:
            The costs by `LAYER_COSTS` and the kernels, a bit for each, [n, costs + 1]; the sums of log2(w), [n]; which
            have weights, [n]. None where an operator changes the shape, or cannot be.
        """
        try:
            made = [self._edges.operator(word, x.shape) for word in self._edges.words]
        except Infeasible:
            return None
        if any(ops and ops[-1].out != x.shape for ops in made):
            return None
        # The last row, which -1 reaches, is that of no operator.
        own = [self._cost(x, ops) for ops in (*made, ())]
        table, log_widths = np.array([costs for costs, _ in own]), np.array([width for _, width in own])
        like = self._first_alike(made, x)
        first, inverse = distinct_rows(list((like[chosen] + 1).T))
        walked = np.array([self._walk(x, like[chosen[at]]) for at in first])
        costs = table[chosen].sum(axis=1) + walked[inverse]
        costs[:, _KERNELS] = np.bitwise_or.reduce(table[chosen, _KERNELS], axis=1) | walked[inverse, _KERNELS]
        costs[:, _PEAK] = walked[inverse, _PEAK] * self._unit(x)
        costs[:, _OUT] = x.nbytes
        weighted = np.array([*(any(op.has_weights for op in ops) for ops in made), False])
        return costs, log_widths[chosen].sum(axis=1), np.asarray(weighted[chosen].any(axis=1))

    def _cost(self, x: Tensor, ops: Ops) -> tuple[list[int], float]:
        if not ops:
            return [0] * (len(LAYER_COSTS) + 1), 0.0
        out = x._replace(dtype=self._settings.dtype)
        cost = layer_cost(ops, x, out, self._settings, self._runtime, profile=self._profile)
        return [*(getattr(cost, name) for name in LAYER_COSTS), cost.kernels], cost.log_width

    def _walk(self, x: Tensor, chosen: Ints) -> list[int]:
        """What a cell costs beyond its operators, for sums and zeros; and its peak, in `_unit`s."""
        # What a sum takes depends on its size, by a profile alone; what an operator lays out in memory, by a runtime.
        key = (x if self._profile or self._runtime.align > 1 else None, chosen.tobytes())
        known = self._known.get(key)
        if known is None:
            ops = self._edges.lower(x.shape, chosen.tolist())
            known = [*self._between(x, tuple([op for op in ops if not op.origin]))]
            scratch, align = self._runtime.scratch(ops, x.shape), self._runtime.align
            known[_PEAK] = peak_bytes(ops, x.nbytes, DTYPES[x.dtype], scratch, align) // self._unit(x)
            self._known[key] = known
        return known

    def _between(self, x: Tensor, ops: Ops) -> list[int]:
        """What operators between the edges cost: sums, zeros, copies. They have no weights, so their kinds tell."""
        key = (x if self._profile else None, *[(op.kind, len(op.inputs)) for op in ops])
        if key not in self._joints:
            self._joints[key] = self._cost(x, tuple([replace(op, inputs=(0,) * len(op.inputs)) for op in ops]))[0]
        return self._joints[key]

    def _unit(self, x: Tensor) -> int:
        """Bytes in which peaks are kept: a tensor's, where cells of all inputs hold as many of them."""
        return 1 if self._runtime.align > 1 else x.nbytes

    def _first_alike(self, made: list[Ops], x: Tensor) -> Ints:
        """For each operator the first that reads, makes, overwrites and lays out the same; -1 behind the last."""
        first: dict[Hashable, int] = {}
        found: list[int] = []
        for k, ops in enumerate(made):
            does = (tuple((op.inputs, op.in_place) for op in ops), tuple(self._runtime.scratch(ops, x.shape)))
            found.append(first.setdefault((*does, not ops and k), k))
        return np.array([*found, -1])
