"""Samplers by name. A sampler's module is imported when it is named, so that a list of names costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

from samplers.base import Sampler, sampler_error
from spaces.errors import did_you_mean

__all__ = ["SAMPLERS", "sampler"]

#: Name -> `module:class`, and the parameters that the name stands for.
SAMPLERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "uniform": ("samplers.uniform:UniformSampler", {}),
    "entropy": ("samplers.entropy:EntropySampler", {}),
    "adaptive": ("samplers.bayesian.adaptive:AdaptiveSampler", {}),
    "evolution": ("samplers.evolution:EvolutionSampler", {}),
    "tpe": ("samplers.optuna_studies.optuna_sampler:OptunaSampler", {"method": "tpe"}),
    "nsga2": ("samplers.optuna_studies.optuna_sampler:OptunaSampler", {"method": "nsga2"}),
    "nsga3": ("samplers.optuna_studies.optuna_sampler:OptunaSampler", {"method": "nsga3"}),
}


def sampler(name: str, /, **parameters: Any) -> Sampler:
    """A sampler by its name.

    Args:
        name: one of `SAMPLERS`.
        parameters: of its constructor. Those of a plain type must be of the type of their default.

    Raises:
        EngineError: no such sampler, a parameter that it does not have, or one of another type.

    Example:
        >>> sampler("entropy", p=0.25, seed=3)
        EntropySampler(seed=3, clusters=100, p=0.25, method='auto', bins=2048)
        >>> sampler("uniform", p=0.25)
        Traceback (most recent call last):
        spaces.errors.EngineError: the sampler `uniform` has no parameter `p` [unknown-parameter]
          its parameters are `seed`
    """
    if name not in SAMPLERS:
        raise sampler_error("unknown-sampler", f"there is no sampler `{name}`", did_you_mean(name, SAMPLERS))
    target, fixed = SAMPLERS[name]
    module, _, attribute = target.partition(":")
    make = getattr(import_module(module), attribute)
    known = {f.name: getattr(make(**fixed), f.name) for f in fields(make) if f.init and f.name not in fixed}
    for key, value in parameters.items():
        if key not in known:
            hint = f"its parameters are {', '.join(f'`{own}`' for own in known)}"
            raise sampler_error("unknown-parameter", f"the sampler `{name}` has no parameter `{key}`", hint)
        if not _fits(value, known[key]):
            hint = f"its default is {known[key]!r}"
            raise sampler_error("wrong-value", f"`{key}` of the sampler `{name}` cannot be {value!r}", hint)
    return make(**fixed, **parameters)


def _fits(value: Any, default: Any) -> bool:
    """Whether a value has the type of a plain default; whatever else a parameter may be, its sampler checks."""
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and (isinstance(default, bool) or default is None)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return not isinstance(default, int | str | Mapping) or isinstance(
        value, Mapping if isinstance(default, Mapping) else type(default)
    )
