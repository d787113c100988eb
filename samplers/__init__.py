"""Samplers: choose the few candidates of a feasible set that are worth training.

>>> from samplers import UniformSampler
>>> UniformSampler(seed=3).parameters
{'seed': 3}
"""

from samplers.base import Sampler
from samplers.monas import MonasSampler
from samplers.uniform import UniformSampler

__all__ = ["MonasSampler", "Sampler", "UniformSampler"]
