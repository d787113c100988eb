"""Measure one subject once, in a process of its own: `python measure.py SUBJECT DEPTH` prints one line of JSON.

A fresh process gives every subject clean memory and pays every subject's imports before the clock starts. The
garbage collector is off for all of them: they keep what they make, and searching millions of kept objects for garbage
costs pyATF nearly a fifth of its time.
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version

from subject import Outcome, Subject

__all__ = ["Measurement", "measure", "subjects"]


@dataclass(frozen=True)
class Measurement:
    """One run of one subject.

    Args:
        seconds: the solve, without imports and set-up.
        setup: seconds between the imports and the solve.
        peak_mb: largest resident memory of the whole process, in 10^6 bytes.
        version: of the subject's package.
        count: exact and checked.
        details: the subject's own figures.
        failure: why there are no figures; empty when there are.
    """

    seconds: float = 0.0
    setup: float = 0.0
    peak_mb: float = 0.0
    version: str = ""
    count: int = 0
    details: dict[str, int] = field(default_factory=dict)
    failure: str = ""


def subjects() -> dict[str, Subject]:
    """All subjects by name, ours first."""
    from ours import OURS, SECTIONS
    from rivals import RIVALS

    return {s.name: s for s in (*OURS, *SECTIONS, *RIVALS)}


def measure(name: str, depth: int, timeout: float) -> Measurement:
    """Run one subject in a subprocess.

    The parent must stay small: on Linux a child's peak starts at what its parent held when it was started.
    """
    command = [sys.executable, __file__, name, str(depth)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return Measurement(failure=f"stopped after {timeout:g} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return Measurement(failure=lines[-1] if lines else f"ended with status {done.returncode}")
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def _peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "source"  # imported from a checkout


def _run(subject: Subject, depth: int) -> Measurement:
    """Import, prepare, solve, and check the count once the clock and the memory have been read."""
    try:
        for module in subject.modules:
            importlib.import_module(module)
    except ImportError as error:
        return Measurement(failure=f"not installed: {error}")
    gc.disable()
    start = time.perf_counter()
    subject.prepare(depth)
    begin = time.perf_counter()
    outcome = subject.solve(depth)
    end = time.perf_counter()
    peak = _peak_mb()
    if not isinstance(outcome, Outcome):
        outcome = Outcome(outcome)
    installed = _version(subject.distribution)
    if outcome.count != (expected := subject.expected(depth)):
        return Measurement(version=installed, failure=f"wrong: {outcome.count:,} instead of {expected:,}")
    return Measurement(end - begin, begin - start, peak, installed, outcome.count, dict(outcome.details))


if __name__ == "__main__":
    print(json.dumps(asdict(_run(subjects()[sys.argv[1]], int(sys.argv[2])))))
