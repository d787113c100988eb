"""Channel split in integers: the same values."""

from __future__ import annotations

import random

from nascompile.operators.base import IntegerKernel, TimedFunction, integer_kernel, timed
from nascompile.operators.shapes import CHANNELS, image, upto
from spaces.operators import KernelCall


def _draw(rng: random.Random, name: str) -> KernelCall:
    x = image(rng, upto(rng, CHANNELS))
    return KernelCall(name, x, x._replace(channels=rng.randint(1, x.channels)))


integer_kernel(IntegerKernel("split", lambda op, operands: operands[0][:, slice(*op.part)]))
timed(TimedFunction("split", _draw))
