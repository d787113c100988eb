"""The integers behind a simulated int8 network: weights, biases, multipliers, shifts, clamps and tables."""

from __future__ import annotations

from collections.abc import Callable
from math import isinf
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from nascompile.compression.errors import CompressionError
from nascompile.compression.fake_quant import FakeQuantised
from nascompile.compression.network_kernels import input_shape
from nascompile.compression.quantised import QuantisedNetwork
from nascompile.operators import INTEGER_KERNELS
from nascompile.operators.fixed_point import HIGH, LOW, multipliers_shifts
from nascompile.operators.quantised_op import QuantisedOp, QuantisedTensor
from spaces.operators import Kernel
from spaces.operators.activations import ACTIVATIONS, clamp_bounds
from spaces.tensors import Shape

__all__ = ["integers"]

_MOST = 2**31 - 1


@torch.no_grad()
def integers(simulated: FakeQuantised) -> QuantisedNetwork:
    """The network in integers.

    Raises:
        CompressionError: sums that 32 bits may not hold.
    """
    tensors = [_tensor(simulated, 0, input_shape(simulated.input_shape))]
    ops: list[QuantisedOp] = []
    for k, kernel in enumerate(simulated.kernels):
        tensors.append(_tensor(simulated, k + 1, kernel.out))
        ops.append(_op(simulated, k, kernel, [tensors[i] for i in kernel.inputs], tensors[-1]))
    return QuantisedNetwork(simulated.line, simulated.input_shape, tuple(tensors), tuple(ops))


def _tensor(simulated: FakeQuantised, number: int, shape: Shape) -> QuantisedTensor:
    scale, zero = simulated.range_of(number).steps()
    return QuantisedTensor(shape, scale.item(), int(zero.item()))


def _op(
    simulated: FakeQuantised, number: int, kernel: Kernel, x: list[QuantisedTensor], out: QuantisedTensor
) -> QuantisedOp:
    result: dict[str, Any] = {}
    scales = [tensor.scale for tensor in x]
    kind, integer = kernel.record, INTEGER_KERNELS[kernel.kind]
    if kind.weights:
        result = _weights(simulated, number, kernel, x[0], out)
    elif kind.table:
        result = {"table": _table(ACTIVATIONS[kernel.function].compute, x[0], out)}
    elif integer.factors:
        factors = integer.factors(kernel, scales, out.scale)
        multipliers, shifts = multipliers_shifts(_bounded(factors, integer.largest(kernel)))
        result = {"multipliers": multipliers, "shifts": shifts}
    low, high = _clamp(kernel.clamp, out)
    return QuantisedOp(
        kernel.kind, kernel.inputs, kernel.kernel, kernel.stride, kernel.pads, groups=kernel.groups, low=low, high=high,
        part=kernel.part, followers=kernel.followers, **result,
    )  # fmt: skip


def _clamp(clamp: str, out: QuantisedTensor) -> tuple[int, int]:
    """The real bounds in steps of the output, within int8."""
    low, high = clamp_bounds(clamp)
    least = LOW if isinf(low) else max(LOW, out.zero_point + round(low / out.scale))
    return least, HIGH if isinf(high) else min(HIGH, out.zero_point + round(high / out.scale))


def _weights(
    simulated: FakeQuantised, number: int, kernel: Kernel, x: QuantisedTensor, out: QuantisedTensor
) -> dict[str, NDArray[Any]]:
    """Weights and biases in steps, and the factor of each output channel: scale of input * of weights / of output."""
    weight, bias, scales = (t.double().numpy() for t in simulated.parameters_of(number))
    steps = np.rint(weight / scales.reshape(-1, *[1] * (weight.ndim - 1)))
    biases = np.rint(bias / (scales * x.scale))
    # No input differs from its zero point by more than this, whatever the weights.
    most = np.abs(steps).reshape(len(steps), -1).sum(1) * (HIGH - LOW) + np.abs(biases)
    if most.max() > _MOST:
        message = f"a sum of the {number + 1}th kernel, `{kernel.kind}`, may not fit into 32 bits"
        raise CompressionError.of("sum-too-large", message, "use a narrower layer before it")
    multipliers, shifts = multipliers_shifts(_bounded(scales * x.scale / out.scale, most))
    return {
        "weights": steps.astype(np.int8),
        "biases": biases.astype(np.int32),
        "multipliers": multipliers,
        "shifts": shifts,
    }


def _bounded(factors: ArrayLike, most: ArrayLike) -> NDArray[np.float64]:
    """Factors that take no number beyond 2^28, so that rescaling stays within 32 bits whatever comes in.

    Only a tensor of which nothing is left has others: in its 256 steps all but the smallest numbers are the largest.

    Args:
        factors: from a sum to steps of the output.
        most: the largest magnitude of the sum.
    """
    return np.minimum(np.asarray(factors, np.float64), 2.0**28 / np.maximum(np.asarray(most, np.float64), 1.0))


def _table(
    function: Callable[[torch.Tensor], torch.Tensor], x: QuantisedTensor, out: QuantisedTensor
) -> NDArray[np.int8]:
    """The output for each of the 256 inputs."""
    q = torch.arange(LOW, HIGH + 1)
    values = function((q - x.zero_point) * torch.tensor(x.scale))
    steps = torch.round(values * (1 / torch.tensor(out.scale))) + out.zero_point
    return steps.clamp(LOW, HIGH).to(torch.int8).numpy()
