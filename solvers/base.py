"""What every solver is: a function from a Program to its feasible set."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Literal, overload

from solvers.memory import at_most
from spaces.errors import EngineError, SetFileError, did_you_mean
from spaces.program.digests import tables_digest

if TYPE_CHECKING:
    from solvers.sets.feasible_set import FeasibleSet
    from solvers.sets.relaxed_set import AnySet
    from spaces.program.graph import Program

__all__ = ["EXACT", "SOLVERS", "Progress", "choose", "count", "mismatch", "solve", "verify"]

#: Called now and then with what is being done and how many members or levels are done.
Progress = Callable[[str, int], None]

#: Solver names and the modules that hold their `solve(program, progress)`; a module loads when it is named. Whatever
#: stands here is tested by `tests/agreement.py`, and named in the help.
SOLVERS = {
    "diagram": "solvers.diagram",
    "cp-sat": "solvers.cpsat.engine",
    "exhaustive": "solvers.exhaustive",
    "relaxed": "solvers.relaxed",
}

#: Those whose sets are exact, and equal.
EXACT = tuple(name for name in SOLVERS if name != "relaxed")


def choose(program: Program) -> str:
    """The solver that `auto` means: the diagram, unless a constraint is not local to the chain."""
    return "cp-sat" if any(chain.residual for chain in program.chains) else "diagram"


@overload
def solve(
    program: Program,
    solver: Literal["diagram", "cp-sat", "exhaustive"],
    progress: Progress | None = None,
    max_memory: int | None = None,
) -> FeasibleSet: ...
@overload
def solve(
    program: Program, solver: str = "auto", progress: Progress | None = None, max_memory: int | None = None
) -> AnySet: ...
def solve(
    program: Program, solver: str = "auto", progress: Progress | None = None, max_memory: int | None = None
) -> AnySet:
    """The feasible set of a program: exact, but where that is too large to hold.

    Args:
        program: the compiled space.
        solver: `auto` or one of `SOLVERS`. `auto` gives a relaxed set where the exact one is too large to hold.
        progress: called now and then with what is being done and a count.
        max_memory: bytes that the process may hold meanwhile; by default 60 % of what there is (`solvers.memory`).

    Returns:
        A `FeasibleSet`, or a `RelaxedSet` of the solver `relaxed`.

    Raises:
        EngineError: an unknown solver, or one that cannot handle this program, or not in this memory (`too-large`).

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> len(solve(compile_space(load_space("mlp2"), Budgets(rom=13_600))))
        14
    """
    name = _named(program, solver)
    with at_most(max_memory):
        try:
            return import_module(SOLVERS[name]).solve(program, progress)
        except EngineError as error:
            if solver != "auto" or error.diagnostics[0].code != "too-large":
                raise
        # Not in the handler: what the attempt holds is given back first.
        return import_module(SOLVERS["relaxed"]).solve(program, progress)


def count(
    program: Program, solver: str = "auto", progress: Progress | None = None, max_memory: int | None = None
) -> list[int]:
    """How many networks of each variant satisfy every limit, exactly; arguments and errors as for `solve`.

    The diagram counts without holding its set, so this reaches further than `solve`. A relaxed set is refused.

    Example:
        >>> from spaces.program.compile import compile_space
        >>> from spaces.program.graph import Budgets
        >>> from spaces.language.reader import load_space
        >>> count(compile_space(load_space("mlp2"), Budgets(rom=13_600)))
        [14]
    """
    name = _named(program, solver)
    if name == "diagram":
        with at_most(max_memory):
            return import_module(SOLVERS["diagram"]).count(program, progress)
    return list(solve(program, name, progress, max_memory).counts.values())


def _named(program: Program, solver: str) -> str:
    name = choose(program) if solver == "auto" else solver
    if name not in SOLVERS:
        hint = did_you_mean(name, ("auto", *SOLVERS))
        raise EngineError.of("unknown-solver", f"there is no solver `{solver}`", hint)
    return name


def mismatch(fs: AnySet, solver: str = "auto") -> str:
    """What solving anew finds otherwise: the check of a set that was opened from a file.

    Returns:
        One sentence; empty where everything is as it was.

    Of a relaxed set, whether relaxing anew to the same quanta does.

    Raises:
        SetFileError: the set was derived from others, so there is nothing to solve.
    """
    if fs.origin:
        message = f"the set was made by set operations ({fs.origin}), not by solving"
        raise SetFileError.of("derived-set", message, "verify the sets it was made from")
    from solvers.sets.feasible_set import FeasibleSet

    if isinstance(fs, FeasibleSet):
        again = solve(fs.program, solver)
    else:
        again = import_module(SOLVERS["relaxed"]).relax(fs.program, fs.quanta)
    if again.digest != fs.digest:
        return "solving anew gives another set"
    if fs.tables and tables_digest(fs.program) != fs.tables:
        return "solving anew gives the same set, but its members had other costs when it was made"
    return ""


def verify(fs: AnySet, solver: str = "auto") -> bool:
    """Whether solving anew gives the same set, and the same costs; see `mismatch`."""
    return not mismatch(fs, solver)
