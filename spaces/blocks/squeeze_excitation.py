"""Squeeze-and-excitation (Hu et al. 2018): each channel is multiplied by a gate that depends on all channels' averages.

The gates end in a hard sigmoid, min(max(x / 6 + 1/2, 0), 1), as in MobileNetV3: integer kernels compute it by the
scaling and clamping that they do anyway. EfficientNet's plain sigmoid has the same parameters, MACs and tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators import Ops
from spaces.operators.linear import linear_op
from spaces.operators.pooling import global_pool_op
from spaces.operators.product import product_op
from spaces.tensors import Shape

if TYPE_CHECKING:
    pass

__all__ = ["squeeze_excitation_ops"]


def squeeze_excitation_ops(x: Shape, hidden: int, *, source: int = 0) -> Ops:
    """Global average, linear to `hidden` with a ReLU, linear back with a hard sigmoid, and the product with the input.

    The two linear layers (1x1 convolutions of a single pixel, in most implementations) have biases whatever the space
    says, as published, and no batch norm. The product overwrites the input.

    Args:
        x: shape of the input.
        hidden: units of the first linear layer.
        source: the input's number in the block; the operators made here are source + 1 to source + 4.

    Example:
        >>> ops = squeeze_excitation_ops(Shape(96, 8, 8), 4)
        >>> [op.kind for op in ops], sum(op.weights + op.out.channels for op in ops if op.has_weights)
        (['global_avg_pool', 'linear', 'linear', 'mul'], 868)
    """
    average = global_pool_op("global_avg_pool", x, source)
    squeezed = linear_op(average.out, hidden, activation="relu", source=source + 1, bias=True)
    gates = linear_op(squeezed.out, x.channels, activation="hard_sigmoid", source=source + 2, bias=True)
    return average, squeezed, gates, product_op(source + 3, source, x)
