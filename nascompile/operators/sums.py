"""Additions in integers: rescale((q0 - z0) << 20, 0) + rescale((q1 - z1) << 20, 1), rescaled by 2."""

from __future__ import annotations

from nascompile.operators.base import RANGE, IntegerKernel, Ints, TimedFunction, integer_kernel, scaled, timed
from nascompile.operators.quantised_op import QuantisedOp
from nascompile.operators.shapes import elementwise
from spaces.operators import Kernel
from spaces.operators.sums import ADD

#: Bits by which the operands are raised, as TensorFlow Lite does, so that rescaling them loses nothing.
_SHIFT = 20


def _run(op: QuantisedOp, operands: list[Ints]) -> Ints:
    raised = [scaled(op, values << _SHIFT, j) for j, values in enumerate(operands)]
    return scaled(op, raised[0] + raised[1], 2)


def _factors(kernel: Kernel, scales: list[float], out: float) -> list[float]:
    """As TensorFlow Lite: the operands at half their larger scale, 20 bits up."""
    common = 2 * max(scales)
    return [scales[0] / common, scales[1] / common, common / (out * 2**_SHIFT)]


integer_kernel(IntegerKernel(ADD.name, _run, factors=_factors, largest=lambda kernel: RANGE << _SHIFT))
timed(TimedFunction("add", elementwise, lambda call: 2))
