"""Which network each trial of an Optuna study has, so that no other has it or one that is the same, in any process.

A trial notes its network as a system attribute in the study's storage as soon as it suggests a decision, and another
one where a later suggestion leads elsewhere. Storages cannot compare and write at once. So a trial first writes what it
wants beside what it has, then looks at the others: of two that want the same, whoever wrote last sees the other, gives
way, and looks again after a random while. What it had stays its own meanwhile, so no trial is ever left without any.

This module loads Optuna.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from solvers.sets.feasible_set import FeasibleSet
from spaces.errors import CandidateError
from spaces.program.candidate import candidate_of, parse_candidate
from spaces.program.network_keys import Key, NetworkKeys

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["Choose", "Held", "Network"]

#: Position of the variant, option indices.
Network = tuple[int, tuple[int, ...]]

#: Given members that are not to be had, and whether another one is not either, the one that is wanted; None where none
#: is left.
Choose = Callable[[set[Network], Callable[[Network], bool]], "Network | None"]

_NETWORKS = "nascompile:networks"
_TRIED = "nascompile:tried"
#: Seconds that a trial waits at most, in all, for another one to say which of two networks it takes.
_PATIENCE = 2.0
_source = random.Random()  # of waits only: with a seed two processes would wait alike


class Held:
    """The networks of a study's trials.

    Args:
        fs: the set.
        settled: the network that parameters leave, where they leave one only: for trials that noted none.
    """

    def __init__(self, fs: FeasibleSet, settled: Callable[[Mapping[str, Any]], Network | None]) -> None:
        self._fs, self._settled = fs, settled
        self._read: dict[str, Network | None] = {}
        self._keys = NetworkKeys(fs.program)
        self._known: dict[Network, Key] = {}
        self._members: dict[Key, set[Network]] = {}

    def of(self, trial: FrozenTrial) -> list[Network] | None:
        """What a trial has noted: its network, for a moment two, none where all were had; None if it never noted any.

        A trial that was killed has none: it failed without a chance to say that it tried.
        """
        if trial.state is TrialState.WAITING or (trial.state is TrialState.FAIL and _TRIED not in trial.system_attrs):
            return None
        lines = trial.system_attrs.get(_NETWORKS)
        if lines is not None:
            return [network for network in map(self._network, lines) if network is not None]
        if trial.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return None
        network = self._settled(trial.params)
        return None if network is None else [network]

    def others(self, study: Study, trial: FrozenTrial) -> Iterator[tuple[FrozenTrial, list[Network]]]:
        """All other trials that have networks."""
        # Not `study.get_trials`: with a Hyperband pruner those are of one bracket only.
        for other in study._storage.get_all_trials(study._study_id, deepcopy=False):
            if other.number != trial.number and (networks := self.of(other)):
                yield other, networks

    def own(self, study: Study, trial: FrozenTrial) -> list[Network] | None:
        """What a running trial has noted by now."""
        return self.of(study._storage.get_trial(trial._trial_id))

    def key(self, network: Network) -> Key:
        """Equal where networks are the same; members that were looked at are remembered by it."""
        if network not in self._known:
            position, row = network
            (key,) = self._keys(position, [row])
            self._known[network] = key
            self._members.setdefault(key, set()).add(network)
        return self._known[network]

    def alike(self, networks: Collection[Network]) -> set[Network]:
        """Networks, and the members that are the same as one of them as far as these were looked at."""
        return {member for key in {self.key(network) for network in networks} for member in self._members[key]}

    def take(self, study: Study, trial: FrozenTrial, choose: Choose) -> Network | None:
        """A network that no other trial has, from now on this one's.

        Args:
            study: the study.
            trial: a running trial.
            choose: the one that is wanted.
        """
        waited = 0.0
        while True:
            others = list(self.others(study, trial))
            own = self.own(study, trial) or []
            wanted = self.new({network for _, networks in others for network in networks}, choose, own)
            if wanted is None:
                if waited > _PATIENCE or all(len(networks) < 2 for _, networks in others):
                    return None
            elif own == [wanted]:
                return wanted
            else:
                self.note(study, trial, [*own, wanted])
                theirs = {self.key(one) for _, networks in self.others(study, trial) for one in networks}
                if self.key(wanted) not in theirs:
                    self.note(study, trial, [wanted])
                    return wanted
                self.note(study, trial, own)
            pause = _source.uniform(0.001, 0.02)
            waited += pause
            time.sleep(pause)

    def new(self, taken: Collection[Network], choose: Choose, own: Collection[Network] = ()) -> Network | None:
        """What is chosen, chosen again as long as it is the same as one of those taken.

        What a trial has is its own, though another one may want it for the moment before it gives way.
        """
        keys = {self.key(network) for network in taken} - {self.key(network) for network in own}

        def is_new(network: Network) -> bool:
            return self.key(network) not in keys

        wanted = choose(set(taken), is_new)
        # The more members are taken out, the longer a choice takes: those that are the same only where it must be.
        while wanted is not None and not is_new(wanted):
            wanted = choose(self.alike(taken), is_new)
        return wanted

    def note(self, study: Study, trial: FrozenTrial, networks: list[Network]) -> None:
        """Write what a running trial has."""
        lines = [str(candidate_of(self._fs.program, *network)) for network in networks]
        study._storage.set_trial_system_attr(trial._trial_id, _NETWORKS, lines)

    def note_tried(self, study: Study, trial: FrozenTrial) -> None:
        """Write that a trial that fails has tried its network."""
        study._storage.set_trial_system_attr(trial._trial_id, _TRIED, True)

    def _network(self, line: str) -> Network | None:
        """The member with this line; None where it is none: the study was begun with another set."""
        if line not in self._read:
            try:
                candidate = parse_candidate(self._fs.program, line)
            except CandidateError:
                self._read[line] = None
            else:
                self._read[line] = (candidate.position, candidate.row) if candidate in self._fs else None
        return self._read[line]
