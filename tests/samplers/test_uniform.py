"""Uniform sampling: every member equally likely, first and later."""

import numpy as np
from scipy.stats import chisquare

from samplers import UniformSampler
from samplers.testing import SamplerConformance, example_set


class TestUniformSampler(SamplerConformance):
    def make(self, seed):
        return UniformSampler(seed=seed)


def test_each_place_of_the_sequence_is_uniform():
    """Chi-square at the level 0.1 % for the first, the third and the last draw, over 3,000 seeds."""
    fs = example_set("small")
    counts = np.zeros((14, 14), int)
    for seed in range(3_000):
        for place, candidate in enumerate(UniformSampler(seed=seed).ask(fs, 14)):
            counts[place, fs.index(candidate)] += 1
    assert all(chisquare(counts[place]).pvalue > 0.001 for place in (0, 2, 13))


def test_a_few_left_of_many_are_found_without_trying():
    """The position among the untaken is exact even where all but a few are taken."""
    fs = example_set("medium")
    sampler = UniformSampler(seed=0)
    list(sampler.ask(fs, 60))
    run = sampler.run_
    assert sorted(run.untaken(k) for k in range(4)) == sorted(set(range(64)) - set(run.asked))
