"""The benchmark problem in plain integers, and its exact count by a method that no contestant uses.

`dscnn` with the first convolution at stride 2: input 49 x 10 x 1; a 10 x 4 convolution to M_1; depth - 1
depthwise-separable 3 x 3 blocks to M_2 .. M_depth, all at 25 x 5; global pool; linear to 12. Weights and activations
are float32 and there are no biases. Nothing here imports the package, so that a mistake cannot be on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["OPTIONS", "PIXELS", "STEP", "Problem"]

STEP = 28
OPTIONS = tuple(range(84, 281, STEP))
PIXELS = 25 * 5
INPUT = 49 * 10 * 1
BYTES = 4
CLASSES = 12


@dataclass(frozen=True)
class Problem:
    """All networks of one depth within the budgets.

    Args:
        depth: number of filter decisions, M_1 .. M_depth.
        rom: bytes for weights.
        ram: bytes for the two ping-pong buffers together.
        flops: two per multiply-accumulate; None for no limit.

    Example:
        >>> Problem(6).is_feasible([84, 112, 84, 84, 84, 196]), Problem(6).is_feasible([280, 252, 84, 84, 84, 84])
        (True, False)
        >>> [Problem(depth).count() for depth in (6, 7, 8)]
        [184323, 1221255, 7011290]
    """

    depth: int
    rom: int = 1_000_000
    ram: int = 256_000
    flops: int | None = None

    @classmethod
    def scaled(cls, depth: int, flops: bool = False) -> Problem:
        """The same tightness at any depth.

        Example:
            >>> Problem.scaled(16).count(), Problem.scaled(16, flops=True).count()
            (49300565649322, 14842537192310)
        """
        return cls(depth, rom=125_000 * depth, flops=6_250_000 * depth if flops else None)

    @property
    def max_weights(self) -> int:
        """The ROM budget in weights."""
        return self.rom // BYTES

    @property
    def max_pair(self) -> int:
        """The RAM budget as a limit on (widest even layer + widest odd layer), in filters.

        The input counts as layer 0, but every even layer is larger than it, so it never binds.
        """
        assert min(OPTIONS) * PIXELS > INPUT
        return self.ram // (PIXELS * BYTES)

    def weights(self, filters: Sequence[int]) -> int:
        """Weights of one network: convolution, blocks, classifier."""
        blocks = sum(9 * n + n * m for n, m in pairwise(filters))
        return 40 * filters[0] + blocks + CLASSES * filters[-1]

    def ram_bytes(self, filters: Sequence[int]) -> int:
        """Ping-pong RAM: the largest even buffer, the input being layer 0, plus the largest odd one."""
        even = max(INPUT, *(PIXELS * m for m in filters[1::2]))
        odd = max(PIXELS * m for m in filters[0::2])
        return BYTES * (even + odd)

    def total_flops(self, filters: Sequence[int]) -> int:
        """Two per weight and position; the classifier has one position."""
        classifier = CLASSES * filters[-1]
        return 2 * (PIXELS * (self.weights(filters) - classifier) + classifier)

    def is_feasible(self, filters: Sequence[int]) -> bool:
        """Whether one network keeps all budgets."""
        if self.flops is not None and self.total_flops(filters) > self.flops:
            return False
        return BYTES * self.weights(filters) <= self.rom and self.ram_bytes(filters) <= self.ram

    def count(self) -> int:
        """The exact number of feasible networks, in milliseconds.

        RAM holds iff (even layers <= E and odd layers <= O) for some maximal pair of caps with E + O within budget.
        The caps form a staircase, whose union counts as its steps minus the overlaps of neighbouring steps.
        """
        steps = self._caps()
        overlaps = [(even, odd) for (even, _), (_, odd) in pairwise(steps)]
        return sum(self._count_capped(*s) for s in steps) - sum(self._count_capped(*o) for o in overlaps)

    def _caps(self) -> list[tuple[int, int]]:
        """The maximal (even, odd) caps, by rising even cap."""
        fits = [(e, max((o for o in OPTIONS if e + o <= self.max_pair), default=0)) for e in OPTIONS]
        return [(e, o) for i, (e, o) in enumerate(fits) if o and all(o > later for _, later in fits[i + 1 :])]

    def _count_capped(self, even: int, odd: int) -> int:
        """Networks within ROM and FLOPs and these caps: histograms of the weights per last filter count."""
        import numpy as np  # late, so that contestants without numpy are not charged for its memory

        size = self.max_weights // STEP + 1
        now = {m: np.bincount([40 * m // STEP], minlength=size)[:size] for m in OPTIONS if m <= odd}
        for layer in range(2, self.depth + 1):
            before, now = now, {}
            for m in (m for m in OPTIONS if m <= (odd if layer % 2 else even)):
                now[m] = np.zeros(size, np.int64)
                for n, histogram in before.items():
                    shift = min(size, n * (9 + m) // STEP)
                    now[m][shift:] += histogram[: size - shift]
        body = np.arange(size) * STEP
        total = 0
        for m, histogram in now.items():
            head = CLASSES * m
            fits = body + head <= self.max_weights
            if self.flops is not None:
                fits &= 2 * (PIXELS * body + head) <= self.flops
            total += int(histogram[fits].sum())
        return total
