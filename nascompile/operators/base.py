"""What every kernel of a kind is in integers and in C: the second half of what `spaces.operators` says of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nascompile.operators.fixed_point import HIGH, LOW, rescale
from nascompile.operators.quantised_op import QuantisedOp
from spaces.operators import Kernel, KernelCall
from spaces.tensors import Shape

__all__ = [
    "INTEGER_KERNELS",
    "RANGE",
    "TIMED",
    "IntegerKernel",
    "Ints",
    "TimedFunction",
    "integer_kernel",
    "scaled",
    "timed",
]  # fmt: skip

Ints = NDArray[np.int64]

#: How far a value may be from its zero point.
RANGE = HIGH - LOW


@dataclass(frozen=True)
class IntegerKernel:
    """A kind of kernels in integers.

    Args:
        kind: its `Kernel.kind`.
        run: `(operation, operands) -> output`, [n, ...] each: what generated C must compute exactly. Operands are int8
            as they are where the kind copies or looks up; else centred at their zero points, and zero point and clamp
            of the output are applied behind it.
        factors: `(kernel, scales of its operands, scale of its output) -> real factors` by which it rescales; None
            where it does not, or has weights.
        largest: `kernel -> the largest magnitude` of what is rescaled.
        layout: `(weights, shape of the input as it lies in RAM, C call) -> weights` as the C function reads them.
    """

    kind: str
    run: Callable[[QuantisedOp, list[NDArray[Any]]], NDArray[Any]]
    factors: Callable[[Kernel, list[float], float], list[float]] | None = None
    largest: Callable[[Kernel], int] = lambda kernel: RANGE
    layout: Callable[[NDArray[Any], Shape, KernelCall], NDArray[Any]] | None = None


@dataclass(frozen=True)
class TimedFunction:
    """How the firmware that times operators calls a C function.

    Args:
        name: of the function.
        draw: a call of random shape.
        factors: `call -> factors` by which an int8 function without weights rescales.
        share: times as many shapes as of other functions, for one with more loops than others.
    """

    name: str
    draw: Callable[[random.Random, str], KernelCall]
    factors: Callable[[KernelCall], int] = lambda call: 0
    share: int = 1


#: Every kind, and every C function, by its name; filled by `integer_kernel` and `timed`.
INTEGER_KERNELS: dict[str, IntegerKernel] = {}
TIMED: dict[str, TimedFunction] = {}


def integer_kernel(kernel: IntegerKernel) -> IntegerKernel:
    """Register a kind."""
    INTEGER_KERNELS[kernel.kind] = kernel
    return kernel


def timed(function: TimedFunction) -> TimedFunction:
    """Register a C function."""
    TIMED[function.name] = function
    return function


def scaled(op: QuantisedOp, values: Ints, j: int = 0) -> Ints:
    """Values by the j-th factor of an operation."""
    return rescale(values, op.multipliers[j], op.shifts[j])
