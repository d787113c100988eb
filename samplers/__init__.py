"""Samplers: choose the few candidates of a feasible set that are worth training.

>>> from samplers import MonasSampler
>>> MonasSampler(mu=0.5).rule
'cells'
"""

from samplers.monas import MonasSampler

__all__ = ["MonasSampler"]
