"""One network, layer by layer: every term that its ROM, RAM, MACs and FLOPs are made of.

This walks the network itself, block after block, without the compiled tables; so it is also the independent check that
the tables are right.
"""

from __future__ import annotations

from typing import Any

from spaces.program.candidate import Candidate
from spaces.program.terms import LayerTerms, layer_terms, sums

__all__ = ["breakdown", "outputs", "totals"]


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
    return layer_terms(candidate.program, candidate.steps)


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


def totals(candidate: Candidate) -> dict[str, Any]:
    """The costs of a network, summed from its layers; equal to `candidate.costs`."""
    return sums(candidate.program, breakdown(candidate))
