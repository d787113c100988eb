"""Inception module for series (InceptionTime, Ismail Fawaz et al. 2020): long windows of three lengths side by side."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, CountOrZero, Flag, block
from spaces.operators import Ops
from spaces.operators.concat import concat_op
from spaces.operators.convolution import conv_op, pointwise_op
from spaces.operators.pooling import pool_op
from spaces.operators.sums import add_op
from spaces.tensors import Infeasible, Shape

__all__ = ["inception1d"]


@block("inception1d", ranks=(1,))
def inception1d(
    x: Shape,
    *,
    filters: Count,
    kernel: Count = 40,
    stride: Count = 1,
    bottleneck: CountOrZero = 32,
    residual: Flag = False,
    activation: Activation = "relu",
) -> Ops:
    """An inception module over a series, windows of `kernel`, its half and its quarter; 4 * `filters` channels.

    The three convolutions read `bottleneck` channels, made by a bare 1x1 convolution (none with `bottleneck: 0`, nor,
    as published, for a series of one channel); the fourth branch is a maximum over 3 and a 1x1 convolution. `stride` is
    that of the three convolutions and of the maximum. The published batch norm and ReLU behind the concatenation stand
    behind each branch instead, which is the same function, and can be folded.

    InceptionTime adds a skip, a 1x1 convolution with batch norm, over every three modules. A chain of blocks carries
    one tensor, so that here `residual` puts it, and the ReLU behind its addition, around this one module.

    The pooling runs first, so that without a skip the input is gone before the convolutions run.

    Raises:
        Infeasible: `kernel` is below 4 and has no quarter.

    Example:
        >>> ops = inception1d(Shape(128, 1, 100), filters=32)
        >>> [op.kernel[1] for op in ops if op.kind == "conv"], ops[-1].out.channels
        ([40, 20, 10], 128)
    """
    if kernel < 4:
        raise Infeasible(f"a window of {kernel} has no quarter")
    pooled = pool_op("max_pool", x, (1, 3), (1, stride), "same")
    ops = [pooled, pointwise_op(pooled.out, filters, activation=activation, source=1)]
    narrow, source = x, 0
    if bottleneck and x.channels > 1:
        ops.append(conv_op(x, bottleneck, (1, 1), (1, 1), "same", kind="pointwise", norm=False))
        narrow, source = ops[-1].out, len(ops)
    for length in (kernel, kernel // 2, kernel // 4):
        window, step = (1, length), (1, stride)
        ops.append(conv_op(narrow, filters, window, step, "same", activation=activation, source=source))
    branches = [len(ops) - 2, len(ops) - 1, len(ops), 2]
    ops.append(concat_op({k: ops[k - 1].out for k in branches}))
    if residual:
        out, joined = ops[-1].out, len(ops)
        ops.append(conv_op(x, out.channels, (1, 1), (1, stride), "same", kind="pointwise"))
        ops.append(add_op(joined, joined + 1, out, activation=activation))
    return tuple(ops)
