"""Fire module (SqueezeNet, Iandola et al. 2016): few channels by 1x1, then 1x1 and 3x3 side by side."""

from __future__ import annotations

from spaces.blocks.base import Activation, Count, Window, block
from spaces.operators import Ops
from spaces.operators.concat import concat_op
from spaces.operators.convolution import conv_op, pointwise_op
from spaces.tensors import Shape

__all__ = ["fire"]


@block("fire")
def fire(
    x: Shape,
    *,
    squeeze: Count,
    expand: Count,
    kernel: Window = (1, 1),
    stride: Window = (1, 1),
    activation: Activation = "relu",
) -> Ops:
    """A fire module: `squeeze` filters, then `expand` of 1x1 and `expand` of 3x3, concatenated.

    `kernel` and `stride` are the squeeze convolution's, 1x1 in SqueezeNet. Padding is "same".

    Example:
        >>> ops = fire(Shape(64, 55, 55), squeeze=16, expand=64)
        >>> [op.kind for op in ops], ops[-1].out.channels, sum(op.weights for op in ops)
        (['pointwise', 'pointwise', 'conv', 'concat'], 128, 11264)
    """
    kind = "pointwise" if kernel == (1, 1) else "conv"
    squeezed = conv_op(x, squeeze, kernel, stride, "same", kind=kind, activation=activation)
    narrow = pointwise_op(squeezed.out, expand, activation=activation, source=1)
    wide = conv_op(squeezed.out, expand, (3, 3), (1, 1), "same", activation=activation, source=1)
    return squeezed, narrow, wide, concat_op({2: narrow.out, 3: wide.out})
