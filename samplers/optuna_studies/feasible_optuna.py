"""An Optuna sampler for studies of the user's own, in which every suggestion leads to a member of a feasible set.

This module loads Optuna.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler

from samplers.optuna_studies.suggestions import NEVER, VariantMembers, is_same, value_of
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.relaxed_set import AnySet, RelaxedSet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate, candidate_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial, TrialState

__all__ = ["FeasibleOptunaSampler"]


class FeasibleOptunaSampler(BaseSampler):
    """Samples as another Optuna sampler does, but never leaves a feasible set.

    An objective suggests decisions by their labels (`M[1]`), and the variant by the name `variant`, in any order and as
    whatever distribution fits: whole numbers, floats, or categories, which may be numbers or texts (`3x2`). Each
    suggestion is the other sampler's, moved to the nearest option that some member has together with everything
    suggested in the trial before; what that sampler proposes jointly is moved jointly, to the nearest member.
    `candidate` then gives the trial's member. Parameters of other names are the other sampler's alone.

    Decisions that a trial does not suggest are free. Where it suggests a variant, decisions of other variants mean
    nothing in it; where it suggests none, the variant is one that agrees with as many of them as any does. Parameters
    enqueued with `study.enqueue_trial` are known from the beginning of the trial; those of a `PartialFixedSampler` only
    once they are suggested, so suggest them first, or fix them by `feasible_set.where`.

    With a relaxed set suggestions stay within its inner set: all of these are members, but not all members are among
    them.

    Args:
        feasible_set: the set; not empty.
        base: the other sampler; by default a TPESampler.
        variant: the name of the variant's parameter.
        seed: of the default `base`, and of choices between options that are equally near.

    Raises:
        EngineError: the set is empty.

    Example:
        >>> import optuna
        >>> import nascompile as nc
        >>> fs = nc.reduce("dscnn", mcu="ebs-small")
        >>> sampler = FeasibleOptunaSampler(fs, seed=0)
        >>> def objective(trial):
        ...     depth = trial.suggest_int("variant", 6, 8)
        ...     widths = [trial.suggest_int(f"M[{k}]", 84, 280, step=28) for k in range(1, depth + 1)]
        ...     candidate = sampler.candidate(trial)
        ...     assert candidate["M"] == tuple(widths) and candidate in fs
        ...     return candidate.costs["entropy"]
        >>> study = optuna.create_study(direction="maximize", sampler=sampler)
        >>> study.optimize(objective, n_trials=20)
        >>> len(study.trials)
        20
    """

    def __init__(
        self,
        feasible_set: AnySet,
        base: BaseSampler | None = None,
        variant: str = "variant",
        seed: int | None = None,
    ) -> None:
        if not feasible_set:
            raise EngineError.of("empty-set", "the feasible set is empty", "`nascompile explain` says what would fit")
        if isinstance(feasible_set, RelaxedSet):
            feasible_set = _inner(feasible_set)
        self._fs = feasible_set
        self._base = base or TPESampler(seed=seed)
        self._variant = variant
        self._source = random.Random(seed)
        variants = zip(feasible_set.program.variants, feasible_set.counts.values(), strict=True)
        self._live = [VariantMembers(feasible_set, v, own.label) for v, (own, size) in enumerate(variants) if size]
        self._names = {label for chain in self._live for label in chain.places}
        if len(feasible_set.counts) > 1:
            self._names.add(variant)
        self._joint: dict[int, dict[str, Any]] = {}

    # -- what Optuna asks for --------------------------------------------------------------------------------------

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """That of the other sampler."""
        return self._base.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What the other sampler proposes jointly, moved to the nearest member."""
        result = dict(self._base.sample_relative(study, trial, search_space))
        wish = {name: value for name, value in result.items() if name in self._names}
        if not wish:
            return result
        moved = self._moved(wish, search_space, self._made(trial))
        self._joint[trial.number] = moved
        return {name: moved.get(name, value) for name, value in result.items() if name in moved or name not in wish}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """What the other sampler proposes, moved to the nearest option that is possible."""
        wish = self._base.sample_independent(study, trial, param_name, param_distribution)
        made = {name: value for name, value in self._made(trial).items() if name != param_name}
        if param_name not in self._names or self._is_idle(param_name, made):
            return wish
        allowed = self._possible(param_name, param_distribution, made)
        if not allowed:
            raise _nothing_left(param_name, param_distribution, made)
        return self._closest(wish, allowed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As the other sampler."""
        self._base.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the other sampler."""
        self._joint.pop(trial.number, None)
        self._base.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """As the other sampler."""
        self._base.reseed_rng()
        self._source.seed()

    # -- what the user asks for ------------------------------------------------------------------------------------

    def candidate(self, trial: Trial | FrozenTrial) -> Candidate:
        """The member that agrees with everything that a trial has suggested.

        Decisions that it has not suggested are drawn, uniformly from all ways to complete it, and always alike for a
        trial.

        Raises:
            EngineError: there is none, because parameters were fixed to what does not fit.
        """
        made = {name: value for name, value in trial.params.items() if name in self._names}
        source = random.Random(trial.number)
        for chain in self._agreeing(made):
            costs = [np.where(mask, 0, NEVER) for mask in chain.masks(made)]
            row = chain.nearest(costs, source)
            if row is not None:
                return candidate_of(self._fs.program, chain.position, row)
        what = ", ".join(f"`{name}` = {value}" for name, value in made.items())
        raise EngineError.of("no-member", f"no member has {what}", "fix parameters to what `feasible_set.where` allows")

    # -- decisions -------------------------------------------------------------------------------------------------

    def _made(self, trial: FrozenTrial) -> dict[str, Any]:
        """The decisions of a trial so far, and those that are settled and come later."""
        enqueued = trial.system_attrs.get("fixed_params", {})
        made = {**self._joint.get(trial.number, {}), **enqueued, **trial.params}
        return {name: value for name, value in made.items() if name in self._names}

    def _agreeing(self, made: Mapping[str, Any]) -> list[VariantMembers]:
        """The variant that was decided; else those that agree with as many decisions as any does."""
        if self._variant in made:
            return [chain for chain in self._live if is_same(chain.label, made[self._variant])]
        if len(self._live) == 1:
            return self._live
        agreeing = [chain for chain in self._live if chain.has(made)]
        most = max((len(made.keys() & chain.places) for chain in agreeing), default=0)
        return [chain for chain in agreeing if len(made.keys() & chain.places) == most]

    def _is_idle(self, name: str, made: Mapping[str, Any]) -> bool:
        """Whether a decision means nothing in the variants that are left."""
        chains = self._agreeing(made)
        return name != self._variant and bool(chains) and all(name not in chain.places for chain in chains)

    def _possible(self, name: str, distribution: BaseDistribution, made: Mapping[str, Any]) -> dict[Any, float | None]:
        """Values that a decision can have, and their numbers where they are numbers."""
        result: dict[Any, float | None] = {}
        if name == self._variant and name in self._names:
            for chain in self._live:
                value = value_of(chain.label, distribution)
                if value is not None and chain.has(made):
                    result[value] = float(chain.label) if chain.label.isdecimal() else None
            return result
        for chain in (chain for chain in self._agreeing(made) if name in chain.places):
            decision, mask = chain.possible(name, made)
            for option, can in zip(decision.options, mask, strict=False):
                value = value_of(option, distribution) if can else None
                if value is not None:
                    result[value] = float(option) if decision.numeric else None
        return result

    def _closest(self, wish: Any, allowed: Mapping[Any, float | None]) -> Any:
        if wish in allowed:
            return wish
        values = list(allowed)
        if all(number is not None for number in allowed.values()) and not isinstance(wish, str):
            gaps = [abs(float(number) - float(wish)) for number in allowed.values() if number is not None]
            values = [value for value, gap in zip(values, gaps, strict=True) if gap == min(gaps)]
        return self._source.choice(values)

    def _moved(
        self, wish: Mapping[str, Any], space: Mapping[str, BaseDistribution], made: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The wished decisions as the nearest member has them; empty where no member is in reach."""
        best: tuple[int, VariantMembers, list[int]] | None = None
        for chain in self._agreeing(made):
            if self._variant in wish and value_of(chain.label, space[self._variant]) is None:
                continue
            costs = chain.costs(wish, space, made)
            row = chain.nearest(costs, self._source)
            if row is not None:
                other = self._variant in wish and not is_same(chain.label, wish[self._variant])
                far = NEVER // 2 if other else 0
                total = far + sum(int(cost[x]) for cost, x in zip(costs, row, strict=True))
                if best is None or total < best[0]:
                    best = total, chain, row
        if best is None:
            return {}
        _, chain, row = best
        own = {d.label: d.options[x] for d, x in zip(chain.decisions, row, strict=True)}
        own[self._variant] = chain.label
        return {name: value_of(own[name], space[name]) if name in own else value for name, value in wish.items()}


def _inner(fs: RelaxedSet) -> FeasibleSet:
    """The part of a relaxed set that is known member by member."""
    if not fs.between[0]:
        message = f"the set is relaxed, and none of its members is known beforehand ({fs.rounding})"
        raise EngineError.of("relaxed-set", message, "take an `OptunaSampler`, or round less, with more memory")
    return fs.inner_set


def _nothing_left(name: str, distribution: BaseDistribution, made: Mapping[str, Any]) -> EngineError:
    given = ", ".join(f"`{other}` = {value}" for other, value in made.items())
    message = f"no member has `{name}` in {distribution}" + (f" together with {given}" if given else "")
    hint = "let the distribution hold every option of the decision, and fix parameters to what fits"
    return EngineError.of("no-member", message, hint)
