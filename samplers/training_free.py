"""The protocol of searches that train no candidate: measure networks, and say which of them are worth training.

A search measures a network, or a round of them, and gives a *record* of it: plain data, which whoever drives the search
keeps. Given its earlier records it goes on after them and measures nothing twice. `nascompile search` drives it: alone,
or before a training of the networks that it chooses. `samplers.testing` checks searches of your own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import Field, asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from spaces.errors import Diagnostic, EngineError

if TYPE_CHECKING:
    from samplers.proxies.data import Data
    from samplers.scores.worker_pool import ParallelMap
    from solvers.sets.relaxed_set import AnySet
    from spaces.program.candidate import Candidate

__all__ = ["Means", "Measured", "Record", "RecordError", "TrainingFreeSearch"]


@dataclass(frozen=True)
class Record:
    """What a search has measured at once. Subclasses are frozen dataclasses of plain data.

    Args:
        number: of the record in its search.
    """

    #: What is wrong with a line of a log that is no such record.
    damaged: ClassVar[str] = "this line is no record of a search"

    number: int

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def read(cls, data: Mapping[str, Any], place: int) -> Self:
        """From `plain`.

        Args:
            data: after a way through JSON.
            place: how many records come before it.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it is none, or belongs elsewhere.
        """
        return cls(**data)


class RecordError(EngineError):
    """A search comes to something else than an earlier record of it says.

    Args:
        message: what differs.
        place: how many records come before that one.
    """

    def __init__(self, message: str, place: int) -> None:
        super().__init__(Diagnostic("other-record", message, None, "begin the search anew"))
        self.message, self.place = message, place


@dataclass(frozen=True)
class Means:
    """By what means networks are measured; a search may leave some unused.

    Args:
        batch_norm: `kept` builds networks as they are trained, `folded` without batch norms.
        device: where networks run, `cpu` or `cuda`.
        jobs: processes; None for as many as are worth it. They change no result.
        parallel_map: hands the work out in place of these processes.
        keep: a file for what takes long to make, so that another process need not make it again; None for none.
        on_progress: called with what is being measured, and the seconds that proposing has taken so far.
    """

    batch_norm: str = "kept"
    device: str = "cpu"
    jobs: int | None = None
    parallel_map: ParallelMap | None = None
    keep: Path | None = None
    on_progress: Callable[[str, float], None] = lambda what, asking: None


R = TypeVar("R", bound=Record)
#: All records of a search: it is driven to its end, its log has this name, and progress is reported under this title.
Measured = Callable[[Any, str, str], Sequence[R]]


class TrainingFreeSearch(ABC, Generic[R]):
    """Chooses members of a feasible set by measuring untrained networks.

    Subclasses are frozen dataclasses whose fields are their parameters.

    Attributes:
        seed: of every random draw.
        batch: examples of a batch; a search is given two of the largest (`examples`).
        record: the type of its records.
        parallel: whether it uses processes and what hands work out; else it measures in this process.
        accelerated: whether it uses a device.
        learns: whether it learns from all of the training part, and judges by the validation part (`Data.valid`), so
            that noise is no use.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    seed: int
    batch: int
    record: type[R]
    parallel = True
    accelerated = True
    learns = False

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What its records depend on, as plain data; how many records there will be is not among it."""

    @abstractmethod
    def check(self, fs: AnySet | None = None) -> None:
        """Whether the parameters, and the set if there is one already, can be.

        Raises:
            EngineError: they cannot; it names the parameter and what it may be.
        """

    @property
    def weighs_latency(self) -> bool:
        """Whether it needs a latency profile, so that the target's own is taken where none is named."""
        return False

    @property
    def examples(self) -> int:
        """How many examples its largest batch has."""
        return self.batch

    def limited(self, batch: int) -> Self:
        """The same search where there are not enough examples for its batch."""
        return self

    @abstractmethod
    def measure(self, fs: AnySet, data: Data, done: Sequence[R], means: Means) -> Generator[R, None, None]:
        """The records that follow on those done; none where the search is over.

        Args:
            fs: the feasible set.
            data: the examples.
            done: the first records, as an earlier search with these parameters, this set and these examples gave them.
            means: by which to measure.

        Raises:
            EngineError: as `check` does.
            RecordError: those done are of another search.
        """

    @abstractmethod
    def choose(self, fs: AnySet, n: int, measured: Measured[R]) -> list[Candidate]:
        """Up to n different members that are worth training, the most promising first.

        Args:
            fs: the feasible set.
            n: how many, 1 or more.
            measured: gives all records of this search, or of others like it.

        Raises:
            EngineError: the records give none.
        """
