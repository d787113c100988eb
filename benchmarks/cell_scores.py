"""Every proxy's score of one NAS-Bench-201 cell: most on the benchmark's network, two on the thin ones of TE-NAS."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

import nascompile as nc
from samplers.proxies.base import Direction, Proxy, Subject, proxy
from samplers.proxies.data import Data
from samplers.proxies.ensemble import evaluate
from samplers.proxies.initialisation import kaiming_normal_
from samplers.proxies.ntk import condition_number, ntk_eigenvalues
from samplers.proxies.regions import crops, linear_regions
from samplers.scores.scoring import weight_seed
from spaces.language.cell import lower_cell
from spaces.language.numbering import row_of
from spaces.networks.network import LayerModule
from spaces.program.candidate import Candidate, candidate_of
from spaces.program.graph import Program
from spaces.tensors import Shape

__all__ = ["BETTER", "CellScores", "Throughput"]

SPACE = "nasbench201_benchmark"

#: Score -> the direction that promises a higher accuracy.
BETTER: dict[str, Direction] = {
    "meco": "higher", "zico": "higher", "naswot": "higher", "snip": "higher", "grad_norm": "higher",
    "synflow": "higher", "grasp": "higher", "zen": "higher", "k0": "lower", "k2": "lower", "regions": "higher",
    "flops": "higher", "params": "higher",
}  # fmt: skip

_ENSEMBLE = ("meco", "zico", "naswot", "snip")
_WINDOWS, _BATCHES, _SIDE, _REGION_REPEATS = 1000, 3, 3, 3


@dataclass(frozen=True)
class Throughput:
    """The ensemble of PrototypeNAS beside its proxies one by one.

    Args:
        together: CPU seconds for all four at once.
        alone: CPU seconds for one after another.
        same: whether all scores are equal, to the last bit.
    """

    together: float
    alone: float
    same: bool


@dataclass(frozen=True)
class CellScores:
    """Scores cells, all on the same examples.

    Args:
        program: the benchmark's networks.
        thin: the same cells with 3 channels and one cell per stage, for the neural tangent kernel.
        data: labelled images.
        batch: of ZiCo (two of them), NASWOT, SNIP and grad-norm.
        dear_batch: of GraSP and Zen, which share no passes.
        kernel_batch: of the neural tangent kernel.
        kernel_repeats: weights drawn for it.
        seed: of everything random.
    """

    program: Program
    thin: Program
    data: Data
    batch: int
    dear_batch: int
    kernel_batch: int
    kernel_repeats: int
    seed: int

    @classmethod
    def of(cls, stack: int, data: Data, **options: int) -> CellScores:
        """With `stack` cells per stage; the benchmark has 5."""
        depth = f"choices.N.options=[{stack}]"
        thin = nc.compile(SPACE, overrides=["choices.C.options=[3]", "choices.N.options=[1]"])
        return cls(nc.compile(SPACE, overrides=[depth]), thin, data, **options)

    def __call__(self, index: int) -> dict[str, float]:
        """Score -> value for the cell of that index, and the CPU seconds that took."""
        start = time.process_time()
        subject = self._subject(index)
        found = evaluate(subject, [*self._shared(), *self._others()], self.data, self.seed)
        k0, k2 = self._kernel(index)
        found |= {"k0": k0, "k2": k2, "regions": self._regions(index)}
        assert subject.candidate is not None
        costs = subject.candidate.costs
        found |= {"flops": float(costs["macs"]), "params": float(costs["params"])}
        return {**{name: found[name] for name in BETTER}, "seconds": time.process_time() - start}

    def throughput(self, index: int) -> Throughput:
        """The four proxies of PrototypeNAS in shared passes, and one by one."""
        subject = self._subject(index)
        chosen = [p for p in self._shared() if p.name in _ENSEMBLE]
        start = time.process_time()
        together = evaluate(subject, chosen, self.data, self.seed)
        middle = time.process_time()
        alone = {p.name: p.score(subject, self.data, self.seed) for p in chosen}
        return Throughput(middle - start, time.process_time() - middle, together == alone)

    def _shared(self) -> list[Proxy]:
        return [proxy("meco"), *(proxy(n, batch=self.batch) for n in ("zico", "naswot", "snip", "grad_norm"))]

    def _others(self) -> list[Proxy]:
        return [proxy("synflow"), proxy("grasp", batch=self.dear_batch), proxy("zen", batch=self.dear_batch)]

    def _candidate(self, program: Program, index: int) -> Candidate:
        return candidate_of(program, 0, row_of("nasbench201", index, 5, 6))

    def _subject(self, index: int) -> Subject:
        candidate = self._candidate(self.program, index)
        return Subject(candidate.build(seed=weight_seed(str(candidate), self.seed), batch_norm="kept"), candidate)

    def _kernel(self, index: int) -> tuple[float, float]:
        """Means of K_0 and K_2 over fresh Kaiming-normal weights (TE-NAS, MONAS)."""
        net = self._candidate(self.thin, index).build(batch_norm="kept")
        generator = torch.Generator().manual_seed(self.seed)
        found = []
        for _ in range(self.kernel_repeats):
            kaiming_normal_(net, "fan_out", generator)
            eigenvalues = ntk_eigenvalues(net, self.data.images[: self.kernel_batch])
            found.append([condition_number(eigenvalues, i) for i in (0, 2)])
        k0, k2 = np.mean(found, axis=0).tolist()
        return k0, k2

    def _regions(self, index: int) -> float:
        """Mean number of linear regions of a single cell of one channel on windows of 3 x 3 pixels (TE-NAS)."""
        net = self._single_cell(index)
        if not any(isinstance(module, nn.ReLU) for module in net.modules()):
            return 1.0  # nothing bends
        generator = torch.Generator().manual_seed(self.seed)
        found = []
        for _ in range(_REGION_REPEATS):
            kaiming_normal_(net, "fan_in", generator)
            windows = crops(self.data.images, _WINDOWS * _BATCHES, _SIDE, 1, generator)
            found.append(linear_regions(net, windows.split(_WINDOWS)))
        return float(np.mean(found))

    def _single_cell(self, index: int) -> nn.Module:
        space, candidate = self.program.space, self._candidate(self.program, index)
        cell, x = space.cells["cell"], Shape(1, _SIDE, _SIDE)
        names = [(candidate.values[cell.label(k)],) for k in range(len(cell.edges))]
        return LayerModule(lower_cell(cell, x, names), x, replace(space.settings, batch_norm_kept=True))
