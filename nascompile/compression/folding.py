"""Batch norms folded into the weights before them: w * gamma / sigma, and (b - mean) * gamma / sigma + beta."""

from __future__ import annotations

import torch
from torch import nn

from spaces.networks.network import Operator

__all__ = ["folded"]


@torch.no_grad()
def folded(operator: Operator) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights and biases of an operator that computes the same, in evaluation, without its batch norm.

    Args:
        operator: one with a convolution or a linear layer, or a batch norm on its own, which is a depthwise convolution
            of one pixel.

    Returns:
        [out, in / groups, rows, columns] or [out, in], and [out]; zeros where there is no bias.

    Example:
        >>> from spaces.blocks.conv import conv
        >>> from spaces.language.settings import Settings
        >>> from spaces.tensors import Shape
        >>> x = Shape(2, 4, 4)
        >>> operator = Operator(conv(x, filters=3)[0], x, Settings("int8", True, True, False))
        >>> weight, bias = folded(operator)
        >>> weight.shape, torch.allclose(weight, operator.conv.weight / (1 + 1e-5) ** 0.5)
        (torch.Size([3, 2, 3, 3]), True)
    """
    layer = next((m for m in operator.modules() if isinstance(m, nn.Conv2d | nn.Linear)), None)
    norm = next((m for m in operator.modules() if isinstance(m, nn.BatchNorm2d)), None)
    if layer is None:
        assert norm is not None  # a weighted operator has one of the two
        weight = torch.ones(norm.num_features, 1, 1, 1, device=norm.weight.device)
        bias = torch.zeros(norm.num_features, device=norm.weight.device)
    else:
        weight = layer.weight
        bias = torch.zeros(len(weight), device=weight.device) if layer.bias is None else layer.bias
    if norm is None:
        return weight.detach().clone(), bias.detach().clone()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    shape = (-1, *[1] * (weight.ndim - 1))
    return weight * factor.view(shape), (bias - norm.running_mean) * factor + norm.bias
