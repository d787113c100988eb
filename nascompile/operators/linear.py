"""The fully connected layer in integers; it reads channels, then rows, then columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.operators.base import IntegerKernel, Ints, integer_kernel
from nascompile.operators.convolution import per_channel
from nascompile.operators.quantised_op import QuantisedOp
from spaces.tensors import Shape


def _run(op: QuantisedOp, operands: list[Ints]) -> Ints:
    flat = operands[0].reshape(len(operands[0]), -1)
    return per_channel(op, flat.astype(np.float64) @ op.weights.astype(np.float64).T)


def _layout(weights: NDArray[Any], x: Shape, function: str) -> NDArray[Any]:
    """In RAM channels come last."""
    return weights.reshape(len(weights), *x).transpose(0, 2, 3, 1)


integer_kernel(IntegerKernel("linear", _run, layout=_layout))
