"""What MONAS measures: trainability K, expressivity R, FLOPs F and latency L (its Sec. 3.1, 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from samplers.proxies.initialisation import FanMode, kaiming_normal_
from samplers.proxies.ntk import condition_number, ntk_eigenvalues
from samplers.proxies.regions import crops, linear_regions
from spaces.costs.layer import layer_cost
from spaces.language.cell import lower_cell
from spaces.language.reader import read_space
from spaces.language.space import Space
from spaces.networks.network import LayerModule, super_network
from spaces.operators import Ops
from spaces.program.graph import Program
from spaces.program.lowering import lower_chain
from spaces.program.priced import fixed_costs
from spaces.program.variants import Variant, unroll
from spaces.tensors import Shape

__all__ = ["Indicators", "Measured", "Remaining"]

#: Label of each edge -> the operators still on it.
Remaining = Mapping[str, tuple[str, ...]]

#: TE-NAS counts linear regions on 3 batches of 1,000 windows of 3 x 3 pixels, one channel.
_WINDOWS, _BATCHES, _SIDE = 1000, 3, 3


@dataclass(frozen=True)
class Measured:
    """The indicators of one super-network.

    Args:
        k: mean K_2 = lambda_1 / lambda_{n-2} of the neural tangent kernel; inf if degenerate. Lower is better.
        regions: mean number of linear regions. Higher is better.
        flops: 2 per multiply-accumulate.
        latency: nanoseconds; None without a latency profile.
    """

    k: float
    regions: float
    flops: int
    latency: int | None


@dataclass
class Indicators:
    """Measures super-networks of one program; remembers what it has measured.

    Args:
        program: gives FLOPs and latency, as deployed.
        images: [n, channels, height, width], the mini-batch of the kernel, n = 32 in the paper.
        repeats: fresh weights drawn per network; the mean is taken.
        seed: of the weights and windows; equal for all networks, so that they are compared on equal terms.
        thin: overrides of the space under which K is measured, `choices.C.options=[3]`; images are averaged down to it.
    """

    program: Program
    images: torch.Tensor
    repeats: int
    seed: int
    thin: tuple[str, ...] = ()
    known: dict[tuple[tuple[str, tuple[str, ...]], ...], Measured] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.space, self.variant = _thinned(self.program.space, self.thin)
        _, height, width = self.space.input.shape
        self.thin_images = torch.nn.functional.adaptive_avg_pool2d(self.images, (height, width))

    def measure(self, remaining: Remaining) -> Measured:
        """The indicators of the super-network with these operators: a plain network where every edge has one."""
        key = tuple(remaining.items())
        if key not in self.known:
            flops, latency = self.deployed(remaining)
            self.known[key] = Measured(self._k(remaining), self._regions(remaining), flops, latency)
        return self.known[key]

    def _k(self, remaining: Remaining) -> float:
        net = super_network(self.space, self.variant, remaining, batch_norm="kept")
        result = []
        for repeat in range(self.repeats):
            self._draw(net, "fan_out", repeat)
            result.append(condition_number(ntk_eigenvalues(net, self.thin_images), 2))
        return float(np.mean(result))

    def _regions(self, remaining: Remaining) -> float:
        """Regions of a single cell with one channel on tiny windows, as in TE-NAS: larger inputs all lie apart."""
        x = Shape(1, _SIDE, _SIDE)
        settings = replace(self.space.settings, batch_norm_kept=True)
        net = torch.nn.Sequential(
            *(
                LayerModule(
                    lower_cell(cell, x, [remaining[cell.label(k)] for k in range(len(cell.edges))]), x, settings
                )
                for cell in self.space.cells.values()
            )
        )
        if not any(isinstance(m, torch.nn.ReLU) for m in net.modules()):
            return 1.0  # nothing bends: one region
        generator = torch.Generator().manual_seed(self.seed)
        result = []
        for repeat in range(self.repeats):
            self._draw(net, "fan_in", repeat)
            windows = [crops(self.images, _WINDOWS, _SIDE, 1, generator) for _ in range(_BATCHES)]
            result.append(linear_regions(net, windows))
        return float(np.mean(result))

    def _draw(self, net: torch.nn.Module, mode: FanMode, repeat: int) -> None:
        """Fresh weights."""
        kaiming_normal_(net, mode, torch.Generator().manual_seed(self.seed * 1000 + repeat))

    def deployed(self, remaining: Remaining) -> tuple[int, int | None]:
        """FLOPs, and nanoseconds where there is a latency profile, of the super-network with these operators."""
        program, settings = self.program, self.program.space.settings
        (variant,) = program.variants
        costs = [
            layer_cost(_plain(s.ops), s.x, s.out, settings, program.runtime, profile=program.latency)
            for s in lower_chain(program.space, variant, remaining)
        ]
        fixed = fixed_costs(program.runtime, program.latency).get("latency")
        return sum(c.flops for c in costs), None if fixed is None else fixed + sum(c.latency for c in costs)


def _plain(ops: Ops) -> Ops:
    """Without the factors that only a super-network has: no device runs them."""
    return tuple(replace(op, kind="identity", scale=1.0) if op.kind == "scale" else op for op in ops)


def _thinned(space: Space, overrides: tuple[str, ...]) -> tuple[Space, Variant]:
    """The space under overrides, and its one variant."""
    thin = read_space(space.document.dump(), f"{space.name} (thin)", overrides) if overrides else space
    (variant,) = unroll(thin)
    return thin, variant
