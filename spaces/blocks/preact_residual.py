"""Residual block with activations before its convolutions, as NAS-Bench-201 has between its stages."""

from __future__ import annotations

from dataclasses import replace

from spaces.blocks.base import Count, Window, block
from spaces.operators import Ops
from spaces.operators.clamp import relu_op
from spaces.operators.convolution import conv_op
from spaces.operators.pooling import pool_op
from spaces.operators.sums import add_op
from spaces.tensors import Shape

__all__ = ["preact_residual"]


@block("preact_residual")
def preact_residual(x: Shape, *, filters: Count, kernel: Window = (3, 3), stride: Window = (2, 2)) -> Ops:
    """ReLU-conv-norm twice; the skip averages each window of the stride, then a bare 1x1 convolution.

    The skip is computed first, so that the ReLU may overwrite the input. Where a stride does not divide a side, its
    last window averages the elements that there are, so that both branches agree.

    Example:
        >>> [op.kind for op in preact_residual(Shape(16, 32, 32), filters=32)]
        ['avg_pool', 'pointwise', 'relu', 'conv', 'conv', 'add']
    """
    pooled = pool_op("avg_pool", x, stride, stride, "same")
    skip = conv_op(pooled.out, filters, (1, 1), (1, 1), "same", kind="pointwise", source=1, norm=False)
    active = relu_op(x)
    first = conv_op(x, filters, kernel, stride, "same", activation="relu", source=3)
    second = conv_op(first.out, filters, kernel, (1, 1), "same", source=4)
    return pooled, replace(skip, bias=False), active, first, second, add_op(2, 5, second.out)
