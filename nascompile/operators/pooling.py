"""Poolings in integers: averages of q - z over the n elements that exist, rescaled by n - 1; maxima as they are."""

from __future__ import annotations

import random

import numpy as np

from nascompile.operators.base import RANGE, IntegerKernel, Ints, TimedFunction, integer_kernel, scaled, timed
from nascompile.operators.fixed_point import LOW, rescale
from nascompile.operators.quantised_op import QuantisedOp
from nascompile.operators.shapes import CHANNELS, image, slide, upto
from nascompile.operators.windows import windows
from spaces.operators import Kernel, KernelCall
from spaces.tensors import Shape


def _average(op: QuantisedOp, operands: list[Ints]) -> Ints:
    sums, there = (windows(op, values).sum((-2, -1)) for values in (operands[0], np.ones_like(operands[0][:1, :1])))
    # A window that lies in the padding altogether sums nothing: zero, by any multiplier.
    place = np.maximum(there, 1) - 1
    return rescale(sums, op.multipliers[place], op.shifts[place])


def _elements(kernel: Kernel) -> int:
    return kernel.kernel[0] * kernel.kernel[1]


def _area(kernel: Kernel) -> int:
    return kernel.x.height * kernel.x.width


def _average_factors(kernel: Kernel, scales: list[float], out: float) -> list[float]:
    return [scales[0] / (out * n) for n in range(1, _elements(kernel) + 1)]


def _global_factors(kernel: Kernel, scales: list[float], out: float) -> list[float]:
    return [scales[0] / (out * _area(kernel))]


integer_kernel(IntegerKernel(
    "avg_pool", _average, factors=_average_factors, largest=lambda kernel: RANGE * _elements(kernel),
))  # fmt: skip
integer_kernel(IntegerKernel(
    "global_avg_pool", lambda op, operands: scaled(op, operands[0].sum((2, 3))), factors=_global_factors,
    largest=lambda kernel: RANGE * _area(kernel),
))  # fmt: skip
integer_kernel(IntegerKernel(
    "max_pool", lambda op, operands: windows(op, operands[0], LOW).max((-2, -1)),
))  # fmt: skip
integer_kernel(IntegerKernel("global_max_pool", lambda op, operands: operands[0].max((2, 3))))


def _draw(rng: random.Random, name: str) -> KernelCall:
    channels = upto(rng, CHANNELS)
    return slide(rng, name, image(rng, channels), channels)


def _draw_global(rng: random.Random, name: str) -> KernelCall:
    x = image(rng, upto(rng, CHANNELS))
    return KernelCall(name, x, Shape(x.channels))


timed(TimedFunction("avg_pool", _draw, lambda call: call.kernel[0] * call.kernel[1], share=2))
timed(TimedFunction("max_pool", _draw, share=2))
timed(TimedFunction("global_avg_pool", _draw_global, lambda call: 1, share=4))
timed(TimedFunction("global_max_pool", _draw_global))
