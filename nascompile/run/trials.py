"""The steps of a run's networks, shared by any number of workers through an Optuna study: waiting, being done, done.

A step is an Optuna trial, so a journal file serves one machine, a database many, and optuna-dashboard shows them. A
worker claims a trial by its transition to RUNNING, which a storage lets only one worker make, and tells that it lives
by a time stamp. A trial whose worker has been silent for long is failed, by whoever notices first, and its step waits
again, as another trial. So no result is lost, and nothing is done twice unless its worker was lost.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nascompile.run.errors import RunError
from nascompile.run.steps import Step, Task
from nascompile.run.storage_url import hide_passwords
from spaces.program.candidate import Candidate

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

__all__ = ["Claim", "Trials", "open_storage", "task_of"]

#: Seconds between two signs of life, and seconds of silence after which a worker counts as lost.
HEARTBEAT, HEARTBEAT_TIMEOUT = 20.0, 120.0
#: A step whose workers are lost so often, as when it takes more memory than there is, is given up.
_LOSSES = 3


@dataclass(frozen=True)
class Claim:
    """A step of a network that a worker has taken.

    Args:
        trial: Optuna's number for it.
        task: the number of the network, and the step.
        candidate: the network's line.
    """

    trial: int
    task: Task
    candidate: str


def open_storage(where: str | Path) -> BaseStorage:
    """A storage: a journal file for a path, a database for a URL.

    Raises:
        RunError: it cannot be opened.
    """
    import optuna
    from optuna.storages import JournalStorage, RDBStorage

    from nascompile.run.journal import Journal

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if isinstance(where, Path):
        try:
            return JournalStorage(Journal(str(where)))
        except OSError as cause:
            message, hint = f"cannot open the journal of the run: {cause.strerror}", "check its permissions"
            raise RunError.of("bad-storage", message, hint, where) from None
    try:
        return RDBStorage(where)
    except Exception as cause:  # drivers have errors of their own
        what = str(cause).strip().splitlines()[0]
        hint = (
            "give a URL such as postgresql://user:password@host/database, at every command, by --storage or in "
            "NASCOMPILE_STORAGE: a run keeps no password; its driver: pip install 'psycopg[binary]'"
        )
        message = hide_passwords(f"cannot open the storage `{where}`: {what}", str(where))
        # Not `from cause`: what a driver says has the password in it.
        raise RunError.of("bad-storage", message, hint) from None


@dataclass
class Trials:
    """The trials of one run.

    Args:
        storage: a file or a URL, as `open_storage` takes it.
        name: of the study.
        worker: who claims; by default this host and process.
        timeout: seconds after which a silent worker counts as lost.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     trials = Trials(Path(folder) / "journal.log", "run")
        ...     trials.add_lines([(Task(0, Step.train(5)), "mlp2: 16-16", {})])
        ...     claim = trials.claim()
        ...     trials.claim() is None, trials.finish(claim, {"epochs": 5}), trials.results()[claim.task]
        (True, True, {'epochs': 5})
    """

    storage: str | Path = field(repr=False)
    name: str
    worker: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}")
    timeout: float = HEARTBEAT_TIMEOUT

    def __post_init__(self) -> None:
        import optuna

        self._storage = open_storage(self.storage)
        self._study: Study = optuna.create_study(
            storage=self._storage, study_name=self.name, directions=["maximize", "minimize"], load_if_exists=True
        )

    # -- what there is -------------------------------------------------------------------------------------------------

    def all(self) -> list[FrozenTrial]:
        """All trials, as Optuna has them."""
        return self._study.get_trials(deepcopy=False)

    def results(self, trials: Sequence[FrozenTrial] | None = None) -> dict[Task, dict[str, Any]]:
        """The results so far; of a step that failed there is the key `error`.

        Args:
            trials: as `all` gave them, where that was just now.
        """
        trials = self.all() if trials is None else trials
        lost = _given_up(trials)
        result = {
            task: {
                "candidate": t.user_attrs["candidate"],
                "error": f"{_LOSSES} workers were lost while they trained it",
            }
            for t in trials
            if (task := task_of(t)) in lost
        }
        for t in trials:
            if t.state.is_finished() and "result" in t.user_attrs:
                result[task_of(t)] = json.loads(t.user_attrs["result"])
        return result

    def note(self, key: str, value: Any) -> None:
        """Keep plain data with the run."""
        self._study.set_user_attr(key, value)

    @property
    def notes(self) -> Mapping[str, Any]:
        """What is kept with the run."""
        return self._study.user_attrs

    def forget(self) -> None:
        """Remove all of them; the run is begun anew."""
        import optuna

        optuna.delete_study(study_name=self.name, storage=self._storage)

    # -- the leader ----------------------------------------------------------------------------------------------------

    def add(self, tasks: Sequence[tuple[Task, Candidate]]) -> None:
        """Let steps wait, unless they are there; for the run's one leader only."""
        if not tasks:
            return
        options: dict[str, dict[Any, None]] = {}
        for variant in tasks[0][1].program.variants:
            for name, value in variant.constants.items():
                options.setdefault(name, {})[_plain(value)] = None
            for decision in variant.decisions:
                options.setdefault(decision.label, {}).update(dict.fromkeys(map(_plain, decision.options)))
        self.add_lines(
            [(task, str(c), {d: (_plain(v), tuple(options[d])) for d, v in c.values.items()}) for task, c in tasks]
        )

    def add_lines(self, lines: Sequence[tuple[Task, str, Mapping[str, tuple[Any, Sequence[Any]]]]]) -> None:
        """As `add`: the task and the line of each candidate, and its decisions, each with all its options."""
        from optuna.distributions import BaseDistribution, CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        trials = self.all()
        there = {task_of(t) for t in trials if not _is_lost(t)} | _given_up(trials)
        for task, line, decisions in lines:
            if task in there:
                continue
            options: dict[str, BaseDistribution] = {d: CategoricalDistribution(o) for d, (_, o) in decisions.items()}
            trial = create_trial(
                state=TrialState.WAITING, params={label: value for label, (value, _) in decisions.items()},
                distributions=options,
                user_attrs={"number": task.number, "step": str(task.step), "candidate": line},
            )  # fmt: skip
            self._study.add_trial(trial)

    def restart(self) -> None:
        """Let the steps wait again that dead processes of this machine had; for a leader when it begins.

        Whoever killed the last leader and its helpers, the networks are not to blame: these losses do not count.
        """
        from optuna.trial import TrialState

        for trial in self.all():
            if trial.state == TrialState.RUNNING and _is_dead(trial):
                self.release(_claim(trial))

    def recover(self, trials: Sequence[FrozenTrial] | None = None) -> int:
        """Let the steps of lost workers wait again, unless lost too often; how many workers were lost.

        Args:
            trials: as `all` gave them, where that was just now.
        """
        from optuna.trial import TrialState

        now = time.time()
        running = [t for t in (self.all() if trials is None else trials) if t.state == TrialState.RUNNING]
        return sum(self.lose(_claim(trial)) for trial in running if self._is_silent(trial, now))

    def lose(self, claim: Claim) -> bool:
        """Let the step of one lost worker wait again, unless lost too often; whether the worker still had it."""
        from optuna.trial import TrialState

        try:
            failed = self._storage.set_trial_state_values(claim.trial, TrialState.FAIL)
        except _finished():
            return False
        if failed:
            self.add_lines([(claim.task, claim.candidate, _decisions(self._storage.get_trial(claim.trial)))])
        return failed

    def _is_silent(self, trial: FrozenTrial, now: float) -> bool:
        """Whether its worker has ended, as far as this machine can tell, or given no sign of life for long."""
        if _is_dead(trial):
            return True
        begun = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        return now - float(trial.user_attrs.get("beat", begun)) > self.timeout

    # -- workers -------------------------------------------------------------------------------------------------------

    def claim(self, trials: Sequence[FrozenTrial] | None = None) -> Claim | None:
        """The step that waits and is furthest on, of equal ones the first network's, taken; None where none waits.

        Args:
            trials: as `all` gave them; what others took since then is passed over.
        """
        from optuna.trial import TrialState

        waiting = [t for t in (self.all() if trials is None else trials) if t.state == TrialState.WAITING]
        for trial in sorted(waiting, key=_urgency):
            try:
                if not self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                    continue
            except _finished():
                continue
            self._storage.set_trial_user_attr(trial._trial_id, "worker", self.worker)
            claim = _claim(trial)
            self.heartbeat(claim)
            return claim
        return None

    def heartbeat(self, claim: Claim) -> None:
        """A sign of life."""
        self.tell(claim, "beat", time.time())

    def tell(self, claim: Claim, key: str, value: Any) -> None:
        """Keep plain data with a trial that has not ended, such as where it is trained."""
        try:
            self._storage.set_trial_user_attr(claim.trial, key, value)
        except _finished():
            return

    def attach(self, claim: Claim, files: Mapping[str, bytes]) -> None:
        """Keep files with a trial, for whoever does not see this worker's disk."""
        for name, data in files.items():
            self.tell(claim, f"file:{name}", base64.b64encode(data).decode())

    def attached(self, task: Task) -> dict[str, bytes]:
        """The files that are kept with a step."""
        return {
            key.removeprefix("file:"): base64.b64decode(text)
            for t in self.all()
            if task_of(t) == task and "result" in t.user_attrs
            for key, text in t.user_attrs.items()
            if key.startswith("file:")
        }

    def release(self, claim: Claim) -> None:
        """Give a step back: it waits again, for anyone."""
        from optuna.trial import TrialState

        try:
            self._storage.set_trial_state_values(claim.trial, TrialState.WAITING)
        except _finished():
            return

    def finish(self, claim: Claim, result: Mapping[str, Any], values: tuple[float, float] = (0.0, 0.0)) -> bool:
        """The result of a step.

        Args:
            claim: which.
            result: plain data; with a key `error` where there is none to speak of.
            values: accuracy and a cost, for those who look on.

        Returns:
            Whether it counts: not if the worker had been given up, and another one took over.
        """
        from optuna.trial import TrialState

        try:
            self._storage.set_trial_user_attr(claim.trial, "result", json.dumps(dict(result)))
            if "error" in result:
                return self._storage.set_trial_state_values(claim.trial, TrialState.FAIL)
            return self._storage.set_trial_state_values(claim.trial, TrialState.COMPLETE, values=list(values))
        except _finished():
            return False


def task_of(trial: FrozenTrial) -> Task:
    """What a trial is about.

    Raises:
        RunError: it is from a version of nascompile whose trials were whole trainings.
    """
    try:
        return Task(trial.user_attrs["number"], Step.parse(trial.user_attrs["step"]))
    except KeyError:
        message = "this run was begun by an older version of nascompile"
        raise RunError.of("old-run", message, "go on with that version, or start the run anew") from None


def _claim(trial: FrozenTrial) -> Claim:
    return Claim(trial._trial_id, task_of(trial), trial.user_attrs["candidate"])


def _urgency(trial: FrozenTrial) -> tuple[int, int, int]:
    """The least is taken first: a step that is far on makes work for others."""
    number, step = task_of(trial)
    return -step.rank, -step.epochs, number


def _is_dead(trial: FrozenTrial) -> bool:
    """Whether its worker is a process of this machine that has ended."""
    host, _, process = str(trial.user_attrs.get("worker", "")).rpartition(":")
    return host == socket.gethostname() and process.isdigit() and not _lives(int(process))


def _decisions(trial: FrozenTrial) -> dict[str, tuple[Any, Sequence[Any]]]:
    """What was decided, and what the options were."""
    return {
        label: (value, getattr(trial.distributions[label], "choices", (value,)))
        for label, value in trial.params.items()
    }


def _is_lost(trial: FrozenTrial) -> bool:
    """Whether its worker was lost: it has failed, and nobody said why."""
    from optuna.trial import TrialState

    return trial.state == TrialState.FAIL and "result" not in trial.user_attrs


def _given_up(trials: Sequence[FrozenTrial]) -> set[Task]:
    """The steps whose workers were lost too often."""
    lost = Counter(task_of(t) for t in trials if _is_lost(t))
    return {task for task, count in lost.items() if count >= _LOSSES}


def _finished() -> type[Exception]:
    """Optuna's error for a trial that has come to its end."""
    from optuna.exceptions import UpdateFinishedTrialError

    return UpdateFinishedTrialError


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def _lives(process: int) -> bool:
    """Whether there is such a process on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
