"""Samplers by name, which only this module knows. A module is imported when its sampler is named, so that a list of
names costs nothing.

There are two kinds: a `Sampler` is asked for candidates and told what they turned out to be; a `TrainingFreeSearch`
measures networks that nobody trains. What a package of yours adds is named by `register`, or by its entry points, which
the command line sees, too:

    [project.entry-points."nascompile.samplers"]
    mine = "mypackage.mine:MySampler"
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from importlib.metadata import entry_points
from itertools import islice
from typing import Any, Generic, TypeVar

from samplers.base import Sampler
from samplers.training_free import TrainingFreeSearch
from spaces.errors import EngineError, did_you_mean

__all__ = ["SAMPLERS", "TRAINING_FREE", "Entry", "register", "registered", "sampler", "training_free"]

#: Under which packages name their samplers.
_GROUP = "nascompile.samplers"
Kind = TypeVar("Kind", bound=Sampler | TrainingFreeSearch[Any])


@dataclass(frozen=True)
class Entry(Generic[Kind]):
    """What a name stands for.

    Args:
        target: the class, or `module:class`.
        fixed: parameters that the name decides.
        about: in a word or two, for a list; without it no list has the name.
        asked: how the command line asks for it, where that is not by its name.
    """

    target: str | type[Kind]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    about: str = ""
    asked: str = ""

    @property
    def type(self) -> type[Kind]:
        """The class."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(module), attribute)

    @property
    def training_free(self) -> bool:
        """Whether it measures untrained networks, and is never told of trained ones."""
        return issubclass(self.type, TrainingFreeSearch)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that it takes, with their defaults."""
        made = self.type(**self.fixed)
        return {f.name: getattr(made, f.name) for f in fields(made) if f.init and f.name not in self.fixed}

    def make(self, name: str, parameters: Mapping[str, Any]) -> Kind:
        """One with these parameters."""
        known = self.parameters
        for key, value in parameters.items():
            if key not in known:
                hint = f"its parameters are {', '.join(f'`{own}`' for own in known)}"
                raise EngineError.of("unknown-parameter", f"the sampler `{name}` has no parameter `{key}`", hint)
            if not _fits(value, known[key]):
                hint = f"its default is {known[key]!r}"
                raise EngineError.of("wrong-value", f"`{key}` of the sampler `{name}` cannot be {value!r}", hint)
        return self.type(**self.fixed, **parameters)


_OPTUNA = "samplers.optuna_studies.optuna_sampler:OptunaSampler"
#: Those that are asked, and told what training gives.
SAMPLERS: dict[str, Entry[Sampler]] = {
    "uniform": Entry("samplers.uniform:UniformSampler"),
    "entropy": Entry("samplers.entropy:EntropySampler"),
    "adaptive": Entry("samplers.bayesian.adaptive:AdaptiveSampler"),
    "evolution": Entry("samplers.evolution:EvolutionSampler"),
    "tpe": Entry(_OPTUNA, {"method": "tpe"}),
    "nsga2": Entry(_OPTUNA, {"method": "nsga2"}),
    "nsga3": Entry(_OPTUNA, {"method": "nsga3"}),
}
#: Those that measure untrained networks.
TRAINING_FREE: dict[str, Entry[TrainingFreeSearch[Any]]] = {
    "pareto": Entry(
        "samplers.optuna_studies.pareto_search:ParetoSearch", about="trials whose proxies compete as objectives"
    ),
    "monas": Entry("samplers.monas.search:MonasSearch", about="ranks by proxies, within limits"),
    "oneshot": Entry("samplers.oneshot.search:OneShotSearch", about="ranks by the shared weights of a super-network"),
    "monas-paper": Entry("samplers.monas.paper:MonasPaper", asked="monas --rule paper"),
}


def sampler(name: str, /, *, metric: str | None = None, **parameters: Any) -> Sampler:
    """A sampler by its name.

    Args:
        name: one of `SAMPLERS`, or what a package names.
        metric: what it will be told, if it learns; None for its own objectives.
        parameters: of its constructor. Those of a plain type must be of the type of their default.

    Raises:
        EngineError: no such sampler, a parameter that it does not have, or one of another type.

    Example:
        >>> sampler("entropy", p=0.25, seed=3)
        EntropySampler(seed=3, clusters=100, p=0.25, method='auto', bins=2048)
        >>> sampler("adaptive", metric="auc").objectives
        {'auc': 'max'}
        >>> sampler("uniform", p=0.25)
        Traceback (most recent call last):
        spaces.errors.EngineError: the sampler `uniform` has no parameter `p` [unknown-parameter]
          its parameters are `seed`
    """
    entry = _entry(name, SAMPLERS)
    return entry.make(name, {**(entry.type.learning(metric) if metric else {}), **parameters})


def training_free(name: str, /, **parameters: Any) -> TrainingFreeSearch[Any]:
    """A search that trains nothing, by its name; see `sampler`.

    Example:
        >>> training_free("monas", lam=0.5).parameters["trials"]
        84
    """
    # JSON, in which a run keeps parameters, has no tuples.
    plain = {key: tuple(value) if isinstance(value, list) else value for key, value in parameters.items()}
    return _entry(name, TRAINING_FREE).make(name, plain)


def registered(name: str) -> Entry[Any]:
    """What a name stands for, of either kind.

    Raises:
        EngineError: there is no such sampler.
    """
    return _entry(name, ChainMap[str, Entry[Any]](SAMPLERS, TRAINING_FREE))


def register(name: str, kind: type[Sampler | TrainingFreeSearch[Any]], **fixed: Any) -> None:
    """Give a class a name, in this process; see the module for one that lasts.

    Args:
        name: by which `sampler` or `training_free` finds it.
        kind: a dataclass that follows one of the two protocols.
        fixed: parameters that the name decides.

    Raises:
        EngineError: the name is taken, or the class follows neither protocol.
    """
    if name in SAMPLERS or name in TRAINING_FREE:
        raise EngineError.of("taken-name", f"there is a sampler `{name}` already", "choose another name")
    if issubclass(kind, Sampler):
        SAMPLERS[name] = Entry(kind, fixed)
    elif issubclass(kind, TrainingFreeSearch):
        TRAINING_FREE[name] = Entry(kind, fixed)
    else:
        hint = "subclass `samplers.base.Sampler` or `samplers.training_free.TrainingFreeSearch`"
        raise EngineError.of("no-sampler", f"`{kind.__qualname__}` follows no protocol of samplers", hint)


def _entry(name: str, known: Mapping[str, Entry[Kind]]) -> Entry[Kind]:
    """The entry of a name: one of these, or one that a package has for it."""
    if name not in SAMPLERS and name not in TRAINING_FREE:
        for point in islice(entry_points(group=_GROUP, name=name), 1):
            register(name, point.load())
    if name not in known:
        raise EngineError.of("unknown-sampler", f"there is no sampler `{name}`", did_you_mean(name, known))
    return known[name]


def _fits(value: Any, default: Any) -> bool:
    """Whether a value has the type of a plain default; whatever else a parameter may be, its sampler checks."""
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and (isinstance(default, bool) or default is None)
    if isinstance(default, float):
        return isinstance(value, int | float)
    return not isinstance(default, int | str | Mapping) or isinstance(
        value, Mapping if isinstance(default, Mapping) else type(default)
    )
