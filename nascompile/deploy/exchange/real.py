"""The real numbers behind a network's integers, as exchange formats state them: scales, activations, functions."""

from __future__ import annotations

from math import isinf, ldexp
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nascompile.deploy.errors import DeployError
from nascompile.operators.fixed_point import HIGH, LOW
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.operators.activations import ACTIVATIONS, clamp_bounds

__all__ = ["Weights", "activation", "function_of", "real_weights"]


class Weights(NamedTuple):
    """The weights of a kernel, and what a step of them is worth.

    Args:
        weights: int8 [out, ...].
        biases: int32 [out], in steps of the operand's scale times that of the weights.
        scales: float32 [out].
    """

    weights: NDArray[np.int8]
    biases: NDArray[np.int32]
    scales: NDArray[np.float32]


def real_weights(op: QuantisedOp, x: QuantisedTensor, out: QuantisedTensor) -> Weights:
    """The weights with the scales that its factors were made of: scale of `x` * of the weights / of `out`.

    A factor has 31 bits and a scale 24, so the nearest float32 is that very scale, and makes the same factor again.

    Args:
        op: a kernel with weights.
        x: its operand.
        out: its output.

    Example:
        >>> from nascompile.operators.fixed_point import multipliers_shifts
        >>> from spaces.tensors import Shape
        >>> x = out = QuantisedTensor(Shape(1), 0.5, 0)
        >>> multipliers, shifts = multipliers_shifts([0.25])
        >>> op = QuantisedOp("linear", (0,), weights=np.ones((1, 1), np.int8), biases=np.zeros(1, np.int32),
        ...                  multipliers=multipliers, shifts=shifts)
        >>> real_weights(op, x, out).scales.tolist()
        [0.25]
    """
    factors = [ldexp(int(m), int(s) - 31) for m, s in zip(op.multipliers, op.shifts, strict=True)]
    scales = np.array([factor * out.scale / x.scale for factor in factors], np.float32)
    weights, biases = np.array(op.weights), np.array(op.biases)
    # A factor that leaves nothing of any sum; and no format takes a scale of nothing.
    nothing = scales < np.finfo(np.float32).tiny
    weights[nothing], biases[nothing], scales[nothing] = 0, 0, 1
    return Weights(weights, biases, scales)


def activation(op: QuantisedOp, out: QuantisedTensor) -> str:
    """The activation that a kernel ends in: `none`, `relu` or `relu6`; `none` too where its bounds are those of int8.

    Raises:
        DeployError: it ends in bounds of another kind.
    """
    for name in ("none", "relu", "relu6"):
        low, high = (
            None if isinf(bound) else out.zero_point + round(bound / out.scale) for bound in clamp_bounds(name)
        )
        if (op.low, op.high) == (LOW if low is None else max(LOW, low), HIGH if high is None else min(HIGH, high)):
            return name
    message = f"`{op.kind}` ends in {op.low}..{op.high}, which is no activation"
    raise DeployError.of("no-activation", message, "quantise the network again")


#: Activations that are look-ups in int8.
_FUNCTIONS = {
    "hard_swish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
}
assert set(_FUNCTIONS) == {name for name, one in ACTIVATIONS.items() if one.bounds is None}


def function_of(op: QuantisedOp, x: QuantisedTensor, out: QuantisedTensor) -> str:
    """The activation whose table a look-up has.

    Raises:
        DeployError: the table is that of no activation.
    """
    real = (np.arange(LOW, HIGH + 1) - x.zero_point) * x.scale
    for name, function in _FUNCTIONS.items():
        table = np.clip(np.rint(function(real) / out.scale) + out.zero_point, LOW, HIGH)
        if np.abs(table - op.table).max() <= 1:  # it was made in float32
            return name
    raise DeployError.of(
        "no-activation", "the table of a look-up is that of no activation", "quantise the network again"
    )
