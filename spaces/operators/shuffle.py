"""Channel shuffle (ShuffleNet, Zhang et al. 2018): the channels of several groups in turn, so that the groups mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spaces.operators.base import Op, OperatorKind, operator, plain_kernel
from spaces.operators.kernel import CFunction, KernelCall, KernelKind, c_function, kernel_kind
from spaces.tensors import Infeasible, Shape

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["shuffle_op", "shuffled"]


def shuffle_op(x: Shape, groups: int, source: int = 0) -> Op:
    """The first channel of each group, then the second of each, ...

    Raises:
        Infeasible: the groups do not divide the channels.
    """
    if x.channels % groups:
        raise Infeasible(f"{groups} groups do not divide {x.channels} channels")
    return Op("shuffle", (source,), x, groups=groups)


def shuffled(x: torch.Tensor, groups: int) -> torch.Tensor:
    """[n, c, h, w] -> the same channels in another order.

    Example:
        >>> import torch
        >>> shuffled(torch.arange(6.0).reshape(1, 6, 1, 1), 2).flatten().tolist()
        [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    """
    import torch

    return x[:, torch.arange(x.shape[1], device=x.device).reshape(groups, -1).T.flatten()]


def _module(op: Op, x: Shape, bias: bool) -> nn.Module:
    from spaces.operators.computed import Computed

    return Computed(shuffled, groups=op.groups)


def _loops(call: KernelCall, dtype: str) -> dict[str, int]:
    """`share`: channels of one group of every pixel."""
    pixels = call.out.height * call.out.width
    return {"call": 1, "pixel": pixels, "share": pixels * call.x.channels // call.groups, "element": call.out.size}


operator(OperatorKind(
    "shuffle", _module, plain_kernel, passes=lambda op, x: op.groups in (1, x.channels),
    cannot={"prune": "every group must keep as many channels, and those that are left would meet others"},
))  # fmt: skip
kernel_kind(KernelKind(
    "shuffle", lambda kernel, dtype: "shuffle", lambda kernel, x: shuffled(x[0], kernel.groups), copies=True,
))  # fmt: skip
_LOOPS = ("call", "pixel", "share", "element")
c_function(CFunction("shuffle", {"int8": _LOOPS, "float32": _LOOPS}, _loops))
