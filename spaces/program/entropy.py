"""A bound on the entropy (EBS Eq. 6) as an additive limit.

H = log2(u_L) * sum of log2(w_i) is a product, but u_L is a property of the state in which a network ends, and the sum
is one of whole numbers once it is counted in steps of 2^-32 (`spaces.costs.layer.log2_width`). So for each final state
there is a least sum with which H is large enough: found by asking for H itself, as it is computed everywhere, so that a
network is a member exactly when its own entropy keeps the bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spaces.costs.layer import WIDTH_STEPS
from spaces.program.constraints import EntropyLimit
from spaces.program.graph import Limit, Stage, log2_sizes

__all__ = ["entropy_limit", "width_steps"]


def width_steps(log_width: Any) -> NDArray[np.int64]:
    """Sums of log2(w) as whole numbers of steps, exactly."""
    return np.rint(np.asarray(log_width) * WIDTH_STEPS).astype(np.int64)


def entropy_limit(limit: EntropyLimit, stages: Sequence[Stage], base: float, out_size: NDArray[np.int64]) -> Limit:
    """The limit with which the diagram, CP-SAT, brute force and MiniZinc alike enforce a bound on the entropy.

    Args:
        limit: the bound.
        stages: of the variant.
        base: sum of log2(w) of the layers before the first stage.
        out_size: [final states], u_L.
    """
    columns = [width_steps(stage.column("log_width")) for stage in stages]
    before = int(width_steps(base))
    most = before + sum(int(width_steps(stage.table["log_width"]).max()) for stage in stages)
    above = limit.op in (">=", ">")
    # H > x where the sum is at least `needed`; H <= x, where it is below.
    strict = limit.op in (">", "<=")
    sizes, inverse = np.unique(log2_sizes(out_size), return_inverse=True)
    needed = np.array([_least(size, limit.value, strict=strict, most=most) for size in sizes.tolist()], np.int64)[
        inverse
    ]
    if above:
        columns, before, needed = [-column for column in columns], -before, -needed
    else:
        needed = needed - 1
    if not stages:
        return Limit(limit.text, (), int(needed[0]) - before, budget=0, metric="")
    last = stages[-1].next
    columns[-1] = columns[-1] - np.where(last >= 0, needed[last], 0)
    return Limit(limit.text, tuple(columns), -before, budget=0, metric="")


def _least(log2_size: float, value: float, strict: bool, most: int) -> int:
    """The least sum, in steps, with which the entropy reaches a value; `most` + 1 where none up to `most` does."""
    low, high = 0, most + 1
    while low < high:
        middle = (low + high) // 2
        entropy = log2_size * (middle / WIDTH_STEPS)
        if entropy > value or (entropy == value and not strict):
            high = middle
        else:
            low = middle + 1
    return low
