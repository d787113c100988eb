"""What one layer costs: ROM (EBS Eq. 3), the terms of both RAM models (Eq. 4), FLOPs (Eq. 5), entropy width (Eq. 6)."""

from __future__ import annotations

from functools import lru_cache
from math import log2
from typing import TYPE_CHECKING, NamedTuple

from spaces.lanes import largest, mapped

if TYPE_CHECKING:
    from spaces.costs.latency import LatencyProfile
    from spaces.language.settings import Settings
    from spaces.operators import Ops
    from spaces.runtimes.base import Runtime
    from spaces.tensors import Tensor

__all__ = ["HEAD", "LAYER_COSTS", "WIDTH_STEPS", "LayerCost", "layer_cost", "log2_width"]

#: The costs of a layer that are amounts, in whole numbers.
LAYER_COSTS = ("rom", "params", "macs", "flops", "latency", "energy", "out_bytes", "peak")

#: The block whose outputs are boxes.
HEAD = "yolo_head"
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
        energy: nanojoules, 0 without one that has energies.
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
    energy: int
    out_bytes: int
    peak: int
    kernels: int
    log_width: float


def layer_cost(
    ops: Ops,
    x: Tensor,
    out: Tensor,
    settings: Settings,
    runtime: Runtime,
    *,
    profile: LatencyProfile | None = None,
    block: str = "",
) -> LayerCost:
    """The costs of a layer; of many at once where the operators have `Lanes` for numbers.

    Args:
        ops: the block's operators.
        x: the layer's input.
        out: its output; its data type is also that of the weights.
        settings: biases, batch norms and activations of the space.
        runtime: gives the ROM, but for the code that layers share.
        profile: gives the latency, and the energy if it has any.
        block: its name.
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
        energy=profile.energy.layer_nj(ops, x.shape) if profile and profile.energy else 0,
        out_bytes=out.nbytes,
        peak=largest(runtime.peak(ops, x, out), runtime.end(out)) if block == HEAD else runtime.peak(ops, x, out),
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
