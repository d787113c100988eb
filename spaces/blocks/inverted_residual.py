"""Inverted residual (MobileNetV2): expand by 1x1, depthwise, project by 1x1, and add the input where shapes allow.

With squeeze-and-excitation behind the depthwise convolution it is the MBConv block of EfficientNet.
"""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Flag, Padding, Whole, Window, block
from spaces.blocks.conv import along
from spaces.blocks.squeeze_excitation import squeeze_excitation_ops
from spaces.operators import Op, Ops
from spaces.operators.convolution import depthwise_op, pointwise_op
from spaces.operators.sums import add_op
from spaces.tensors import Shape

__all__ = ["inverted_residual", "inverted_residual1d"]


@block("inverted_residual")
def inverted_residual(
    x: Shape,
    *,
    filters: Count,
    expansion: Count = 6,
    kernel: Window = (3, 3),
    stride: Window = (1, 1),
    padding: Padding = "same",
    residual: Flag = True,
    squeeze: Whole = 0,
    activation: Activation = "relu6",
) -> Ops:
    """An inverted residual; the input is added when `residual` and input and output have the same shape.

    With `squeeze` = r > 0 there is squeeze-and-excitation behind the depthwise convolution, with 1/r of the input's
    channels in its hidden layer (at least one). EfficientNet has r = 4.

    Example:
        >>> [op.kind for op in inverted_residual(Shape(16, 8, 8), filters=16)]
        ['pointwise', 'depthwise', 'pointwise', 'add']
        >>> [op.kind for op in inverted_residual(Shape(16, 8, 8), filters=24, squeeze=4)]
        ['pointwise', 'depthwise', 'global_avg_pool', 'linear', 'linear', 'mul', 'pointwise']
    """
    ops: list[Op] = []
    if expansion > 1:
        ops.append(pointwise_op(x, x.channels * expansion, activation=activation))
    wide = ops[-1].out if ops else x
    ops.append(depthwise_op(wide, kernel, stride, padding, activation=activation, source=len(ops)))
    if squeeze:
        # As published the hidden width follows the block's input, not the wide tensor that is gated.
        ops += squeeze_excitation_ops(ops[-1].out, max(1, x.channels // squeeze), source=len(ops))
    ops.append(pointwise_op(ops[-1].out, filters, source=len(ops)))
    # As in MobileNetV2 the skip exists exactly where input and output agree; elsewhere `residual` changes nothing.
    if residual and ops[-1].out == x:
        ops.append(add_op(0, len(ops), x))
    return tuple(ops)


@block("inverted_residual1d", ranks=(1,))
def inverted_residual1d(
    x: Shape,
    *,
    filters: Count,
    expansion: Count = 6,
    kernel: Count = 3,
    stride: Count = 1,
    padding: Padding = "same",
    residual: Flag = True,
    squeeze: Whole = 0,
    activation: Activation = "relu6",
) -> Ops:
    """An inverted residual over a series."""
    return inverted_residual(
        x, filters=filters, expansion=expansion, kernel=(1, kernel), stride=(1, stride), padding=along(padding),
        residual=residual, squeeze=squeeze, activation=activation,
    )  # fmt: skip
