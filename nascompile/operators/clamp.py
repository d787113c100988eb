"""A copy at another scale, with a clamp: q - z, rescaled; of a concatenation each operand by its own factor."""

from __future__ import annotations

import random

import numpy as np

from nascompile.operators.base import IntegerKernel, Ints, TimedFunction, integer_kernel, scaled, timed
from nascompile.operators.quantised_op import QuantisedOp
from nascompile.operators.shapes import CHANNELS, image, upto
from spaces.operators import Kernel, KernelCall
from spaces.operators.clamp import REQUANTISE

__all__ = ["REQUANTISED"]


def _run(op: QuantisedOp, operands: list[Ints]) -> Ints:
    return np.concatenate([scaled(op, values, j) for j, values in enumerate(operands)], axis=1)


def _factors(kernel: Kernel, scales: list[float], out: float) -> list[float]:
    return [scale / out for scale in scales]


def _draw(rng: random.Random, name: str) -> KernelCall:
    """Some of the channels of a wider tensor, as a concatenation writes them."""
    x = image(rng, upto(rng, CHANNELS))
    return KernelCall(name, x, x._replace(channels=x.channels + rng.choice((0, 0, 3, 16))))


REQUANTISED = integer_kernel(IntegerKernel(REQUANTISE.name, _run, factors=_factors))
timed(TimedFunction("requantise", _draw, lambda call: 1))
timed(TimedFunction("clip", _draw))
