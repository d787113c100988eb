"""An Optuna sampler for studies of the user's own, in which every suggestion leads to a member of a feasible set.

This module loads Optuna.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import Trial, TrialState

from samplers.optuna_studies.held import Held, Network
from samplers.optuna_studies.left import Left
from solvers.sets.feasible_set import FeasibleSet
from solvers.sets.relaxed_set import AnySet, RelaxedSet
from spaces.errors import EngineError, did_you_mean
from spaces.program.candidate import Candidate, candidate_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["FeasibleOptunaSampler", "NoneLeftError"]

_INDEXED = re.compile(r"(.+)\[(\d+)\]")
#: Trials without a new network, one after another, after which a study stops.
_IN_VAIN = 10
_NONE_LEFT = "all networks that it could have were had by other trials"


class NoneLeftError(optuna.TrialPruned):
    """Every network that a trial could have was had by another trial; Optuna records the trial as pruned."""


class FeasibleOptunaSampler(BaseSampler):
    """Samples as another Optuna sampler does, but never leaves a feasible set, and takes no network twice.

    An objective suggests decisions by their labels (`M[1]`, or `M1` as `reduce` prints it), the variant by the name
    `variant`, and what shapes variants by its own name (a switch, or a choice that is a `repeat`), in any order and as
    whatever distribution fits: whole numbers, floats, or categories, which may be numbers or texts (`3x2`). Each
    suggestion is the other sampler's, moved to the nearest option that some member has together with everything
    suggested in the trial before; what that sampler proposes jointly is moved jointly, to the nearest member.
    `candidate` then gives the trial's member. Parameters that are not the network's are named by `own`, and are the
    other sampler's alone; any other name is an error.

    Decisions that a trial does not suggest are free. Where it suggests a variant, decisions of other variants mean
    nothing in it; where it suggests none, the variant is one that agrees with as many of them as any does. Parameters
    enqueued with `study.enqueue_trial` are known from the beginning of the trial; those of a `PartialFixedSampler` only
    once they are suggested, so suggest them first, or fix them by `feasible_set.where`.

    With `distinct`, members only count that are not the network of another trial of the study, be it as another
    candidate, whether that trial runs, in any process, or is done, pruned or failed by an exception. The study stops
    when all have been had that the distributions suggested so far allow; a trial that begins later than that is pruned
    (`NoneLeftError`). What is enqueued is taken as it is. A trial whose process was killed keeps its network while
    Optuna calls it running, and gives it back once it is failed (as the heartbeat of a storage does).

    With a relaxed set suggestions stay within its inner set: all of these are members, but not all members are among
    them.

    Args:
        feasible_set: the set; not empty.
        base: the other sampler; by default a TPESampler.
        variant: the name of the variant's parameter.
        seed: of the default `base`, and of choices between options that are equally near.
        distinct: whether no network is taken twice.
        own: names of parameters that are not the network's, such as `["rate", "augment_*"]`.

    Raises:
        EngineError: the set is empty.

    Example:
        >>> import optuna
        >>> import nascompile as nc
        >>> fs = nc.reduce("dscnn", mcu="ebs-small")
        >>> sampler = FeasibleOptunaSampler(fs, seed=0, own=["rate"])
        >>> def objective(trial):
        ...     depth = trial.suggest_int("variant", 6, 8)
        ...     widths = [trial.suggest_int(f"M[{k}]", 84, 280, step=28) for k in range(1, depth + 1)]
        ...     rate = trial.suggest_float("rate", 1e-4, 1e-2, log=True)
        ...     candidate = sampler.candidate(trial)
        ...     assert candidate["M"] == tuple(widths) and candidate in fs
        ...     return candidate.costs["entropy"]
        >>> study = optuna.create_study(direction="maximize", sampler=sampler)
        >>> study.optimize(objective, n_trials=20)
        >>> len({sampler.candidate(trial) for trial in study.trials})
        20
    """

    def __init__(
        self,
        feasible_set: AnySet,
        base: BaseSampler | None = None,
        variant: str = "variant",
        seed: int | None = None,
        *,
        distinct: bool = True,
        own: Collection[str] = (),
    ) -> None:
        if not feasible_set:
            raise EngineError.of("empty-set", "the feasible set is empty", "`nascompile explain` says what would fit")
        if isinstance(feasible_set, RelaxedSet):
            feasible_set = _inner(feasible_set)
        self._fs = feasible_set
        self._base = base or TPESampler(seed=seed)
        self._variant = variant
        self._source = random.Random(seed)
        self._distinct = distinct
        self._own = [own] if isinstance(own, str) else list(own)
        self._every = Left.of(feasible_set, variant)
        self._labels = _names(self._every, len(feasible_set.counts))
        self._held = Held(feasible_set, lambda params: self._every.settled(self._canonical(params)))
        self._joint: dict[int, dict[str, Any]] = {}
        self._in_vain = 0

    # -- what Optuna asks for --------------------------------------------------------------------------------------

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """That of the other sampler."""
        return self._base.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What the other sampler proposes jointly, moved to the nearest member."""
        result = dict(self._base.sample_relative(study, trial, search_space))
        wish = self._canonical(result)
        if not wish:
            return result
        space = self._canonical(search_space)
        made = self._made(trial)
        moved: dict[str, Any] = {}

        def choose(left: Left) -> Network | None:
            found = left.moved(wish, space, made, self._source)
            moved.clear()
            moved.update(found[1] if found else {})
            return found[0] if found else None

        self._take(study, trial, choose)
        self._joint[trial.number] = moved
        foreign = {name: value for name, value in result.items() if name not in self._labels}
        return foreign | {name: moved[self._labels[name]] for name in result if self._labels.get(name) in moved}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """What the other sampler proposes, moved to the nearest option that is possible.

        Raises:
            EngineError: a name that is no decision and not among `own`; or the distribution has no option that fits.
            NoneLeftError: networks that fit are left, but other trials have them all.
        """
        label = self._label(param_name)
        wish = self._base.sample_independent(study, trial, param_name, param_distribution)
        if label is None:
            return wish
        settled = self._canonical(trial.params)  # the decision itself only by its other name
        made = {name: value for name, value in self._made(trial).items() if name != label or name in settled}
        if self._every.is_idle(label, made):
            return wish
        values: list[Any] = []

        def choose(left: Left) -> Network | None:
            if left.is_idle(label, made):
                values.append(wish)
                return self._near_own(study, trial, made, left)
            allowed = left.possible(label, param_distribution, made)
            if not allowed:
                return None
            values.append(self._closest(wish, allowed))
            return self._near_own(study, trial, {**made, label: values[-1]}, left)

        if self._take(study, trial, choose) is not None:
            return values[-1]
        allowed = self._every.possible(label, param_distribution, made)
        if not allowed:
            raise _nothing_left(param_name, param_distribution, made)
        if not self._is_enqueued(trial):
            raise self._none_left(study, trial)
        return self._closest(wish, allowed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """As the other sampler."""
        self._base.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """As the other sampler; notes the network, and stops the study where it was the last."""
        self._joint.pop(trial.number, None)
        if self._distinct:
            self._note(study, trial, state)
            trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
            waiting = any(one.state is TrialState.WAITING for one in trials)
            if not waiting and not self._any_left(study, trials):
                _stop(study)
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
            EngineError: there is none, because parameters were fixed to what does not fit; or a parameter has a name
                that is no decision and not among `own`.
            NoneLeftError: other trials had all networks that the trial could have.
        """
        for name in trial.params:
            self._label(name)
        made = self._canonical(trial.params)
        noted = self._held.of(trial) if self._distinct and not isinstance(trial, Trial) else None
        if self._distinct and isinstance(trial, Trial):
            network = self._network(trial, made)
        elif noted:
            network = noted[-1]
        elif noted is not None:
            raise NoneLeftError(_NONE_LEFT)
        else:
            network = self._every.drawn(made, random.Random(trial.number))
        if network is None:
            raise _no_member(made)
        return candidate_of(self._fs.program, *network)

    # -- names -----------------------------------------------------------------------------------------------------

    def _label(self, name: str) -> str | None:
        """The decision or trait that a parameter means; None for one of the user's own."""
        if name in self._labels:
            return self._labels[name]
        if any(fnmatchcase(name, pattern) for pattern in self._own):
            return None
        message = f"`{name}` is no decision of `{self._fs.program.space.name}`"
        own = f'a parameter that is not the network\'s is named to the sampler: own=["{name}"]'
        near = did_you_mean(name, self._labels)
        raise EngineError.of("bad-parameter", message, f"{near}; {own}" if near else own)

    def _canonical(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What is the network's, by its labels."""
        return {self._labels[name]: value for name, value in params.items() if name in self._labels}

    def _made(self, trial: FrozenTrial) -> dict[str, Any]:
        """The decisions of a trial so far, and those that are settled and come later."""
        enqueued = self._canonical(trial.system_attrs.get("fixed_params", {}))
        return {**self._joint.get(trial.number, {}), **enqueued, **self._canonical(trial.params)}

    def _is_enqueued(self, trial: FrozenTrial) -> bool:
        return bool(self._canonical(trial.system_attrs.get("fixed_params", {})))

    def _closest(self, wish: Any, allowed: Mapping[Any, float | None]) -> Any:
        if wish in allowed:
            return wish
        values = list(allowed)
        if all(number is not None for number in allowed.values()) and not isinstance(wish, str):
            gaps = [abs(float(number) - float(wish)) for number in allowed.values() if number is not None]
            values = [value for value, gap in zip(values, gaps, strict=True) if gap == min(gaps)]
        return self._source.choice(values)

    # -- networks that no other trial has --------------------------------------------------------------------------

    def _take(self, study: Study, trial: FrozenTrial, choose: Callable[[Left], Network | None]) -> Network | None:
        """A network for a trial; with `distinct` one that no other trial has."""
        if not self._distinct:
            return choose(self._every)
        return self._held.take(study, trial, lambda gone, is_new: choose(self._left(study, gone, is_new)))

    def _left(self, study: Study, gone: Collection[Network], is_new: Callable[[Network], bool]) -> Left:
        """Members but some, as far as the distributions suggested so far allow them."""
        spaces: dict[int, dict[str, BaseDistribution]] = {}
        traits: dict[str, BaseDistribution] = {}
        for trial in study._storage.get_all_trials(study._study_id, deepcopy=False):
            own = self._canonical(trial.distributions)
            traits.update((name, one) for name, one in own.items() if name in self._every.trait_names)
            if networks := self._held.of(trial):
                spaces.setdefault(networks[-1][0], {}).update(own)
        return self._every.without(gone, spaces, traits, is_new)

    def _any_left(self, study: Study, trials: Sequence[FrozenTrial]) -> bool:
        """Whether there is a network that none of these trials has, as far as it can be suggested."""
        taken = {network for one in trials for network in self._held.of(one) or ()}

        def any_of(gone: Collection[Network], is_new: Callable[[Network], bool]) -> Network | None:
            return self._left(study, gone, is_new).drawn({}, random.Random(0))

        return self._held.new(taken, any_of) is not None

    def _near_own(self, study: Study, trial: FrozenTrial, made: Mapping[str, Any], left: Left) -> Network | None:
        """The network that a trial has if it agrees with what was made, else one drawn of those that do."""
        own = (self._held.own(study, trial) if self._distinct else None) or []
        return next((one for one in own if left.agrees(one, made)), None) or left.drawn(made, self._source)

    def _network(self, trial: Trial, made: Mapping[str, Any]) -> Network | None:
        """The network of a running trial, taken now if it has none that agrees with all that was suggested."""
        study, frozen = trial.study, trial._get_latest_trial()
        taken = self._take(study, frozen, lambda left: self._near_own(study, frozen, made, left))
        if taken is not None:
            return taken
        again = self._every.drawn(made, self._source)
        if again is not None:
            if not self._is_enqueued(frozen) and self._every.settled(made) is None:
                raise self._none_left(study, frozen)
            self._held.note(study, frozen, [again])
        return again

    def _note(self, study: Study, trial: FrozenTrial, state: TrialState) -> None:
        """Write which network a trial had in the end, if any."""
        own, made = self._held.own(study, trial), self._canonical(trial.params)
        if own == [] or (own is None and not made):
            return
        self._in_vain = 0
        if own is None or not self._every.agrees(own[-1], made):
            found = self._take(study, trial, lambda left: self._near_own(study, trial, made, left))
            found = found or self._every.drawn(made, self._source)
            self._held.note(study, trial, [found] if found else [])
        if state is TrialState.FAIL:
            self._held.note_tried(study, trial)

    def _none_left(self, study: Study, trial: FrozenTrial) -> NoneLeftError:
        """Write that a trial has no network; stops the study where none will have one."""
        self._held.note(study, trial, [])
        self._in_vain += 1
        if self._in_vain >= _IN_VAIN or not self._any_left(study, [one for one, _ in self._held.others(study, trial)]):
            _stop(study)
        return NoneLeftError(_NONE_LEFT)


def _inner(fs: RelaxedSet) -> FeasibleSet:
    """The part of a relaxed set that is known member by member."""
    if not fs.between[0]:
        message = f"the set is relaxed, and none of its members is known beforehand ({fs.rounding})"
        raise EngineError.of("relaxed-set", message, "take an `OptunaSampler`, or round less, with more memory")
    return fs.inner_set


def _names(left: Left, variants: int) -> dict[str, str]:
    """Name of a parameter -> label of the decision or trait that it means."""
    own = {label for chain in left.chains for label in chain.places}
    own |= left.trait_names if variants > 1 else left.trait_names - {left.variant}
    matches = [(_INDEXED.fullmatch(label), label) for label in sorted(own)]
    return {match[1] + match[2]: label for match, label in matches if match} | {label: label for label in own}


def _stop(study: Study) -> None:
    """End the study's loop, if there is one."""
    with suppress(RuntimeError):  # of ask and tell: there is none
        study.stop()


def _nothing_left(name: str, distribution: BaseDistribution, made: Mapping[str, Any]) -> EngineError:
    given = ", ".join(f"`{other}` = {value}" for other, value in made.items())
    message = f"no member has `{name}` in {distribution}" + (f" together with {given}" if given else "")
    hint = "let the distribution hold every option of the decision, and fix parameters to what fits"
    return EngineError.of("no-member", message, hint)


def _no_member(made: Mapping[str, Any]) -> EngineError:
    what = ", ".join(f"`{name}` = {value}" for name, value in made.items())
    return EngineError.of("no-member", f"no member has {what}", "fix parameters to what `feasible_set.where` allows")
