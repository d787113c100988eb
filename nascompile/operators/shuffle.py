"""Channel shuffle in integers: the same values in another order."""

from __future__ import annotations

import random
from typing import Any

from numpy.typing import NDArray

from nascompile.operators.base import IntegerKernel, TimedFunction, integer_kernel, timed
from nascompile.operators.quantised_op import QuantisedOp
from nascompile.operators.shapes import CHANNELS, image, upto
from spaces.operators import KernelCall


def _run(op: QuantisedOp, operands: list[NDArray[Any]]) -> NDArray[Any]:
    n, channels, *sides = operands[0].shape
    groups = operands[0].reshape(n, op.groups, channels // op.groups, *sides)
    return groups.swapaxes(1, 2).reshape(operands[0].shape)


def _draw(rng: random.Random, name: str) -> KernelCall:
    groups = rng.choice((2, 2, 3, 4))
    x = image(rng, groups * upto(rng, CHANNELS // groups))
    return KernelCall(name, x, x, groups=groups)


integer_kernel(IntegerKernel("shuffle", _run))
timed(TimedFunction("shuffle", _draw))
