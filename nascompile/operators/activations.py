"""Look-ups: table[q + 128]."""

from __future__ import annotations

import numpy as np

from nascompile.operators.base import IntegerKernel, TimedFunction, integer_kernel, timed
from nascompile.operators.fixed_point import LOW
from nascompile.operators.shapes import elementwise
from spaces.operators.activations import ACTIVATIONS, LOOKUP

integer_kernel(IntegerKernel(
    LOOKUP.name, lambda op, operands: op.table[operands[0].astype(np.int64) - LOW],
))  # fmt: skip
timed(TimedFunction("lookup", elementwise))
for _one in ACTIVATIONS.values():
    if _one.bounds is None:
        timed(TimedFunction(_one.name, elementwise))
