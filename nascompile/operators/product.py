"""Products in integers: (q0 - z0) * (q1 - z1), rescaled; operand 0 has one value per channel."""

from __future__ import annotations

import random

from nascompile.operators.base import RANGE, IntegerKernel, Ints, TimedFunction, integer_kernel, scaled, timed
from nascompile.operators.quantised_op import QuantisedOp
from nascompile.operators.shapes import CHANNELS, image, upto
from spaces.operators import Kernel, KernelCall
from spaces.tensors import Shape


def _run(op: QuantisedOp, operands: list[Ints]) -> Ints:
    gates, x = operands
    return scaled(op, gates[:, :, None, None] * x)


def _factors(kernel: Kernel, scales: list[float], out: float) -> list[float]:
    return [scales[0] * scales[1] / out]


def _draw(rng: random.Random, name: str) -> KernelCall:
    out = image(rng, upto(rng, CHANNELS))
    return KernelCall(name, Shape(out.channels), out)


integer_kernel(IntegerKernel("mul", _run, factors=_factors, largest=lambda kernel: RANGE**2))
timed(TimedFunction("mul", _draw, lambda call: 1))
