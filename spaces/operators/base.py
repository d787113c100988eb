"""Operators: the elementary steps that blocks are made of, and the record of what every operator of a kind is.

A kind stands in one file here and, where it has integers and C, in one of `nascompile/operators`. Both
register records; nobody else knows a kind by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from spaces.operators.kernel import Kernel
from spaces.tensors import Pads, Pair, Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

__all__ = ["OPERATORS", "Op", "OperatorKind", "Ops", "operator"]


@dataclass(frozen=True)
class Op:
    """One elementary operator of a block.

    Args:
        kind: one of `OPERATORS`.
        inputs: where its operands come from: 0 is the block's input, k the output of the block's k-th operator.
        out: shape of its output.
        weights: number of weights, without bias and batch norm.
        macs: multiply-accumulates of one inference.
        width: w in the entropy of EBS Eq. 6, M*Kw*Kh/g; 1 for operators without weights.
        activation: one of `spaces.operators.activations.ACTIVATIONS`, or `none`.
        in_place: the output takes over the buffer of the last operand (an addition, a product, a reshaping view).
        kernel: rows, columns of its window.
        stride: rows, columns.
        pads: zeros around its input: above, below, left, right.
        groups: of a convolution or a channel shuffle.
        norm: a batch norm follows where the space keeps them.
        bias: whether it has a bias; None leaves it to the space.
        scale: factor of a `scale` operator.
        part: the channels that a split takes: the first, and the one behind the last.
        origin: the edge and operator of a cell that it belongs to, `cell[3] conv`; no part of what it computes.
    """

    kind: str
    inputs: tuple[int, ...]
    out: Shape
    weights: int = 0
    macs: int = 0
    width: Fraction = Fraction(1)
    activation: str = "none"
    in_place: bool = False
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)
    groups: int = 1
    norm: bool = False
    bias: bool | None = None
    scale: float = 1.0
    part: Pair = (0, 0)
    origin: str = field(default="", compare=False)

    @property
    def has_weights(self) -> bool:
        """Whether it multiplies and accumulates, and so may carry a bias."""
        return self.weights > 0


Ops = tuple[Op, ...]


def _first(op: Op, operands: Sequence[NDArray[np.int64]], area: int) -> NDArray[np.int64]:
    return operands[0]


def _as_it_is(op: Op, x: Shape, width: int) -> Mapping[str, Any]:
    return {}


def _never(op: Op, x: Shape) -> bool:
    return False


def _itself(op: Op, x: Shape) -> str:
    return op.kind


@dataclass(frozen=True)
class OperatorKind:
    """What every operator of a kind is.

    Args:
        name: its `Op.kind`.
        module: `(operator, shape of its first operand, bias) -> torch module` of the bare operator: batch norm and
            activation are added, and several operands summed, around it. torch is imported inside, so that a space can
            be compiled without it.
        kernel: `(operator, shape of its first operand, operands) -> the call that computes it`; None where nothing has
            to run, because operands are summed and the activation follows anyway.
        joins: it takes its operands one by one; any other kind is given their sum.
        ties: its operands have the same channels, so that each can only be removed from all.
        view: a device runs nothing for it but what sums its operands: its output is its operand.
        activates: it is nothing but its activation.
        normalises: it is a batch norm itself, which stays where others are folded.
        per_channel: it has a filter per channel, and so as many groups as channels.
        produces: its output has channels of its own, which pruning can remove.
        channels: `(operator, channels of its operands, elements per channel of the first) -> those of its output`, for
            kinds whose channels are their operands'.
        narrowed: `(operator, shape of its operand, channels) -> fields` that change when channels are removed.
        fused_relu: TensorFlow Lite's kernel ends in a clamp, so that a ReLU behind it is free.
        passes: `(operator, shape of its operand) -> whether` all it does is to sum, and to activate.
        zero: its output is zeros.
        runs_as: `(operator, shape of its operand) -> the kind` that a runtime with special kernels knows it by.
        cannot: `deploy` or `prune` -> why not.
    """

    name: str
    module: Callable[[Op, Shape, bool], nn.Module]
    kernel: Callable[[Op, Shape, tuple[int, ...]], Kernel] | None = None
    joins: bool = False
    ties: bool = True
    view: bool = False
    activates: bool = False
    normalises: bool = False
    per_channel: bool = False
    produces: bool = False
    channels: Callable[[Op, Sequence[NDArray[np.int64]], int], NDArray[np.int64]] = _first
    narrowed: Callable[[Op, Shape, int], Mapping[str, Any]] = _as_it_is
    fused_relu: bool = False
    passes: Callable[[Op, Shape], bool] = _never
    zero: bool = False
    runs_as: Callable[[Op, Shape], str] = _itself
    cannot: Mapping[str, str] = field(default_factory=dict, hash=False)


#: Every kind by its name; filled by `operator`.
OPERATORS: dict[str, OperatorKind] = {}


def operator(kind: OperatorKind) -> OperatorKind:
    """Register a kind."""
    OPERATORS[kind.name] = kind
    return kind


def nothing(op: Op, x: Shape, bias: bool) -> nn.Module:
    """`nn.Identity`: the module of kinds that only sum their operands."""
    from torch import nn

    return nn.Identity()


def always(op: Op, x: Shape) -> bool:
    """Of kinds that only sum their operands: they pass them on."""
    return True


def plain_kernel(op: Op, x: Shape, operands: tuple[int, ...]) -> Kernel:
    """The kernel of the operator's own name, with its window and groups."""
    own = operands if OPERATORS[op.kind].joins else operands[:1]
    return Kernel(
        op.kind, own, x, op.out, kernel=op.kernel, stride=op.stride, pads=op.pads, groups=op.groups, part=op.part
    )
