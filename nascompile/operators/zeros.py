"""Zeros in integers: the output's zero point."""

from __future__ import annotations

import numpy as np

from nascompile.operators.base import IntegerKernel, TimedFunction, integer_kernel, timed
from nascompile.operators.shapes import elementwise

integer_kernel(IntegerKernel("zeros", lambda op, operands: np.zeros_like(operands[0])))
timed(TimedFunction("zeros", elementwise))
