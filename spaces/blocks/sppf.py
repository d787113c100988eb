"""Fast spatial pyramid pooling (YOLOv5): chained maxima see 5, 9 and 13 pixels around, beside the input itself."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Window, block
from spaces.operators import Ops
from spaces.operators.concat import concat_op
from spaces.operators.convolution import pointwise_op
from spaces.operators.pooling import pool_op
from spaces.tensors import Infeasible, Shape

__all__ = ["sppf"]


@block("sppf")
def sppf(x: Shape, *, filters: Count, kernel: Window = (5, 5), activation: Activation = "relu") -> Ops:
    """Fast spatial pyramid pooling: half the channels by 1x1, three chained maxima beside them, `filters` by 1x1.

    YOLOv5's activation is swish; `hard_swish` is the nearest here.

    Raises:
        Infeasible: the input has a single channel, which cannot be halved.

    Example:
        >>> ops = sppf(Shape(256, 4, 4), filters=256)
        >>> sum(op.weights + 2 * op.out.channels for op in ops if op.has_weights)
        164608
    """
    if x.channels < 2:
        raise Infeasible("half of 1 channel is none")
    ops = [pointwise_op(x, x.channels // 2, activation=activation)]
    ops += [pool_op("max_pool", ops[0].out, kernel, (1, 1), "same", source=k) for k in (1, 2, 3)]
    joined = concat_op(dict.fromkeys((1, 2, 3, 4), ops[0].out))
    return *ops, joined, pointwise_op(joined.out, filters, activation=activation, source=5)
