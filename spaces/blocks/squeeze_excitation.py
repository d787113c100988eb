"""Squeeze-and-excitation (Hu et al. 2018): each channel is multiplied by a gate that depends on all channels' averages.

The gates end in a hard sigmoid, min(max(x / 6 + 1/2, 0), 1), as in MobileNetV3: integer kernels compute it by the
scaling and clamping that they do anyway. EfficientNet's plain sigmoid has the same parameters, MACs and tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.blocks.base import Op, Ops, torch_module
from spaces.blocks.linear import linear_op
from spaces.tensors import Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = ["gate_module", "squeeze_excitation_ops"]


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
    average = Op("global_avg_pool", (source,), Shape(x.channels))
    squeezed = linear_op(average.out, hidden, activation="relu", source=source + 1, bias=True)
    gates = linear_op(squeezed.out, x.channels, activation="hard_sigmoid", source=source + 2, bias=True)
    return average, squeezed, gates, Op("mul", (source + 3, source), x, in_place=True)


@torch_module("mul")
def gate_module(op: Op, x: Shape, bias: bool) -> nn.Module:
    """A factor per channel times a feature map."""
    from spaces.operators.torch_layers import Gate

    return Gate()
