"""Counts of a candidate as proxies: the baselines beside which every other proxy has to show its worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from samplers.proxies.base import ClosedForm, Direction, ProxyError, Subject
from samplers.proxies.entropy import ENTROPY

if TYPE_CHECKING:
    from samplers.proxies.data import Data

__all__ = ["ENERGY", "ENTROPY", "FLOPS", "LATENCY", "MACS", "PARAMS", "Count"]


@dataclass(frozen=True, kw_only=True)
class Count(ClosedForm):
    """A cost of the candidate, named as in `Candidate.costs`.

    FLOPs, MACs and parameters are here as indicators of accuracy, of which more is better; as budgets, less is.

    Example:
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> candidate = parse_candidate(compile_space(load_space("mlp2")), "mlp2: 32-16")
        >>> PARAMS.score(Subject(candidate=candidate)) == candidate.costs["params"]
        True
    """

    better: Direction = "higher"
    cost: str = "none: a closed form of the candidate"
    randomness: str = "none"
    degenerate: str = "counts operators whether or not they are connected"
    reference: str = "the space's cost model, EBS Eq. 5 for FLOPs"

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one candidate, as `Proxy.score` says."""
        costs = subject.chosen(self.name).costs
        if self.name not in costs:
            message = f"`{self.name}` is not among the costs of `{subject.candidate}`: {', '.join(costs)}"
            raise ProxyError.of("no-such-cost", message, _HINTS.get(self.name, ""))
        return float(costs[self.name])


_HINTS = {
    "latency": "compile the space for a target with a latency profile, or take `macs`",
    "energy": "compile the space with a latency profile that has energies, or take `latency`",
}

FLOPS = Count(name="flops")
MACS = Count(name="macs")
PARAMS = Count(name="params")
ENERGY = Count(name="energy", better="lower", reference="the energies of the target's latency profile")
LATENCY = Count(
    name="latency", better="lower", reference="the target's latency profile; MONAS (Sec. 3) minimises it with accuracy"
)
