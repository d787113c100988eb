"""The integer-only reference: each kernel in numpy, exactly what generated C must compute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nascompile.operators import INTEGER_KERNELS, QuantisedOp, QuantisedTensor
from nascompile.operators.fixed_point import HIGH, LOW
from spaces.operators import KERNELS

__all__ = ["compute", "run"]

Bytes = NDArray[np.int8]


def run(ops: Sequence[QuantisedOp], tensors: Sequence[QuantisedTensor], x: Bytes) -> list[Bytes]:
    """Every tensor of a network, the input first.

    Args:
        ops: in the order of execution.
        tensors: 0 is the input, k the output of the k-th operator.
        x: int8 [n, ...]; a series is an image of one row.
    """
    held = [x]
    for k, op in enumerate(ops):
        operands = [(held[i], tensors[i]) for i in op.inputs]
        held.append(compute(op, operands, tensors[k + 1]))
    return held


def compute(op: QuantisedOp, operands: list[tuple[Bytes, QuantisedTensor]], out: QuantisedTensor) -> Bytes:
    """One kernel.

    Args:
        op: what to compute.
        operands: int8 [n, ...] each, with what it stands for.
        out: what its output stands for.
    """
    kernel, kind = INTEGER_KERNELS[op.kind], KERNELS[op.kind]
    if kind.copies or kind.table:
        return kernel.run(op, [q for q, _ in operands])
    result = kernel.run(op, [q.astype(np.int64) - tensor.zero_point for q, tensor in operands])
    low, high = (op.low, op.high) if kind.clamps else (LOW, HIGH)
    return np.clip(result + out.zero_point, low, high).astype(np.int8)
