"""Flattening in integers: the same values."""

from __future__ import annotations

from nascompile.operators.base import IntegerKernel, integer_kernel

integer_kernel(IntegerKernel("flatten", lambda op, operands: operands[0].reshape(len(operands[0]), -1)))
