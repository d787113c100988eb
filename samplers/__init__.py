"""Samplers: choose the few candidates of a feasible set that are worth training.

>>> from samplers import UniformSampler
>>> UniformSampler(seed=3).parameters
{'seed': 3}
"""

from typing import TYPE_CHECKING

from spaces.lazy import face

if TYPE_CHECKING:
    from samplers.base import Sampler
    from samplers.bayesian.adaptive import AdaptiveSampler
    from samplers.entropy import EntropySampler
    from samplers.evolution import EvolutionSampler
    from samplers.monas.sampler import MonasSampler
    from samplers.monas.search import MonasSearch
    from samplers.oneshot.sampler import OneShotSampler
    from samplers.oneshot.search import OneShotSearch
    from samplers.optuna_studies.feasible_optuna import FeasibleOptunaSampler
    from samplers.optuna_studies.optuna_sampler import OptunaSampler
    from samplers.optuna_studies.pareto import ParetoSampler
    from samplers.optuna_studies.pareto_search import ParetoSearch
    from samplers.subset.hypervolume import HypervolumeSelector
    from samplers.training_free import TrainingFreeSearch
    from samplers.uniform import UniformSampler

__all__ = [
    "AdaptiveSampler",
    "EntropySampler",
    "EvolutionSampler",
    "FeasibleOptunaSampler",
    "HypervolumeSelector",
    "MonasSampler",
    "MonasSearch",
    "OneShotSampler",
    "OneShotSearch",
    "OptunaSampler",
    "ParetoSampler",
    "ParetoSearch",
    "Sampler",
    "TrainingFreeSearch",
    "UniformSampler",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "AdaptiveSampler": "samplers.bayesian.adaptive",
        "EntropySampler": "samplers.entropy",
        "EvolutionSampler": "samplers.evolution",
        "FeasibleOptunaSampler": "samplers.optuna_studies.feasible_optuna",
        "HypervolumeSelector": "samplers.subset.hypervolume",
        "MonasSampler": "samplers.monas.sampler",
        "MonasSearch": "samplers.monas.search",
        "OneShotSampler": "samplers.oneshot.sampler",
        "OneShotSearch": "samplers.oneshot.search",
        "OptunaSampler": "samplers.optuna_studies.optuna_sampler",
        "ParetoSampler": "samplers.optuna_studies.pareto",
        "ParetoSearch": "samplers.optuna_studies.pareto_search",
        "Sampler": "samplers.base",
        "TrainingFreeSearch": "samplers.training_free",
        "UniformSampler": "samplers.uniform",
    },
)
