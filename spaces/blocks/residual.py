"""Residual basic block (ResNet): two convolutions and a skip, which is a strided 1x1 where the shape changes."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Window, block
from spaces.operators import Ops
from spaces.operators.convolution import conv_op
from spaces.operators.sums import add_op
from spaces.tensors import Shape

__all__ = ["residual", "residual1d"]


@block("residual")
def residual(
    x: Shape,
    *,
    filters: Count,
    kernel: Window = (3, 3),
    stride: Window = (1, 1),
    second_kernel: Window | None = None,
    activation: Activation = "relu",
) -> Ops:
    """A residual basic block with "same" padding; the skip is a 1x1 convolution where shapes differ.

    `kernel` and `stride` are the first convolution's; the second has a stride of 1, and `kernel` again unless
    `second_kernel` is given.

    Example:
        >>> [op.kind for op in residual(Shape(16, 8, 8), filters=32, stride=(2, 2))]
        ['conv', 'conv', 'pointwise', 'add']
    """
    first = conv_op(x, filters, kernel, stride, "same", activation=activation)
    second = conv_op(first.out, filters, second_kernel or kernel, (1, 1), "same", source=1)
    if second.out == x:
        return first, second, add_op(0, 2, x, activation=activation)
    skip = conv_op(x, filters, (1, 1), stride, "same", kind="pointwise")
    # The skip is computed last, so that the wide intermediate of the main path is gone by then.
    return first, second, skip, add_op(2, 3, second.out, activation=activation)


@block("residual1d", ranks=(1,))
def residual1d(
    x: Shape,
    *,
    filters: Count,
    kernel: Count = 3,
    stride: Count = 1,
    second_kernel: Count | None = None,
    activation: Activation = "relu",
) -> Ops:
    """A residual basic block over a series."""
    second = (1, second_kernel or kernel)
    return residual(
        x, filters=filters, kernel=(1, kernel), stride=(1, stride), second_kernel=second, activation=activation
    )
