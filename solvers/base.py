"""What every solver is: a function from a Program to its exact feasible set."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from spaces.errors import Diagnostic, EngineError, did_you_mean
from spaces.program import Program

if TYPE_CHECKING:
    from solvers.feasible_set import FeasibleSet

__all__ = ["SOLVERS", "Progress", "choose", "solve"]

#: Called now and then with what is being done and how many members or levels are done.
Progress = Callable[[str, int], None]

#: Solver names and the modules that hold their `solve(program, progress)`; a module loads when it is named.
SOLVERS = {"diagram": "solvers.diagram", "cp-sat": "solvers.cpsat", "exhaustive": "solvers.exhaustive"}


def choose(program: Program) -> str:
    """The solver that `auto` means: the diagram, unless a constraint is not local to the chain."""
    return "cp-sat" if any(chain.residual for chain in program.chains) else "diagram"


def solve(program: Program, solver: str = "auto", progress: Progress | None = None) -> FeasibleSet:
    """The exact feasible set of a program.

    Args:
        program: the compiled space.
        solver: `auto`, `diagram`, `cp-sat` or `exhaustive`.
        progress: called now and then with what is being done and a count.

    Raises:
        EngineError: an unknown solver, or one that cannot handle this program.

    Example:
        >>> from spaces.compile import compile_space
        >>> from spaces.program import Budgets
        >>> from spaces.reader import load_space
        >>> len(solve(compile_space(load_space("mlp2"), Budgets(rom=13_600))))
        14
    """
    name = choose(program) if solver == "auto" else solver
    if name not in SOLVERS:
        hint = did_you_mean(name, ("auto", *SOLVERS))
        raise EngineError(Diagnostic("unknown-solver", f"there is no solver `{solver}`", None, hint))
    return import_module(SOLVERS[name]).solve(program, progress)
