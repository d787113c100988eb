"""One network, layer by layer: every term that its ROM, RAM, MACs and FLOPs are made of.

This walks the network itself, block after block, without the compiled tables; so it is also the independent check that
the tables are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from typing import Any

from spaces.costs.layer import LayerCost, layer_cost
from spaces.program.candidate import Candidate
from spaces.tensors import Tensor

__all__ = ["LayerTerms", "breakdown", "derived", "outputs", "shared_code", "totals"]


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


def breakdown(candidate: Candidate) -> tuple[LayerTerms, ...]:
    """The layers of a network with their terms.

    Raises:
        Infeasible: no such network can exist (a side vanishes).

    Example:
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> c = parse_candidate(compile_space(load_space("mlp2")), "mlp2: 32-16")
        >>> [(t.number, t.cost.rom) for t in breakdown(c)]
        [(1, 2304), (2, 2048), (None, 768)]
    """
    program = candidate.program
    settings = program.space.settings
    return tuple(
        LayerTerms(
            layer.number,
            layer.spec.block.name,
            x,
            out,
            layer_cost(ops, x, out, settings, program.runtime, profile=program.latency),
        )
        for layer, x, out, ops in candidate.steps
    )


def outputs(candidate: Candidate) -> int:
    """Channels of the last layer: how many classes a network tells apart.

    Example:
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> outputs(parse_candidate(compile_space(load_space("mlp2")), "mlp2: 32-16"))
        12
    """
    return candidate.steps[-1].out.shape.channels


def derived(layers: tuple[LayerTerms, ...]) -> dict[str, int]:
    """The derived quantities of the numbered layers: `{"channels[1]": 84, "height[1]": 49, ...}`."""
    sides = ("channels", "height", "width")
    return {f"{n}[{t.number}]": v for t in layers if t.number for n, v in zip(sides, t.out.shape, strict=True)}


def shared_code(candidate: Candidate, layers: tuple[LayerTerms, ...]) -> int:
    """Bytes of ROM that are there once for all layers: kernels, and what a runtime has without any."""
    runtime, used = candidate.program.runtime, 0
    for terms in layers:
        used |= terms.cost.kernels
    return runtime.base + runtime.code_bytes(used)


def totals(candidate: Candidate) -> dict[str, Any]:
    """The costs of a network, summed from its layers; equal to `candidate.costs`."""
    program, layers = candidate.program, breakdown(candidate)
    numbered = [t for t in layers if t.number]
    sums = {m: sum(getattr(t.cost, m) for t in layers) for m in program.metrics}
    if program.latency:
        sums["latency"] += program.latency.network_ns
    sums["rom"] += shared_code(candidate, layers)
    even = max([t.cost.out_bytes for t in numbered if (t.number or 1) % 2 == 0], default=0)
    odd = max([t.cost.out_bytes for t in numbered if (t.number or 0) % 2], default=0)
    peak = max(t.cost.peak for t in layers)
    last = numbered[-1].out if numbered else candidate.program.space.input
    entropy = log2(last.shape.size) * sum(t.cost.log_width for t in numbered)
    even = max(even, candidate.program.space.input.nbytes)
    ram = {"ram_pingpong": even + odd, "ram_liveness": peak}
    return {"rom": sums["rom"], "ram": ram[f"ram_{candidate.program.ram_model}"], **sums, **ram, "entropy": entropy}
