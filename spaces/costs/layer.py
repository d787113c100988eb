"""What one layer costs: ROM (EBS Eq. 3), the terms of both RAM models (Eq. 4), FLOPs (Eq. 5), entropy width (Eq. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log2
from typing import TYPE_CHECKING, NamedTuple

from spaces.lanes import largest, mapped
from spaces.tensors import DTYPES, Tensor

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.language.settings import Settings
    from spaces.operators import Ops
    from spaces.runtimes.base import Runtime

__all__ = ["LAYER_COSTS", "WIDTH_STEPS", "LayerCost", "layer_cost", "live_buffers", "log2_width", "peak_bytes"]

#: The costs of a layer that are amounts, in whole numbers.
LAYER_COSTS = ("rom", "params", "macs", "flops", "latency", "out_bytes", "peak")

#: Log-widths are multiples of 1 / WIDTH_STEPS.
WIDTH_STEPS = 2**32


class LayerCost(NamedTuple):
    """The costs of one layer.

    Args:
        rom: bytes of weights, biases, kept batch norms and code.
        params: number of weights, biases and kept batch-norm values.
        macs: multiply-accumulates.
        flops: 2 per multiply-accumulate, and 1 per activated output when the space counts activations.
        latency: nanoseconds, 0 without a latency profile.
        out_bytes: D * u, bytes of the output.
        peak: most bytes alive at any step of the layer.
        kernels: the kernels of a runtime that it calls, a bit for each, whose code each costs once.
        log_width: sum of log2(w) over its operators, see `log2_width`.
    """

    rom: int
    params: int
    macs: int
    flops: int
    latency: int
    out_bytes: int
    peak: int
    kernels: int
    log_width: float


def layer_cost(
    ops: Ops, x: Tensor, out: Tensor, settings: Settings, runtime: Runtime, profile: LatencyProfile | None = None
) -> LayerCost:
    """The costs of a layer; of many at once where the operators have `Lanes` for numbers.

    Args:
        ops: the block's operators.
        x: the layer's input.
        out: its output; its data type is also that of the weights.
        settings: biases, batch norms and activations of the space.
        runtime: gives the ROM, but for the code that layers share.
        profile: gives the latency.
    """
    params = macs = activated = 0
    log_width = 0.0
    for op in ops:
        params += op.weights + settings.extra_params(op)
        macs += op.macs
        activated += op.out.size if op.activation != "none" else 0
        log_width += mapped(log2_width, op.width) if op.weights else 0.0
    rom, kernels = runtime.layer(ops, x, out, settings)
    return LayerCost(
        rom=rom,
        params=params,
        macs=macs,
        flops=2 * macs + (activated if settings.count_activations else 0),
        latency=profile.layer_ns(ops, x.shape) if profile else 0,
        out_bytes=out.nbytes,
        peak=peak_bytes(ops, x.nbytes, DTYPES[out.dtype], runtime.scratch(ops, x.shape), runtime.align),
        kernels=kernels,
        log_width=log_width,
    )


@lru_cache(maxsize=65536)
def log2_width(width: int) -> float:
    """log2(w) of EBS Eq. 6 to a multiple of 2^-32.

    So sums of them are exact up to 2^20, in whatever order they are added: networks of equal widths have equal
    entropies, and a bound on the entropy is a bound on a sum of whole numbers.

    Example:
        >>> log2_width(8), log2_width(84) == log2(84), abs(log2_width(84) - log2(84)) < 2**-32
        (3.0, False, True)
    """
    return round(log2(width) * WIDTH_STEPS) / WIDTH_STEPS


def peak_bytes(ops: Ops, x_bytes: int, width: int, scratch: Sequence[int] = (), align: int = 1) -> int:
    """Most bytes of tensors alive at once while the operators run in order.

    A tensor lives from the step that makes it to the last step that reads it; the block's output lives to the end.
    An in-place operator writes into the buffer of its last operand.

    Args:
        ops: the operators; operand 0 is the block's input.
        x_bytes: bytes of the block's input.
        width: bytes per element of every other tensor.
        scratch: bytes that each operator needs while it runs; none by default.
        align: every buffer takes a multiple of so many bytes.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> from spaces.tensors import Shape
        >>> peak_bytes(residual(Shape(16, 8, 8), filters=16), 4096, 4)
        12288
    """
    needs = [-(-size // align) * align for size in scratch] if scratch else [0] * len(ops)
    buffer, alive = live_buffers(ops)
    held = {0: -(-x_bytes // align) * align}
    for own, op in zip(buffer[1:], ops, strict=True):
        size = -(-op.out.size * width // align) * align
        held[own] = largest(held[own], size) if own in held else size
    return largest(*[need + sum([held[own] for own in here]) for need, here in zip(needs, alive, strict=True)])


def live_buffers(ops: Ops) -> tuple[list[int], list[list[int]]]:
    """The buffer of each tensor, and those alive at each step; see `peak_bytes`.

    A buffer goes by the step that makes it, the input's by 0.

    Args:
        ops: the operators; operand 0 is the block's input.

    Example:
        >>> from spaces.blocks.residual import residual
        >>> from spaces.tensors import Shape
        >>> live_buffers(residual(Shape(16, 8, 8), filters=16))
        ([0, 1, 2, 2], [[0, 1], [0, 1, 2], [0, 2]])
    """
    buffer, last = [0], {0: 0}
    for k, op in enumerate(ops, start=1):
        own = buffer[op.inputs[-1]] if op.in_place else k
        for source in op.inputs:
            last[buffer[source]] = k
        # What nothing reads lives while it is made.
        last[own] = k
        buffer.append(own)
    last[buffer[-1]] = len(ops)
    here = [0] if last[0] else []
    alive: list[list[int]] = []
    for k in range(1, len(ops) + 1):
        if buffer[k] == k:
            here.append(k)
        alive.append(here)
        here = [own for own in here if last[own] > k]
    return buffer, alive
