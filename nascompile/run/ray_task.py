"""What a node of a Ray cluster does with a step: does it in a folder of its own, and tells of it on the way.

The node need not see the run's folder. The task is a stream: now and then, and in the end, it hands over the files that
are new, checkpoints among them; so a candidate whose node is lost goes on elsewhere where it was a few seconds before.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from nascompile.data.dataset import Dataset
from nascompile.run.settings import RunSettings
from nascompile.run.steps import Step
from spaces.errors import NascompileError
from spaces.program.candidate import parse_candidate
from spaces.program.graph import Program

__all__ = ["TaskContext", "TaskEvent", "folder_files", "step_task", "write_files"]


@dataclass(frozen=True, eq=False)
class TaskContext:
    """What all candidates of a run need, sent to a node once.

    Args:
        set_file: the bytes of the feasible set's file.
        dataset: the run's.
        settings: the run's.
        device: where to train.
        every: seconds between two deliveries of files.
    """

    set_file: bytes
    dataset: Dataset
    settings: RunSettings
    device: str
    every: float


class TaskEvent(NamedTuple):
    """What a task tells.

    Args:
        kind: `node` (the value: where it runs), `progress` (what has just ended), `result` (of the step),
            `mistake` (an error's type and diagnostics) or `failure` (a traceback).
        value: of its kind.
        files: those that are new, by their path in the candidate's folder.
    """

    kind: str
    value: Any
    files: Mapping[str, bytes]


def step_task(shared: Sequence[Any], line: str, step: Step, files: Mapping[str, bytes]) -> Iterator[TaskEvent]:
    """Do a step of a network.

    Args:
        shared: a reference to the `TaskContext`, in a list, so that it is fetched once per process.
        line: the candidate.
        step: what is done with it.
        files: what is in its folder already.
    """
    from nascompile.run.evaluate import evaluate_step

    yield TaskEvent("node", _node(), {})
    with TemporaryDirectory(prefix="nascompile-") as name:
        folder, sent = Path(name), _Sent()
        write_files(folder, files)
        sent.new(folder)

        def work(on_progress: Callable[[str], None]) -> dict[str, Any]:
            program, context = _prepared(shared[0])
            candidate = parse_candidate(program, line)
            return evaluate_step(
                candidate, step, context.dataset, context.settings, folder,
                device=context.device, on_progress=on_progress,
            )  # fmt: skip

        due = 0.0
        for kind, value in _streamed(work):
            if kind != "progress":
                yield TaskEvent(kind, value, sent.new(folder))
            elif time.monotonic() >= due:
                yield TaskEvent(kind, value, sent.new(folder))
                due = time.monotonic() + _prepared(shared[0])[1].every


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a candidate's folder; results of steps, which say that all is done, last.

    Raises:
        FileError: one cannot be written.
    """
    from spaces.files import write_atomically

    for name in sorted(files, key=lambda name: name.endswith(".json")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, files[name])


def folder_files(folder: Path) -> dict[str, bytes]:
    """All files of a candidate's folder, by their path in it."""
    return _Sent().new(folder)


@dataclass
class _Sent:
    """Which files of a folder are new: written since they were last asked for."""

    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)

    def new(self, folder: Path) -> dict[str, bytes]:
        result: dict[str, bytes] = {}
        # Training goes on meanwhile; but each file is whole, whenever it is read.
        for path in sorted(folder.rglob("*")):
            try:
                state = path.stat()
                name, stamp = path.relative_to(folder).as_posix(), (state.st_mtime_ns, state.st_size)
                if path.is_dir() or path.name.startswith(".") or self.stamps.get(name) == stamp:
                    continue
                result[name] = path.read_bytes()
            except FileNotFoundError:
                continue
            self.stamps[name] = stamp
        return result


def _streamed(work: Callable[[Callable[[str], None]], Any]) -> Iterator[tuple[str, Any]]:
    """What a function tells as it runs, and how it ends."""
    news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            ending = "result", work(lambda what: news.put(("progress", what)))
        except NascompileError as error:
            # Ray would rebuild an exception from its text; its diagnostics would be lost.
            where = f"on node {_node()}: "
            ending = "mistake", (type(error), [replace(d, message=where + d.message) for d in error.diagnostics])
        except Exception:
            ending = "failure", traceback.format_exc()
        news.put(ending)

    threading.Thread(target=run, daemon=True).start()
    kind = "progress"
    while kind == "progress":
        kind, value = news.get()
        yield kind, value


@lru_cache(maxsize=1)
def _prepared(shared: Any) -> tuple[Program, TaskContext]:
    """The program and the setting of a run, made once in each process."""
    import ray

    from solvers.sets.relaxed_set import load_set

    context: TaskContext = ray.get(shared)
    with TemporaryDirectory(prefix="nascompile-") as folder:
        path = Path(folder) / "set.nasset"
        path.write_bytes(context.set_file)
        return load_set(path).program, context


def _node() -> str:
    import ray

    return ray.get_runtime_context().get_node_id()
