"""Any Optuna sampler over a feasible set, by the ask/tell protocol: TPE is the baseline of the EBS paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from samplers.base import Directed, Run, check_objectives
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError, did_you_mean

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from samplers.optuna_studies.feasible_study import FeasibleStudy

__all__ = ["METHODS", "OptunaSampler"]

#: Name -> the class of `optuna.samplers`.
METHODS: dict[str, str] = {
    "tpe": "TPESampler",
    "nsga2": "NSGAIISampler",
    "nsga3": "NSGAIIISampler",
    "gp": "GPSampler",
    "random": "RandomSampler",
}


@dataclass
class OptunaSampler(Directed):
    """Proposes what an Optuna sampler proposes, as the nearest member of the set, and each network once.

    Every decision is a parameter of Optuna's, an ordered one where its options are numbers, and so is the variant
    (`samplers.optuna_studies.genes`). A proposal outside the set becomes the member of the proposed variant that is
    nearest to it: each decision counts the share of its range by which it differs, or 1 where its options are no
    numbers; members equally near are equally likely. Where the member was asked before, Optuna proposes again, up to 3
    times; after that one of those not asked yet is drawn uniformly. Optuna records the member, not its own proposal,
    and learns of its values, in the order of the asks, at the first ask after `tell`.

    A state holds no part of Optuna; restoring proposes everything again, and checks that it comes out the same. That
    takes as long as proposing did, and needs the same version of Optuna.

    Args:
        method: `tpe`, `nsga2`, `nsga3`, `gp` (slow), `random` (uniform over parameters, so not over members), a
            function that makes an Optuna sampler from a seed, or an Optuna sampler, which is copied, and seeded by
            whoever made it.
        objectives: name -> `max` or `min`.
        options: arguments of Optuna's class beside its seed, for a method by name: `{"population_size": 20}`.
        seed: of Optuna's sampler, and of draws.

    Attributes:
        study_: of the set, made at the first ask; `study_.study` is Optuna's own, for its plots.

    Example:
        >>> from solvers.base import solve
        >>> from spaces.program.compile import compile_space
        >>> from spaces.language.reader import load_space
        >>> fs = solve(compile_space(load_space("mlp2")))
        >>> sampler = OptunaSampler("tpe", objectives={"macs": "min"}, seed=0)
        >>> for candidate in sampler.ask(fs, 25):
        ...     sampler.tell(candidate, {"macs": candidate.costs["macs"]})
        >>> "mlp2: 16-16" in [str(fs[rank]) for rank in sampler.run_.asked]
        True
    """

    method: str | Callable[[int], BaseSampler] | BaseSampler = "tpe"
    objectives: Mapping[str, str] = field(default_factory=lambda: {"accuracy": "max"})
    options: Mapping[str, Any] = field(default_factory=dict)
    study_: FeasibleStudy | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def learning(cls, metric: str) -> dict[str, Any]:
        """The metric as its only objective."""
        return {"objectives": {metric: "max"}}

    @property
    def arguments(self) -> dict[str, Any]:
        """What Optuna's class is given beside the seed."""
        return dict(self.options)

    def check(self, fs: AnySet) -> None:
        """Whether there are such a method, such options and such objectives."""
        check_objectives(self.objectives)
        self._optuna_sampler()

    def begin(self, run: Run) -> None:
        """A study of the set, where it has members."""
        if run.fs:
            from samplers.optuna_studies.feasible_study import FeasibleStudy

            self.study_ = FeasibleStudy(run.fs, self.objectives, self._optuna_sampler())

    def propose(self, run: Run) -> int | None:
        """Optuna's next proposal."""
        assert self.study_ is not None
        return self.study_.propose(run)

    def recall(self, run: Run, rank: int) -> None:
        """Proposes again."""
        again = self.propose(run)
        if again != rank:
            proposed = "nothing" if again is None else f"`{run.fs.outer[again]}`"
            message = f"Optuna proposes {proposed} now where the state has `{run.fs.outer[rank]}`"
            raise EngineError.of(
                "other-state", message, "restore with the version of Optuna, and the method, as before"
            )

    def state(self) -> dict[str, Any]:
        """As of every sampler; a method that is no name is known by its type, for want of a text of its own."""
        state = super().state()
        return {**state, "parameters": {**state["parameters"], "method": self._method_name}}

    def restore(self, fs: AnySet, state: Mapping[str, Any]) -> None:
        """As of every sampler; takes as long as the proposals did."""
        parameters = dict(state["parameters"])
        if parameters.get("method") == self._method_name:
            parameters["method"] = self.method if isinstance(self.method, str) else repr(self.method)
        super().restore(fs, {**state, "parameters": parameters})

    @property
    def _method_name(self) -> str:
        method = self.method
        if isinstance(method, str):
            return method
        named: Any = method if hasattr(method, "__qualname__") else type(method)
        return f"{named.__module__}.{named.__qualname__}"

    def _optuna_sampler(self) -> BaseSampler:
        """A fresh sampler of Optuna's."""
        from samplers.optuna_studies.feasible_study import quiet

        if self.options and not isinstance(self.method, str):
            raise EngineError.of("bad-option", "`options` are of a method by name", "give them to your own sampler")
        try:
            with quiet():
                return self._maker()()
        except (TypeError, ValueError) as cause:
            name = METHODS.get(self._method_name)
            hint = f"they are those of `optuna.samplers.{name}`" if name else "it is called with the seed alone"
            raise EngineError.of("bad-option", f"`{self._method_name}` refuses its arguments: {cause}", hint) from cause

    def _maker(self) -> Callable[[], BaseSampler]:
        import optuna

        method = self.method
        if isinstance(method, optuna.samplers.BaseSampler):
            return partial(deepcopy, method)
        if not isinstance(method, str):
            return partial(method, self.seed)
        if method not in METHODS:
            raise EngineError.of("bad-method", f"there is no `method` `{method}`", did_you_mean(method, METHODS))
        return partial(getattr(optuna.samplers, METHODS[method]), seed=self.seed, **self.arguments)
