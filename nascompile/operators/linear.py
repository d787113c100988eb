"""The fully connected layer in integers; it reads channels, then rows, then columns."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.operators.base import IntegerKernel, Ints, TimedFunction, integer_kernel, timed
from nascompile.operators.convolution import layout, per_channel
from nascompile.operators.quantised_op import QuantisedOp
from nascompile.operators.shapes import CHANNELS, upto
from spaces.operators import KernelCall
from spaces.tensors import Shape


def _run(op: QuantisedOp, operands: list[Ints]) -> Ints:
    flat = operands[0].reshape(len(operands[0]), -1)
    return per_channel(op, flat.astype(np.float64) @ op.weights.astype(np.float64).T)


def _layout(weights: NDArray[Any], x: Shape, call: KernelCall) -> NDArray[Any]:
    """In RAM channels come last."""
    return layout(weights.reshape(len(weights), *x), x, call)


def _draw(rng: random.Random, name: str) -> KernelCall:
    return KernelCall(name, Shape(upto(rng, 8 * CHANNELS)), Shape(upto(rng, CHANNELS)))


integer_kernel(IntegerKernel("linear", _run, layout=_layout))
timed(TimedFunction("linear", _draw))
