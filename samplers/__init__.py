"""Samplers: choose the few candidates of a feasible set that are worth training.

>>> from samplers import UniformSampler
>>> UniformSampler(seed=3).parameters
{'seed': 3}
"""

from typing import TYPE_CHECKING, Any

from samplers.adaptive import AdaptiveSampler
from samplers.base import Sampler
from samplers.entropy import EntropySampler
from samplers.evolution import EvolutionSampler
from samplers.hypervolume import HypervolumeSelector
from samplers.monas import MonasSampler
from samplers.optuna_sampler import OptunaSampler
from samplers.pareto import ParetoSampler
from samplers.uniform import UniformSampler

if TYPE_CHECKING:
    from samplers.feasible_optuna import FeasibleOptunaSampler

__all__ = [
    "AdaptiveSampler",
    "EntropySampler",
    "EvolutionSampler",
    "FeasibleOptunaSampler",
    "HypervolumeSelector",
    "MonasSampler",
    "OptunaSampler",
    "ParetoSampler",
    "Sampler",
    "UniformSampler",
]


def __getattr__(name: str) -> Any:
    """What loads Optuna is imported when it is named."""
    if name == "FeasibleOptunaSampler":
        from samplers.feasible_optuna import FeasibleOptunaSampler

        return FeasibleOptunaSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
