"""Uniform sampling without replacement: the baseline of every other sampler."""

from __future__ import annotations

from dataclasses import dataclass

from samplers.base import Run, Sampler

__all__ = ["UniformSampler"]


@dataclass
class UniformSampler(Sampler):
    """Every member that has not been asked is equally likely to be the next.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2"), Budgets(rom=13_600)))
        >>> sampler = UniformSampler(seed=0)
        >>> len({str(candidate) for candidate in sampler.ask(fs, n=20)}), len(fs), sampler.exhausted
        (14, 14, True)
    """

    def propose(self, run: Run) -> int | None:
        """A uniform draw from what is left."""
        return next(run.draws(run.source), None)
