"""Where the time of a run went: each step of each network, and what was neither training nor scoring nor measuring."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nascompile.run.folder import RunFolder
from spaces.errors import FileError, Span
from spaces.files import write_atomically

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Clock", "covered", "read_timing", "without_seconds", "write_timing"]

_FILE = "timing.json"
_PREFIX = "seconds"


@dataclass
class Clock:
    """What one command spends its time on, from when this is made.

    Args:
        start: by the clock of the wall, as trials have it.
    """

    start: float = field(default_factory=time.time)
    _spans: list[tuple[float, float]] = field(default_factory=list, init=False)
    _scored: float = field(default=0.0, init=False)
    _last: tuple[float, float] | None = field(default=None, init=False)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """What is done meanwhile is work."""
        start = time.time()
        yield
        self._spans.append((start, time.time()))

    def scored(self, asking: float) -> None:
        """A trial by proxies has ended.

        Args:
            asking: seconds that the sampler has taken so far, which are no work.
        """
        now = time.time()
        if self._last:
            self._scored += now - self._last[0] - (asking - self._last[1])
        self._last = now, asking

    def about(self, trials: Sequence[FrozenTrial]) -> dict[str, float]:
        """`seconds` since the start; of these those `outside` training, scoring and measuring, and their `share`."""
        end = time.time()
        spans = [*self._spans, *map(_span, (t for t in trials if "result" in t.user_attrs and t.datetime_complete))]
        clipped = [(max(a, self.start), min(b, end)) for a, b in spans]
        seconds = end - self.start
        outside = max(0.0, seconds - self._scored - covered(clipped))
        return {"seconds": round(seconds, 3), "outside": round(outside, 3), "share": round(outside / seconds, 4)}

    def trained(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether a step came to its end since the start."""
        ends = (t.datetime_complete for t in trials if "result" in t.user_attrs)
        return any(end is not None and end.timestamp() >= self.start for end in ends)


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans; empty ones may be among them.

    Example:
        >>> covered([(0, 2), (1, 3), (5, 6), (9, 8)])
        4.0
    """
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def write_timing(folder: RunFolder, clock: Clock, found: Mapping[int, Mapping[str, Any]]) -> None:
    """Write `timing.json`: of the last command that trained a network, and of each network.

    Args:
        folder: of the run.
        clock: of the command.
        found: what is known of each network (`nascompile.run.networks`).

    Raises:
        FileError: it cannot be written.
    """
    trials = folder.trials().all()
    if not clock.trained(trials):
        return
    networks = {
        number: {name: value for name, value in result.items() if name.startswith(_PREFIX)}
        for number, result in sorted(found.items())
    }
    data = {**clock.about(trials), "networks": networks}
    write_atomically(folder.path / _FILE, (json.dumps(data, indent=2) + "\n").encode())


def read_timing(folder: RunFolder) -> dict[str, Any] | None:
    """What `timing.json` says; None where there is none.

    Raises:
        FileError: it is damaged.
    """
    path = folder.path / _FILE
    if not path.exists():
        return None
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return {name: result[name] for name in ("seconds", "outside", "share", "networks")}
    except (ValueError, KeyError, TypeError):
        message, place = "this is no timing of a run", Span(str(path), 1, 1)
        raise FileError.of("damaged-file", message, "delete it: only the times are lost", place) from None


def without_seconds(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result without its times, which depend on the machine, as tables must not."""
    return {name: value for name, value in result.items() if not name.startswith(_PREFIX)}


def _span(trial: FrozenTrial) -> tuple[float, float]:
    """From when to when a step was done, at its last attempt."""
    end = trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0
    return end - float(json.loads(trial.user_attrs["result"]).get(_PREFIX, 0.0)), end
