"""A ReLU of its own, and the copy at another scale that computes it, and each part of a concatenation."""

from __future__ import annotations

from spaces.operators.base import Op, OperatorKind, nothing, operator
from spaces.operators.kernel import CFunction, KernelCall, KernelKind, c_function, kernel_kind, pixelwise_by_vectors
from spaces.tensors import Shape

__all__ = ["REQUANTISE", "relu_op"]


def relu_op(x: Shape, source: int = 0) -> Op:
    """A ReLU before a convolution instead of after one; overwrites its input."""
    return Op("relu", (source,), x, activation="relu", in_place=True)


def _copied(call: KernelCall, dtype: str) -> dict[str, int]:
    """Each `pixel` whose channels are copied among others, or, of all channels in int8, all at once; `element`s."""
    pixels = call.out.height * call.out.width
    together = dtype == "int8" and call.x.channels == call.out.channels
    return {"call": 1, "pixel": 1 if together else pixels, "element": pixels * call.x.channels}


operator(OperatorKind("relu", nothing, activates=True))
REQUANTISE = kernel_kind(KernelKind(
    "requantise", lambda kernel, dtype: "requantise" if dtype == "int8" else "clip", lambda kernel, x: x[0],
    clamps=True, in_place=True, factors=lambda kernel: 1,
))  # fmt: skip
_LOOPS = ("call", "pixel", "element")
c_function(
    CFunction("requantise", {"int8": _LOOPS}, _copied, vector=pixelwise_by_vectors(lambda call: call.x.channels))
)
c_function(CFunction("clip", {"float32": _LOOPS}, _copied))
