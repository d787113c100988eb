"""The protocol of every sampler: ask for candidates, tell what they turned out to be.

    sampler = UniformSampler(seed=0)
    for candidate in sampler.ask(feasible_set, n=40):
        sampler.tell(candidate, {"accuracy": train(candidate)})

A sampler proposes members of a feasible set only, no network twice (`spaces.program.network_keys`), and what it
proposes follows from its parameters and from what it was asked and told so far, nothing else. Its state is therefore
just that record: plain data that can be written as JSON, and from which another process goes on exactly where the first
one stood. `samplers.testing` checks all of it, also for samplers of your own.
"""

from __future__ import annotations

import hashlib
import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from sortedcontainers import SortedList

from solvers.sets.ranking import shuffled
from solvers.sets.relaxed_set import AnySet
from spaces.errors import EngineError
from spaces.program.candidate import Candidate
from spaces.program.network_keys import Key, NetworkKeys

__all__ = ["WORST", "Directed", "Learner", "Run", "Sampler", "check_counts", "check_objectives"]

#: The worst value that an objective can be told, for want of a number; Optuna gets infinity in its place.
WORST = 1e300


@dataclass
class Run:
    """What a sampler has been asked and told on one feasible set.

    Members go by their ranks in the set; those of a relaxed set by their ranks in its outer set, of which not every one
    is a member.

    Args:
        fs: the set.
        seed: of the sampler.
        asked: rank -> the number of the ask that proposed it, 0 for the first; in that order.
        gone: the ranks asked, and those passed over because their network had been asked, in that order.
        taken: the same, ascending.
        values: rank -> what was told of it.
        again: rank -> what was told of it by further trainings.
        events: every ask and tell, and what was passed over, in the order in which they came.
        over: whether the last ask found nothing left.
    """

    fs: AnySet
    seed: int
    asked: dict[int, int] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)
    taken: SortedList = field(default_factory=SortedList)
    values: dict[int, Mapping[str, float]] = field(default_factory=dict)
    again: dict[int, list[Mapping[str, float]]] = field(default_factory=dict)
    events: list[list[Any]] = field(default_factory=list)
    over: bool = False

    @property
    def left(self) -> int:
        """How many members are not gone yet; of a relaxed set, how many ranks, which is at least as many."""
        return self.fs.outer.size - len(self.gone)

    @property
    def told(self) -> list[tuple[int, Mapping[str, float]]]:
        """Rank and values of the members told of, in the order in which they were *asked*; means where told several.

        Workers finish in any order; what a sampler learns must not depend on it.
        """
        return [(rank, self._mean(rank)) for rank in self.asked if rank in self.values]

    @property
    def measured(self) -> list[tuple[int, Mapping[str, float]]]:
        """The same with one entry for each time that a member was told of."""
        return [(rank, one) for rank in self.asked if rank in self.values for one in self._all(rank)]

    def _all(self, rank: int) -> list[Mapping[str, float]]:
        return [self.values[rank], *self.again.get(rank, ())]

    def _mean(self, rank: int) -> Mapping[str, float]:
        every = self._all(rank)
        # In order of size, so that the mean does not depend on which came first.
        return {name: sum(sorted(one[name] for one in every if name in one)) / sum(name in one for one in every)
                for name in every[0]} if len(every) > 1 else every[0]  # fmt: skip

    @property
    def source(self) -> random.Random:
        """Random numbers for the next proposal: they depend on the seed and on how many came before it only."""
        return random.Random(f"{self.seed}/{len(self.gone)}")

    @cached_property
    def _keys(self) -> NetworkKeys:
        return NetworkKeys(self.fs.program)

    @cached_property
    def _networks(self) -> set[Key]:
        """The networks that have been asked."""
        return set(self._keys.all(list(self.fs.outer.at(list(self.asked)))))

    @cached_property
    def _known(self) -> dict[int, Key]:
        """The keys of members that were looked at."""
        return {}

    def is_new(self, rank: int) -> bool:
        """Whether a member is not gone, and no member that was asked is the same network."""
        return rank not in self.taken and self._key(rank) not in self._networks

    def _key(self, rank: int) -> Key:
        if rank not in self._known:
            self._known[rank] = self._keys.of(self.fs.outer[rank])
        return self._known[rank]

    def untaken(self, position: int) -> int:
        """A rank that is not gone yet, by its position among those, from 0 to below `left`.

        Example:
            >>> from solvers.base import solve
            >>> from spaces.program.compile import compile_space
            >>> from spaces.language.reader import load_space
            >>> run = Run(solve(compile_space(load_space("mlp2"))), seed=0)
            >>> run.taken.update([0, 1, 4])
            >>> [run.untaken(position) for position in range(4)]
            [2, 3, 5, 6]
        """
        # The least fixed point of rank = position + number of ranks taken up to it is never itself taken.
        rank = position
        while (moved := position + self.taken.bisect_right(rank)) != rank:
            rank = moved
        return rank

    def draws(self, source: random.Random) -> Iterator[int]:
        """The members that are not gone yet, in random order, each drawn when it is taken.

        Raises:
            EngineError: of a relaxed set, whose outer set has too few members to find them.
        """
        return self.fs.members(map(self.untaken, shuffled(self.left, source)))

    def take(self, rank: int) -> None:
        """Note that a member has been asked."""
        # Whoever never asks what is new has no keys to work out.
        if "_networks" in vars(self):
            self._networks.add(self._key(rank))
        self.asked[rank] = len(self.asked)
        self._go("ask", rank)

    def skip(self, rank: int) -> None:
        """Note that a member is not asked because it is the same network as one that was."""
        self._go("skip", rank)

    def tell(self, rank: int, values: dict[str, float]) -> None:
        """Note what a member turned out to be, the first time or again."""
        if rank in self.values:
            self.again.setdefault(rank, []).append(values)
        else:
            self.values[rank] = values
        self.events.append(["tell", rank, values])

    def _go(self, kind: str, rank: int) -> None:
        self.gone.append(rank)
        self.taken.add(rank)
        self.events.append([kind, rank])


@dataclass
class Sampler(ABC):
    """Chooses members of a feasible set, one after another.

    Subclasses are dataclasses whose fields are their parameters, and write `propose`; whatever they compute from a set
    they keep in attributes that end in `_`, made in `begin`.

    Args:
        seed: of every random draw.

    Attributes:
        objectives: what `tell` must be given: name -> `max` or `min`. Empty for samplers that do not learn, which take
            any values and only keep them.
        run_: what has been asked and told; None before the first ask.
    """

    seed: int = field(default=0, kw_only=True)
    run_: Run | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def objectives(self) -> Mapping[str, str]:
        """What `tell` must be given: name -> `max` or `min`."""
        return {}

    @classmethod
    def learning(cls, metric: str) -> dict[str, Any]:
        """The parameters with which it learns from one metric, the larger the better; none where it does not learn."""
        return {}

    @abstractmethod
    def propose(self, run: Run) -> int | None:
        """The rank of the next candidate: a member that is not gone yet, or None where there is none left.

        Of an exact set there is at least one. Where it is the same network as one that was asked, it is passed over,
        and this is called again; `run.is_new` tells beforehand.
        """

    def remark(self, fs: AnySet) -> str:
        """What is to be said of how it works on a set, where that is not as usual; else empty."""
        return ""

    def check(self, fs: AnySet) -> None:  # noqa: B027 - nothing to check is fine
        """Whether the parameters, and the set, can be.

        Raises:
            EngineError: they cannot; it names the parameter and what it may be.
        """

    def begin(self, run: Run) -> None:  # noqa: B027 - nothing to prepare is fine
        """Prepare for a set, before the first proposal or the restoring of a state."""

    def recall(self, run: Run, rank: int) -> None:  # noqa: B027 - most samplers are functions of the record
        """Called for each rank proposed in a state that is being restored, before it is noted.

        For samplers that carry something along which the record alone does not give.
        """

    # -- asking and telling ----------------------------------------------------------------------------------------

    def ask(self, fs: AnySet, n: int = 1) -> Iterator[Candidate]:
        """The next n candidates, each proposed when it is taken from the iterator; fewer where networks run out.

        Args:
            fs: the feasible set, the same at every call.
            n: how many.

        Raises:
            EngineError: parameters that cannot be, or another set than before.
        """
        if n < 0:
            raise EngineError.of("bad-count", f"`n` = {n} candidates cannot be asked for", "it is 0 or more")
        run = self._start(fs)
        return self._asked(run, n)

    def _asked(self, run: Run, n: int) -> Iterator[Candidate]:
        for _ in range(n):
            rank = self._next(run)
            run.over = rank is None
            if rank is None:
                return
            run.take(rank)
            yield run.fs.outer[rank]

    def _next(self, run: Run) -> int | None:
        """The first proposal that is a network which has not been asked; those before it are passed over."""
        outer = run.fs.outer
        while run.left and (rank := self.propose(run)) is not None:
            if not 0 <= rank < outer.size or rank in run.taken:
                what = "repeats a candidate" if rank in run.taken else "leaves the set"
                raise RuntimeError(f"{type(self).__name__} {what}: rank {rank} of {outer.size}")
            if not run.fs.holds([rank])[0]:
                message = (
                    f"`{type(self).__name__}` takes the relaxed set for an exact one: `{outer[rank]}` does not fit"
                )
                raise EngineError.of("relaxed-set", message, "let it take members from `run.draws`, or another sampler")
            if run.is_new(rank):
                return rank
            run.skip(rank)
        return None

    def _start(self, fs: AnySet) -> Run:
        run = self.run_
        if run is None:
            self.check(fs)
            run = Run(fs, self.seed)
            self.begin(run)
            self.run_ = run
        elif fs is not run.fs and fs != run.fs:
            raise EngineError.of(
                "another-set", "this sampler has begun on another feasible set", "make a new sampler for each set"
            )
        return run

    def tell(self, candidate: Candidate, values: Mapping[str, float], *, again: bool = False) -> None:
        """Note what a candidate turned out to be.

        Args:
            candidate: one that was asked.
            values: at least the sampler's `objectives`; finite numbers.
            again: it was told of before, and these are the values of another training: samplers learn from the mean,
                and the adaptive one from what they differ by how far values can be trusted.

        Raises:
            EngineError: it was never asked, was told before, or is told again and was not; or a value is missing or not
                finite.
        """
        run = self.run_
        rank = run.fs.outer.index(candidate) if run and candidate in run.fs else None
        if run is None or rank not in run.asked:
            raise EngineError.of("never-asked", f"`{candidate}` was never asked", "tell of what `ask` has given")
        if rank in run.values and not again:
            hint = "tell of each candidate once, or `again=True` if it was trained again"
            raise EngineError.of("told-twice", f"`{candidate}` has been told before", hint)
        if again and rank not in run.values:
            raise EngineError.of("never-told", f"`{candidate}` was never told", "tell of it without `again` first")
        missing = [name for name in self.objectives if name not in values]
        if missing:
            hint = f"this sampler learns from {', '.join(f'`{name}`' for name in self.objectives)}"
            raise EngineError.of("missing-value", f"`{candidate}` is told without `{missing[0]}`", hint)
        plain = {name: float(value) for name, value in values.items()}
        wrong = next((name for name, value in plain.items() if not math.isfinite(value)), None)
        if wrong is not None:
            hint = "do not tell of a candidate whose training failed: it stays asked, and is not proposed again"
            raise EngineError.of("not-finite", f"`{wrong}` of `{candidate}` is {plain[wrong]}", hint)
        run.tell(rank, plain)

    def tell_scores(self, candidate: Candidate, scores: Mapping[str, float]) -> None:
        """`tell` of scores that need not be finite.

        NaN and infinities of either sign become the worst value there is, `WORST` to be minimised or `-WORST` to be
        maximised; a proxy gives such to networks that are not connected, or compute no numbers.

        Args:
            candidate: one that was asked.
            scores: name -> score; those that are no objectives are left out.
        """
        worst = {name: -WORST if sense == "max" else WORST for name, sense in self.objectives.items()}
        given = {name: float(scores[name]) for name in self.objectives if name in scores}
        self.tell(candidate, {name: v if math.isfinite(v) else worst[name] for name, v in given.items()})

    @property
    def exhausted(self) -> bool:
        """Whether every network of the set has been asked, as far as is known: an ask may still find none new."""
        return self.run_ is not None and (self.run_.over or not self.run_.left)

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Any]:
        """The constructor's arguments by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def state(self) -> dict[str, Any]:
        """Everything another process needs to go on, as plain data: parameters, the set's digest, asks and tells."""
        run = self.run_
        return {
            "sampler": type(self).__name__,
            "parameters": _plain(self.parameters),
            "set": _identity(run.fs) if run else None,
            "events": [list(event) for event in run.events] if run else [],
        }

    def restore(self, fs: AnySet, state: Mapping[str, Any]) -> None:
        """Go on where a sampler with the same parameters stood when it gave its state.

        Args:
            fs: the set it was asked about.
            state: from `state`, also after a way through JSON.

        Raises:
            EngineError: the state is of another sampler, other parameters or another set, or this one has begun.

        Example:
            >>> from samplers import UniformSampler
            >>> from solvers.base import solve
            >>> from spaces.program.compile import compile_space
            >>> from spaces.language.reader import load_space
            >>> fs = solve(compile_space(load_space("mlp2")))
            >>> whole = [str(c) for c in UniformSampler(seed=1).ask(fs, 6)]
            >>> first, second = UniformSampler(seed=1), UniformSampler(seed=1)
            >>> half = [str(c) for c in first.ask(fs, 3)]
            >>> second.restore(fs, first.state())
            >>> half + [str(c) for c in second.ask(fs, 3)] == whole
            True
        """
        if self.run_ is not None:
            raise EngineError.of("has-begun", "this sampler has been asked already", "restore into a new one")
        own = {"sampler": type(self).__name__, "parameters": _plain(self.parameters), "set": _identity(fs)}
        for key, value in own.items():
            if state.get(key) != value and not (key == "set" and state.get(key) is None):
                message = f"the state is of {_OTHER[key]}{_told(key, state.get(key), value)}"
                raise EngineError.of(
                    "other-state", message, "restore with the sampler, parameters and set that gave it"
                )
        if not state["events"]:
            return
        run = self._start(fs)
        for kind, rank, *values in state["events"]:
            if kind in ("ask", "skip"):
                self.recall(run, rank)
                (run.take if kind == "ask" else run.skip)(rank)
            else:
                run.tell(rank, dict(values[0]))


class Directed(Sampler):
    """A sampler whose objectives are one of its parameters, no longer a property."""

    objectives = {}  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride] # noqa: RUF012


class Learner(Sampler):
    """A sampler that learns from one number; its `objective` and `direction` are parameters of its own."""

    objective: str
    direction: str

    @property
    def objectives(self) -> Mapping[str, str]:
        """The one objective."""
        return {self.objective: self.direction}

    @classmethod
    def learning(cls, metric: str) -> dict[str, Any]:
        """The metric as its objective."""
        return {"objective": metric, "direction": "max"}

    @property
    def sign(self) -> int:
        """By which a value is multiplied so that more is better."""
        return 1 if self.direction == "max" else -1

    def check(self, fs: AnySet) -> None:
        """Whether the direction can be."""
        if self.direction not in ("max", "min"):
            raise EngineError.of("wrong-value", f"`direction` = {self.direction!r}", "it is `max` or `min`")


#: What a state can be of that it should not.
_OTHER = {"sampler": "another sampler", "parameters": "other parameters", "set": "another set"}


def _identity(fs: AnySet) -> str:
    """Tells sets apart: a digest of the space and of the members."""
    return hashlib.sha256(f"{fs.program.space.text}\n{fs.digest}".encode()).hexdigest()


def _told(key: str, state: Any, own: Any) -> str:
    """What is another in a state, in words."""
    if key == "sampler":
        return f": `{state}`, not `{own}`"
    if key == "set":
        return ""
    known = state if isinstance(state, Mapping) else {}
    names = [name for name in {**own, **known} if known.get(name) != own.get(name)]
    return ": " + ", ".join(f"`{name}` is {known.get(name)!r} there, {own.get(name)!r} here" for name in names[:3])


def _plain(value: Any) -> Any:
    """A parameter as it comes back from JSON."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def check_counts(**counts: int) -> None:
    """Whether parameters that are 1 or more can be.

    Raises:
        EngineError: one cannot.
    """
    for name, count in counts.items():
        if count < 1:
            raise EngineError.of("wrong-value", f"`{name}` = {count}", "it is 1 or more")


def check_objectives(objectives: Mapping[str, str]) -> None:
    """Whether these can be objectives.

    Raises:
        EngineError: there are none, or one is neither `max` nor `min`.
    """
    if not objectives:
        raise EngineError.of("bad-objectives", "`objectives` names none", 'give some, such as {"accuracy": "max"}')
    for name, sense in objectives.items():
        if sense not in ("max", "min"):
            raise EngineError.of("bad-objectives", f"`{name}` cannot be `{sense}`", "it is `max` or `min`")
