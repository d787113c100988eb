"""Concatenation in integers: each operand by its own factor, to its channels."""

from __future__ import annotations

from dataclasses import replace

from nascompile.operators.base import integer_kernel
from nascompile.operators.clamp import REQUANTISED

integer_kernel(replace(REQUANTISED, kind="concat"))
