"""Run CP-SAT: fixed parameters, prompt interruption, and its statuses turned into answers or errors."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.cpsat.model import Model
from solvers.memory import allowed, at_most, need
from spaces.errors import EngineError

__all__ = ["Counters", "enumerate_model", "solve_model"]

_REPORT_EVERY = 5_000


@dataclass(frozen=True)
class Counters:
    """CP-SAT's own counters; with one worker they repeat exactly from run to run."""

    branches: int
    conflicts: int


def solve_model(model: Model) -> tuple[int, ...] | None:
    """Solve to optimality, or to the first solution where the model has no objective.

    Returns:
        The option indices of the solution, or None where there is none.

    Raises:
        EngineError: CP-SAT gave up, or refused the model.
    """
    solver = _solver()
    # The full linear relaxation of the tables is nearly tight: at 16 layers it makes seconds of many minutes.
    solver.parameters.linearization_level = 2
    return model.row(solver.value) if _run(solver, model, None) else None


def enumerate_model(model: Model, progress: Callable[[int], None] | None = None) -> tuple[NDArray[Any], Counters]:
    """Every solution, once.

    Args:
        model: the model; every variable must be a function of its option variables.
        progress: called now and then with the number of solutions so far.

    Returns:
        Option indices [n, decisions], sorted lexicographically; and the search's counters.

    Raises:
        EngineError: CP-SAT gave up, or refused the model; or there are more solutions than memory holds.
    """
    solver = _solver()
    parameters = solver.parameters
    parameters.enumerate_all_solutions = True
    parameters.search_branching = parameters.FIXED_SEARCH
    # Presolve may drop what tells solutions apart; the linear relaxation costs more time than it saves.
    parameters.cp_model_presolve = False
    parameters.linearization_level = 0
    found = array("i")
    callback = _collector(model, found, progress)
    try:
        count = callback.count if _run(solver, model, callback) else 0
    except EngineError as error:
        raise callback.too_many or error from None
    rows = np.frombuffer(found, np.int32).reshape(count, len(model.options)) if found else _empty(model, count)
    order = np.lexsort(rows.T[::-1]) if found else slice(None)
    return rows[order], Counters(solver.num_branches, solver.num_conflicts)


def _empty(model: Model, count: int) -> NDArray[np.int32]:
    """No members; or the single member of a chain without decisions, which has no options to list."""
    return np.zeros((count, len(model.options)), np.int32)


def _collector(model: Model, found: array[int], progress: Callable[[int], None] | None) -> Any:
    """A callback that appends each solution's options to `found`."""
    from ortools.sat.python import cp_model

    most = allowed()

    class Collector(cp_model.CpSolverSolutionCallback):
        count = 0
        too_many: EngineError | None = None

        def on_solution_callback(self) -> None:
            found.extend(model.row(self.value))
            self.count += 1
            if self.count % _REPORT_EVERY == 0:
                if progress:
                    progress(self.count)
                try:
                    # What is found is sorted by every decision at the end. This is another thread than the caller's.
                    with at_most(most):
                        need(found.itemsize * len(found) + 16 * self.count)
                except EngineError as error:
                    # An error must not pass through CP-SAT's own code.
                    self.too_many = error
                    self.stop_search()

    return Collector()


def _solver() -> Any:
    from ortools.sat.python import cp_model

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    # CP-SAT would swallow Ctrl-C and return what it has as if that were the answer.
    solver.parameters.catch_sigint_signal = False
    return solver


def _run(solver: Any, model: Model, callback: Any) -> bool:
    """Whether there is a solution; an interruption of the caller stops the search at once."""
    # The search holds no lock of Python's, so from a thread of its own the caller stays awake for Ctrl-C.
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(solver.solve, model.native, callback)
        try:
            status = future.result()
        except BaseException:
            # The search may not have begun to listen yet: ask until it ends.
            while not future.done():
                solver.stop_search()
                wait([future], 0.05)
            raise
    return _answer(solver, status, model)


def _answer(solver: Any, status: Any, model: Model) -> bool:
    from ortools.sat.python import cp_model

    if status in (cp_model.OPTIMAL, cp_model.INFEASIBLE):
        return status == cp_model.OPTIMAL
    name = solver.status_name(status)
    if status == cp_model.MODEL_INVALID:
        message = f"CP-SAT refuses the model: {model.native.validate()}"
        raise EngineError.of("model-invalid", message, "use --solver diagram, or smaller sizes")
    message = f"CP-SAT stopped without an answer ({name})"
    raise EngineError.of("no-answer", message, "use --solver diagram, or give it more memory")
