"""Channel split (ShuffleNetV2, Ma et al. 2018): some of the channels of a feature map, copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.kernel import CFunction, KernelKind, c_function, kernel_kind, pixelwise
from spaces.tensors import Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["split_op", "taken"]


def split_op(x: Shape, first: int, behind: int, source: int = 0) -> Op:
    """The channels from `first` to the one before `behind`.

    Example:
        >>> split_op(Shape(8, 4, 4), 4, 8).out
        Shape(channels=4, height=4, width=4)
    """
    return Op("split", (source,), x._replace(channels=behind - first), part=(first, behind))


def taken(x: torch.Tensor, first: int, behind: int) -> torch.Tensor:
    """[n, c, h, w] -> [n, behind - first, h, w]; a copy, as on a device.

    Example:
        >>> import torch
        >>> taken(torch.arange(4.0).reshape(1, 4, 1, 1), 1, 3).flatten().tolist()
        [1.0, 2.0]
    """
    return x[:, first:behind].clone()


def _module(op: Op, x: Shape, bias: bool) -> nn.Module:
    from spaces.operators.computed import Computed

    return Computed(taken, first=op.part[0], behind=op.part[1])


operator(OperatorKind(
    "split", _module, plain_kernel, passes=lambda op, x: op.out == x,
    cannot={"prune": "its channels are chosen by their places, which removing others would change"},
))  # fmt: skip
kernel_kind(
    KernelKind("split", lambda kernel, dtype: "split", lambda kernel, x: taken(x[0], *kernel.part), copies=True)
)
_LOOPS = ("call", "pixel", "element")
c_function(CFunction("split", {"int8": _LOOPS, "float32": _LOOPS}, pixelwise))
