"""Depthwise-separable convolution (MobileNet, DS-CNN): a depthwise, then a pointwise convolution; one fused layer."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Padding, Window, block
from spaces.blocks.conv import along
from spaces.operators import Ops
from spaces.operators.convolution import depthwise_op, pointwise_op
from spaces.tensors import Shape

__all__ = ["ds_conv", "ds_conv1d"]


@block("ds_conv")
def ds_conv(
    x: Shape,
    *,
    filters: Count,
    kernel: Window = (3, 3),
    stride: Window = (1, 1),
    padding: Padding = "same",
    activation: Activation = "relu",
) -> Ops:
    """A depthwise-separable convolution, one fused layer in the ping-pong RAM model.

    Example:
        >>> sum(op.weights for op in ds_conv(Shape(84, 49, 10), filters=112, stride=(2, 2)))
        10164
    """
    spatial = depthwise_op(x, kernel, stride, padding, activation=activation)
    return spatial, pointwise_op(spatial.out, filters, activation=activation, source=1)


@block("ds_conv1d", ranks=(1,))
def ds_conv1d(
    x: Shape,
    *,
    filters: Count,
    kernel: Count = 3,
    stride: Count = 1,
    padding: Padding = "same",
    activation: Activation = "relu",
) -> Ops:
    """A depthwise-separable convolution over a series."""
    around = along(padding)
    return ds_conv(x, filters=filters, kernel=(1, kernel), stride=(1, stride), padding=around, activation=activation)
