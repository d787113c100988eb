"""Unit of ShuffleNetV2 (Ma et al. 2018): half of the channels pass by, the other half are convolved, then both mix."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Window, block
from spaces.operators import Op, Ops
from spaces.operators.concat import concat_op
from spaces.operators.convolution import depthwise_op, pointwise_op
from spaces.operators.shuffle import shuffle_op
from spaces.operators.split import split_op
from spaces.tensors import Infeasible, Pair, Shape

__all__ = ["shuffle_unit", "shuffle_unit1d"]


def _ops(x: Shape, filters: int, kernel: Pair, stride: Pair, activation: str) -> Ops:
    if filters % 2:
        raise Infeasible(f"{filters} filters have no half")
    half, ops = filters // 2, list[Op]()

    def convolved(source: int, wide: bool) -> int:
        """A depthwise convolution between two of 1x1, or before one."""
        at = source
        if wide:
            ops.append(pointwise_op(ops[at - 1].out if at else x, half, activation=activation, source=at))
            at = len(ops)
        ops.append(depthwise_op(ops[at - 1].out if at else x, kernel, stride, "same", source=at))
        ops.append(pointwise_op(ops[-1].out, half, activation=activation, source=len(ops)))
        return len(ops)

    if stride == (1, 1) and filters == x.channels:
        # The half that passes by is copied last, when the wide tensors of the other are gone.
        ops.append(split_op(x, half, filters))
        right = convolved(1, wide=True)
        ops.append(split_op(x, 0, half))
        left = len(ops)
    else:
        left, right = convolved(0, wide=False), convolved(0, wide=True)
    ops.append(concat_op({left: ops[left - 1].out, right: ops[right - 1].out}))
    return *ops, shuffle_op(ops[-1].out, 2, source=len(ops))


@block("shuffle_unit")
def shuffle_unit(
    x: Shape, *, filters: Count, kernel: Window = (3, 3), stride: Window = (1, 1), activation: Activation = "relu"
) -> Ops:
    """A unit of ShuffleNetV2: a channel split where `filters` and sides stay, else two branches over all channels.

    `filters` is even: half of them come from each branch, and a channel shuffle mixes them. Padding is "same"; nothing
    follows the depthwise convolution but its batch norm.

    Example:
        >>> [op.kind for op in shuffle_unit(Shape(16, 8, 8), filters=16)]
        ['split', 'pointwise', 'depthwise', 'pointwise', 'split', 'concat', 'shuffle']
        >>> [op.kind for op in shuffle_unit(Shape(16, 8, 8), filters=32, stride=(2, 2))]
        ['depthwise', 'pointwise', 'pointwise', 'depthwise', 'pointwise', 'concat', 'shuffle']
    """
    return _ops(x, filters, kernel, stride, activation)


@block("shuffle_unit1d", ranks=(1,))
def shuffle_unit1d(
    x: Shape, *, filters: Count, kernel: Count = 3, stride: Count = 1, activation: Activation = "relu"
) -> Ops:
    """A unit of ShuffleNetV2 over a series."""
    return _ops(x, filters, (1, kernel), (1, stride), activation)
