"""What the layers of one network cost, one by one and together; without the compiled tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

from spaces.costs.layer import LayerCost, layer_cost
from spaces.program.graph import Program
from spaces.program.lowering import LoweredLayer
from spaces.program.priced import fixed_costs
from spaces.tensors import Tensor

__all__ = ["LayerTerms", "derived", "layer_terms", "shared_code", "sums"]


@dataclass(frozen=True)
class LayerTerms:
    """One layer of a network and what it costs.

    Args:
        number: its place among the numbered layers, or None.
        block: name of the block.
        x: its input.
        out: its output.
        cost: its costs.
    """

    number: int | None
    block: str
    x: Tensor
    out: Tensor
    cost: LayerCost


def layer_terms(program: Program, steps: Iterable[LoweredLayer]) -> tuple[LayerTerms, ...]:
    """The layers of a network of a program, from input to output, with their terms."""
    settings = program.space.settings
    return tuple(
        LayerTerms(
            layer.number,
            layer.spec.block.name,
            x,
            out,
            layer_cost(ops, x, out, settings, program.runtime, profile=program.latency, block=layer.spec.block.name),
        )
        for layer, x, out, ops in steps
    )


def derived(layers: Sequence[LayerTerms]) -> dict[str, int]:
    """The derived quantities of the numbered layers: `{"channels[1]": 84, "height[1]": 49, ...}`."""
    sides = ("channels", "height", "width")
    return {f"{n}[{t.number}]": v for t in layers if t.number for n, v in zip(sides, t.out.shape, strict=True)}


def shared_code(program: Program, layers: Sequence[LayerTerms]) -> int:
    """Bytes of ROM that are there once for all layers: kernels, and what a runtime has without any."""
    used = 0
    for terms in layers:
        used |= terms.cost.kernels
    return program.runtime.fixed + program.runtime.code_bytes(used)


def sums(program: Program, layers: Sequence[LayerTerms]) -> dict[str, Any]:
    """The costs of a network, summed from its layers; named as in `Program.costs`, and equal to these."""
    numbered = [t for t in layers if t.number]
    total = {m: sum(getattr(t.cost, m) for t in layers) for m in program.metrics}
    for metric, amount in fixed_costs(program.runtime, program.latency).items():
        total[metric] += amount
    total["rom"] += shared_code(program, layers)
    even = max([t.cost.out_bytes for t in numbered if (t.number or 1) % 2 == 0], default=0)
    odd = max([t.cost.out_bytes for t in numbered if (t.number or 0) % 2], default=0)
    peak = max(program.runtime.beginning(program.space.input), *(t.cost.peak for t in layers))
    last = numbered[-1].out if numbered else program.space.input
    entropy = log2(last.shape.size) * sum(t.cost.log_width for t in numbered)
    even = max(even, program.space.input.nbytes)
    ram = {"ram_pingpong": even + odd, "ram_liveness": peak}
    return {"rom": total["rom"], "ram": ram[f"ram_{program.ram_model}"], **total, **ram, "entropy": entropy}
