"""The costs of many cells on one input, from the costs of their operators and one walk through each pattern of memory.

Where every operator keeps the shape of its input, all tensors that nodes and edges hand on have the same size. How
many there are at each step then follows from which edges have operators: the cells that agree in this are one pattern,
which is walked once, in tensors. What an operator lays out while it runs - tensors of its own, and what its kernels
need besides - follows from the operator, and from what becomes of its source, which a pattern tells as well:

    peak = max(most tensors between the edges, max over edges of: tensors beside the edge + its operator's own peak)

The rest are sums over operators, and the kernels that a cell calls are those of its operators together.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spaces.costs.layer import LAYER_COSTS, layer_cost
from spaces.operators.memory import Age, live_buffers
from spaces.operators.sums import add_op
from spaces.program.codes import distinct_rows
from spaces.tensors import Infeasible, Tensor

if TYPE_CHECKING:
    from spaces.blocks.base import Edges
    from spaces.costs.latency import LatencyProfile
    from spaces.language.settings import Settings
    from spaces.operators import Ops
    from spaces.runtimes.base import Runtime

__all__ = ["CellPatterns"]

Ints = NDArray[np.int64]
_PEAK, _OUT, _KERNELS = LAYER_COSTS.index("peak"), LAYER_COSTS.index("out_bytes"), len(LAYER_COSTS)

# What becomes of the tensor that an operator reads. Both, where only the shape of it is read later, by zeros. And
# whether anything that is alive meanwhile may have been put in its place after it.
_OVERWRITTEN, _KEPT, _OLDER = 1, 2, 4


class _Pattern(NamedTuple):
    """What cells have in common whose edges have operators in the same places.

    Args:
        between: the operators between the edges: sums, zeros, copies.
        most: most tensors alive while one of these runs.
        beside: tensors alive while the operator of an edge runs, but for its source and its own, per edge.
        source: what becomes of its source: `_OVERWRITTEN`, `_KEPT`, `_OLDER`, per edge.
    """

    between: Ops
    most: int
    beside: list[int]
    source: list[int]


class _Form(NamedTuple):
    """What an operator does with the tensor that it reads, where nothing else reads that.

    Args:
        runs: whether there is anything to run.
        overwrites: whether it writes into its place.
        stays: whether what it makes is there in the end.
    """

    runs: bool
    overwrites: bool
    stays: bool


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
        self._known: dict[Hashable, _Pattern] = {}
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
        forms = tuple(map(_form, made))
        like = _first_alike(forms)
        first, inverse = distinct_rows(list((like[chosen] + 1).T))
        patterns = [self._pattern(x, forms, like[chosen[at]]) for at in first]
        walked = np.array([self._between(x, pattern.between) for pattern in patterns])
        costs = table[chosen].sum(axis=1) + walked[inverse]
        costs[:, _KERNELS] = np.bitwise_or.reduce(table[chosen, _KERNELS], axis=1) | walked[inverse, _KERNELS]
        most, beside, source = (np.array(column)[inverse] for column in list(zip(*patterns, strict=True))[1:])
        peaks = np.array([[self._peak(x, ops, becomes) for ops in (*made, ())] for becomes in range(8)])
        tensor = -(-x.nbytes // self._runtime.align) * self._runtime.align
        costs[:, _PEAK] = np.maximum(most * tensor, (beside * tensor + peaks[source, chosen]).max(axis=1))
        costs[:, _OUT] = x.nbytes
        weighted = np.array([*(any(op.has_weights for op in ops) for ops in made), False])
        return costs, log_widths[chosen].sum(axis=1), np.asarray(weighted[chosen].any(axis=1))

    def _cost(self, x: Tensor, ops: Ops) -> tuple[list[int], float]:
        if not ops:
            return [0] * (len(LAYER_COSTS) + 1), 0.0
        out = x._replace(dtype=self._settings.dtype)
        cost = layer_cost(ops, x, out, self._settings, self._runtime, profile=self._profile)
        return [*(getattr(cost, name) for name in LAYER_COSTS), cost.kernels], cost.log_width

    def _peak(self, x: Tensor, ops: Ops, becomes: int) -> int:
        """Most bytes that an operator holds, its source among them."""
        if not ops:
            return 0
        if not becomes & _OVERWRITTEN:
            ops = tuple([replace(op, in_place=op.in_place and op.inputs[-1] != 0) for op in ops])
        if becomes & _KEPT:
            # The sum of both, in the source's place, holds no more than what was there before.
            ops = (*ops, add_op(len(ops), 0, x.shape))
        return self._runtime.peak(ops, x, x, newest=not becomes & _OLDER)

    def _between(self, x: Tensor, ops: Ops) -> list[int]:
        """What operators between the edges cost: sums, zeros, copies. They have no weights, so their kinds tell."""
        key = (x, *[(op.kind, len(op.inputs)) for op in ops])
        if key not in self._joints:
            alone = [replace(op, inputs=(0,) * len(op.inputs), out=x.shape) for op in ops]
            self._joints[key] = self._cost(x, tuple(alone))[0]
        return self._joints[key]

    def _pattern(self, x: Tensor, forms: tuple[_Form, ...], chosen: Ints) -> _Pattern:
        key = (forms, chosen.tobytes())
        if key not in self._known:
            self._known[key] = self._walk(x, forms, chosen.tolist())
        return self._known[key]

    def _walk(self, x: Tensor, forms: tuple[_Form, ...], chosen: list[int]) -> _Pattern:
        ops = self._edges.lower(x.shape, chosen)
        buffer, alive = live_buffers(ops)
        ages = _ages(ops, buffer, alive)
        edges = (k for k, word in enumerate(chosen) if word >= 0 and forms[word].runs)
        most, beside, source = 0, [0] * len(chosen), [0] * len(chosen)
        for origin, steps in groupby(range(len(ops)), key=lambda k: ops[k].origin):
            run = list(steps)
            if not origin:
                most = max(most, *(len(alive[k]) for k in run))
                continue
            edge, read = next(edges), ops[run[0]].inputs[0]
            others = {*alive[run[0]]} - {buffer[read], *(buffer[k + 1] for k in run)}
            beside[edge] = len(others)
            if any(ages[own].most >= ages[read].least for own in others):
                source[edge] |= _OLDER
            if any(ops[k].in_place and ops[k].inputs[-1] == read for k in run):
                source[edge] |= _OVERWRITTEN
            # Not what the operator writes in its place, but what was there before.
            before = {tensor for tensor in range(run[0] + 1) if buffer[tensor] == buffer[read]}
            if any(before.intersection(op.inputs) for op in ops[run[-1] + 1 :]):
                source[edge] |= _KEPT
        return _Pattern(tuple([op for op in ops if not op.origin]), most, beside, source)


def _ages(ops: Ops, buffer: list[int], alive: list[list[int]]) -> list[Age]:
    """The ages of tensors, in the end that of the last one in each buffer."""
    found = [Age(0, 0)]
    for k, op in enumerate(ops, 1):
        source = op.inputs[-1]
        alone = len(op.inputs) == 1 and (k == len(ops) or buffer[source] not in alive[k])
        found.append(found[source] if op.in_place else Age(found[source].least if alone else k, k))
    return found


def _form(ops: Ops) -> _Form:
    overwrites = any(op.in_place and op.inputs[-1] == 0 for op in ops)
    return _Form(bool(ops), overwrites, live_buffers(ops)[0][-1] == 0)


def _first_alike(forms: Sequence[_Form]) -> Ints:
    """For each operator the one that stands for it in patterns; -1 behind the last.

    Zeros and identities stand for themselves. Others are alike that put what they make in the same place. The one that
    overwrites its source where it may shows where any may.
    """
    found: list[int] = []
    for k, form in enumerate(forms):
        alike = [j for j, other in enumerate(forms) if form.runs and other.runs and other.stays == form.stays]
        found.append(max(alike, key=lambda j: forms[j].overwrites, default=k))
    return np.array([*found, -1])
