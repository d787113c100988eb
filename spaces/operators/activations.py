"""Activations, and the look-up that computes those which are no clamp."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from spaces.operators.kernel import CFunction, Kernel, KernelKind, by_vectors, c_function, elementwise, kernel_kind

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["ACTIVATIONS", "LOOKUP", "Activation", "clamp_bounds"]


@dataclass(frozen=True)
class Activation:
    """What an activation is.

    Args:
        name: its word in the language.
        torch: name of its class in `torch.nn`.
        bounds: least and greatest output of one that is a clamp, and so the end of the kernel before it; None for any
            other, which is a look-up of its own.
        word: whether blocks take it as a parameter.
        at_zero: its output for zero.
    """

    name: str
    torch: str
    bounds: tuple[float, float] | None = None
    word: bool = True
    at_zero: float = 0.0

    def module(self) -> nn.Module:
        """Its torch module."""
        from torch import nn

        return getattr(nn, self.torch)()

    def compute(self, x: torch.Tensor) -> torch.Tensor:
        """The activation of a tensor: the function of the same name, so that no module is made for it."""
        from torch.nn import functional

        return getattr(functional, self.torch.lower())(x)


#: Every activation by its name; `none` is the absence of one.
ACTIVATIONS = {
    one.name: one
    for one in (
        Activation("relu", "ReLU", (0.0, inf)),
        Activation("relu6", "ReLU6", (0.0, 6.0)),
        Activation("hard_swish", "Hardswish"),
        # Only gates have it.
        Activation("hard_sigmoid", "Hardsigmoid", word=False, at_zero=0.5),
    )
}


def clamp_bounds(clamp: str) -> tuple[float, float]:
    """The least and the greatest output that a clamp, or `none`, leaves.

    Example:
        >>> clamp_bounds("relu6"), clamp_bounds("none")
        ((0.0, 6.0), (-inf, inf))
    """
    bounds = None if clamp == "none" else ACTIVATIONS[clamp].bounds
    return bounds or (-inf, inf)


def _activated(kernel: Kernel, x: list[torch.Tensor]) -> torch.Tensor:
    return ACTIVATIONS[kernel.function].compute(x[0])


LOOKUP = kernel_kind(KernelKind(
    "lookup", lambda kernel, dtype: "lookup" if dtype == "int8" else kernel.function, _activated, in_place=True,
    table=True,
))  # fmt: skip
_LOOPS = ("call", "element")
c_function(CFunction("lookup", {"int8": _LOOPS}, elementwise, table=True, vector=by_vectors(16)))
for _one in ACTIVATIONS.values():
    if _one.bounds is None:
        c_function(CFunction(_one.name, {"float32": _LOOPS}, elementwise))
