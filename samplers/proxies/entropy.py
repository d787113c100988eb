"""Entropy: how much information the last feature map of a network can carry, from its shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from samplers.proxies.base import ClosedForm, Direction, Subject

if TYPE_CHECKING:
    from samplers.proxies.data import Data
    from spaces.program.candidate import Candidate

__all__ = ["ENTROPY", "Entropy", "entropy"]


def entropy(candidate: Candidate) -> float:
    """H = log2(u_L) * sum_i log2(w_i), with u_L the elements of the last output and w_i = M Kw Kh / g (EBS Eq. 6).

    Raises:
        CandidateError: no such network can exist.

    Example:
        >>> from spaces.program.candidate import parse_candidate
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> entropy(parse_candidate(compile_space(load_space("mlp2")), "mlp2: 16-16"))
        32.0
    """
    return float(candidate.costs["entropy"])


@dataclass(frozen=True, kw_only=True)
class Entropy(ClosedForm):
    """EBS entropy of a candidate. It grows with depth without bound, and knows no skips, norms or pools.

    Example:
        >>> ENTROPY.better
        'higher'
    """

    name: str = "entropy"
    better: Direction = "higher"
    cost: str = "none: a closed form of the candidate"
    randomness: str = "none"
    degenerate: str = "0 where the last output is a single number; counts operators whether or not they are connected"
    reference: str = "EBS Eq. 6, after Sun et al., MAE-DET, ICML 2022, and Shen et al., DeepMAD, CVPR 2023"

    def score(self, subject: Subject, data: Data | None = None, seed: int = 0) -> float:
        """The score of one candidate, as `Proxy.score` says."""
        return float(subject.chosen(self.name).costs["entropy"])


ENTROPY = Entropy()
