"""Forward passes after which many backward passes are cheap: for the neural tangent kernel of thin networks on a CPU.

With a handful of channels, most of torch's time goes into layouts it is not made for. Channels-last convolutions are
several times faster there, but the batch norm of that layout is slower and loses a digit, enough to flip ReLUs; so it
is replaced, with statistics in float64, and so is the backward pass of average pooling. The gradients are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["ChannelsLast"]


class ChannelsLast(TorchFunctionMode):
    """Within it, networks take channels-last images, and batch norms in training mode and average pools are replaced.

    Running statistics are not updated.

    Example:
        >>> norm = torch.nn.BatchNorm2d(3)
        >>> x = torch.randn(4, 3, 8, 8).contiguous(memory_format=torch.channels_last)
        >>> with ChannelsLast():
        ...     y = norm(x)
        >>> torch.allclose(y, norm(x), atol=1e-5)
        True
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Calls the replacement of a function, if it has one and the arguments suit it."""
        named = dict(kwargs or {})
        if func is functional.batch_norm:
            names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
            named |= dict(zip(names, args, strict=False))
            if named["training"] and named["input"].ndim == 4:
                return _BatchNorm.apply(named["input"], named["weight"], named["bias"], named["eps"])
            return func(**named)
        if func is functional.avg_pool2d and not named and _plain_pool(*args):
            return _AveragePool.apply(args[0], _side(args[1]), _side(args[3]), args[5])
        if func is torch.Tensor.view and not named and not isinstance(args[1], torch.dtype):
            # Networks flatten with `view`, which needs the usual layout.
            return torch.Tensor.reshape(*args)
        return func(*args, **named)


class _BatchNorm(torch.autograd.Function):
    """Batch norm over the batch's own statistics. Works on lines of pixels, [n * height, width * channels]."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float
    ) -> torch.Tensor:
        n, channels, height, width = x.shape
        ctx.shape, pixels = (n, height, width, channels), n * height * width
        centred = _lines(x).to(torch.float64, copy=True)
        centred -= (centred.sum(0).view(width, -1).sum(0) / pixels).repeat(width)
        scale = (centred.square().sum(0).view(width, -1).sum(0) / pixels + eps).rsqrt()
        ctx.standard = (centred * scale.repeat(width)).to(x.dtype)
        ctx.scale = scale.to(x.dtype) if weight is None else scale.to(x.dtype) * weight
        # Autograd lets no in-place ReLU follow a view, so the output is a tensor of its own.
        out = torch.empty_like(x, memory_format=torch.channels_last)
        lines = _lines(out).copy_(ctx.standard)
        if weight is not None:
            lines.mul_(weight.repeat(width))
        if bias is not None:
            lines.add_(bias.repeat(width))
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        n, height, width, channels = ctx.shape
        lines = _lines(gradients[0])
        sums = torch.stack((lines.sum(0), (lines * ctx.standard).sum(0))).view(2, width, channels).sum(1)
        slopes = [total if wanted else None for total, wanted in zip(sums, ctx.needs_input_grad[2:0:-1], strict=True)]
        if not ctx.needs_input_grad[0]:
            return None, slopes[1], slopes[0], None
        shift, slope = (sums * (ctx.scale / -(n * height * width))).repeat(1, width)
        out = torch.addcmul(shift, lines, ctx.scale.repeat(width)).addcmul_(ctx.standard, slope)
        return out.view(ctx.shape).permute(0, 3, 1, 2), slopes[1], slopes[0], None


class _AveragePool(torch.autograd.Function):
    """Average pooling of stride 1; its backward pass is a depthwise convolution with ones."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, kernel: int, padding: int, count_padding: bool) -> torch.Tensor:
        filled = functional.avg_pool2d(x.new_ones(1, 1, *x.shape[2:]), kernel, 1, padding)
        ctx.shares = 1 / (torch.ones_like(filled) if count_padding else filled) / kernel**2
        ctx.ones = x.new_ones(x.shape[1], 1, kernel, kernel)
        ctx.padding = kernel - 1 - padding
        return functional.avg_pool2d(x, kernel, 1, padding, count_include_pad=count_padding)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        shared = gradients[0] * ctx.shares
        return functional.conv2d(shared, ctx.ones, padding=ctx.padding, groups=len(ctx.ones)), None, None, None


def _plain_pool(
    x: torch.Tensor, kernel: Any, stride: Any = None, padding: Any = 0, ceil: bool = False, *rest: Any
) -> bool:
    """Whether the arguments are those of `nn.AvgPool2d`, with stride 1 and square windows."""
    divisor = rest[1] if len(rest) == 2 else 0
    return x.ndim == 4 and divisor is None and not ceil and _side(stride) == 1 and _side(kernel) > 0 <= _side(padding)


def _side(pair: Any) -> int:
    """The side of a square, or -1 where sides differ."""
    sides = set(pair) if isinstance(pair, tuple | list) else {pair}
    return sides.pop() if len(sides) == 1 and None not in sides else -1


def _lines(x: torch.Tensor) -> torch.Tensor:
    """[n * height, width * channels]: a view where the layout is channels-last already."""
    n, channels, height, width = x.shape
    return x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).reshape(n * height, width * channels)
